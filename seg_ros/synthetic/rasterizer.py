# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Z-buffer rasteriser: which triangle each pixel's centre ray meets first, and how far along.

Triangles are rasterised in homogeneous form (Olano and Greer, "Triangle Scan Conversion using 2D
Homogeneous Coordinates", 1997): edge functions of the pixel's ray, so that nothing is clipped and
depth is the exact ray-plane intersection, also for triangles that reach behind the camera.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

NEAR_M = 0.02


@njit(cache=True, error_model='numpy', inline='always')
def _narrow(start: int, stop: int, value: float, step: float) -> tuple[int, int]:
    """Keep the steps k of [start, stop] where value + k step can be positive, one more on either
    side.
    """
    if abs(step) < 1e-12:
        return (start, stop) if value > -1e-6 else (1, 0)
    root = min(max(-value / step, -2.0), stop + 2.0)
    if step > 0:
        return max(start, int(root) - 1), stop
    return start, min(stop, int(root) + 1)


@njit(cache=True, error_model='numpy', inline='always')
def _draw_span(
    depth: NDArray[np.float32],
    hit: NDArray[np.int32],
    columns: NDArray[np.float64],
    starts: tuple[float, float, float],
    steps: tuple[float, float, float],
    number: int,
) -> None:
    """Draw a stretch of a row: depth, hit and columns (N,), where column k has the edge functions
    start + k step.

    Without a branch, so that the compiler takes several pixels at a time.
    """
    w0, w1, w2 = starts
    step0, step1, step2 = steps
    for i in range(len(columns)):
        k = columns[i]
        a, b, c = w0 + k * step0, w1 + k * step1, w2 + k * step2
        total = a + b + c
        closer = (
            (a >= -1e-9)
            & (b >= -1e-9)
            & (c >= -1e-9)
            & (total * depth[i] > 1.0)
            & (total * NEAR_M < 1.0)
        )
        depth[i] = np.float32(1.0 / total) if closer else depth[i]
        hit[i] = np.int32(number) if closer else hit[i]


@njit(cache=True, error_model='numpy')
def rasterize(
    triangles: NDArray[np.float64],
    focal: tuple[float, float],
    centre: tuple[float, float],
    depth: NDArray[np.float32],
    hit: NDArray[np.int32],
    offset: int,
) -> None:
    """Draw triangles (T, 3, 3), camera frame, metres, into depth (H, W) metres and hit (H, W)
    triangle numbers.

    Pixel (column u, row v) looks along ((u - cx) / fx, (v - cy) / fy, 1). `depth` starts at
    infinity and `hit` at -1; triangle t is written as t + offset.
    """
    height, width = depth.shape
    fx, fy = focal
    cx, cy = centre
    columns = np.arange(width).astype(np.float64)
    for t in range(triangles.shape[0]):
        ax, ay, az = triangles[t, 0, 0], triangles[t, 0, 1], triangles[t, 0, 2]
        bx, by, bz = triangles[t, 1, 0], triangles[t, 1, 1], triangles[t, 1, 2]
        gx, gy, gz = triangles[t, 2, 0], triangles[t, 2, 1], triangles[t, 2, 2]
        if az < NEAR_M and bz < NEAR_M and gz < NEAR_M:
            continue
        u0, u1, v0, v1 = 0, width - 1, 0, height - 1
        if az >= NEAR_M and bz >= NEAR_M and gz >= NEAR_M:
            ua, ub, ug = ax / az, bx / bz, gx / gz
            va, vb, vg = ay / az, by / bz, gy / gz
            u0 = max(u0, int(np.ceil(min(ua, ub, ug) * fx + cx - 1e-6)))
            u1 = min(u1, int(np.floor(max(ua, ub, ug) * fx + cx + 1e-6)))
            v0 = max(v0, int(np.ceil(min(va, vb, vg) * fy + cy - 1e-6)))
            v1 = min(v1, int(np.floor(max(va, vb, vg) * fy + cy + 1e-6)))
            if u0 > u1 or v0 > v1:
                continue
        ex0, ey0, ez0 = by * gz - bz * gy, bz * gx - bx * gz, bx * gy - by * gx
        determinant = ax * ex0 + ay * ey0 + az * ez0
        if abs(determinant) < 1e-16:
            continue
        scale = 1.0 / determinant
        ex1, ey1, ez1 = gy * az - gz * ay, gz * ax - gx * az, gx * ay - gy * ax
        ex2, ey2, ez2 = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        steps = ex0 * scale / fx, ex1 * scale / fx, ex2 * scale / fx
        dx = (u0 - cx) / fx
        for v in range(v0, v1 + 1):
            dy = (v - cy) / fy
            w0 = (ex0 * dx + ey0 * dy + ez0) * scale
            w1 = (ex1 * dx + ey1 * dy + ez1) * scale
            w2 = (ex2 * dx + ey2 * dy + ez2) * scale
            first, last = 0, u1 - u0
            if last > 7:  # narrowing costs as much as drawing a few pixels
                first, last = _narrow(first, last, w0, steps[0])
                first, last = _narrow(first, last, w1, steps[1])
                first, last = _narrow(first, last, w2, steps[2])
            low, high = u0 + first, u0 + last + 1
            if low < high:
                _draw_span(
                    depth[v, low:high], hit[v, low:high], columns[first : last + 1],
                    (w0, w1, w2), steps, t + offset,
                )  # fmt: skip


def depth_buffers(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return an empty depth buffer (infinity) and hit buffer (-1)."""
    return np.full((height, width), np.inf, np.float32), np.full((height, width), -1, np.int32)
