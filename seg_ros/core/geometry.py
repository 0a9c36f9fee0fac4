# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Points, planes and oriented boxes in metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]


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
    tolerance_m: float = 0.01,
    iterations: int = 100,
    sample_size: int = 2000,
    seed: int = 0,
) -> tuple[Plane, float] | None:
    """Fit the plane most points (N, 3) lie on, by RANSAC and least squares on its inliers.

    Returns the plane and its share of inliers, or None for fewer than 3 finite points or when all
    are on a line. Deterministic for one seed. Source: Fischler and Bolles 1981.
    """
    points = points_cam.reshape(-1, 3)
    points = points[np.isfinite(points).all(axis=1)].astype(np.float64)
    if len(points) < 3:
        return None
    rng = np.random.default_rng(seed)
    sample = points if len(points) <= sample_size else points[
        rng.choice(len(points), sample_size, replace=False)]
    normal, offset = _best_hypothesis(sample, rng, iterations, tolerance_m)
    if not np.isfinite(normal).all():
        return None
    for _ in range(2):
        inliers = sample[np.abs(sample @ normal - offset) < tolerance_m]
        if len(inliers) >= 3:
            normal, offset = _least_squares_plane(inliers)
    share = float(np.mean(np.abs(points @ normal - offset) < tolerance_m))
    return _towards_camera(normal, offset), share


def _best_hypothesis(
    sample: FloatArray, rng: np.random.Generator, iterations: int, tolerance_m: float
) -> tuple[FloatArray, float]:
    triples = sample[rng.integers(0, len(sample), (iterations, 3))]
    normals = np.cross(triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    good = lengths[:, 0] > 1e-12
    if not good.any():
        return np.full(3, np.nan), 0.0
    normals, triples = normals[good] / lengths[good], triples[good]
    offsets = np.einsum('ij,ij->i', normals, triples[:, 0])
    counts = (np.abs(sample @ normals.T - offsets) < tolerance_m).sum(axis=0)
    best = int(counts.argmax())
    return normals[best], float(offsets[best])


def _least_squares_plane(points: FloatArray) -> tuple[FloatArray, float]:
    centre = points.mean(axis=0)
    normal = np.linalg.eigh(np.cov((points - centre).T))[1][:, 0]
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
    """Fit a box to points (N, 3) in metres: the smallest footprint, or PCA.

    With ``up``, the support plane's unit normal, axis 2 is up and axes 0 and 1 span the smallest
    enclosing rectangle seen along it, the longer one first. Without it the axes are the principal
    ones by falling extent. The ``trim`` share at both ends of each axis is taken for outliers.
    None for fewer than 3 finite points.
    """
    points = points.reshape(-1, 3).astype(np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 3:
        return None
    axes = _principal_axes(points) if up is None else _upright_axes(points, np.asarray(up), trim)
    low, high = np.quantile(points @ axes, [trim, 1 - trim], axis=0)
    order = _stable_order(high - low, up is not None)
    axes = _right_handed(axes[:, order])
    low, high = np.quantile(points @ axes, [trim, 1 - trim], axis=0)
    center = axes @ ((low + high) / 2)
    size = np.maximum(high - low, min_size_m)
    return OrientedBox(center, axes, size)


def _stable_order(extents: FloatArray, upright: bool) -> npt.NDArray[np.intp]:
    """Return the order of axes by falling extent; an upright box keeps its third axis."""
    free = extents[:2] if upright else extents
    order = np.argsort(-free, kind='stable')
    return np.append(order, 2) if upright else order


def _principal_axes(points: FloatArray) -> FloatArray:
    return np.linalg.eigh(np.cov((points - points.mean(axis=0)).T))[1][:, ::-1]


def _upright_axes(points: FloatArray, up: FloatArray, trim: float) -> FloatArray:
    """Return axes (3, 3), up last, of the smallest trimmed rectangle (steps of one degree)."""
    up = up / np.linalg.norm(up)
    helper = np.eye(3)[np.abs(up).argmin()]
    first = np.cross(helper, up)
    first /= np.linalg.norm(first)
    second = np.cross(up, first)
    flat = np.stack([points @ first, points @ second])
    angles = np.deg2rad(np.arange(0.0, 90.0, 1.0))
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    sample = flat[:, :: max(1, flat.shape[1] // 500)]
    along, across = cos * sample[0] + sin * sample[1], -sin * sample[0] + cos * sample[1]
    spans = [np.subtract(*np.quantile(v, [1 - trim, trim], axis=1)) for v in (along, across)]
    angle = angles[int((spans[0] * spans[1]).argmin())]
    axis = np.cos(angle) * first + np.sin(angle) * second
    return np.stack([axis, np.cross(up, axis), up], axis=1)


def _right_handed(axes: FloatArray) -> FloatArray:
    """Return the axes with stable signs: the first points along its largest component, the third
    stays, the second makes them right-handed.
    """
    first, third = axes[:, 0], axes[:, 2]
    if first[np.abs(first).argmax()] < 0:
        first = -first
    return np.stack([first, np.cross(third, first), third], axis=1)


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
