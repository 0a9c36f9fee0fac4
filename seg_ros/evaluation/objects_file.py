# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Read objects.json: the class and the score of each labelled object of a folder's frames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seg_ros.core.io import read_labels
from seg_ros.core.results import Instances
from seg_ros.evaluation.coco_metrics import BACKGROUND_NAMES, UNNAMED
from seg_ros.evaluation.pictures import instances_in

OBJECTS_NAME = 'objects.json'


class ObjectsFile:
    """Hold what objects.json says: under each frame's NAME a list of objects with id and class.

    ``class_names`` are the names that occur, sorted; none where all objects are just objects.
    """

    def __init__(self, path: Path) -> None:
        """Read the file; ValueError for one of another form."""
        self.path = path
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
            self._frames = {
                name: {int(entry['id']): _checked(entry) for entry in entries}
                for name, entries in content.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f'{path} is not what seg_ros segment writes, NAME: [{{"id", "class", "score"}}]: '
                f'{type(error).__name__} {error}') from None
        names = {entry['class'] for entries in self._frames.values() for entry in entries.values()}
        named = names - {UNNAMED} - BACKGROUND_NAMES
        self.class_names = tuple(sorted(names - BACKGROUND_NAMES)) if named else ()

    def entries(self, name: str, labels: Sequence[int]) -> list[dict[str, Any]]:
        """Return the entry of each label of a frame; ValueError for a label that has none."""
        known = self._frames.get(name, {})
        missing = [label for label in labels if label not in known]
        if missing:
            raise ValueError(f'{self.path} has no entry for the objects {missing} of {name}')
        return [known[label] for label in labels]


def _checked(entry: Any) -> dict[str, Any]:
    """Return class and score; no score, as of topics, is NaN."""
    score = entry.get('score')
    if not isinstance(entry['class'], str):
        raise ValueError(f'class {entry["class"]!r}')
    return {'class': entry['class'], 'score': np.nan if score is None else float(score)}


def read_results(folder: Path, name: str, objects: ObjectsFile | None) -> Instances:
    """Return the instances of NAME-labels.png; scores are 1 and classes none without objects."""
    found = instances_in(read_labels(folder / f'{name}-labels.png'))
    if objects is None:
        return found
    entries = objects.entries(name, found.ids.tolist())
    names = objects.class_names or (UNNAMED,)
    rows = [names.index(entry['class']) if objects.class_names else 0 for entry in entries]
    return replace(
        found, scores=np.array([entry['score'] for entry in entries], np.float32),
        class_ids=np.array(rows, np.int32), class_names=names)
