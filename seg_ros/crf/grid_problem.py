# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The arrays that the solvers work on, and the energy that they lower."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seg_ros.crf.pairwise import EDGE_STEPS, Pairwise, edge_views
from seg_ros.crf.unary import Unary

POTTS, TRUNCATED_LINEAR, MATRIX = range(3)


class Problem(NamedTuple):
    """Hold one CRF as the compiled loops take it; all floats are of one type.

    With E kinds of edges (2 or 4) there are D = 2 E directions: EDGE_STEPS, then their opposites.
    ``unary`` (H, W, L); ``weights`` (E, H, W) of the edge that starts at a pixel, 0 beyond the
    border; ``costs`` (2, L, L): costs of the earlier pixel's label by the later one's, and
    transposed; ``steps`` (D, 2) dy and dx. Of the kind POTTS the costs are [l != m] and ``limit``
    has no meaning.
    """

    unary: npt.NDArray[Any]
    weights: npt.NDArray[Any]
    costs: npt.NDArray[Any]
    steps: npt.NDArray[np.int64]
    kind: int
    limit: float

    @property
    def shape(self) -> tuple[int, int]:
        """Return (height, width)."""
        return self.unary.shape[0], self.unary.shape[1]

    @property
    def label_count(self) -> int:
        """Return the number of labels."""
        return int(self.unary.shape[2])

    @property
    def is_potts(self) -> bool:
        """Tell whether label costs are [l != m]."""
        return self.kind == POTTS


def make_problem(unary: Unary, pairwise: Pairwise, connectivity: int) -> Problem:
    """Return the arrays of a CRF; errors as those of the parts."""
    costs = pairwise.costs_for(unary.label_count)
    dtype = unary.costs.dtype
    weights = pairwise.weights_for(unary.shape, connectivity).astype(dtype, copy=False)
    kind = MATRIX if pairwise.limit is None else TRUNCATED_LINEAR
    scale = potts_scale(costs)
    if scale is not None:
        kind, weights = POTTS, weights * dtype.type(scale)
        costs = 1.0 - np.eye(unary.label_count)
    steps = np.array(EDGE_STEPS[: connectivity // 2], np.int64)
    return Problem(
        unary.costs, weights, np.stack([costs, costs.T]).astype(dtype),
        np.concatenate([steps, -steps]), kind, float(pairwise.limit or 1.0))


def potts_scale(costs: npt.NDArray[np.float64]) -> float | None:
    """Return c of costs c [l != m], not negative; None for others."""
    count = len(costs)
    scale = float(costs[0, 1]) if count > 1 else 0.0
    same = np.array_equal(costs, scale * (1.0 - np.eye(count)))
    return scale if same and scale >= 0 else None


def energy_of(problem: Problem, labels: npt.NDArray[np.integer]) -> float:
    """Return the energy of labels (H, W), summed in float64."""
    total = np.take_along_axis(problem.unary, labels[..., None], axis=2).sum(dtype=np.float64)
    for edge, weights in enumerate(problem.weights):
        step = (int(problem.steps[edge, 0]), int(problem.steps[edge, 1]))
        first, second = edge_views(labels, step)
        costs = edge_views(weights, step)[0] * problem.costs[0][first, second]
        total += costs.sum(dtype=np.float64)
    return float(total)
