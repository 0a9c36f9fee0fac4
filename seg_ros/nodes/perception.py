# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A node's answer as numpy: objects of one frame, put together from the messages of its stamp."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.core.geometry import OrientedBox
from seg_ros.nodes.conversions import array_from_image, stamp_ns

# sensor_msgs/PointField's numbers of the types that ~/points has.
_FIELD_TYPES = {6: 'u4', 7: 'f4'}


@dataclass(frozen=True, eq=False)
class PerceivedObject:
    """Hold one object: ``id``, ``class_name`` and ``score`` (NaN where the method gives none).

    ``mask`` (H, W) bool at the camera image's pixels; ``points`` (N, 3) float32 metres and their
    ``colors`` (N, 3) uint8 RGB, N = 0 without depth; ``box`` with ``center`` (3,), ``axes``
    (3, 3) unit columns and ``size`` (3,) metres, None without depth. Points and box are in the
    perception's ``space_frame_id``.
    """

    id: int
    class_name: str
    score: float
    mask: npt.NDArray[np.bool_]
    points: npt.NDArray[np.float32]
    colors: npt.NDArray[np.uint8]
    box: OrientedBox | None

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """Return the mask's bounds in pixels, x2 and y2 exclusive; zeros for an empty mask."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        if not len(rows):
            return 0, 0, 0, 0
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def crop(self, image: npt.NDArray[Any], margin_px: int = 0) -> npt.NDArray[Any]:
        """Return the view of an image (H, W, ...) around the mask; ValueError for another size."""
        if image.shape[:2] != self.mask.shape:
            raise ValueError(
                f'image is {image.shape[1]}x{image.shape[0]}, the mask '
                f'{self.mask.shape[1]}x{self.mask.shape[0]}: crop the image that was segmented, '
                'or its depth')
        x1, y1, x2, y2 = self.box_xyxy
        return image[max(0, y1 - margin_px):y2 + margin_px, max(0, x1 - margin_px):x2 + margin_px]


@dataclass(frozen=True, eq=False)
class Perception:
    """Hold the objects of one frame, by ascending id, and where and when they were seen.

    ``stamp_ns`` and ``frame_id`` are the colour image's; points and boxes are in
    ``space_frame_id``, the same or the node's target frame. ``labels`` (H, W) holds each pixel's
    object id, 0 for none; of a class method ids are classes.
    """

    stamp_ns: int
    frame_id: str
    space_frame_id: str
    labels: npt.NDArray[Any]
    objects: tuple[PerceivedObject, ...]

    def __len__(self) -> int:
        return len(self.objects)

    def __iter__(self) -> Iterator[PerceivedObject]:
        return iter(self.objects)

    def nearest(self) -> PerceivedObject | None:
        """Return the object with the box nearest to the origin of its frame, None without one."""
        placed = [(float(np.linalg.norm(thing.box.center)), thing.id, thing)
                  for thing in self.objects if thing.box is not None]
        return min(placed)[2] if placed else None


def perception_of(reply: Mapping[str, Any], messages: Mapping[str, Any]) -> Perception:
    """Put a ``~/segment`` reply and the messages ``label``, ``points`` and ``poses`` together.

    The last two may be missing. Raises ValueError where they contradict each other.
    """
    label = messages['label']
    labels = array_from_image(label)
    clouds = _clouds(messages['points'], reply['ids']) if 'points' in messages else {}
    boxes = _boxes(reply, messages['poses']) if 'poses' in messages else {}
    space = messages.get('poses', messages.get('points', label)).header.frame_id
    scores = reply.get('scores') or [None] * len(reply['ids'])
    objects = tuple(
        PerceivedObject(
            number, name, math.nan if score is None else float(score), labels == number,
            *clouds.get(number, _NO_CLOUD), boxes.get(number))
        for number, name, score in zip(reply['ids'], reply['classes'], scores, strict=True))
    return Perception(stamp_ns(label.header), label.header.frame_id, space, labels, objects)


_Cloud = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]
_NO_CLOUD: _Cloud = (np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8))


def _clouds(message: Any, numbers: Sequence[int]) -> dict[int, _Cloud]:
    """Return each object's points and colours, in the order of the cloud."""
    points, colors, owners = read_cloud(message)
    order = np.argsort(owners, kind='stable')
    starts = np.searchsorted(owners[order], numbers, side='left')
    ends = np.searchsorted(owners[order], numbers, side='right')
    return {number: (points[order[start:end]], colors[order[start:end]])
            for number, start, end in zip(numbers, starts, ends, strict=True)}


def read_cloud(
    message: Any,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """Return points (N, 3) float32 metres, colours (N, 3) uint8 RGB and labels (N,) uint32.

    Takes the PointCloud2 of ``~/points``, organized or not; points off the objects and those
    that are not finite are left out. Raises ValueError for a cloud with other fields.
    """
    order = '>' if message.is_bigendian else '<'
    wanted = {'x': 'f4', 'y': 'f4', 'z': 'f4', 'rgb': 'f4', 'label': 'u4'}
    found = {field.name: (_FIELD_TYPES.get(field.datatype), field.offset)
             for field in message.fields}
    if {name: found.get(name, (None, 0))[0] for name in wanted} != wanted:
        raise ValueError(f'cloud has the fields {sorted(found)}, needed are x, y, z, rgb '
                         '(float32) and label (uint32), as in ~/points')
    # The colour stands in the bits of a float.
    kinds = {**wanted, 'rgb': 'u4'}
    point = np.dtype({'names': list(kinds), 'formats': [order + kind for kind in kinds.values()],
                      'offsets': [found[name][1] for name in kinds],
                      'itemsize': message.point_step})
    cloud: npt.NDArray[Any] = np.ndarray(
        (message.height, message.width), point, np.frombuffer(message.data, np.uint8),
        strides=(message.row_step, message.point_step)).ravel()
    points = np.stack([cloud[axis] for axis in 'xyz'], axis=1).astype(np.float32)
    kept = (cloud['label'] > 0) & np.isfinite(points).all(axis=1)
    bits = cloud['rgb'][kept, None] >> np.array([16, 8, 0], np.uint32)
    return points[kept], (bits & 255).astype(np.uint8), cloud['label'][kept].astype(np.uint32)


def _boxes(reply: Mapping[str, Any], poses: Any) -> dict[int, OrientedBox]:
    numbers, sizes = reply.get('pose_ids', []), reply.get('pose_sizes_m', [])
    if not len(numbers) == len(sizes) == len(poses.poses):
        raise ValueError(
            f'~/poses has {len(poses.poses)} poses, the reply {len(numbers)} ids and {len(sizes)} '
            'sizes: node and client are of different versions')
    return {
        number: OrientedBox(
            np.array([pose.position.x, pose.position.y, pose.position.z]),
            axes_of(pose.orientation), np.array(size, np.float64))
        for number, size, pose in zip(numbers, sizes, poses.poses, strict=True)
    }


def axes_of(orientation: Any) -> npt.NDArray[np.float64]:
    """Return the rotation (3, 3) of a quaternion message: its columns are the turned axes."""
    x, y, z, w = orientation.x, orientation.y, orientation.z, orientation.w
    scale = 2.0 / (x * x + y * y + z * z + w * w)
    return np.array([
        [1 - scale * (y * y + z * z), scale * (x * y - z * w), scale * (x * z + y * w)],
        [scale * (x * y + z * w), 1 - scale * (x * x + z * z), scale * (y * z - x * w)],
        [scale * (x * z - y * w), scale * (y * z + x * w), 1 - scale * (x * x + y * y)],
    ])
