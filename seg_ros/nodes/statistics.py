# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Counts and times of a running node, for its diagnostics."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

_WINDOW_S = 5.0


@dataclass
class Trouble:
    """Hold the last error: its text and when it came (monotonic seconds)."""

    text: str
    at_s: float
    severe: bool = False


@dataclass
class Statistics:
    """Collect what the diagnostics report; safe to use from several threads.

    ``drops`` are counts by reason; latencies are from a pair's arrival to its publication.
    """

    clock: Callable[[], float] = time.monotonic
    drops: Counter[str] = field(default_factory=Counter)
    segmented: int = 0
    without_depth: int = 0
    trouble: Trouble | None = None
    _done_s: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    _latency_s: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    _segment_s: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def dropped(self, reason: str, count: int = 1) -> None:
        """Count frames that were let go."""
        with self._lock:
            self.drops[reason] += count

    def failed(self, reason: str, text: str, *, severe: bool = False) -> None:
        """Count a frame that could not be segmented and keep why."""
        with self._lock:
            self.drops[reason] += 1
            self.trouble = Trouble(text, self.clock(), severe)

    def warned(self, text: str) -> None:
        """Keep a warning that cost no frame."""
        with self._lock:
            self.trouble = Trouble(text, self.clock())

    def finished(self, latency_s: float, *, has_depth: bool = True) -> None:
        """Count a published frame."""
        with self._lock:
            self.segmented += 1
            self.without_depth += not has_depth
            self._done_s.append(self.clock())
            self._latency_s.append(latency_s)

    def segment_took(self, seconds: float) -> None:
        """Keep how long the bare segmenter took."""
        with self._lock:
            self._segment_s.append(seconds)

    def rate_hz(self) -> float:
        """Return the published frames a second over the last five seconds."""
        now = self.clock()
        with self._lock:
            recent = [at for at in self._done_s if now - at <= _WINDOW_S]
        return len(recent) / _WINDOW_S

    def latency_ms(self) -> tuple[float, float]:
        """Return median and 95th percentile in milliseconds, NaN before the first frame."""
        return self._quantiles_ms(self._latency_s)

    def segment_ms(self) -> tuple[float, float]:
        """Return the same of the bare segmenter's time."""
        return self._quantiles_ms(self._segment_s)

    def _quantiles_ms(self, times_s: deque[float]) -> tuple[float, float]:
        with self._lock:
            values = list(times_s)
        if not values:
            return float('nan'), float('nan')
        median, high = np.quantile(values, [0.5, 0.95]) * 1e3
        return float(median), float(high)

    def counts(self) -> dict[str, int]:
        """Return a copy of the drops by reason."""
        with self._lock:
            return dict(self.drops)

    def recent_trouble(self, within_s: float = _WINDOW_S) -> Trouble | None:
        """Return the last error if it is not older than some seconds."""
        trouble = self.trouble
        if trouble is None or self.clock() - trouble.at_s > within_s:
            return None
        return trouble


def memory_mb() -> float:
    """Return the process's resident memory in MB, NaN where the system does not tell."""
    try:
        with open('/proc/self/statm', encoding='ascii') as file:
            pages = int(file.read().split()[1])
    except OSError:
        return float('nan')
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


class CpuMeter:
    """Tell the CPU time that the process has used since it was asked last."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
    ) -> None:
        self._clock, self._used = clock, used
        self._last = clock(), used()

    def percent(self) -> float:
        """Return the mean use since the last call: 100 for one core, 200 for two."""
        now = self._clock(), self._used()
        wall_s, cpu_s = now[0] - self._last[0], now[1] - self._last[1]
        if wall_s <= 0:
            return float('nan')
        self._last = now
        return 100.0 * cpu_s / wall_s
