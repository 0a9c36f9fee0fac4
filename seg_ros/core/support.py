# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The planes that objects stand on: tables, shelves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seg_ros.core.footprint import low_value, trimmed_bounds
from seg_ros.core.frame import CameraModel
from seg_ros.core.geometry import FloatArray, OrientedBox, Plane, fit_plane, oriented_box
from seg_ros.core.object_points import points_at

# Pixels looked at, evenly spaced: 640x480 by every fifth row and column.
_GRID_PIXELS = 12_300
# How far from the objects a plane is looked for, metres.
_AROUND_M = 0.12
_MOST_PLANES = 6
_LEAST_POINTS, _LEAST_SHARE = 80, 0.03
# Planes this parallel to the main one are supports too: other boards of a shelf.
_PARALLEL = float(np.cos(np.deg2rad(10)))
_TOUCHES_M = 0.015
# What counts beside the share of objects that stand on a plane: its share of the points, and
# whether it faces up in the image.
_POINTS_WEIGHT, _UP_WEIGHT = 0.7, 0.3


@dataclass(frozen=True, eq=False)
class SupportPlane:
    """Hold a plane, the rectangle of it that was seen, and how many objects stand on it.

    ``patch`` is a flat box: its third axis is the plane's normal. Metres, optical frame.
    """

    plane: Plane
    patch: OrientedBox
    objects: int


def tolerance_m(z_m: FloatArray) -> FloatArray:
    """Return the distance within which a point at range z (metres) is on a plane.

    The noise of depth cameras grows with z squared: 8 mm at 1 m, at least 4 mm, at most 4 cm.
    """
    return np.clip(0.008 * np.square(z_m), 0.004, 0.04)


def find_support_planes(
    depth_m: npt.NDArray[np.float32],
    camera: CameraModel,
    labels: npt.NDArray[np.int32],
    seed: int = 0,
) -> list[SupportPlane]:
    """Find the planes that the objects of labels (H, W), 0 background, stand on, the main first.

    Planes are fitted by RANSAC to the background near the objects, else to all of it, one after
    the other. The main one is, above all, that on which most objects stand; those parallel to it
    are the others. Without objects it is a large plane that faces up. The same input and seed give
    the same planes. May be empty.
    """
    flat = _grid(labels.shape)
    flat = flat[np.isfinite(depth_m.ravel()[flat])]
    points, owners = points_at(depth_m, camera, flat), labels.ravel()[flat]
    background = owners == 0
    around = points[background & _near(points, points[~background])]
    planes = _planes(around, seed) or _planes(points[background], seed)
    standing = [_standing(plane, points, owners) for plane, _ in planes]
    likely = _likely(planes, standing, len(around), len(np.unique(owners[~background])))
    return [SupportPlane(planes[row][0], _patch(*planes[row]), standing[row]) for row in likely]


def _grid(shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    step = max(1, round(float(np.sqrt(shape[0] * shape[1] / _GRID_PIXELS))))
    rows, columns = np.arange(step // 2, shape[0], step), np.arange(step // 2, shape[1], step)
    return (rows[:, None] * shape[1] + columns).ravel()


def _near(points: FloatArray, objects: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which points (N,) lie in the box around the objects' points, widened."""
    if not len(objects):
        return np.ones(len(points), bool)
    low, high = trimmed_bounds(objects, 0.01)
    return np.asarray(
        ((points > low - _AROUND_M) & (points < high + _AROUND_M)).all(axis=1), bool)


def _planes(points: FloatArray, seed: int) -> list[tuple[Plane, FloatArray]]:
    """Return planes with the points on each, the strongest first; each point is on one of them."""
    found: list[tuple[Plane, FloatArray]] = []
    least = max(_LEAST_POINTS, round(_LEAST_SHARE * len(points)))
    while len(found) < _MOST_PLANES and len(points) >= least:
        within = tolerance_m(points[:, 2])
        fitted = fit_plane(
            points, tolerance_m=within, iterations=80, sample_size=800, seed=seed)
        if fitted is None or fitted[1] * len(points) < least:
            break
        distance = np.abs(fitted[0].heights(points))
        found.append((fitted[0], points[distance < within]))
        points = points[distance >= 2 * within]
    return found


def _standing(plane: Plane, points: FloatArray, owners: npt.NDArray[np.int32]) -> int:
    """Return how many objects touch a plane from the camera's side and do not reach through it."""
    count = int(owners.max(initial=0))
    heights, within = plane.heights(points), tolerance_m(points[:, 2])
    total = np.bincount(owners, minlength=count + 1)[1:]
    above = np.bincount(owners[heights > -2 * within], minlength=count + 1)[1:]
    touching = np.bincount(
        owners[np.abs(heights) < _TOUCHES_M + within], minlength=count + 1)[1:]
    return int(((total >= 5) & (above >= 0.9 * total) & (touching >= 0.02 * total)
                & (touching > 0)).sum())


def _patch(plane: Plane, inliers: FloatArray) -> OrientedBox:
    """Return the flat box around the points (N, 3) on a plane."""
    box = oriented_box(inliers[:: max(1, len(inliers) // 1000)], plane.normal)
    if box is None:
        raise ValueError(f'{len(inliers)} points are no patch of a plane')
    above = float(plane.normal @ box.center) - plane.offset
    return OrientedBox(
        box.center - above * plane.normal, box.axes, np.array([*box.size[:2], 0.0]))


def _likely(
    planes: Sequence[tuple[Plane, FloatArray]], standing: Sequence[int], points: int, objects: int
) -> list[int]:
    """Return the rows of the likeliest support and of those parallel to it.

    Objects stand on it; walls of a bin, which they may touch too, are smaller or do not face up.
    """
    if not planes:
        return []
    scores = [count / max(objects, 1) + _POINTS_WEIGHT * len(inliers) / max(points, 1)
              + _UP_WEIGHT * max(0.0, -float(plane.normal[1]))
              for (plane, inliers), count in zip(planes, standing, strict=True)]
    main = int(np.argmax(scores))
    normal = planes[main][0].normal
    return [main, *(row for row, (plane, _) in enumerate(planes)
                    if row != main and plane.normal @ normal > _PARALLEL)]


def plane_below(points: FloatArray, planes: Sequence[Plane]) -> Plane | None:
    """Return the highest plane that an object's points (N, 3) lie above, None for none.

    One in ten points may be below it, by noise.
    """
    best, nearest = None, np.inf
    below = float(tolerance_m(points[:1, 2])[0])
    for plane in planes:
        heights = plane.heights(points)
        low = low_value(heights, 0.1)
        if -below < low < nearest:
            best, nearest = plane, low
    return best
