# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Time callables in turns: warm-up, fresh inputs, wall and CPU seconds, paired ratios."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Reading = Callable[[], float]


@dataclass(frozen=True)
class Clock:
    """Read wall time and this process's CPU time (all threads), both in seconds."""

    wall: Reading = time.perf_counter
    cpu: Reading = time.process_time


@dataclass(frozen=True)
class Subject:
    """Name what is measured: `run(prepare(iteration))`, of which only `run` is timed.

    `stages` is read after each run: seconds by stage, as `Segmenter.timings` holds them.
    """

    name: str
    run: Callable[[Any], Any]
    prepare: Callable[[int], Any] = lambda iteration: iteration
    stages: Callable[[], dict[str, float]] | None = None


@dataclass(frozen=True)
class Spread:
    """Summarise samples: median, least, quartiles and 95th percentile, in the samples' unit."""

    median: float
    least: float
    q1: float
    q3: float
    p95: float
    count: int

    def scaled(self, factor: float) -> Spread:
        """Return the summary in another unit."""
        return Spread(self.median * factor, self.least * factor, self.q1 * factor,
                      self.q3 * factor, self.p95 * factor, self.count)


@dataclass
class Measurement:
    """Hold the samples of one subject, in seconds, in the order of the rounds."""

    name: str
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    stages_s: dict[str, list[float]] = field(default_factory=dict)


def spread(samples: Sequence[float]) -> Spread:
    """Return the summary of at least one sample; percentiles interpolate linearly."""
    if not len(samples):
        raise ValueError('no samples: at least one is needed')
    least, q1, median, q3, p95 = np.percentile(np.asarray(samples, float), (0, 25, 50, 75, 95))
    return Spread(float(median), float(least), float(q1), float(q3), float(p95), len(samples))


def paired_ratio(samples: Sequence[float], peer: Sequence[float]) -> Spread:
    """Return the summary of sample / peer, round by round, so that drift cancels.

    ValueError for lists of different lengths and for a peer of no duration.
    """
    if len(samples) != len(peer):
        raise ValueError(f'{len(samples)} samples against {len(peer)}: they are paired by round')
    if not all(value > 0 for value in peer):
        raise ValueError("a peer's sample is not positive: it is too short for this clock")
    return spread([value / other for value, other in zip(samples, peer, strict=True)])


def measure(
    subjects: Sequence[Subject],
    *,
    iterations: int,
    warmup: int = 2,
    clock: Clock | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Measurement]:
    """Run the subjects in turns, each round starting with another, and return their samples.

    Warm-up rounds run first and are not kept. Iterations count on from the warm-up's, so that no
    input is seen twice. ValueError for fewer than one iteration.
    """
    if iterations < 1 or warmup < 0:
        raise ValueError(f'{iterations} iterations after {warmup} of warm-up: at least 1 and 0')
    clock = clock or Clock()
    found = [Measurement(subject.name) for subject in subjects]
    for iteration in range(warmup + iterations):
        kept = iteration >= warmup
        progress(f'{"round" if kept else "warm-up"} {iteration + 1} of {warmup + iterations}')
        for turn in range(len(subjects)):
            index = (turn + iteration) % len(subjects)
            _run_once(subjects[index], iteration, clock, found[index] if kept else None)
    return found


def _run_once(
    subject: Subject, iteration: int, clock: Clock, into: Measurement | None
) -> None:
    prepared = subject.prepare(iteration)
    cpu, wall = clock.cpu(), clock.wall()
    subject.run(prepared)
    wall_s, cpu_s = clock.wall() - wall, clock.cpu() - cpu
    if into is None:
        return
    into.wall_s.append(wall_s)
    into.cpu_s.append(cpu_s)
    for stage, seconds in (subject.stages() if subject.stages else {}).items():
        into.stages_s.setdefault(stage, []).append(seconds)
