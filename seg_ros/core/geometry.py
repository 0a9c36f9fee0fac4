# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Points, planes and oriented boxes in metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seg_ros.core.footprint import rectangle_rad, trimmed_bounds, within_bulk

FloatArray = npt.NDArray[np.floating]

# Where axes point: to the right, and up to the camera. Oblique, so that boxes along or across the
# line of sight, which are common, are not those whose signs are a matter of noise.
_SIDE = np.array([0.87, 0.0, 0.5])
_TOWARDS = np.array([0.1, -0.4, -0.9])
_ALIKE = 1.05


def points_from_depth(
    depth_m: npt.NDArray[np.float32], fx: float, fy: float, cx: float, cy: float
) -> npt.NDArray[np.float32]:
    """Back-project depth (H, W) float32 metres to points (H, W, 3) in the optical frame.

    x = (u - cx) z / fx, y = (v - cy) z / fy (REP 103: z forward, x right, y down). NaN stays NaN.
    """
    height, width = depth_m.shape
    columns = ((np.arange(width) - cx) / fx).astype(np.float32)
    rows = ((np.arange(height) - cy) / fy).astype(np.float32)
    points = np.empty((height, width, 3), np.float32)
    np.multiply(depth_m, columns[None, :], out=points[..., 0])
    np.multiply(depth_m, rows[:, None], out=points[..., 1])
    points[..., 2] = depth_m
    return points


@dataclass(frozen=True, eq=False)
class Plane:
    """Hold a plane n . p = d: unit ``normal`` towards the camera (3,), ``offset`` d in metres."""

    normal: FloatArray
    offset: float

    def heights(self, points_cam: FloatArray) -> FloatArray:
        """Return distances (...) in metres of points (..., 3), positive on the camera's side."""
        return points_cam @ self.normal.astype(points_cam.dtype) - self.offset


def fit_plane(
    points_cam: FloatArray,
    *,
    tolerance_m: float | FloatArray = 0.01,
    iterations: int = 100,
    sample_size: int = 2000,
    seed: int = 0,
) -> tuple[Plane, float] | None:
    """Fit the plane most points (N, 3) lie on, by RANSAC and least squares on its inliers.

    ``tolerance_m`` is one distance or one a point (N,). Returns the plane and its share of
    inliers, or None for fewer than 3 finite points or when all are on a line. Deterministic for
    one seed. Source: Fischler and Bolles 1981.
    """
    points = points_cam.reshape(-1, 3)
    finite = np.isfinite(points).all(axis=1)
    tolerances = np.broadcast_to(np.asarray(tolerance_m, np.float64), len(points))[finite]
    points = points[finite].astype(np.float64)
    if len(points) < 3:
        return None
    rng = np.random.default_rng(seed)
    chosen = np.arange(len(points)) if len(points) <= sample_size else rng.choice(
        len(points), sample_size, replace=False)
    sample, within = points[chosen], tolerances[chosen]
    normal, offset = _best_hypothesis(sample, rng, iterations, within)
    if not np.isfinite(normal).all():
        return None
    for _ in range(2):
        inliers = sample[np.abs(sample @ normal - offset) < within]
        if len(inliers) >= 3:
            normal, offset = _least_squares_plane(inliers)
    share = float(np.mean(np.abs(points @ normal - offset) < tolerances))
    return _towards_camera(normal, offset), share


def _best_hypothesis(
    sample: FloatArray, rng: np.random.Generator, iterations: int, tolerances: FloatArray
) -> tuple[FloatArray, float]:
    triples = sample[rng.integers(0, len(sample), (iterations, 3))]
    normals = np.cross(triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    good = lengths[:, 0] > 1e-12
    if not good.any():
        return np.full(3, np.nan), 0.0
    normals, triples = normals[good] / lengths[good], triples[good]
    offsets = np.einsum('ij,ij->i', normals, triples[:, 0])
    counts = (np.abs(sample @ normals.T - offsets) < tolerances[:, None]).sum(axis=0)
    best = int(counts.argmax())
    return normals[best], float(offsets[best])


def _least_squares_plane(points: FloatArray) -> tuple[FloatArray, float]:
    centre = points.mean(axis=0)
    points = points - centre
    normal = np.linalg.eigh(points.T @ points)[1][:, 0]
    return normal, float(normal @ centre)


def _towards_camera(normal: FloatArray, offset: float) -> Plane:
    return Plane(normal, offset) if offset < 0 else Plane(-normal, -offset)


@dataclass(frozen=True, eq=False)
class OrientedBox:
    """Hold a box: ``center`` (3,) metres, ``axes`` (3, 3) unit columns, ``size`` (3,) metres.

    The axes are right-handed; size[i] is the extent along axes[:, i].
    """

    center: FloatArray
    axes: FloatArray
    size: FloatArray

    def quaternion_xyzw(self) -> FloatArray:
        """Return the unit quaternion (x, y, z, w) that turns the frame's axes into the box's."""
        return quaternion_from_matrix(self.axes)

    def corners(self) -> FloatArray:
        """Return the eight corners (8, 3) in metres."""
        signs = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3, indexing='ij'), -1).reshape(8, 3)
        return self.center + (signs * self.size) @ self.axes.T


def oriented_box(
    points: FloatArray,
    up: FloatArray | None = None,
    *,
    trim: float = 0.01,
    min_size_m: float = 1e-3,
) -> OrientedBox | None:
    """Fit a box to points (N, 3) in metres: around the footprint, or along principal axes.

    With ``up``, the support plane's unit normal, axis 2 is up and axes 0 and 1 are those of the
    rectangle that fits the points seen along it (``footprint.rectangle_rad``), the one clearly
    longer first. Without it the axes are the principal ones by falling extent. The ``trim`` share
    at both ends of each axis is taken for outliers. None for fewer than 3 finite points.
    """
    points = points.reshape(-1, 3)
    points = points[np.isfinite(points).all(axis=1)].astype(np.float64)
    if len(points) < 3:
        return None
    mean = points.mean(axis=0)
    points -= mean
    axes = _principal_axes(points) if up is None else _upright_axes(points, np.asarray(up), trim)
    low, high = trimmed_bounds(points @ axes, trim)
    order = _stable_order(high - low, up is not None)
    return OrientedBox(mean + axes @ ((low + high) / 2), _right_handed(axes[:, order]),
                       np.maximum(high - low, min_size_m)[order])


def _stable_order(extents: FloatArray, upright: bool) -> npt.NDArray[np.intp]:
    """Return the order of axes by falling extent; an upright box keeps its third axis.

    Two sides of an upright box that differ by less than ``_ALIKE`` stay as they are: noise would
    turn it by 90 degrees.
    """
    if upright:
        return np.array([1, 0, 2] if extents[1] > _ALIKE * extents[0] else [0, 1, 2], np.intp)
    return np.argsort(-extents, kind='stable')


def _principal_axes(points: FloatArray) -> FloatArray:
    """Return axes (3, 3) by falling extent of points (N, 3) about their mean.

    The third points to ``_TOWARDS``.
    """
    axes = np.linalg.eigh(points.T @ points)[1][:, ::-1]
    return axes if axes[:, 2] @ _TOWARDS > 0 else axes * [1, 1, -1]


def _upright_axes(points: FloatArray, up: FloatArray, trim: float) -> FloatArray:
    """Return axes (3, 3), up last, of the rectangle that fits the points seen from above."""
    up = up / np.linalg.norm(up)
    helper = np.eye(3)[0 if abs(up[0]) < 0.9 else 1]
    first = helper - (helper @ up) * up
    first /= np.linalg.norm(first)
    second = _cross(up, first)
    flat = np.stack([points @ first, points @ second], axis=1)
    angle = rectangle_rad(within_bulk(flat, trim))
    axis = np.cos(angle) * first + np.sin(angle) * second
    return np.stack([axis, _cross(up, axis), up], axis=1)


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the cross product of two vectors (3,), without numpy's bookkeeping."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2],
                     a[0] * b[1] - a[1] * b[0]])


def _right_handed(axes: FloatArray) -> FloatArray:
    """Return the axes with signs that hardly ever jump: the first points to ``_SIDE``, the third
    stays, the second makes them right-handed.
    """
    first, third = axes[:, 0], axes[:, 2]
    if first @ _SIDE < 0:
        first = -first
    return np.stack([first, _cross(third, first), third], axis=1)


def quaternion_from_matrix(matrix: FloatArray) -> FloatArray:
    """Return the unit quaternion (x, y, z, w), w >= 0, of a rotation matrix (3, 3).

    Source: Bar-Itzhack 2000: the largest eigenvector of the symmetric 4x4 matrix.
    """
    m = np.asarray(matrix, np.float64)
    k = np.array([
        [m[0, 0] - m[1, 1] - m[2, 2], 0, 0, 0],
        [m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], 0, 0],
        [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1], 0],
        [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
    ]) / 3
    quaternion = np.linalg.eigh(k)[1][:, -1]
    return quaternion if quaternion[3] >= 0 else -quaternion
