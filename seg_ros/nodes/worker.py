# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One thread that works on the newest item and lets go of what it had no time for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class NewestWorker:
    """Call ``handle(item)`` in a thread of its own, always with the newest item offered.

    An item replaced before its turn is passed to ``on_dropped``. ``handle`` deals with its own
    errors: one that escapes ends the thread.
    """

    def __init__(
        self,
        handle: Callable[[Any], None],
        on_dropped: Callable[[Any], None],
        name: str = 'segmentation',
    ) -> None:
        self._handle = handle
        self._on_dropped = on_dropped
        self._condition = threading.Condition()
        self._waiting: Any = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def offer(self, item: Any) -> None:
        """Put an item in the one place that waits; the item that was there is dropped."""
        with self._condition:
            replaced, self._waiting = self._waiting, item
            self._condition.notify()
        if replaced is not None and replaced is not item:
            self._on_dropped(replaced)

    def clear(self) -> None:
        """Forget the item that waits, uncounted."""
        with self._condition:
            self._waiting = None

    def stop(self, timeout_s: float = 10.0) -> bool:
        """End the thread after its current item; return whether it ended in time."""
        with self._condition:
            self._stopped = True
            self._waiting = None
            self._condition.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._condition:
                while self._waiting is None and not self._stopped:
                    self._condition.wait()
                if self._stopped:
                    return
                item, self._waiting = self._waiting, None
            self._handle(item)
            # Not held while waiting for the next one: images are large.
            del item
