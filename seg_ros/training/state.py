# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Keep a training's state on disk: atomic checkpoints and curves that a resumed run continues."""

from __future__ import annotations

import copy
import csv
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn


class AveragedModel:
    """Keep an exponential moving average of a network's weights and buffers."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Start from a copy of the network."""
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network; young averages move faster."""
        decay = min(self.decay, (1 + step) / (10 + step))
        mine, theirs = self.network.state_dict(), network.state_dict()
        floats = [key for key, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_([mine[key] for key in floats],
                             [theirs[key] for key in floats], 1 - decay)
        for key in mine.keys() - set(floats):
            mine[key].copy_(theirs[key])


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint so that a killed run leaves the old one or the new one, never half."""
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    torch.save(content, temporary)
    os.replace(temporary, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of this program; ValueError for a file that is none."""
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ValueError(f'{path} is no training checkpoint: {error}') from error
    if not isinstance(content, dict) or 'optimizer' not in content:
        raise ValueError(f'{path} is no training checkpoint: it has no optimizer')
    return content


class Curve:
    """Append rows to a CSV file; a resumed run drops the rows after its checkpoint."""

    def __init__(self, path: Path, columns: tuple[str, ...], resume_step: int = 0) -> None:
        """Open or create the file, keeping the rows up to resume_step (column 'step')."""
        self.path = path
        self.columns = columns
        rows = []
        if resume_step and path.exists():
            with path.open(newline='', encoding='utf-8') as file:
                rows = [row for row in csv.DictReader(file)
                        if None not in row.values() and int(row['step']) <= resume_step]
        with path.open('w', newline='', encoding='utf-8') as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)

    def add(self, values: dict[str, float]) -> None:
        """Append one row, rounded to six digits."""
        row = {key: value if isinstance(value, int) else f'{value:.6g}'
               for key, value in values.items()}
        with self.path.open('a', newline='', encoding='utf-8') as file:
            csv.DictWriter(file, self.columns).writerow(row)
