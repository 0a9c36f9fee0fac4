# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scoring the classes of a folder's frames against their class images, or their objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.core.results import SemanticMap
from seg_ros.evaluation.class_truth import ClassFrames
from seg_ros.evaluation.semantic_metrics import SemanticScores
from seg_ros.semantic.class_groups import ClassGroups, groups_of_model

PredictClasses = Callable[[str], SemanticMap]
# Of a frame: pixel_accuracy, mean_iu, object_iu; None is undefined or not known.
FrameFigures = dict[str, 'float | None']
FIGURES = ('pixel_accuracy', 'mean_iu', 'object_iu')


@dataclass(frozen=True, eq=False)
class Truth:
    """Hold the true classes (H, W) uint8 of a frame, or its objects, labels (H, W) above 0."""

    classes: npt.NDArray[np.uint8] | None
    labels: npt.NDArray[np.int32] | None


@dataclass
class ClassScore:
    """Hold the scores of a folder, figures by NAME, what failed and what had no truth."""

    scores: SemanticScores | None = None
    frames: dict[str, FrameFigures] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    without_truth: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {
            'semantic': None if self.scores is None else self.scores.summary(),
            'class_names': [] if self.scores is None else list(self.scores.class_names),
            'frames': self.frames, 'failed': self.failed, 'without_truth': self.without_truth}


class _Judge:
    """Score predictions that have the classes of the first; the data's are grouped alike."""

    def __init__(
        self, frames: ClassFrames, choice: str, names: Sequence[str], trained: ClassGroups | None
    ) -> None:
        self.scores = SemanticScores(names)
        self._table: npt.NDArray[np.uint8] | None = None
        if frames.class_names:
            groups = trained if trained and choice == 'auto' else groups_of_model(choice, names)
            self._table = groups.numbers(frames.class_names, 'the data set')

    def figures(self, truth: Truth, predicted: SemanticMap) -> FrameFigures:
        """Take in a frame; ValueError for a prediction of other classes or another size."""
        if tuple(predicted.class_names) != self.scores.class_names:
            raise ValueError('its classes are not those of the first frame: '
                             f'{", ".join(predicted.class_names)}')
        frame = SemanticScores(self.scores.class_names)
        if truth.classes is not None and self._table is not None:
            frame.add_classes(self._table[truth.classes], predicted.labels)
        elif truth.labels is not None:
            frame.add_objects(truth.labels, predicted.labels)
        self.scores.join(frame)
        found = frame.summary()
        return {name: found.get(name) for name in FIGURES}


def evaluate_classes(
    frames: ClassFrames, names: Sequence[str], predict: PredictClasses, choice: str = 'auto',
    report: Callable[[str, FrameFigures], None] = lambda name, figures: None,
    trained: ClassGroups | None = None,
) -> ClassScore:
    """Score ``predict(NAME)`` for the named frames that have classes or objects.

    ``choice`` says which names of the data are one class, see ``groups_of_model``; with 'auto'
    ``trained``, those that the weights were trained with, go first. A frame whose
    files or prediction are bad is kept under ``failed`` with its reason. ValueError where no frame
    has a truth, and where names of classes don't match those of the prediction.
    """
    found = ClassScore()
    judge: _Judge | None = None
    for name in names:
        try:
            truth = _truth(frames, name)
            if truth is None:
                found.without_truth.append(name)
                continue
            predicted = predict(name)
        except (ValueError, OSError) as error:
            found.failed[name] = str(error)
            continue
        if judge is None:  # names that don't match are no matter of one frame
            judge = _Judge(frames, choice, predicted.class_names, trained)
            found.scores = judge.scores
        try:
            found.frames[name] = judge.figures(truth, predicted)
        except ValueError as error:
            found.failed[name] = str(error)
        else:
            report(name, found.frames[name])
    if len(found.without_truth) == len(names):
        raise ValueError(
            f'{len(names)} frames have no ground truth: NAME-classes.png with classes.json, or '
            'NAME-labels.png, beside NAME-color.png; SegmentationClass of VOC')
    return found


def _truth(frames: ClassFrames, name: str) -> Truth | None:
    """Return the classes of a frame, else its objects; None where it has neither."""
    classes = frames.classes(name)
    labels = frames.labels(name) if classes is None else None
    return None if classes is None and labels is None else Truth(classes, labels)
