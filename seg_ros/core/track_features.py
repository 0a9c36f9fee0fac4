# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What objects of one frame look like to the tracker: place, size and colours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import CameraModel, RgbdFrame

# Every second row and column is enough for colours and places.
STRIDE = 2
_LIGHT_BINS, _COLOR_BINS = 4, 8
_BINS = _LIGHT_BINS * _COLOR_BINS * _COLOR_BINS
# Pixels of the smaller image that count for the rim, and what is left at least.
_RIM, _LEAST_CORE = 3, 15
# Lab's a and b of nearly all things lie within 64 of grey.
_COLOR_SPAN = 64


@dataclass(frozen=True, eq=False)
class Features:
    """Hold what is known of K objects of a frame; rows are those of the instances.

    ``areas_px`` (K,); ``centers_px`` (K, 2) mean column and row; ``points_cam`` (K, 3) median
    point in metres, by the depth around it where it has none, NaN without any; ``sizes_m`` (K,)
    root of the visible area, NaN without depth; ``colors`` (K, 256) root of the colour histogram,
    of unit length, zeros where empty; ``has_core`` (K,): its place is by pixels off its rim, where
    depth is not that of a neighbour.
    """

    areas_px: npt.NDArray[np.int64]
    centers_px: npt.NDArray[np.float64]
    points_cam: npt.NDArray[np.float64]
    sizes_m: npt.NDArray[np.float64]
    colors: npt.NDArray[np.float32]
    has_core: npt.NDArray[np.bool_]


def features_of(labels: npt.NDArray[np.int32], count: int, frame: RgbdFrame) -> Features:
    """Describe the objects 1..count of labels (H, W) in a frame of the same size."""
    small = np.ascontiguousarray(labels[::STRIDE, ::STRIDE])
    rows, columns = np.nonzero(small)
    owners = small[rows, columns] - 1
    number = np.bincount(owners, minlength=count)
    centers: npt.NDArray[np.float64] = np.stack([np.bincount(owners, values, minlength=count)
                        for values in (columns * STRIDE, rows * STRIDE)], axis=1).astype(float)
    with np.errstate(invalid='ignore', divide='ignore'):
        centers = centers / number[:, None]
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:count + 1]
    points = np.full((count, 3), np.nan)
    sizes = np.full(count, np.nan)
    core = off_rim(small)[rows, columns]
    has_core = np.bincount(owners[core], minlength=count) >= _LEAST_CORE
    if frame.depth is not None and frame.camera is not None:
        use = core | ~has_core[owners]
        points = _median_points(
            owners[use], rows[use], columns[use], count, frame.depth, frame.camera)
        _borrow_depth(points, labels, centers, frame.depth, frame.camera)
        sizes = np.sqrt(areas / (frame.camera.fx * frame.camera.fy)) * points[:, 2]
    return Features(areas, centers, points, sizes,
                    _histograms(owners, color_bins(frame.color)[rows, columns], count), has_core)


def off_rim(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Return where the four pixels at a distance of some pixels have the same label (h, w)."""
    wide = np.pad(labels, _RIM, mode='edge')
    height, width = labels.shape
    result = labels > 0
    for dy, dx in ((0, _RIM), (2 * _RIM, _RIM), (_RIM, 0), (_RIM, 2 * _RIM)):
        result &= wide[dy:dy + height, dx:dx + width] == labels
    return result


def _median_points(
    owners: npt.NDArray[np.integer], rows: npt.NDArray[np.integer],
    columns: npt.NDArray[np.integer], count: int, depth_m: npt.NDArray[np.float32],
    camera: CameraModel,
) -> npt.NDArray[np.float64]:
    """Return the median over each object's points (count, 3), axis by axis."""
    z = depth_m[rows * STRIDE, columns * STRIDE]
    known = np.isfinite(z)
    z, owners = z[known], owners[known]
    x = (columns[known] * STRIDE - camera.cx) / camera.fx * z
    y = (rows[known] * STRIDE - camera.cy) / camera.fy * z
    order = np.argsort(owners, kind='stable')
    ends = np.cumsum(np.bincount(owners, minlength=count))[:-1]
    points = np.full((count, 3), np.nan)
    for row, own in enumerate(np.split(order, ends)):
        if len(own):
            points[row] = [np.median(axis[own]) for axis in (x, y, z)]
    return points


def _borrow_depth(
    points: npt.NDArray[np.float64], labels: npt.NDArray[np.int32],
    centers_px: npt.NDArray[np.float64], depth_m: npt.NDArray[np.float32], camera: CameraModel,
) -> None:
    """Place objects that have no depth of their own, as clear ones, by the depth around them."""
    for row in np.flatnonzero(np.isnan(points[:, 2]) & np.isfinite(centers_px[:, 0])):
        rows, columns = np.nonzero(labels == row + 1)
        around = depth_m[rows.min():rows.max() + 1, columns.min():columns.max() + 1]
        around = around[np.isfinite(around)]
        if len(around):
            z = float(np.median(around))
            x, y = centers_px[row]
            points[row] = (x - camera.cx) / camera.fx * z, (y - camera.cy) / camera.fy * z, z


def color_bins(color: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Return the bin of every second pixel's colour in Lab: 4 of lightness, 8 of a, 8 of b."""
    lab = cv2.cvtColor(np.ascontiguousarray(color[::STRIDE, ::STRIDE]), cv2.COLOR_RGB2LAB)
    wide = lab.astype(np.int32)
    light = wide[..., 0] * _LIGHT_BINS // 256
    tones = np.clip((wide[..., 1:] - 128 + _COLOR_SPAN) * _COLOR_BINS // (2 * _COLOR_SPAN),
                    0, _COLOR_BINS - 1)
    return (light * _COLOR_BINS + tones[..., 0]) * _COLOR_BINS + tones[..., 1]


def _histograms(
    owners: npt.NDArray[np.integer], bins: npt.NDArray[np.int32], count: int
) -> npt.NDArray[np.float32]:
    """Return (count, 256) roots of histograms, smoothed so that no colour sits on an edge."""
    found = np.bincount(owners * _BINS + bins, minlength=count * _BINS).astype(np.float32)
    cube = found.reshape(count, _LIGHT_BINS, _COLOR_BINS, _COLOR_BINS)
    for axis in (1, 2, 3):
        cube = _smoothed(cube, axis)
    return unit_rows(np.sqrt(cube.reshape(count, _BINS)))


def _smoothed(cube: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    """Blur along an axis by (1, 2, 1) / 4; the ends keep what they have."""
    width = [(0, 0)] * cube.ndim
    width[axis] = (1, 1)
    wide = np.pad(cube, width, mode='edge')
    size = cube.shape[axis]
    parts = [np.take(wide, np.arange(start, start + size), axis=axis) for start in range(3)]
    return np.asarray(0.25 * parts[0] + 0.5 * parts[1] + 0.25 * parts[2], np.float32)


def unit_rows(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return vectors (K, N) at unit length; zeros stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)
