# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a viewer shows of messages, as numpy; of rclpy's messages and of a bag library's alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.nodes.conversions import array_from_image

# sensor_msgs/PointField datatypes
_DTYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}
_CUBE, _DELETE, _DELETE_ALL = 1, 2, 3


@dataclass(frozen=True, eq=False)
class Cloud:
    """Hold points (N, 3) in metres, their colours (N, 3) uint8 RGB and object ids (N,)."""

    points_m: npt.NDArray[np.float32]
    colors: npt.NDArray[np.uint8]
    ids: npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Box:
    """Hold an oriented box: centre and size in metres, quaternion x, y, z, w."""

    center_m: tuple[float, float, float]
    size_m: tuple[float, float, float]
    rotation: tuple[float, float, float, float]


def cloud_of(message: Any) -> Cloud:
    """Return a PointCloud2 of the node: x, y, z, rgb and label; points without depth left out."""
    kind = np.dtype({
        'names': [field.name for field in message.fields],
        'formats': ['<' + _DTYPES[field.datatype] for field in message.fields],
        'offsets': [field.offset for field in message.fields],
        'itemsize': message.point_step})
    missing = {'x', 'y', 'z', 'rgb', 'label'} - set(kind.names or ())
    if missing:
        raise ValueError(f'cloud without {", ".join(sorted(missing))}: it is none of seg_ros')
    found = np.frombuffer(bytes(message.data), kind)
    points = np.stack([found[axis] for axis in 'xyz'], axis=-1).astype(np.float32)
    keep = np.isfinite(points).all(axis=1)
    rgb = found['rgb'].view(np.uint32) if found['rgb'].dtype.itemsize == 4 else found['rgb']
    colors = np.stack([rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255], axis=-1).astype(np.uint8)
    return Cloud(points[keep], colors[keep], found['label'][keep].astype(np.uint32))


def cloud_from_label(
    ids: npt.NDArray[Any], color: npt.NDArray[np.uint8], points_m: npt.NDArray[np.float32]
) -> Cloud:
    """Return the points of all objects of a frame: ids (H, W), colour and points (H, W, 3)."""
    keep = (ids > 0) & np.isfinite(points_m[..., 2])
    return Cloud(points_m[keep], color[keep], ids[keep].astype(np.uint32))


def rectangles_of(
    ids: npt.NDArray[Any],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the ids of a label image (H, W) and their rectangles x1, y1, x2, y2 in pixels."""
    found, rectangles = np.unique(ids[ids > 0]).astype(np.int64), []
    for number in found:
        mask = ids == number
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        rectangles.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    return found, np.array(rectangles, np.float32).reshape(-1, 4)


def label_of(message: Any) -> npt.NDArray[np.uint16]:
    """Return a label image's ids or classes (H, W) in 16 bits, as viewers take them."""
    return array_from_image(message).astype(np.uint16)


class ShownBoxes:
    """Follow ``~/markers``: which box is shown under which id."""

    def __init__(self) -> None:
        self.boxes: dict[int, Box] = {}
        self.texts: dict[int, str] = {}

    def update(self, message: Any) -> None:
        """Take a MarkerArray."""
        for marker in message.markers:
            shown: dict[int, Any] = self.boxes if marker.ns == 'boxes' else self.texts
            if marker.action == _DELETE_ALL:
                self.boxes.clear()
                self.texts.clear()
            elif marker.action == _DELETE:
                shown.pop(marker.id, None)
            elif marker.ns == 'boxes' and marker.type == _CUBE:
                shown[marker.id] = _box_of(marker)
            elif marker.ns == 'text':
                shown[marker.id] = marker.text


def _box_of(marker: Any) -> Box:
    at, turn, size = marker.pose.position, marker.pose.orientation, marker.scale
    return Box((at.x, at.y, at.z), (size.x, size.y, size.z), (turn.x, turn.y, turn.z, turn.w))
