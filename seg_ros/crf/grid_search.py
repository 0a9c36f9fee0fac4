# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the solvers are told, what they keep while they run, and what they return."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.crf.grid_problem import Problem, energy_of
from seg_ros.crf.unary import check_labels

# (iteration, energy of these labels, best bound so far or None, labels (H, W))
Observer = Callable[[int, float, 'float | None', npt.NDArray[np.int32]], None]


@dataclass(frozen=True, eq=False)
class GridResult:
    """Hold what a solver found.

    ``labels`` (H, W) int32 and their ``energy``; ``lower_bound`` of every labelling's energy, None
    where the method has none; ``converged``: it ended by itself, not at a limit.
    ``probabilities`` (H, W, L) of marginals; ``log_partition`` log Z, exact or a lower bound.
    """

    labels: npt.NDArray[np.int32]
    energy: float
    lower_bound: float | None = None
    iterations: int = 0
    converged: bool = True
    probabilities: npt.NDArray[Any] | None = None
    log_partition: float | None = None


@dataclass(frozen=True, eq=False)
class Settings:
    """Say how long and from where to search; ValueError for what no solver can take.

    ``start`` (H, W) labels, where the method has use for them (default: each pixel's cheapest);
    ``iterations`` at most, of sweeps or of rounds over all moves; ``tolerance``: end where an
    iteration gains less, as a share of the energy, or of 1 for probabilities; ``time_limit_s``
    ends after the step it falls into, by ``clock``; ``damping`` of belief propagation, share of
    the old message; ``threads`` of message passing (default: cores, up to 8), which do not change
    the result; ``observe`` is called with each labelling looked at.
    """

    start: npt.NDArray[np.integer] | None = None
    iterations: int = 100
    tolerance: float = 1e-6
    time_limit_s: float | None = None
    damping: float = 0.0
    threads: int | None = None
    observe: Observer | None = None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ValueError(f'iterations is {self.iterations}: at least 1')
        if not 0 <= self.damping < 1:
            raise ValueError(f'damping is {self.damping}: 0 up to, not including, 1')
        if not self.tolerance >= 0:
            raise ValueError(f'tolerance is {self.tolerance}: 0 or above')
        if self.time_limit_s is not None and not self.time_limit_s > 0:
            raise ValueError(f'time_limit_s is {self.time_limit_s}: above 0, or None for none')
        if self.threads is not None and self.threads < 1:
            raise ValueError(f'threads is {self.threads}: at least 1, or None for all cores')

    def thread_count(self) -> int:
        """Return the number of threads to use."""
        if self.threads is not None:
            return self.threads
        affinity = getattr(os, 'sched_getaffinity', None)
        return min(8, len(affinity(0)) if affinity else os.cpu_count() or 1)


class Search:
    """Keep the best labelling and bound that a solver has come to, and the time."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        self.problem, self.settings = problem, settings
        self.bound: float | None = None
        self.iterations = 0
        self.labels = self._start()
        self.energy = energy_of(problem, self.labels)
        self._began = settings.clock()

    def _start(self) -> npt.NDArray[np.int32]:
        if self.settings.start is None:
            return self.problem.unary.argmin(axis=2).astype(np.int32)
        labels = check_labels(self.settings.start, self.problem.label_count)
        if labels.shape != self.problem.shape:
            raise ValueError(
                f'start {labels.shape}, unary {self.problem.shape}: (H, W) must agree')
        return labels

    def used_up(self, share: float) -> bool:
        """Tell whether a share of the time is over."""
        limit = self.settings.time_limit_s
        return limit is not None and self.settings.clock() - self._began >= share * limit

    @property
    def is_over(self) -> bool:
        """Tell whether the time is up."""
        return self.used_up(1.0)

    def time_left_s(self) -> float | None:
        """Return what is left of the time limit, never nothing; None without a limit."""
        limit = self.settings.time_limit_s
        return None if limit is None else max(1e-3, limit - (self.settings.clock() - self._began))

    @property
    def gap(self) -> float:
        """Return how far the best labelling may be from the best there is, as a share of it."""
        if self.bound is None:
            return np.inf
        return (self.energy - self.bound) / max(abs(self.bound), 1e-9)

    @property
    def is_closed(self) -> bool:
        """Tell whether the bound shows that nothing better than the best labelling is left."""
        return self.gap <= self.settings.tolerance

    def gain_that_counts(self) -> float:
        """Return the tolerance in the units of the energy."""
        return self.settings.tolerance * max(abs(self.energy), 1e-9)

    def offer(self, labels: npt.NDArray[np.int32]) -> float:
        """Look at a labelling, keep it if it is better than the best; return its energy."""
        energy = energy_of(self.problem, labels)
        if energy < self.energy:
            self.labels, self.energy = labels.copy(), energy
        if self.settings.observe is not None:
            self.settings.observe(self.iterations, energy, self.bound, labels)
        return energy

    def raise_bound(self, bound: float) -> None:
        """Take a bound if it is better than the best."""
        self.bound = bound if self.bound is None else max(self.bound, bound)

    def result(self, converged: bool, **more: Any) -> GridResult:
        """Return the best labelling."""
        return GridResult(
            self.labels, self.energy, self.bound, self.iterations, converged, **more)
