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
    config = metadata['config']
    lines = [
        f'# {metadata["method"]}: {metadata["architecture"]}, fusion {config["fusion"]}', '',
        f'- **Input**: {config["input_size"][0]}x{config["input_size"][1]} pixels',
        f'- **Started from**: {training["started_from"]}',
        f'- **Trained**: stage {training["stage"]}, {training["samples"]} samples in '
        f'{training["step"]} steps, {training["seconds"]:.0f} s, seed {training["seed"]}, '
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


def _data_line(data: dict[str, Any]) -> str:
    noise = 'with simulated sensor noise' if data['noise'] else 'as the camera gave them'
    known = ('seed', 'objects', 'scene', 'format', 'share')
    made = {key: data[key] for key in known if key in data}
    return f'{data["folder"]}: {data["views"]} views, {noise}' + (f'; {made}' if made else '')


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
