# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Minimum cut, alpha-expansion and alpha-beta swap: moves that are exact for two choices a pixel.

Boykov, Veksler and Zabih, "Fast Approximate Energy Minimization via Graph Cuts", PAMI 2001.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.crf.grid_compiled import compiled
from seg_ros.crf.grid_cut import minimum_cut
from seg_ros.crf.grid_problem import Problem
from seg_ros.crf.grid_search import GridResult, Search, Settings

Labels = npt.NDArray[np.int32]
# Of float32 weights and costs: a sum of four such terms is not exact.
ROUNDING = 1e-6


@compiled
def _fill_graph(
    unary: npt.NDArray[Any], weights: npt.NDArray[Any], costs: npt.NDArray[Any],
    steps: npt.NDArray[np.int64], first: npt.NDArray[np.int32], second: npt.NDArray[np.int32],
    capacity: npt.NDArray[np.float64], terminal: npt.NDArray[np.float64],
) -> None:
    """Write the graph (H + 2, W + 2, D) whose cut chooses first or second labels (H, W).

    On the sink's side is who takes the second. An edge that would need a negative capacity is
    made cheaper for two first labels (Rother et al., "Digital Tapestry", CVPR 2005, section 4.2).
    """
    height, width, _ = unary.shape
    half = len(steps) // 2
    for y in range(height):
        for x in range(width):
            terminal[y + 1, x + 1] = (
                np.float64(unary[y, x, second[y, x]]) - unary[y, x, first[y, x]])
            capacity[y + 1, x + 1] = 0
    for y in range(height):
        for x in range(width):
            for edge in range(half):
                ny, nx = y + steps[edge, 0], x + steps[edge, 1]
                if not (0 <= ny < height and 0 <= nx < width):
                    continue
                weight = np.float64(weights[edge, y, x])
                one, other = costs[0, first[y, x]], costs[0, second[y, x]]
                both = weight * one[first[ny, nx]]
                right, left = weight * one[second[ny, nx]], weight * other[first[ny, nx]]
                none = weight * other[second[ny, nx]]
                both = min(both, right + left - none)
                terminal[y + 1, x + 1] += left - both
                terminal[ny + 1, nx + 1] += none - left
                capacity[y + 1, x + 1, edge] = right + left - both - none


class Fusion:
    """Choose between two labellings at every pixel by one cut; keeps its arrays between calls."""

    def __init__(self, problem: Problem) -> None:
        height, width = problem.shape
        directions = len(problem.steps)
        self._problem = problem
        self._capacity = np.zeros((height + 2, width + 2, directions))
        self._terminal = np.zeros((height + 2, width + 2))
        self._side = np.zeros((height + 2, width + 2), np.bool_)
        self._offsets = problem.steps[:, 0] * (width + 2) + problem.steps[:, 1]

    def fused(
        self, first: npt.NDArray[np.int32], second: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.int32]:
        """Return the best choice of two labellings (H, W), each pixel's first in case of a tie.

        It is the best where no edge is changed by ``_fill_graph``, else it may be any.
        """
        problem = self._problem
        _fill_graph(problem.unary, problem.weights, problem.costs, problem.steps, first, second,
                    self._capacity, self._terminal)
        minimum_cut(self._capacity.reshape(self._side.size, -1), self._terminal.reshape(-1),
                    self._offsets, self._side.reshape(-1))
        return np.where(self._side[1:-1, 1:-1], second, first)


def min_cut(problem: Problem, settings: Settings) -> GridResult:
    """Return the best labelling of two labels; ValueError for others and what no cut can do."""
    costs = problem.costs[0]
    if len(costs) != 2:
        raise ValueError(f'min_cut is for two labels, these are {len(costs)}: use '
                         'alpha_expansion or trw_s')
    excess = float(costs[0, 0] + costs[1, 1] - costs[0, 1] - costs[1, 0])
    if excess > ROUNDING * float(np.abs(costs).max()):
        raise ValueError(
            f'label_costs {costs.tolist()} are not submodular: equal labels cost {excess:g} more '
            'than unequal ones; use trw_s or belief_propagation')
    search = Search(problem, settings)
    zeros = np.zeros(problem.shape, np.int32)
    search.iterations = 1
    search.offer(Fusion(problem).fused(zeros, zeros + 1))
    search.raise_bound(search.energy)
    return search.result(True)


def alpha_expansion(problem: Problem, settings: Settings) -> GridResult:
    """Let each label in turn take what lowers the energy most, until none gains.

    A metric's labelling is then within 2 max V / min V of the best one, over unequal labels.
    """
    search = Search(problem, settings)
    search.offer(search.labels)
    return search.result(expand(search))


def expand(search: Search) -> bool:
    """Improve the best labelling by expansions; tell whether none is left that gains."""
    def proposals(labels: Labels, label: int) -> tuple[Labels, Labels]:
        return labels, np.full_like(labels, label)

    return _by_moves(search, [(label,) for label in _labels(search)], proposals)


def alpha_beta_swap(problem: Problem, settings: Settings) -> GridResult:
    """Let each pair of labels in turn share their pixels anew, until none gains."""
    def proposals(labels: Labels, one: int, other: int) -> tuple[Labels, Labels]:
        among = (labels == one) | (labels == other)
        return (np.where(among, np.int32(one), labels), np.where(among, np.int32(other), labels))

    search = Search(problem, settings)
    search.offer(search.labels)
    pairs = [(one, other) for one in _labels(search) for other in range(one)]
    return search.result(_by_moves(search, pairs, proposals))


def _labels(search: Search) -> range:
    return range(search.problem.label_count)


def _by_moves(
    search: Search, moves: Sequence[tuple[int, ...]],
    proposals: Callable[..., tuple[Labels, Labels]],
) -> bool:
    """Make moves in turn until none gains, a limit or the bound; tell whether none gains.

    A move that gained nothing is not repeated until another has gained.
    """
    fusion, waiting = Fusion(search.problem), 0
    for _ in range(search.settings.iterations):
        search.iterations += 1
        for move in moves:
            before = search.energy
            search.offer(fusion.fused(*proposals(search.labels, *move)))
            gained = before - search.energy > search.gain_that_counts() / len(moves)
            waiting = 0 if gained else waiting + 1
            if waiting >= len(moves):
                return True
            if search.is_over or search.is_closed:
                return search.is_closed
    return not moves
