# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The costs of the labels of neighbouring pixels: a weight of each edge times a cost of labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# (dy, dx) from a pixel to the later one of an edge: right, down, down and right, down and left.
EDGE_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True, eq=False)
class Pairwise:
    """Hold the cost of an edge, weight(i, j) * costs[x_i, x_j]; made by the functions below.

    ``label_costs`` (L, L), or None for [x_i != x_j] of any L; ``limit`` cuts |x_i - x_j| off.
    ``l1`` and ``l2`` are the weight's constant and its part that fades with contrast in ``image``;
    without an image the weight is ``l1`` everywhere.
    """

    l1: float
    l2: float = 0.0
    image: npt.NDArray[Any] | None = None
    label_costs: npt.NDArray[np.float64] | None = None
    limit: float | None = None

    def __post_init__(self) -> None:
        for name in ('l1', 'l2'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f'{name} is {value}: weights are finite and not negative')
        if self.image is not None:
            object.__setattr__(self, 'image', _checked_image(self.image))
        if self.label_costs is not None:
            object.__setattr__(self, 'label_costs', _checked_costs(self.label_costs))
        if self.limit is not None and not self.limit > 0:
            raise ValueError(f'limit is {self.limit}: above 0')

    @classmethod
    def potts(cls, weight: float) -> Pairwise:
        """Return weight * [x_i != x_j]."""
        return cls(weight)

    @classmethod
    def contrast_sensitive(
        cls, image: npt.NDArray[Any], l1: float, l2: float,
        label_costs: npt.NDArray[Any] | None = None,
    ) -> Pairwise:
        """Return (l1 + l2 exp(-beta |I_i - I_j|^2)) / dist(i, j) times [x_i != x_j] or costs.

        ``image`` (H, W) or (H, W, C); beta = 1 / (2 mean |I_i - I_j|^2) over all edges (Boykov and
        Jolly, ICCV 2001; Rother et al., GrabCut, 2004); dist is 1, or sqrt(2) on diagonals.
        """
        return cls(l1, l2, image, label_costs)

    @classmethod
    def truncated_linear(cls, weight: float, limit: float) -> Pairwise:
        """Return weight * min(|x_i - x_j|, limit)."""
        return cls(weight, limit=limit)

    @classmethod
    def matrix(cls, label_costs: npt.NDArray[Any], weight: float = 1.0) -> Pairwise:
        """Return weight * label_costs[x_i, x_j], where i is left of or above j.

        The matrix need not be symmetric, nor its diagonal 0, nor its entries positive.
        """
        return cls(weight, label_costs=label_costs)

    def costs_for(self, label_count: int) -> npt.NDArray[np.float64]:
        """Return the (L, L) costs of label pairs; ValueError for a matrix of other labels."""
        if self.label_costs is not None:
            if len(self.label_costs) != label_count:
                raise ValueError(f'label_costs {self.label_costs.shape}, the unary has '
                                 f'{label_count} labels: they must agree')
            return self.label_costs
        number = np.arange(label_count, dtype=np.float64)
        apart = np.abs(number[:, None] - number[None])
        return np.minimum(apart, 1.0 if self.limit is None else self.limit)

    def weights_for(self, shape: tuple[int, int], connectivity: int) -> npt.NDArray[np.float32]:
        """Return the (E, H, W) weight of each pixel's edges by EDGE_STEPS, 0 where it has none.

        ValueError for an image of another size.
        """
        steps = EDGE_STEPS[: connectivity // 2]
        weights = np.zeros((len(steps), *shape), np.float32)
        image = self._image_of(shape)
        squares = None if image is None else [squared_differences(image, step) for step in steps]
        beta = 0.0 if squares is None else _beta(squares)
        for edge, step in enumerate(steps):
            here, _ = edge_views(weights[edge], step)
            if squares is None:
                here[...] = self.l1
            else:
                here[...] = ((self.l1 + self.l2 * np.exp(-beta * squares[edge]))
                             / math.hypot(*step))
        return weights

    def _image_of(self, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        if self.image is None:
            return None
        height, width = self.image.shape[:2]
        if (height, width) != shape:
            raise ValueError(f'image {width}x{height}, unary {shape[1]}x{shape[0]}: they must '
                             'agree; resize the image to the pixels that have costs')
        return self.image


def edge_views(
    array: npt.NDArray[Any], step: tuple[int, int]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return views of an (H, W, ...) array at the earlier and the later pixel of every edge."""
    dy, dx = step
    height, width = array.shape[:2]
    left, right = max(0, -dx), width - max(0, dx)
    return array[:height - dy, left:right], array[dy:, left + dx:right + dx]


def squared_differences(
    image: npt.NDArray[np.float32], step: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Return |I_i - I_j|^2 of every edge of a step, image (H, W, C)."""
    here, there = edge_views(image, step)
    return np.square(here - there).sum(axis=2)


def _beta(squares: list[npt.NDArray[np.float32]]) -> float:
    """Return 1 / (2 mean); 0 for a flat image, where every contrast is 0 anyway."""
    count = sum(values.size for values in squares)
    total = sum(float(values.sum(dtype=np.float64)) for values in squares)
    return count / (2 * total) if total > 0 else 0.0


def _checked_image(image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    image = np.asarray(image)
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f'image must be (H, W) or (H, W, C), got {image.shape}')
    image = image.astype(np.float32).reshape(*image.shape[:2], -1)
    if not np.isfinite(image).all():
        raise ValueError('image has NaN or infinite values: fill them, for example by 0')
    return image


def _checked_costs(costs: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    costs = np.array(costs, np.float64)
    if costs.ndim != 2 or costs.shape[0] != costs.shape[1] or not costs.size:
        raise ValueError(f'label_costs must be (L, L), got {costs.shape}')
    if not np.isfinite(costs).all():
        raise ValueError('label_costs has NaN or infinite entries: use a large finite cost')
    return costs
