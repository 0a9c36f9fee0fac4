# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pairing recorded colour with depth images by their stamps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar('T')

# aligned depth comes late; what has not met its partner after so many images never will
WINDOW = 30


@dataclass
class StampPairer(Generic[T]):
    """Pair each colour item with the depth item nearest in stamp, at most slop_ns away.

    ``add_color`` and ``add_depth`` take items in order of arrival; ``ready`` yields
    (colour, depth) in the order of colour and None as depth for a colour item that is left alone.
    A depth item serves one colour item.
    """

    slop_ns: int
    window: int = WINDOW
    _colors: deque[tuple[int, T]] = field(default_factory=deque)
    _depths: deque[tuple[int, T]] = field(default_factory=deque)

    def add_color(self, stamp_ns: int, item: T) -> None:
        """Take a colour item."""
        self._colors.append((stamp_ns, item))

    def add_depth(self, stamp_ns: int, item: T) -> None:
        """Take a depth item; the oldest is forgotten when too many wait."""
        self._depths.append((stamp_ns, item))
        if len(self._depths) > self.window:
            self._depths.popleft()

    def ready(self, *, finished: bool = False) -> Iterator[tuple[T, T | None]]:
        """Yield the pairs that are certain by now; all that wait when nothing more will come."""
        while self._colors:
            stamp_ns, item = self._colors[0]
            nearest = min(self._depths, key=lambda entry: abs(entry[0] - stamp_ns), default=None)
            if not (finished or self._is_decided(stamp_ns) or len(self._colors) > self.window):
                return
            self._colors.popleft()
            if nearest is not None and abs(nearest[0] - stamp_ns) <= self.slop_ns:
                self._depths.remove(nearest)
                yield item, nearest[1]
            else:
                yield item, None

    def _is_decided(self, stamp_ns: int) -> bool:
        """Tell whether no later depth image can be nearer: one as new as the colour is there."""
        return any(depth_ns >= stamp_ns for depth_ns, _ in self._depths)
