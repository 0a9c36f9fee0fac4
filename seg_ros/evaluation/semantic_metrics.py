# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measures of semantic segmentation, of one confusion matrix over a whole set.

Pixel accuracy, mean accuracy, mean IU and frequency weighted IU as Long, Shelhamer and Darrell
(CVPR 2015, section 5) have them; classes absent from the ground truth count where predicted.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.core.classes import SURFACES
from seg_ros.semantic.class_groups import IGNORED

Matrix = npt.NDArray[np.int64]
MEASURES = ('pixel_accuracy', 'mean_accuracy', 'mean_iu', 'frequency_weighted_iu')


def confusion(
    truth: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], count: int
) -> Matrix:
    """Return how many pixels of each true class (row) are predicted as each (column).

    ``truth`` and ``predicted`` have one shape; pixels of truth 255 are left out. ValueError for
    other shapes, and classes that are not 0..count-1.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f'the truth has shape {truth.shape}, the prediction {predicted.shape}')
    known = truth != IGNORED
    rows, columns = truth[known].astype(np.int64), predicted[known].astype(np.int64)
    for name, values in (('truth', rows), ('prediction', columns)):
        if values.size and not 0 <= values.min() <= values.max() < count:
            raise ValueError(f'classes of the {name} are {values.min()} to {values.max()}, '
                             f'accepted are 0 to {count - 1}')
    return np.bincount(rows * count + columns, minlength=count * count).reshape(count, count)


def class_accuracies(matrix: Matrix) -> npt.NDArray[np.float64]:
    """Return the share (L,) of each class's pixels that is found; NaN for a class without any."""
    return _shares(np.diag(matrix), matrix.sum(axis=1))


def class_ius(matrix: Matrix) -> npt.NDArray[np.float64]:
    """Return intersection over union (L,); NaN for classes neither true nor predicted."""
    diagonal = np.diag(matrix)
    return _shares(diagonal, matrix.sum(axis=1) + matrix.sum(axis=0) - diagonal)


def measures(matrix: Matrix) -> dict[str, float]:
    """Return the four MEASURES of a confusion matrix; NaN where it is empty."""
    total, ius = matrix.sum(), class_ius(matrix)
    frequencies = _shares(matrix.sum(axis=1), np.full(len(matrix), total))
    seen = frequencies > 0
    weighted = float((frequencies[seen] * ius[seen]).sum()) if total else math.nan
    accuracy = float(np.diag(matrix).sum() / total) if total else math.nan
    values = accuracy, _mean(class_accuracies(matrix)), _mean(ius), weighted
    return dict(zip(MEASURES, values, strict=True))


def _shares(part: Matrix, whole: Matrix) -> npt.NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _mean(values: npt.NDArray[np.float64]) -> float:
    with warnings.catch_warnings():  # of nothing but NaN the mean is NaN, without a word
        warnings.simplefilter('ignore', RuntimeWarning)
        return float(np.nanmean(values)) if len(values) else math.nan


def are_objects(names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return (L,) which classes are objects: all but background and table."""
    return np.array([name not in SURFACES for name in names], bool)


class SemanticScores:
    """Add up the pixels of frames: a confusion matrix, and objects against the rest."""

    def __init__(self, class_names: Sequence[str]) -> None:
        """Start at zero; the names are those of the predicted classes."""
        self.class_names = tuple(class_names)
        self.matrix: Matrix = np.zeros((len(class_names),) * 2, np.int64)
        self.object_matrix: Matrix = np.zeros((2, 2), np.int64)
        self._objects = are_objects(class_names)

    def add_classes(
        self, truth: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer]
    ) -> None:
        """Take in a frame whose true classes are known; errors as ``confusion``."""
        found = confusion(truth, predicted, len(self.class_names))
        self.matrix += found
        for rows in (False, True):
            for columns in (False, True):
                chosen = np.ix_(self._objects == rows, self._objects == columns)
                self.object_matrix[int(rows), int(columns)] += found[chosen].sum()

    def add_objects(
        self, labels: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer]
    ) -> None:
        """Take in a frame of which only the objects are known, labels above 0."""
        objects = self._objects[predicted].astype(np.uint8)
        self.object_matrix += confusion((labels > 0).astype(np.uint8), objects, 2)

    def join(self, others: SemanticScores) -> None:
        """Add the pixels of other scores with the same classes."""
        self.matrix += others.matrix
        self.object_matrix += others.object_matrix

    def summary(self) -> dict[str, Any]:
        """Return everything, ready for JSON: measures, classes, objects; None is undefined."""
        found: dict[str, Any] = {}
        if self.matrix.any():
            found |= {name: _or_none(value) for name, value in measures(self.matrix).items()}
            found['classes'] = [
                {'name': name, 'pixels': int(pixels), 'predicted': int(predicted),
                 'accuracy': _or_none(accuracy), 'iu': _or_none(iu)}
                for name, pixels, predicted, accuracy, iu in zip(
                    self.class_names, self.matrix.sum(axis=1), self.matrix.sum(axis=0),
                    class_accuracies(self.matrix), class_ius(self.matrix), strict=True)]
            found['confusion'] = self.matrix.tolist()
        found['object_iu'] = _or_none(class_ius(self.object_matrix)[1])
        return found


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
