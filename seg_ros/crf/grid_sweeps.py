# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Belief propagation and TRW-S over a grid, several threads at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
import numpy.typing as npt

from seg_ros.crf.grid_bands import expand_in_bands
from seg_ros.crf.grid_local import improve, softmax
from seg_ros.crf.grid_messages import beliefs, decode, sweep_tiles
from seg_ros.crf.grid_moves import expand
from seg_ros.crf.grid_problem import Problem
from seg_ros.crf.grid_search import GridResult, Search, Settings

# Rows and skewed columns of a tile: enough of them for the threads, each worth a call.
TILE = (24, 48)
# A labelling is read from the messages every so many iterations: it costs a quarter of one.
CHECK_EVERY = 4
# Of a time limit; the rest is for expansions.
SHARE_OF_MESSAGES = 0.5
# Expansions cost as much as tens of iterations: not for less than this share of the energy.
WORTH_MOVES = 1e-3


class MessagePasser:
    """Hold the messages of one problem.

    A pixel comes after its earlier neighbours whatever the number of threads: tiles are cut along
    rows and along x + y = const, for x + y of a later neighbour is never smaller, and those on one
    diagonal of tiles do not touch. So the result is that of one thread going row by row.
    """

    def __init__(
        self, problem: Problem, pool: ThreadPoolExecutor, threads: int, *,
        reweighted: bool, soft: bool = False, damping: float = 0.0,
    ) -> None:
        self.problem = problem
        shape = (*problem.shape, len(problem.steps), problem.label_count)
        self.messages = np.zeros(shape, problem.unary.dtype)
        self._pool, self._threads = pool, threads
        self._mode = (reweighted, soft, problem.unary.dtype.type(damping))
        self._diagonals = diagonals_of_tiles(*problem.shape)

    def iterate(self) -> float:
        """Pass all messages forward and back; return the lower bound where reweighted."""
        self._sweep(backward=False)
        return self._sweep(backward=True)

    def _sweep(self, backward: bool) -> float:
        total = 0.0
        for tiles in reversed(self._diagonals) if backward else self._diagonals:
            bounds = np.zeros(len(tiles))
            shares = [slice(start, None, self._threads) for start in range(self._threads)]
            run = partial(self._run, tiles, bounds, backward)
            if self._threads == 1:
                run(shares[0])
            else:
                list(self._pool.map(run, shares))
            total += float(bounds.sum())
        return total

    def _run(
        self, tiles: npt.NDArray[np.int64], bounds: npt.NDArray[np.float64], backward: bool,
        share: slice,
    ) -> None:
        problem = self.problem
        sweep_tiles(
            problem.unary, self.messages, problem.weights, problem.costs, problem.steps,
            problem.kind, problem.unary.dtype.type(problem.limit), tiles[share], bounds[share],
            backward, *self._mode)

    def labels(self) -> npt.NDArray[np.int32]:
        """Return a labelling (H, W) read from the messages."""
        problem, labels = self.problem, np.empty(self.problem.shape, np.int32)
        decode(problem.unary, self.messages, problem.weights, problem.costs, problem.steps, labels)
        return labels

    def probabilities(self) -> npt.NDArray[np.floating]:
        """Return the marginals (H, W, L) that sum-product messages tell."""
        costs = np.empty_like(self.problem.unary)
        beliefs(self.problem.unary, self.messages, costs)
        return softmax(-costs)


def diagonals_of_tiles(height: int, width: int) -> list[npt.NDArray[np.int64]]:
    """Return the tiles (T, 4) of each diagonal: first and end row, first and end of x + y.

    Tiles without a pixel are left out.
    """
    rows, columns = TILE
    found: dict[int, list[tuple[int, int, int, int]]] = {}
    for i, top in enumerate(range(0, height, rows)):
        bottom = min(top + rows, height)
        for j, left in enumerate(range(0, width + height - 1, columns)):
            right = left + columns
            if right > top and left < width + bottom - 1:
                found.setdefault(i + j, []).append((top, bottom, left, right))
    return [np.array(found[number], np.int64) for number in sorted(found)]


@contextmanager
def _passer(
    problem: Problem, settings: Settings, *, reweighted: bool, soft: bool = False
) -> Iterator[MessagePasser]:
    threads = settings.thread_count()
    with ThreadPoolExecutor(threads) as pool:
        yield MessagePasser(problem, pool, threads, reweighted=reweighted, soft=soft,
                            damping=0.0 if reweighted else settings.damping)


def trw_s(problem: Problem, settings: Settings) -> GridResult:
    """Raise a lower bound by reweighted messages, reading a labelling now and then, and improve
    the best one.

    It is improved by iterated conditional modes, and by expansions where it may be more than
    WORTH_MOVES above the best there is; half of a time limit is kept for them. It has converged
    where bound and energy meet, or the bound stands still.
    """
    search = Search(problem, settings)
    with _passer(problem, settings, reweighted=True) as passer:
        stands_still = _raise_bound(search, passer)
    sweeps = search.iterations
    _condition(search)
    if search.gap > WORTH_MOVES:
        expand_in_bands(search)
        if not search.is_over:
            expand(search)
    search.iterations = sweeps
    return search.result(stands_still or search.is_closed)


def _raise_bound(search: Search, passer: MessagePasser) -> bool:
    """Iterate until the bound stands still or a limit; tell whether it stands still."""
    checked = -np.inf
    for number in range(1, search.settings.iterations + 1):
        search.iterations = number
        search.raise_bound(passer.iterate())
        last = number == search.settings.iterations or search.used_up(SHARE_OF_MESSAGES)
        if number % CHECK_EVERY and not last:
            continue
        search.offer(passer.labels())
        bound = -np.inf if search.bound is None else search.bound
        if search.is_closed or bound - checked <= CHECK_EVERY * search.gain_that_counts():
            return True
        if last:
            break
        checked = bound
    return False


def _condition(search: Search) -> None:
    labels = search.labels.copy()
    while improve(search.problem, labels) and not search.is_over:
        pass
    search.offer(labels)


def min_sum(problem: Problem, settings: Settings) -> GridResult:
    """Pass min-sum messages until they stay; exact on a single row or column."""
    search = Search(problem, settings)
    converged = False
    with _passer(problem, settings, reweighted=False) as passer:
        before = passer.messages.copy()
        while search.iterations < settings.iterations and not (search.is_over or converged):
            search.iterations += 1
            passer.iterate()
            search.offer(passer.labels())
            converged = _has_settled(before, passer, settings)
    return search.result(converged)


def sum_product(problem: Problem, settings: Settings) -> GridResult:
    """Pass sum-product messages until they stay; marginals exact on a single row or column."""
    search = Search(problem, settings)
    converged = False
    with _passer(problem, settings, reweighted=False, soft=True) as passer:
        before = passer.messages.copy()
        while search.iterations < settings.iterations and not (search.is_over or converged):
            search.iterations += 1
            passer.iterate()
            converged = _has_settled(before, passer, settings)
        probabilities = passer.probabilities()
    search.offer(probabilities.argmax(axis=2).astype(np.int32))
    return search.result(converged, probabilities=probabilities)


def _has_settled(
    before: npt.NDArray[np.floating], passer: MessagePasser, settings: Settings
) -> bool:
    """Tell whether messages are those of the last iteration, and keep them for the next."""
    np.subtract(passer.messages, before, out=before)
    change = max(float(before.max()), -float(before.min()))
    before[...] = passer.messages
    return change <= settings.tolerance
