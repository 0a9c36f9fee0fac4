# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Keep a training's state on disk: atomic checkpoints and curves that a resumed run continues."""

from __future__ import annotations

import copy
import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


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
    """Write a checkpoint so that a killed run leaves the old one or the new one, never half.

    Raises OSError where it cannot be written, and leaves nothing of the new one then.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        torch.save(content, temporary)
        os.replace(temporary, path)
    except RuntimeError as error:  # how torch reports a full disk
        raise OSError(f'{path} could not be written: {error}') from error
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of this program; ValueError for a file that is none."""
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ValueError(f'{path} is no training checkpoint: {error}') from error
    if not isinstance(content, dict) or 'optimizer' not in content:
        raise ValueError(f'{path} is no training checkpoint: it has no optimizer')
    return content


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of torch's generators: 'rng' and, of a GPU, 'device_rng'."""
    states = {'rng': torch.get_rng_state()}
    if device.type == 'cuda':
        states['device_rng'] = torch.cuda.get_rng_state(device)
    return states


def restore_random_states(content: dict[str, Any], device: torch.device) -> None:
    """Set torch's generators to the states in a checkpoint, that of a GPU where it has one."""
    torch.set_rng_state(content['rng'])
    if device.type == 'cuda' and 'device_rng' in content:
        torch.cuda.set_rng_state(content['device_rng'], device)


@dataclass
class Best:
    """Remember the best validation: its measure and samples, and how many came since."""

    value: float = -1.0
    samples: int = 0
    since: int = 0

    def add(self, value: float, samples: int) -> bool:
        """Take a validation's measure in; returns whether it is the best. NaN is none."""
        if value > self.value:
            self.value, self.samples, self.since = value, samples, 0
            return True
        self.since += 1
        return False


class Curve:
    """Append rows to a CSV file; a resumed run drops the rows after its checkpoint.

    With a folder for TensorBoard they go there too, as scalars PREFIX/COLUMN over the samples.
    """

    def __init__(
        self, path: Path, columns: tuple[str, ...], resume_step: int = 0, board: str = '',
        prefix: str = '',
    ) -> None:
        """Open or create the file, keeping the rows up to resume_step (column 'step')."""
        self.path = path
        self.prefix = prefix
        self.board = _board(board, prefix) if board else None
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
        if self.board is not None:
            for name in values.keys() - {'step', 'samples', 'seconds'}:
                self.board.add_scalar(f'{self.prefix}/{name}', values[name], values['samples'])
            self.board.flush()


def _board(folder: str, prefix: str) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError(
            'tensorboard is not installed: pip install "seg_ros[train]", or leave '
            'tensorboard=true out; the curves are in CSV files anyway') from error
    return SummaryWriter(folder, filename_suffix=f'.{prefix}')
