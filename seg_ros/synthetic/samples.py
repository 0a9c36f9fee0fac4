# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Choose the samples of a picture that are shaded.

A sample is a point of the image that met a triangle. A pixel whose surroundings are one smooth
surface has one sample at its centre; one on an edge has four, as in multisample anti-aliasing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

EDGE_SAMPLES = 4

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
Rays = tuple[float, float, float, float]  # fx, fy, cx, cy, pixels


class Samples(NamedTuple):
    """Hold N samples: slopes (2, N) of their rays, x/z and y/z; depth (N,) metres; triangle and
    pixel numbers (N,); weights (N,) in their pixels.
    """

    slopes: F32
    depth: F32
    triangles: I32
    pixels: I32
    weights: F32


@njit(cache=True, error_model='numpy', fastmath=True)
def _one_surface(t: int, z: float, other: int, other_z: float, kinds: I32, facings: F32) -> bool:
    """Tell whether two hits lie on one smooth surface of one thing."""
    if t == other:
        return True
    if other < 0 or t < 0 or kinds[t] != kinds[other] or abs(z - other_z) > 0.02 * z:
        return False
    dot = (
        facings[t, 0] * facings[other, 0]
        + facings[t, 1] * facings[other, 1]
        + facings[t, 2] * facings[other, 2]
    )
    return dot > 0.85


@njit(cache=True, error_model='numpy', fastmath=True)
def gather(
    depth: F32,
    hit: I32,
    fine_depth: F32,
    fine_hit: I32,
    kinds: I32,
    facings: F32,
    rays: Rays,
    wanted: NDArray[np.bool_],
    samples: Samples,
) -> int:
    """List the samples of an image (H, W) and of its double (2H, 2W); returns how many there are.

    kinds (T,) tells the triangles of different things or materials apart, facings (T, 3) is their
    unit normal. Only pixels of `wanted` (H, W) get samples, at most EDGE_SAMPLES each.
    """
    fx, fy, cx, cy = rays
    slopes, sample_depth, triangles, pixels, weights = samples
    height, width = hit.shape
    count = 0
    for v in range(height):
        row, top, low = hit[v], fine_hit[2 * v], fine_hit[2 * v + 1]
        for u in range(width):
            if not wanted[v, u]:
                continue
            t, z = row[u], depth[v, u]
            a, b, c, d = top[2 * u], top[2 * u + 1], low[2 * u], low[2 * u + 1]
            smooth = t >= 0
            if smooth and (a != t or b != t or c != t or d != t):
                za, zb = fine_depth[2 * v, 2 * u], fine_depth[2 * v, 2 * u + 1]
                zc, zd = fine_depth[2 * v + 1, 2 * u], fine_depth[2 * v + 1, 2 * u + 1]
                smooth = (
                    _one_surface(t, z, a, za, kinds, facings)
                    and _one_surface(t, z, b, zb, kinds, facings)
                    and _one_surface(t, z, c, zc, kinds, facings)
                    and _one_surface(t, z, d, zd, kinds, facings)
                )
            if smooth:
                slopes[0, count], slopes[1, count] = (u - cx) / fx, (v - cy) / fy
                sample_depth[count], triangles[count] = z, t
                pixels[count], weights[count] = v * width + u, 1.0
                count += 1
                continue
            for k in range(4):
                fv, fu = 2 * v + (k >> 1), 2 * u + (k & 1)
                if fine_hit[fv, fu] >= 0:
                    slopes[0, count] = (u - 0.25 + 0.5 * (k & 1) - cx) / fx
                    slopes[1, count] = (v - 0.25 + 0.5 * (k >> 1) - cy) / fy
                    sample_depth[count], triangles[count] = fine_depth[fv, fu], fine_hit[fv, fu]
                    pixels[count], weights[count] = v * width + u, 0.25
                    count += 1
    return count
