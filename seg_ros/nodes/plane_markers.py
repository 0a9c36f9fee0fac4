# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Support planes as markers."""

from __future__ import annotations

from collections.abc import Sequence

from geometry_msgs.msg import Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from seg_ros.core.geometry import OrientedBox
from seg_ros.nodes.markers import pose_of

NAMESPACE = 'support_planes'
_THICKNESS_M = 0.002
_COLORS = ((0.7, 0.7, 0.7), (0.5, 0.7, 0.9))


class PlaneMarkerBuilder:
    """Build the markers of a frame's planes, with a DELETE for each that is no longer there."""

    def __init__(self) -> None:
        self._shown = 0

    def build(self, header: Header, patches: Sequence[OrientedBox]) -> MarkerArray:
        """Return a flat CUBE a plane, the main one id 0; its z axis is the plane's normal."""
        markers = [_cube(header, number, patch) for number, patch in enumerate(patches)]
        gone = [Marker(header=header, ns=NAMESPACE, id=number, action=Marker.DELETE)
                for number in range(len(patches), self._shown)]
        self._shown = len(patches)
        return MarkerArray(markers=markers + gone)


def _cube(header: Header, number: int, patch: OrientedBox) -> Marker:
    red, green, blue = _COLORS[min(number, 1)]
    return Marker(
        header=header, ns=NAMESPACE, id=number, type=Marker.CUBE, action=Marker.ADD,
        pose=pose_of(patch),
        scale=Vector3(x=float(patch.size[0]), y=float(patch.size[1]), z=_THICKNESS_M),
        color=ColorRGBA(r=red, g=green, b=blue, a=0.4))
