# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pairs of colour and depth by stamp."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# A stamp that goes back further than this is a clock that jumped, not a late message.
_JUMP_NS = 500_000_000
_NEVER_MEET_AFTER_S = 2.0
# Stamps of a topic from which its period is taken.
_MOST_STAMPS, _LEAST_STAMPS = 10, 5


@dataclass(frozen=True)
class Pair:
    """Hold a colour message and its depth (None for colour-only methods) with their stamps.

    ``gap_ns`` is depth stamp minus colour stamp; ``arrival_s`` is when the later one came, on the
    monotonic clock.
    """

    color: Any
    depth: Any
    stamp_ns: int
    gap_ns: int
    arrival_s: float


class PairSynchronizer:
    """Pair two topics by stamp within a slop; each message serves once.

    Keeps ``depth`` messages a topic, for aligned depth comes later than its colour image. What is
    older than a pair can pair no more: it is dropped and counted in ``drops`` ('unpaired',
    'late'). A gap of more than half a period is never taken: the partner is another message, that
    was lost, and of a camera of 60 Hz all later pairs would be of two frames. A stamp that jumps
    back by more than half a second empties both queues and counts in ``resets``. Not thread-safe:
    called from the executor alone.
    """

    def __init__(
        self, slop_ns: int, depth: int = 10, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.slop_ns = slop_ns
        self.drops: Counter[str] = Counter()
        self.resets = 0
        self.last_gap_ns: int | None = None
        self._clock = clock
        self._queues: tuple[deque[tuple[int, Any]], ...] = (deque(), deque())
        self._depth = depth
        self._newest_ns: list[int | None] = [None, None]
        self._stamps_ns: tuple[deque[int], ...] = (
            deque(maxlen=_MOST_STAMPS), deque(maxlen=_MOST_STAMPS))
        self._last_pair_ns: int | None = None
        self._unmet_since_s: float | None = None
        self._nearest_gap_ns: int | None = None

    def reach_ns(self) -> int:
        """Return the largest gap that is taken: the slop, or half the shorter mean period."""
        periods = [(stamps[-1] - stamps[0]) // (len(stamps) - 1) for stamps in self._stamps_ns
                   if len(stamps) >= _LEAST_STAMPS]
        return min([self.slop_ns, *(period // 2 for period in periods)])

    def add_color(self, stamp_ns: int, message: Any) -> Pair | None:
        """Take a colour message and return the pair it completes, if any."""
        return self._add(0, stamp_ns, message)

    def add_depth(self, stamp_ns: int, message: Any) -> Pair | None:
        """Take a depth message and return the pair it completes, if any."""
        return self._add(1, stamp_ns, message)

    def add_alone(self, stamp_ns: int, message: Any) -> Pair:
        """Take a colour message that needs no depth; return it as a pair without one."""
        now = self._noted(0, stamp_ns)
        return Pair(message, None, stamp_ns, 0, now)

    def reset(self) -> None:
        """Forget all messages and stamps, not the counts."""
        for queue in self._queues:
            queue.clear()
        for stamps in self._stamps_ns:
            stamps.clear()
        self._newest_ns = [None, None]
        self._last_pair_ns = None
        self._unmet_since_s = self._nearest_gap_ns = None

    def never_met_gap_ns(self) -> int | None:
        """Return the smallest gap seen if both topics have come for 2 s without a pair."""
        if self._unmet_since_s is None or self._nearest_gap_ns is None:
            return None
        waited_s = self._clock() - self._unmet_since_s
        return self._nearest_gap_ns if waited_s > _NEVER_MEET_AFTER_S else None

    def _noted(self, topic: int, stamp_ns: int) -> float:
        """Note a message's stamp, start anew if it jumped back; return when it came."""
        newest = self._newest_ns[topic]
        if newest is not None and stamp_ns < newest - _JUMP_NS:
            self.resets += 1
            self.drops += Counter(unpaired=sum(map(len, self._queues)))
            self.reset()
            newest = None
        if newest is None or stamp_ns > newest:
            self._newest_ns[topic] = stamp_ns
            self._stamps_ns[topic].append(stamp_ns)
        return self._clock()

    def _add(self, topic: int, stamp_ns: int, message: Any) -> Pair | None:
        now = self._noted(topic, stamp_ns)
        match = self._nearest(1 - topic, stamp_ns)
        if match is not None:
            return self._paired(topic, stamp_ns, message, match)
        self._keep(topic, stamp_ns, message)
        if self._unmet_since_s is None and all(self._queues):
            self._unmet_since_s = now
        return None

    def _nearest(self, topic: int, stamp_ns: int) -> int | None:
        """Return the index of the message of a topic nearest in time, if within the slop."""
        queue = self._queues[topic]
        if not queue:
            return None
        gaps = [abs(other_ns - stamp_ns) for other_ns, _ in queue]
        index = min(range(len(gaps)), key=gaps.__getitem__)
        if self._nearest_gap_ns is None or gaps[index] < self._nearest_gap_ns:
            self._nearest_gap_ns = gaps[index]
        return index if gaps[index] <= self.reach_ns() else None

    def _paired(self, topic: int, stamp_ns: int, message: Any, match: int) -> Pair | None:
        other = self._queues[1 - topic]
        other_ns, other_message = other[match]
        for _ in range(match):
            other.popleft()
            self.drops['unpaired'] += 1
        other.popleft()
        queue = self._queues[topic]
        while queue and queue[0][0] <= stamp_ns:
            queue.popleft()
            self.drops['unpaired'] += 1
        self._unmet_since_s = self._nearest_gap_ns = None
        color_ns, depth_ns = (stamp_ns, other_ns) if topic == 0 else (other_ns, stamp_ns)
        color, depth = (message, other_message) if topic == 0 else (other_message, message)
        self.last_gap_ns = depth_ns - color_ns
        if self._last_pair_ns is not None and color_ns < self._last_pair_ns:
            self.drops['late'] += 1
            return None
        self._last_pair_ns = color_ns
        return Pair(color, depth, color_ns, depth_ns - color_ns, self._clock())

    def _keep(self, topic: int, stamp_ns: int, message: Any) -> None:
        queue = self._queues[topic]
        queue.append((stamp_ns, message))
        if len(queue) > self._depth:
            queue.popleft()
            self.drops['unpaired'] += 1
