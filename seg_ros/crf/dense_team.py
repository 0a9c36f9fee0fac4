# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Threads for compiled functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


class Team:
    """Run calls by threads; the compiled functions hold no lock of Python's."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def run(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """Return the results of calls without arguments, in their order."""
        if self._pool is None or len(calls) == 1:
            return [call() for call in calls]
        return [future.result() for future in [self._pool.submit(call) for call in calls]]

    def parts(self, count: int) -> list[tuple[int, int]]:
        """Return a range of 0 to count for each thread."""
        edges = np.linspace(0, count, self.threads + 1).astype(int)
        return [(int(low), int(high)) for low, high in zip(edges, edges[1:], strict=False)]

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()
