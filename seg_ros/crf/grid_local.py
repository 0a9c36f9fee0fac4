# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One pixel after the other, given its neighbours: iterated conditional modes, mean field."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.crf.grid_compiled import compiled
from seg_ros.crf.grid_problem import Problem
from seg_ros.crf.grid_search import GridResult, Search, Settings
from seg_ros.crf.pairwise import edge_views


@compiled
def _condition(
    unary: npt.NDArray[Any], weights: npt.NDArray[Any], costs: npt.NDArray[Any],
    steps: npt.NDArray[np.int64], labels: npt.NDArray[np.int32],
) -> int:
    """Give each pixel in turn the best label for those of its neighbours; return the changes."""
    height, width, count = unary.shape
    half = len(steps) // 2
    total = np.empty(count, unary.dtype)
    changes = 0
    for y in range(height):
        for x in range(width):
            total[:] = unary[y, x]
            for direction in range(2 * half):
                ny, nx = y + steps[direction, 0], x + steps[direction, 1]
                if not (0 <= ny < height and 0 <= nx < width):
                    continue
                # costs by the neighbour's label: it is the later one, or the earlier
                later = direction < half
                row = costs[1 if later else 0, labels[ny, nx]]
                edge = direction % half
                weight = weights[edge, y, x] if later else weights[edge, ny, nx]
                for label in range(count):
                    total[label] += weight * row[label]
            best = np.argmin(total)
            if total[best] < total[labels[y, x]]:
                labels[y, x] = best
                changes += 1
    return changes


@compiled
def _spread(
    neighbour: npt.NDArray[Any], weight: Any, costs: npt.NDArray[Any], total: npt.NDArray[Any]
) -> None:
    """Add the costs that are to be expected of a neighbour with probabilities (L,)."""
    for other in range(len(total)):
        share = weight * neighbour[other]
        for label in range(len(total)):
            total[label] += share * costs[other, label]


@compiled
def _average(
    unary: npt.NDArray[Any], weights: npt.NDArray[Any], costs: npt.NDArray[Any],
    steps: npt.NDArray[np.int64], is_potts: bool, probabilities: npt.NDArray[Any],
) -> float:
    """Give each pixel in turn the best distribution for its neighbours'; return the most changed
    probability.
    """
    height, width, count = unary.shape
    half = len(steps) // 2
    total = np.empty(count, unary.dtype)
    change = 0.0
    for y in range(height):
        for x in range(width):
            total[:] = unary[y, x]
            for direction in range(2 * half):
                ny, nx = y + steps[direction, 0], x + steps[direction, 1]
                if not (0 <= ny < height and 0 <= nx < width):
                    continue
                edge = direction % half
                weight = weights[edge, y, x] if direction < half else weights[edge, ny, nx]
                near = probabilities[ny, nx]
                if is_potts:
                    for label in range(count):
                        total[label] -= weight * near[label]
                else:
                    _spread(near, weight, costs[1 if direction < half else 0], total)
            low = total.min()
            for label in range(count):
                total[label] = np.exp(low - total[label])
            mass = total.sum()
            for label in range(count):
                new = total[label] / mass
                change = max(change, abs(new - probabilities[y, x, label]))
                probabilities[y, x, label] = new
    return change


def icm(problem: Problem, settings: Settings) -> GridResult:
    """Set each pixel to its best label given its neighbours, until none changes (Besag, 1986)."""
    search = Search(problem, settings)
    labels = search.labels.copy()
    search.offer(labels)
    changes = 1
    while changes and search.iterations < settings.iterations and not search.is_over:
        search.iterations += 1
        changes = improve(problem, labels)
        search.offer(labels)
    return search.result(changes == 0)


def improve(problem: Problem, labels: npt.NDArray[np.int32]) -> int:
    """Make one sweep of iterated conditional modes over labels; return how many it changed."""
    return int(_condition(
        problem.unary, problem.weights, problem.costs, problem.steps, labels))


def mean_field(problem: Problem, settings: Settings) -> GridResult:
    """Fit independent distributions, one pixel after the other, so that the free energy falls.

    ``log_partition`` is minus the free energy, a lower bound of log Z. It starts from the unary's
    own probabilities, or from the labels ``start``.
    """
    search = Search(problem, settings)
    probabilities = _first_guess(problem, search)
    change = np.inf
    while (change > settings.tolerance and search.iterations < settings.iterations
           and not search.is_over):
        search.iterations += 1
        change = _average(problem.unary, problem.weights, problem.costs, problem.steps,
                          problem.is_potts, probabilities)
        search.offer(probabilities.argmax(axis=2).astype(np.int32))
    return search.result(
        bool(change <= settings.tolerance), probabilities=probabilities,
        log_partition=-free_energy(problem, probabilities))


def _first_guess(problem: Problem, search: Search) -> npt.NDArray[Any]:
    if search.settings.start is not None:
        return np.eye(problem.label_count, dtype=problem.unary.dtype)[search.labels]
    return softmax(-problem.unary)


def softmax(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return probabilities along the last axis."""
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def free_energy(problem: Problem, probabilities: npt.NDArray[Any]) -> float:
    """Return the expected energy less the entropy of independent distributions (H, W, L)."""
    logs = np.log(np.maximum(probabilities, np.finfo(probabilities.dtype).tiny))
    total = (probabilities * (problem.unary + logs)).sum(dtype=np.float64)
    for edge, weights in enumerate(problem.weights):
        step = (int(problem.steps[edge, 0]), int(problem.steps[edge, 1]))
        first, second = edge_views(probabilities, step)
        expected = ((first @ problem.costs[0]) * second).sum(axis=2)
        total += (edge_views(weights, step)[0] * expected).sum(dtype=np.float64)
    return float(total)
