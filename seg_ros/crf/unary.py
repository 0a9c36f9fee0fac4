# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The costs of the labels of single pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.crf.color_model import ColorModel

# The cost of a probability of 0 is that of this one, 18.4: a label may be ruled out by its
# neighbours, never by a number that no pairwise cost can outweigh.
LEAST_PROBABILITY = 1e-8


@dataclass(frozen=True, eq=False)
class Unary:
    """Hold the cost of each label at each pixel, minus the log of a probability or any other.

    ``costs`` (H, W, L), finite, negative ones too; float32 stays and makes the solvers compute in
    float32, anything else becomes float64. ValueError for another shape, NaN and infinity.
    """

    costs: npt.NDArray[Any]

    def __post_init__(self) -> None:
        costs = np.asarray(self.costs)
        if costs.ndim != 3 or 0 in costs.shape:
            raise ValueError(
                f'costs must be (H, W, L) with at least one pixel and label, got {costs.shape}')
        if not (np.issubdtype(costs.dtype, np.number) and np.isrealobj(costs)):
            raise ValueError(f'costs must be real numbers, got {costs.dtype}')
        wanted = np.float32 if costs.dtype == np.float32 else np.float64
        costs = np.ascontiguousarray(costs, wanted)
        if not np.isfinite(costs).all():
            raise ValueError(f'{int((~np.isfinite(costs)).sum())} costs are NaN or infinite: use '
                             'a large finite cost to rule a label out')
        object.__setattr__(self, 'costs', costs)

    @property
    def shape(self) -> tuple[int, int]:
        """Return (height, width) in pixels."""
        return self.costs.shape[0], self.costs.shape[1]

    @property
    def label_count(self) -> int:
        """Return the number of labels L."""
        return int(self.costs.shape[2])

    @classmethod
    def from_probabilities(
        cls, probabilities: npt.NDArray[Any], *, least: float = LEAST_PROBABILITY
    ) -> Unary:
        """Return minus the log of probabilities (H, W, L); those under ``least`` count as it.

        They need not sum to 1. ValueError for negative ones, NaN, and above 1.
        """
        values = np.asarray(probabilities)
        if not np.issubdtype(values.dtype, np.floating):
            values = values.astype(np.float64)
        # negated so that NaN is caught too
        if not ((values >= 0) & (values <= 1 + 1e-4)).all():
            raise ValueError(
                f'probabilities must be 0 to 1, got {values.min()} to {values.max()}: pass '
                'softmax of scores, or Unary(costs) for costs')
        if not 0 < least < 1:
            raise ValueError(f'least is {least}: above 0 and below 1')
        return cls(-np.log(np.maximum(values, values.dtype.type(least))))

    @classmethod
    def from_labels(
        cls, labels: npt.NDArray[np.integer], label_count: int, *, confidence: float = 0.8,
        unknown: int | None = None,
    ) -> Unary:
        """Return costs, float32, of labels (H, W) that are right with a probability.

        The rest is shared by the other labels; pixels labelled ``unknown`` have no preference.
        ValueError for labels beyond ``label_count``, and a confidence outside (0, 1).
        """
        labels = np.asarray(labels)
        if label_count < 1:
            raise ValueError(f'label_count is {label_count}: at least 1')
        if not 0 < confidence < 1:
            raise ValueError(f'confidence is {confidence}: above 0 and below 1')
        blank = np.zeros(labels.shape, bool) if unknown is None else labels == unknown
        labels = check_labels(np.where(blank, 0, labels), label_count)
        rest = (1 - confidence) / max(label_count - 1, 1)
        costs = np.full((*labels.shape, label_count), -np.log(rest), np.float32)
        np.put_along_axis(costs, labels[..., None], np.float32(-np.log(confidence)), axis=2)
        costs[blank] = np.log(label_count)
        return cls(costs)

    @classmethod
    def from_colors(cls, image: npt.NDArray[np.uint8], models: Sequence[ColorModel]) -> Unary:
        """Return minus the log density, float32, of each pixel's colour under a model a label.

        ``image`` (H, W, C) as the models were fitted to.
        """
        if not models:
            raise ValueError('models is empty: one colour model a label')
        return cls(np.stack([model.costs(image) for model in models], axis=-1))


def check_labels(labels: npt.NDArray[Any], label_count: int) -> npt.NDArray[np.int32]:
    """Return labels (H, W) as int32; ValueError for other shapes, types and values."""
    labels = np.asarray(labels)
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f'labels must be (H, W) integers, got {labels.shape} {labels.dtype}')
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if low < 0 or high >= label_count:
        raise ValueError(f'labels {low} to {high}: 0 to {label_count - 1} are accepted')
    return np.ascontiguousarray(labels, np.int32)
