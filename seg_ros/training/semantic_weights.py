# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The loss of semantic segmentation, and how much each class weighs in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seg_ros.semantic.class_groups import IGNORED
from seg_ros.training.semantic_data import ClassSources
from seg_ros.training.semantic_options import mapping_of

BALANCED = 'balanced'
COUNTED_VIEWS = 200  # of which 'balanced' measures how rare classes are


def pixel_loss(
    logits: Tensor, classes: Tensor, class_weights: Tensor | None = None,
    borders: Tensor | None = None,
) -> Tensor:
    """Return the mean over images of the weighted mean cross-entropy of their pixels.

    ``logits`` (B, L, h, w); ``classes`` (B, h, w) int64, 255 left out. A pixel weighs what its
    class does, ``class_weights`` (L,), plus ``borders`` (B, h, w): Ronneberger et al., equation 2.
    The sum is divided by the number of pixels, not by their weights. An image without any
    known pixel counts as 0.
    """
    values = functional.cross_entropy(logits, classes, ignore_index=IGNORED, reduction='none')
    known = classes != IGNORED
    if class_weights is not None:
        weights = class_weights[torch.where(known, classes, 0)]
        values = values * (weights if borders is None else weights + borders)
    return (values.sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp(min=1)).mean()


def class_weights_of(option: str, data: ClassSources) -> Tensor:
    """Return the weights (L,) float32 of the option ``class_weights``.

    ValueError for names that are no classes and weights below 0.
    """
    names = data.class_names
    if option == BALANCED:
        return balanced_weights(data)
    given = mapping_of('class_weights', option)
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ValueError(f'class_weights name {", ".join(unknown)}: classes are '
                         f'{", ".join(names)}')
    return torch.tensor([_weight(name, given.get(name, 1.0)) for name in names])


def _weight(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < np.inf:
        raise ValueError(f'class_weights: {name} is {value!r}, a number from 0 is accepted')
    return float(value)


def balanced_weights(data: ClassSources) -> Tensor:
    """Return weights (L,) by the root of how rare classes are; the mean pixel weighs 1.

    They are counted on 200 views at most; a class that none of them shows weighs 1.
    """
    counts = np.zeros(256, np.int64)
    for _, item in data.spread(COUNTED_VIEWS):
        counts += np.bincount(item.classes.ravel(), minlength=256)
    return torch.from_numpy(root_weights(counts[:len(data.class_names)]))


def root_weights(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return float32 weights, in proportion to count^-0.5, with a mean over pixels of 1."""
    count = np.asarray(counts, np.float64)
    seen = count > 0
    weights = np.ones(len(count))
    if seen.any():
        weights[seen] = count[seen] ** -0.5
        weights[seen] *= count.sum() / (weights[seen] * count[seen]).sum()
    return weights.astype(np.float32)
