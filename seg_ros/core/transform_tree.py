# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A tree of frames and their transforms over time, as tf2 keeps one."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from seg_ros.core.rigid import RigidTransform, interpolated

CACHE_NS = 10_000_000_000


class NoTransform(ValueError):  # noqa: N818 - what it is, not that it is one
    """Say why there is no transform between two frames at a stamp."""


@dataclass
class _Edge:
    """Hold a frame's transforms to its parent: one for all times, or some by stamp."""

    parent: str
    static: bool
    stamps: list[int] = field(default_factory=list)
    transforms: dict[int, RigidTransform] = field(default_factory=dict)

    def add(self, stamp_ns: int, transform: RigidTransform) -> None:
        if self.static or (self.stamps and stamp_ns < self.stamps[-1] - CACHE_NS):
            # A static transform replaces the last; time that jumped back makes the old one void.
            self.stamps.clear()
            self.transforms.clear()
        if stamp_ns not in self.transforms:
            insort(self.stamps, stamp_ns)
        self.transforms[stamp_ns] = transform
        while self.stamps[-1] - self.stamps[0] > CACHE_NS:
            del self.transforms[self.stamps.pop(0)]

    def at(self, child: str, stamp_ns: int) -> RigidTransform:
        if self.static:
            return self.transforms[self.stamps[0]]
        first, last = self.stamps[0], self.stamps[-1]
        if not first <= stamp_ns <= last:
            side = 'later' if stamp_ns > last else 'earlier'
            off_s = max(first - stamp_ns, stamp_ns - last) / 1e9
            raise NoTransform(
                f'{child!r} in {self.parent!r} is known from {first / 1e9:.3f} to '
                f'{last / 1e9:.3f} s, the image is {off_s:.3f} s {side}')
        place = bisect_left(self.stamps, stamp_ns)
        after = self.stamps[place]
        if after == stamp_ns:
            return self.transforms[after]
        before = self.stamps[place - 1]
        share = (stamp_ns - before) / (after - before)
        return interpolated(self.transforms[before], self.transforms[after], share)


class TransformTree:
    """Keep the transforms of the last ten seconds; not safe to use from several threads.

    Between two stamps it interpolates; beyond the last one it does not guess.
    """

    def __init__(self) -> None:
        self._edges: dict[str, _Edge] = {}

    def set(
        self, parent: str, child: str, stamp_ns: int, transform: RigidTransform, *,
        static: bool = False,
    ) -> None:
        """Take the transform from ``child``'s coordinates to ``parent``'s at a stamp.

        Raises ValueError for an empty name and for a frame that is its own parent.
        """
        parent, child = parent.lstrip('/'), child.lstrip('/')
        if not parent or not child or parent == child:
            raise ValueError(f'transform of {child!r} in {parent!r}: two frames are needed')
        edge = self._edges.get(child)
        if edge is None or edge.parent != parent or edge.static != static:
            edge = self._edges[child] = _Edge(parent, static)
        edge.add(stamp_ns, transform)

    def lookup(self, target: str, source: str, stamp_ns: int) -> RigidTransform:
        """Return the transform from ``source``'s coordinates to ``target``'s at a stamp.

        Raises NoTransform with the reason.
        """
        target, source = target.lstrip('/'), source.lstrip('/')
        up, down = self._line(source), self._line(target)
        common = next((frame for frame in up if frame in set(down)), None)
        for frame in (target, source):
            if common is None and not self._is_known(frame):
                raise NoTransform(f'frame {frame!r} is not in TF')
        if common is None:
            raise NoTransform(f'{source!r} and {target!r} are not connected in TF')
        to_common = self._to_ancestor(up[:up.index(common)], stamp_ns)
        back = self._to_ancestor(down[:down.index(common)], stamp_ns)
        return back.inverse() @ to_common

    def _is_known(self, frame: str) -> bool:
        return frame in self._edges or any(e.parent == frame for e in self._edges.values())

    def _line(self, frame: str) -> list[str]:
        """Return a frame and its ancestors; NoTransform where they go round in a circle."""
        line = [frame]
        while line[-1] in self._edges:
            parent = self._edges[line[-1]].parent
            if parent in line:
                raise NoTransform(f'TF has a loop at frame {parent!r}')
            line.append(parent)
        return line

    def _to_ancestor(self, frames: list[str], stamp_ns: int) -> RigidTransform:
        found = RigidTransform.identity()
        for frame in frames:
            found = self._edges[frame].at(frame, stamp_ns) @ found
        return found
