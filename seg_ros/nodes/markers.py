# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Oriented boxes of objects, and the markers and poses made of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Point, Pose, PoseArray, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from seg_ros.core.boxes import fit_boxes
from seg_ros.core.drawing import caption, instance_colors
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.geometry import OrientedBox, Plane
from seg_ros.core.results import Instances

_TEXT_HEIGHT_M = 0.03
UP_OPTICAL = np.array([0.0, -1.0, 0.0])


def object_boxes(
    frame: RgbdFrame, instances: Instances, planes: Sequence[Plane] = ()
) -> list[OrientedBox | None]:
    """Return each object's oriented box in the optical frame in metres, None without depth.

    Upright on the support ``planes``, see ``core.boxes.fit_boxes``.
    """
    if frame.depth is None or frame.camera is None:
        return [None] * len(instances)
    return fit_boxes(frame.depth, frame.camera, instances.labels, len(instances), planes)


def pose_of(box: OrientedBox) -> Pose:
    """Return the pose of a box: its centre and axes."""
    x, y, z, w = (float(value) for value in box.quaternion_xyzw())
    cx, cy, cz = (float(value) for value in box.center)
    return Pose(position=Point(x=cx, y=cy, z=cz), orientation=Quaternion(x=x, y=y, z=z, w=w))


def pose_array(
    header: Header, instances: Instances, boxes: list[OrientedBox | None]
) -> tuple[PoseArray, list[int]]:
    """Return the poses by ascending object id, and those ids; objects without depth have none."""
    rows = [int(row) for row in np.argsort(instances.ids) if boxes[int(row)] is not None]
    poses = [pose_of(box) for row in rows if (box := boxes[row]) is not None]
    return PoseArray(header=header, poses=poses), [int(instances.ids[row]) for row in rows]


class MarkerBuilder:
    """Build the markers of a frame, with a DELETE for each object that is no longer there."""

    def __init__(self) -> None:
        self._shown: set[int] = set()

    def build(
        self, header: Header, instances: Instances, boxes: list[OrientedBox | None],
        up: npt.NDArray[np.float64] = UP_OPTICAL,
    ) -> MarkerArray:
        """Return namespaces ``boxes`` (CUBE, oriented) and ``text``; ``id`` is the object's.

        ``up`` (3,) is where captions stand above boxes.
        """
        markers, shown = [], set()
        colors = instance_colors(instances.ids) / 255.0
        for row, box in enumerate(boxes):
            if box is None:
                continue
            number = int(instances.ids[row])
            shown.add(number)
            markers.append(_cube(header, number, box, colors[row]))
            markers.append(_text(header, number, box, caption(instances, row), up))
        gone = self._deletions(header, self._shown - shown)
        self._shown = shown
        return MarkerArray(markers=gone + markers)

    def clear(self, header: Header) -> MarkerArray:
        """Return the deletion of all that is shown."""
        gone = self._deletions(header, self._shown)
        self._shown = set()
        return MarkerArray(markers=gone)

    @staticmethod
    def _deletions(header: Header, numbers: set[int]) -> list[Marker]:
        return [
            Marker(header=header, ns=space, id=number, action=Marker.DELETE)
            for number in sorted(numbers) for space in ('boxes', 'text')
        ]


def _cube(
    header: Header, number: int, box: OrientedBox, rgb: npt.NDArray[np.floating]
) -> Marker:
    size = Vector3(**dict(zip('xyz', map(float, box.size), strict=True)))
    return Marker(header=header, ns='boxes', id=number, type=Marker.CUBE, action=Marker.ADD,
                  pose=pose_of(box), scale=size, color=_rgba(rgb, 0.5))


def _text(
    header: Header, number: int, box: OrientedBox, text: str, up: npt.NDArray[np.float64]
) -> Marker:
    """Return the caption above the box."""
    reach = float(np.abs(up @ box.axes * box.size).sum()) / 2
    place = box.center + (reach + _TEXT_HEIGHT_M) * up
    pose = Pose(position=Point(x=float(place[0]), y=float(place[1]), z=float(place[2])))
    return Marker(header=header, ns='text', id=number, type=Marker.TEXT_VIEW_FACING,
                  action=Marker.ADD, pose=pose, scale=Vector3(z=_TEXT_HEIGHT_M),
                  color=_rgba(np.ones(3), 1.0), text=text)


def _rgba(rgb: npt.NDArray[np.floating], alpha: float) -> ColorRGBA:
    return ColorRGBA(r=float(rgb[0]), g=float(rgb[1]), b=float(rgb[2]), a=alpha)
