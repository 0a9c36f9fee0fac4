# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The oriented box of each object of a frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seg_ros.core.footprint import low_value
from seg_ros.core.frame import CameraModel
from seg_ros.core.geometry import FloatArray, OrientedBox, Plane, oriented_box
from seg_ros.core.object_points import (
    Indices,
    near_the_bulk,
    object_pixels,
    points_at,
    solid_pixels,
)
from seg_ros.core.support import plane_below, tolerance_m

MOST_POINTS = 1000
TRIM = 0.002
# An object whose lowest points are nearer to a plane than this stands on it.
NEAR_M = 0.02


def fit_boxes(
    depth_m: npt.NDArray[np.float32],
    camera: CameraModel,
    labels: npt.NDArray[np.int32],
    count: int,
    planes: Sequence[Plane] = (),
) -> list[OrientedBox | None]:
    """Fit a box to each object 1..count of labels (H, W), metres in the optical frame.

    An object's points are those of its own pixels, at most 1,000, evenly spaced, without flying
    pixels and without what lies far behind or before its bulk. Above one of the support ``planes``
    the box is upright, and reaches down to it where the object stands on it (``stands_on``); else
    its axes are principal ones. None for fewer than 3 points.
    """
    points = [object_points(depth_m, camera, flat) for flat in object_pixels(labels, count)]
    boxes = []
    for number, own in enumerate(points):
        others = [few[::8] for other, few in enumerate(points) if other != number]
        boxes.append(_fit(own, camera, planes, others))
    return boxes


def _with_whole_pixels(
    box: OrientedBox, camera: CameraModel, plane: Plane | None
) -> OrientedBox:
    """Return a box around pixels' centres grown to their edges: half a pixel at either side.

    The height above a plane is left: its bottom is not at a pixel.
    """
    ray = box.center / np.linalg.norm(box.center)
    across = np.sqrt(np.clip(1 - (ray @ box.axes) ** 2, 0, 1))
    if plane is not None:
        across[2] = 0
    return OrientedBox(box.center, box.axes, box.size + across * box.center[2] / camera.fx)


def object_points(
    depth_m: npt.NDArray[np.float32], camera: CameraModel, flat: Indices
) -> npt.NDArray[np.float32]:
    """Return the points (N, 3) of an object's pixels by flat index, without outliers."""
    if not len(flat):
        return np.zeros((0, 3), np.float32)
    solid = solid_pixels(depth_m, flat)
    points = points_at(depth_m, camera, solid[:: max(1, -(-len(solid) // MOST_POINTS))])
    return points[near_the_bulk(points)] if len(points) else points


def _fit(
    points: FloatArray, camera: CameraModel, planes: Sequence[Plane], others: Sequence[FloatArray]
) -> OrientedBox | None:
    if len(points) < 3:
        return None
    plane = plane_below(points, planes)
    if plane is None:
        box = oriented_box(points, trim=TRIM)
    else:
        box = oriented_box(above_plane(points, plane), plane.normal, trim=TRIM)
        if box is not None and stands_on(box, plane, others):
            box = standing_box(box, plane)
    return None if box is None else _with_whole_pixels(box, camera, plane)


def stands_on(box: OrientedBox, plane: Plane, others: Sequence[FloatArray]) -> bool:
    """Return whether the upright box around what is seen of an object stands on a plane.

    Its lower part may be hidden; but not where points (N, 3) of other objects lie between it and
    the plane, nor where it is high above it: twice its longer side, as a thing that is held.
    """
    bottom = float(plane.normal @ box.center) - plane.offset - box.size[2] / 2
    if bottom < NEAR_M:
        return True
    if bottom > 2 * float(box.size[:2].max()):
        return False
    return not rests_on_another(box, plane, others)


def rests_on_another(
    box: OrientedBox, plane: Plane, others: Sequence[FloatArray], reach_m: float = 0.01
) -> bool:
    """Return whether points (N, 3) of other objects lie under an upright box, above the plane."""
    if not others:
        return False
    bottom = float(plane.normal @ box.center) - plane.offset - box.size[2] / 2
    points = np.concatenate(others)
    inside = np.abs((points - box.center) @ box.axes[:, :2]) < box.size[:2] / 2 + reach_m
    heights = plane.heights(points)
    under = (heights > 0.4 * bottom) & (heights < bottom + reach_m)
    return int((inside.all(axis=1) & under).sum()) >= 3


def above_plane(points: FloatArray, plane: Plane) -> FloatArray:
    """Return the points (N, 3) that are clearly above a plane; all, of an object that is flat.

    A mask that reaches a pixel too far has points of the table, which would widen the box.
    """
    heights = plane.heights(points)
    within = 1.5 * tolerance_m(points[:, 2])
    if low_value(heights, 0.75) < 3 * low_value(within, 0.5):
        return points
    return points[heights > within]


def standing_box(box: OrientedBox, plane: Plane) -> OrientedBox:
    """Return an upright box with its bottom moved to the plane."""
    middle = float(plane.normal @ box.center) - plane.offset
    height = max(middle + box.size[2] / 2, 1e-3)
    size = np.array([box.size[0], box.size[1], height])
    return OrientedBox(box.center + (height / 2 - middle) * plane.normal, box.axes, size)
