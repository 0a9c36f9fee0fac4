# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Draft the model card of a training: what it was made of and what it measured."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seg_ros.core.io import write_atomically

CARD = 'card.md'


def write_card(out: str | Path, metadata: dict[str, Any], command: Sequence[str]) -> Path:
    """Write card.md beside the weights of a training; returns its path.

    ``metadata`` is what the weights carry, ``command`` the words of the command line. Figures on
    real frames are for `seg_ros evaluate` to add.
    """
    training = metadata['training']
    lines = [
        *_network_lines(metadata),
        f'- **Started from**: {training["started_from"]}',
        '- **Trained**: ' + (f'stage {training["stage"]}, ' if 'stage' in training else '')
        + f'{training["samples"]} samples in {training["step"]} steps, '
        f'{training["seconds"]:.0f} s, seed {training["seed"]}, '
        f'{training["processes"]} process(es)',
        '- **With**: ' + ', '.join(f'{k} {v}' for k, v in training['versions'].items()), '',
        '## Command', '', f'    {" ".join(command)}', '', '## Data', '']
    lines += [f'- {_data_line(data)}' for data in training['data']]
    lines += ['', '## Options that differ from the defaults', '']
    lines += [f'- `{key}`: {value}' for key, value in training['options'].items()] or ['- none']
    lines += ['', '## Last validation', '', *_validation(Path(out) / 'validation.csv')]
    path = Path(out) / CARD
    write_atomically(path, ('\n'.join(lines) + '\n').encode())
    return path


def _network_lines(metadata: dict[str, Any]) -> list[str]:
    """Return the title and the size of the input, as far as the network is made for one."""
    config = metadata['config']
    fusion = f', fusion {config["fusion"]}' if 'fusion' in config else ''
    lines = [f'# {metadata["method"]}: {metadata["architecture"]}{fusion}', '']
    if 'input_size' in config:
        lines.append(f'- **Input**: {config["input_size"][0]}x{config["input_size"][1]} pixels')
    return lines


def _data_line(data: dict[str, Any]) -> str:
    noise = ''
    if 'noise' in data:
        noise = ', with simulated sensor noise' if data['noise'] else ', as the camera gave them'
    known = ('seed', 'objects', 'scene', 'format', 'share')
    made = {key: data[key] for key in known if key in data}
    return f'{data["folder"]}: {data["views"]} views{noise}' + (f'; {made}' if made else '')


def _validation(path: Path) -> list[str]:
    try:
        with path.open(newline='', encoding='utf-8') as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        rows = []
    if not rows:
        return ['There was no validation set.']
    names = [name for name in rows[-1] if name not in ('step', 'seconds')]
    return ['| ' + ' | '.join(names) + ' |', '|' + '---|' * len(names),
            '| ' + ' | '.join(rows[-1][name] for name in names) + ' |']
