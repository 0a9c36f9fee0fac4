# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Names of classes: the list classes.json, and the names that are no objects."""

from __future__ import annotations

import json
from pathlib import Path

CLASSES_NAME = 'classes.json'
OPTIONS_NAME = 'options.json'  # seg_ros synthesize leaves it beside its classes.json
BACKGROUND = 'background'
# What carries the objects: a table, the floor, a bin or a shelf.
SUPPORT = 'table'
SURFACES = (BACKGROUND, SUPPORT)


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Read a classes.json: names by number, the background first.

    Raises FileNotFoundError, and ValueError for another form or a name that occurs twice.
    """
    path = Path(path)
    try:
        names = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is no JSON: {error}') from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'{path} must be a list of names, the background first')
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f'{path} names {", ".join(twice)} more than once: names are distinct')
    return tuple(names)
