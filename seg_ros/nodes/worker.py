# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One thread that works for one or several sources in turn, always on the newest of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class Lane:
    """Hold the one item of a source that waits for the worker; made by ``FairWorker.lane``.

    ``handle(item)`` is called in the worker's thread and deals with its own errors: one that
    escapes ends the thread. An item replaced before its turn is passed to ``on_dropped``.
    ``max_rate()`` is the most items a second, 0 for any number.
    """

    def __init__(
        self,
        worker: FairWorker,
        handle: Callable[[Any], None],
        on_dropped: Callable[[Any], None],
        max_rate: Callable[[], float],
    ) -> None:
        self.handle = handle
        self._worker = worker
        self._on_dropped = on_dropped
        self._max_rate = max_rate
        self._waiting: Any = None
        self._is_urgent = False
        self._last_s: float | None = None

    def offer(self, item: Any, *, urgent: bool = False) -> None:
        """Put an item in the one place that waits; the item that was there is dropped.

        An urgent item does not wait for ``max_rate``, nor does one that replaces it.
        """
        with self._worker.condition:
            replaced, self._waiting = self._waiting, item
            self._is_urgent |= urgent
            self._worker.condition.notify_all()
        if replaced is not None and replaced is not item:
            self._on_dropped(replaced)

    def clear(self) -> None:
        """Forget the item that waits, uncounted."""
        with self._worker.condition:
            self._waiting = None
            self._is_urgent = False

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Leave the worker after the current item; return whether that ended in time."""
        return self._worker.remove(self, timeout_s)

    def is_held(self) -> bool:
        """Return whether ``max_rate``, not other work, keeps an item waiting now."""
        return not self._worker.is_busy() and self.delay_s(self._worker.clock()) > 0

    def delay_s(self, now_s: float) -> float:
        """Return the seconds until ``max_rate`` lets the next item pass, 0 for at once."""
        rate_hz = self._max_rate()
        if self._is_urgent or rate_hz <= 0 or self._last_s is None:
            return 0.0
        return max(0.0, self._last_s + 1.0 / rate_hz - now_s)

    def has_item(self) -> bool:
        """Return whether an item waits; the worker's condition is held."""
        return self._waiting is not None

    def take(self, now_s: float) -> Any:
        """Return the item that waits and note the time; the worker's condition is held."""
        item, self._waiting = self._waiting, None
        self._is_urgent = False
        self._last_s = now_s
        return item


class FairWorker:
    """Work for its lanes in turn in a thread of its own: round robin over the items that wait.

    A lane that has just been served comes last, so that of N lanes with items waiting each gets
    every N-th turn, however fast its source is. Of a lane only the newest item waits: it is at
    most one turn of each other lane and the work at hand old when its own begins.
    """

    def __init__(
        self, name: str = 'segmentation', clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.condition = threading.Condition()
        self.clock = clock
        self._lanes: list[Lane] = []
        self._at_work: Lane | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def lane(
        self,
        handle: Callable[[Any], None],
        on_dropped: Callable[[Any], None],
        max_rate: Callable[[], float] = lambda: 0.0,
    ) -> Lane:
        """Return a place for another source."""
        lane = Lane(self, handle, on_dropped, max_rate)
        with self.condition:
            self._lanes.append(lane)
        return lane

    def remove(self, lane: Lane, timeout_s: float = 10.0) -> bool:
        """Let go of a lane and what waits there; return whether its work ended in time."""
        with self.condition:
            lane.clear()
            if lane in self._lanes:
                self._lanes.remove(lane)
            if threading.current_thread() is self._thread:
                return False
            return self.condition.wait_for(lambda: self._at_work is not lane, timeout_s)

    def stop(self, timeout_s: float = 10.0) -> bool:
        """End the thread after its current item; return whether it ended in time."""
        with self.condition:
            self._stopped = True
            self.condition.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def is_busy(self) -> bool:
        """Return whether an item is at work."""
        return self._at_work is not None

    def _run(self) -> None:
        while (turn := self._next_turn()) is not None:
            lane, item = turn
            del turn
            lane.handle(item)
            # Not held while waiting for the next one: images are large.
            del item

    def _next_turn(self) -> tuple[Lane, Any] | None:
        """Wait for the next lane in turn whose item may pass; None at the end."""
        with self.condition:
            self._at_work = None
            self.condition.notify_all()
            while not self._stopped:
                now_s = self.clock()
                waiting = [(lane.delay_s(now_s), lane) for lane in self._lanes if lane.has_item()]
                due = next((lane for delay_s, lane in waiting if delay_s <= 0), None)
                if due is not None:
                    self._lanes.remove(due)
                    self._lanes.append(due)
                    self._at_work = due
                    return due, due.take(now_s)
                self.condition.wait(min((delay_s for delay_s, _ in waiting), default=None))
            return None
