# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Boxes that hold still while their object does: means over time, in the world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import numpy.typing as npt

from seg_ros.core.geometry import OrientedBox
from seg_ros.core.track_motion import inverse

Array = npt.NDArray[np.float64]

# A box of an object that stands still is a mean of so many frames; the newest counts this much
# at least, so that it follows slow changes (more of the object comes into view).
_LEAST_GAIN = 0.05
# No frame counts for more than this: noise of depth has long tails.
_MOST_M = 0.01
# A box farther off, or turned or grown by more, is another one. It is taken where so many frames
# in a row agree on it; before, it may be the noise of one that is seen badly.
_OTHER_M, _OTHER_SHARE = 0.02, 0.25
_TURNED_DEG = 20.0
_GROWN_M, _GROWN_SHARE = 0.01, 0.3
_OTHER_FRAMES = 8
# The place of the object itself, which is steadier than its box, tells that it moved.
_MOVED_M = 0.03


@dataclass
class _Mean:
    """Hold the mean box in the world and of how many frames it is; what speaks for another one.

    ``place`` (3,) of the object when it was so, metres.
    """

    box: OrientedBox
    place: Array
    count: int = 1
    other: OrientedBox | None = None
    others: int = 0


class BoxMeans:
    """Keep the mean box of each object by id; boxes go in and out in the camera's frame."""

    def __init__(self) -> None:
        self._means: dict[int, _Mean] = {}

    def update(
        self, boxes: dict[int, OrientedBox], world_from_camera: Array,
        places_world: dict[int, Array],
    ) -> dict[int, OrientedBox]:
        """Take the boxes of a frame by id and return the steady ones, in the camera's frame.

        ``places_world``: a point (3,) of each object in metres that moves as the object does.
        """
        back = inverse(world_from_camera)
        return {
            number: carried(
                self._taken(number, carried(box, world_from_camera), places_world[number]), back)
            for number, box in boxes.items()}

    def keep(self, numbers: set[int]) -> None:
        """Forget all objects but these."""
        self._means = {n: mean for n, mean in self._means.items() if n in numbers}

    def _taken(self, number: int, box: OrientedBox, place: Array) -> OrientedBox:
        mean = self._means.get(number)
        if mean is None or np.linalg.norm(place - mean.place) > _MOVED_M:
            self._means[number] = _Mean(box, place)
            return box
        mean.place = mean.place + _LEAST_GAIN * (place - mean.place)
        seen = like(box, mean.box)
        if _agrees(seen, mean.box):
            mean.count, mean.other = mean.count + 1, None
            mean.box = _between(mean.box, seen, max(1 / mean.count, _LEAST_GAIN))
            return mean.box
        known = mean.other is not None and _agrees(like(box, mean.other), mean.other)
        mean.other, mean.others = box, mean.others + 1 if known else 1
        if mean.others > min(_OTHER_FRAMES, mean.count):
            self._means[number] = mean = _Mean(box, place)
        return mean.box


def carried(box: OrientedBox, matrix: Array) -> OrientedBox:
    """Return a box in another frame: `matrix` (4, 4) is target from source."""
    turn = matrix[:3, :3]
    return OrientedBox(turn @ box.center + matrix[:3, 3], turn @ box.axes, box.size)


def like(box: OrientedBox, other: OrientedBox) -> OrientedBox:
    """Return the same box with its axes named as those of another: nearest, right-handed."""
    turn = other.axes.T @ box.axes
    order = max(permutations(range(3)),
                key=lambda columns: float(np.abs(turn[range(3), columns]).sum()))
    columns = list(order)
    signs = np.sign(turn[range(3), columns])
    axes = box.axes[:, columns] * np.where(signs == 0, 1.0, signs)
    if np.linalg.det(axes) < 0:
        # The axis that fits worst turns round: nothing else keeps it right-handed.
        worst = int(np.abs(turn[range(3), columns]).argmin())
        axes[:, worst] *= -1
    return OrientedBox(box.center, axes, box.size[columns])


def _agrees(box: OrientedBox, mean: OrientedBox) -> bool:
    room = _OTHER_M + _OTHER_SHARE * float(mean.size.min())
    near = float(np.linalg.norm(box.center - mean.center)) < room
    cosine = (float(np.trace(mean.axes.T @ box.axes)) - 1) / 2
    turned = np.rad2deg(np.arccos(np.clip(cosine, -1.0, 1.0)))
    grown = np.abs(box.size - mean.size) < _GROWN_M + _GROWN_SHARE * mean.size
    return bool(near and turned < _TURNED_DEG and grown.all())


def _between(mean: OrientedBox, box: OrientedBox, gain: float) -> OrientedBox:
    """Return the mean box moved by a share towards a new one."""
    mixed = (1 - gain) * mean.axes + gain * box.axes
    left, _, right = np.linalg.svd(mixed)
    step = gain * np.clip(box.center - mean.center, -_MOST_M, _MOST_M)
    growth = gain * np.clip(box.size - mean.size, -_MOST_M, _MOST_M)
    return replace(
        mean, center=mean.center + step, axes=left @ right, size=mean.size + growth)
