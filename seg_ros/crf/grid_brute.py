# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""All labellings one by one: the truth for tiny problems."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from seg_ros.crf.grid_problem import Problem
from seg_ros.crf.grid_search import GridResult, Search, Settings
from seg_ros.crf.pairwise import edge_views

MOST_LABELLINGS = 2**22
_AT_ONCE = 2**14


def brute_force(problem: Problem, settings: Settings) -> GridResult:
    """Return the best labelling, all marginals and log Z; ValueError for more than 4 million
    labellings.
    """
    count, pixels = problem.label_count, problem.shape[0] * problem.shape[1]
    if pixels * np.log2(count) > np.log2(MOST_LABELLINGS):
        raise ValueError(
            f'{count} labels on {pixels} pixels are {count}^{pixels} labellings: brute_force '
            f'looks at up to {MOST_LABELLINGS}; use trw_s or another method')
    search = Search(problem, settings)
    mass, reference = np.zeros((pixels, count)), search.energy
    for labels in _labellings(count, pixels):
        energies = _energies(problem, labels.reshape(-1, *problem.shape))
        search.offer(labels[energies.argmin()].reshape(problem.shape).astype(np.int32))
        if energies.min() < reference:
            mass *= np.exp(energies.min() - reference)
            reference = float(energies.min())
        weights = np.exp(reference - energies)
        for label in range(count):
            mass[:, label] += weights @ (labels == label)
    search.iterations = 1
    search.raise_bound(search.energy)
    total = mass[0].sum()
    return search.result(
        True, probabilities=(mass / total).reshape(*problem.shape, count),
        log_partition=float(np.log(total) - reference))


def _labellings(count: int, pixels: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield all labellings (N, pixels) as the digits of numbers, some thousands at a time."""
    total = count ** pixels
    for start in range(0, total, _AT_ONCE):
        numbers = np.arange(start, min(start + _AT_ONCE, total))
        yield numbers[:, None] // count ** np.arange(pixels) % count


def _energies(problem: Problem, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the energy of each labelling (N, H, W)."""
    rows, columns = np.indices(problem.shape)
    total = problem.unary[rows, columns, labels].sum(axis=(1, 2), dtype=np.float64)
    stacked = np.moveaxis(labels, 0, 2)
    for edge, weights in enumerate(problem.weights):
        step = (int(problem.steps[edge, 0]), int(problem.steps[edge, 1]))
        first, second = edge_views(stacked, step)
        here = edge_views(weights, step)[0][..., None]
        total += (here * problem.costs[0][first, second]).sum(axis=(0, 1), dtype=np.float64)
    return total
