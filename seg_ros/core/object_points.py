# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The points of each object of a frame, taken from its own pixels only."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.footprint import trimmed_bounds
from seg_ros.core.frame import CameraModel

Depth = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

MOST_PIXELS = 20_000
# Neighbouring pixels of one surface differ by less than this: 2 mm and 0.8 % of the depth.
JUMP_M, JUMP_SHARE = 0.002, 0.008
LEAST_PATCH = 0.1
_STRIP = np.ones((5, 5), np.uint8)


def object_pixels(labels: npt.NDArray[np.int32], count: int) -> list[Indices]:
    """Return for every label 1..count the flat indices of its pixels, in image order."""
    flat = labels.ravel()
    where = np.flatnonzero(flat)
    # 16 bits are sorted by radix, several times faster than 32.
    found = flat[where].astype(np.uint16 if count < 65536 else np.uint32)
    order = np.argsort(found, kind='stable')
    ends = np.cumsum(np.bincount(found, minlength=count + 1)[1:])
    return np.split(where[order], ends[:-1]) if count else []


def points_at(
    depth_m: Depth, camera: CameraModel, flat: Indices
) -> npt.NDArray[np.float32]:
    """Return the points (N, 3) float32 metres of pixels by flat index; those without depth go."""
    z = depth_m.ravel()[flat]
    measured = np.isfinite(z)
    z, flat = z[measured], flat[measured]
    rows, columns = np.divmod(flat.astype(np.int32), np.int32(depth_m.shape[1]))
    points = np.empty((len(flat), 3), np.float32)
    points[:, 0] = (columns - camera.cx) / camera.fx * z
    points[:, 1] = (rows - camera.cy) / camera.fy * z
    points[:, 2] = z
    return points


def solid_pixels(depth_m: Depth, flat: Indices) -> Indices:
    """Return the pixels of an object, by ascending flat index, that are on its surface.

    Depth cameras mix what is before an edge with what is behind it, and a mask may reach a little
    too far. Pixels beside a jump in depth go, and so do narrow strips between jumps: the edge of
    what is behind or before it. Pixels without depth go.
    At most 20,000 pixels are looked at: of a large object every second, or third, row and column.
    """
    rows, columns = np.divmod(flat, depth_m.shape[1])
    corner = np.array([rows[0], columns.min()])
    height, width = rows[-1] - corner[0] + 1, columns.max() - corner[1] + 1
    mask = np.zeros((height, width), bool)
    mask[rows - corner[0], columns - corner[1]] = True
    step = int(np.ceil(np.sqrt(height * width / MOST_PIXELS)))
    window = depth_m[corner[0]:corner[0] + height, corner[1]:corner[1] + width]
    z = np.where(mask[::step, ::step], window[::step, ::step], np.float32(np.nan))
    solid = _in_large_patches(np.isfinite(z) & ~_beside_jumps(z, step))
    found = np.flatnonzero(solid)
    found_rows, found_columns = np.divmod(found, solid.shape[1])
    return np.asarray((found_rows * step + corner[0]) * depth_m.shape[1]
                      + found_columns * step + corner[1], np.intp)


def _beside_jumps(z: Depth, step: int) -> npt.NDArray[np.bool_]:
    """Return which pixels (h, w) differ in depth from a neighbour, NaN for none, by a jump."""
    jump = step * (JUMP_M + np.float32(JUMP_SHARE) * z)
    beside = np.zeros(z.shape, bool)
    with np.errstate(invalid='ignore'):
        across = np.abs(z[:, 1:] - z[:, :-1]) > np.minimum(jump[:, 1:], jump[:, :-1])
        down = np.abs(z[1:] - z[:-1]) > np.minimum(jump[1:], jump[:-1])
    beside[:, 1:] |= across
    beside[:, :-1] |= across
    beside[1:] |= down
    beside[:-1] |= down
    return beside


def _in_large_patches(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the pixels (h, w) of connected patches that are a tenth of all, or no narrow strips.

    All, if those are less than half.
    """
    count, patches, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    if count <= 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA]
    core = cv2.erode(mask.view(np.uint8), _STRIP, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    kept = np.bincount(patches[core > 0], minlength=count) > 0
    kept |= areas >= LEAST_PATCH * areas[1:].sum()
    kept[0] = False
    if areas[kept].sum() < 0.5 * areas[1:].sum():
        return mask
    return np.asarray(kept[patches], bool)


def near_the_bulk(points_cam: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Return which points (N, 3) of an object hang together with most others along z, (N,).

    A mask that reaches a pixel too far has points of the wall behind. Where there is a gap in
    depth of more than half the object's width, the side of it with less than a tenth goes.
    """
    order = np.argsort(points_cam[:, 2], kind='stable')
    z = points_cam[order, 2]
    low, high = trimmed_bounds(points_cam[:, :2], 0.05)
    gap = max(0.02, 0.5 * float((high - low).max()))
    parts = np.concatenate([[0], np.cumsum(np.diff(z) > gap)])
    keep = np.empty(len(z), bool)
    keep[order] = (np.bincount(parts) >= 0.1 * len(z))[parts]
    return keep
