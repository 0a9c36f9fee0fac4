# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depth that a method can do without: taken where it comes, not waited for where it stays away."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Literal

from seg_ros.nodes.synchronizer import Pair, PairSynchronizer

DepthUse = Literal['required', 'optional', 'ignored']

# Stamps of colour messages that went alone, kept to see that depth comes again: seconds of them.
_STAMPS_KEPT = 100


def depth_use(wanted: str, needs_depth: bool) -> DepthUse:
    """Return what a node does with depth, from its parameter ``depth`` and its method.

    ``wanted`` is auto, required or ignored. With auto, a method that can do without depth takes it
    for the boxes and points of objects, or for the points of classes. Raises ValueError where a
    method that needs depth shall ignore it.
    """
    if needs_depth and wanted == 'ignored':
        raise ValueError(
            'depth is ignored, but this method needs it with these weights: set depth to auto, or '
            'choose weights for colour alone')
    if needs_depth or wanted == 'required':
        return 'required'
    return 'ignored' if wanted == 'ignored' else 'optional'


class PatientSynchronizer(PairSynchronizer):
    """Pair colour with depth while depth comes; where it stays away, pass colour on alone.

    A colour message waits ``patience_s`` at most, counted from the last pair. Then the newest
    goes alone, as a pair without depth, and each later one at once (``is_waiting`` is false),
    until depth fits a colour message again that is not older than that. Colour leaves in the
    order of its stamps and once. ``is_waiting`` may be set false where no depth can come.
    """

    def __init__(
        self,
        slop_ns: int,
        patience_s: float,
        *,
        is_waiting: bool,
        depth: int = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(slop_ns, depth, clock)
        self.patience_s = patience_s
        self.is_waiting = is_waiting
        self._newest: Pair | None = None
        self._waiting_since_s: float | None = None
        self._went_alone: deque[tuple[int, float]] = deque(maxlen=_STAMPS_KEPT)

    @property
    def holds_color(self) -> bool:
        """Return whether a colour message waits for its depth."""
        return self._newest is not None

    def add_color(self, stamp_ns: int, message: Any) -> Pair | None:
        """Take a colour message; return the pair it completes, or the one that goes alone."""
        pair = super().add_color(stamp_ns, message)
        colors = self._queues[0]
        if pair is not None or not colors or colors[-1][1] is not message:
            return pair
        self._newest = Pair(message, None, stamp_ns, 0, self._clock())
        if self._waiting_since_s is None:
            self._waiting_since_s = self._newest.arrival_s
        return self.overdue()

    def add_depth(self, stamp_ns: int, message: Any) -> Pair | None:
        """Take a depth message and return the pair it completes, if any."""
        alone = self._color_that_went_alone(stamp_ns)
        if alone is None:
            return super().add_depth(stamp_ns, message)
        now = self._noted(1, stamp_ns)
        self._nearest_gap_ns = self._unmet_since_s = None
        self.is_waiting = self.is_waiting or now - alone <= self.patience_s
        return None

    def overdue(self) -> Pair | None:
        """Return the newest colour message, without depth, if it shall wait no longer."""
        if self._newest is None or self._waiting_since_s is None:
            return None
        if self.is_waiting and self._clock() - self._waiting_since_s <= self.patience_s:
            return None
        self.is_waiting = False
        return self._alone(self._newest)

    def reset(self) -> None:
        """Forget all messages and stamps, not the counts."""
        super().reset()
        self._went_alone.clear()
        self._newest = self._waiting_since_s = None

    def _alone(self, pair: Pair) -> Pair | None:
        self.drops += Counter(unpaired=len(self._queues[0]) - 1)
        self._queues[0].clear()
        self._newest = self._waiting_since_s = None
        if self._last_pair_ns is not None and pair.stamp_ns < self._last_pair_ns:
            self.drops['late'] += 1
            return None
        self._last_pair_ns = pair.stamp_ns
        self._went_alone.append((pair.stamp_ns, pair.arrival_s))
        return pair

    def _color_that_went_alone(self, stamp_ns: int) -> float | None:
        """Return when the colour message came that a depth message belongs to, if it is gone."""
        gaps = [(abs(other_ns - stamp_ns), at_s) for other_ns, at_s in self._went_alone]
        gap, at_s = min(gaps, default=(self.slop_ns + 1, 0.0))
        waiting = [abs(other_ns - stamp_ns) for other_ns, _ in self._queues[0]]
        nearer = min(waiting, default=gap + 1) <= gap
        return None if gap > self.slop_ns or nearer else at_s

    def _paired(self, topic: int, stamp_ns: int, message: Any, match: int) -> Pair | None:
        pair = super()._paired(topic, stamp_ns, message, match)
        self.is_waiting = True
        self._waiting_since_s = self._clock() if self._queues[0] else None
        if not self._queues[0]:
            self._newest = None
        return pair
