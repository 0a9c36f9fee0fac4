# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Deferred shading of samples: textures, one pass a lamp with its shadow map, then reflections.

A sample is a point of the image that met a triangle. A pixel whose surroundings are one smooth
surface has one sample at its centre; one on an edge has four, as in multisample anti-aliasing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

MIP_LEVELS = 6
EDGE_SAMPLES = 4

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
Rays = tuple[float, float, float, float]  # fx, fy, cx, cy, pixels

FAST: dict[str, Any] = {'cache': True, 'error_model': 'numpy', 'fastmath': True}


class Looks(NamedTuple):
    """Hold materials: texels (N, 3), mips (M, levels, 3) offset width height, gloss (M, 3)."""

    texels: NDArray[np.uint8]
    mips: NDArray[np.int64]
    gloss: F64  # specular strength, shininess, mirror share


class Samples(NamedTuple):
    """Hold N samples: rays (N, 2) of slope x/z, y/z; depth (N,) metres; triangle and pixel numbers
    (N,).
    """

    slopes: F32
    depth: F32
    triangles: I32
    pixels: I32
    weights: F32


@njit(**FAST)
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


@njit(**FAST)
def gather(
    depth: F32,
    hit: I32,
    fine_depth: F32,
    fine_hit: I32,
    kinds: I32,
    facings: F32,
    rays: Rays,
    slopes: F32,
    sample_depth: F32,
    triangles: I32,
    pixels: I32,
    weights: F32,
) -> int:
    """List the samples of an image (H, W) and of its double (2H, 2W); returns how many there are.

    kinds (T,) tells the triangles of different things or materials apart, facings (T, 3) is their
    unit normal.
    """
    fx, fy, cx, cy = rays
    count = 0
    for v in range(hit.shape[0]):
        for u in range(hit.shape[1]):
            t, z = hit[v, u], depth[v, u]
            smooth = t >= 0
            for k in range(4):
                fv, fu = 2 * v + k // 2, 2 * u + k % 2
                smooth = smooth and _one_surface(
                    t, z, fine_hit[fv, fu], fine_depth[fv, fu], kinds, facings
                )
            if smooth:
                slopes[count, 0], slopes[count, 1] = (u - cx) / fx, (v - cy) / fy
                sample_depth[count], triangles[count] = z, t
                pixels[count], weights[count] = v * hit.shape[1] + u, 1.0
                count += 1
                continue
            for k in range(4):
                fv, fu = 2 * v + k // 2, 2 * u + k % 2
                if fine_hit[fv, fu] >= 0:
                    slopes[count, 0] = (u - 0.25 + 0.5 * (k % 2) - cx) / fx
                    slopes[count, 1] = (v - 0.25 + 0.5 * (k // 2) - cy) / fy
                    sample_depth[count], triangles[count] = fine_depth[fv, fu], fine_hit[fv, fu]
                    pixels[count], weights[count] = v * hit.shape[1] + u, 0.25
                    count += 1
    return count


@njit(**FAST)
def _texture(
    texels: NDArray[np.uint8],
    offset: int,
    width: int,
    height: int,
    s: float,
    q: float,
    albedo: F32,
    row: int,
) -> None:
    """Sample a texture bilinearly into linear colour.

    It repeats mirrored: 0..1 as it is, then back again, so that a tiled ground shows no seam.
    """
    x = 2 * abs(0.5 * s - np.floor(0.5 * s + 0.5)) * width - 0.5
    y = 2 * abs(0.5 * q - np.floor(0.5 * q + 0.5)) * height - 0.5
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    rx, ry = x - x0, y - y0
    xa, xb = max(x0, 0), min(x0 + 1, width - 1)
    ya, yb = offset + max(y0, 0) * width, offset + min(y0 + 1, height - 1) * width
    for c in range(3):
        top = texels[ya + xa, c] * (1 - rx) + texels[ya + xb, c] * rx
        low = texels[yb + xa, c] * (1 - rx) + texels[yb + xb, c] * rx
        value = (top * (1 - ry) + low * ry) / 255.0
        albedo[row, c] = value * value


@njit(**FAST)
def draw_surfaces(
    corners: F64,
    normals: F64,
    uvs: F64,
    materials: I32,
    density: F64,
    texels: NDArray[np.uint8],
    mips: NDArray[np.int64],
    focal: float,
    slopes: F32,
    depth: F32,
    triangles: I32,
    facing_normals: F32,
    albedo: F32,
) -> None:
    """Write each sample's normal (N, 3), turned towards the camera, and its linear albedo (N, 3).

    corners (T, 3, 3) and normals (T, 3, 3) stand in the camera frame; density (T,) is texels per
    metre. The weights of the corners are perspective-correct; the mip level is that of the pixel's
    size on the surface.
    """
    for row in range(len(depth)):
        t, dx, dy = triangles[row], slopes[row, 0], slopes[row, 1]
        ax, ay, az = corners[t, 0, 0], corners[t, 0, 1], corners[t, 0, 2]
        bx, by, bz = corners[t, 1, 0], corners[t, 1, 1], corners[t, 1, 2]
        gx, gy, gz = corners[t, 2, 0], corners[t, 2, 1], corners[t, 2, 2]
        w0 = (by * gz - bz * gy) * dx + (bz * gx - bx * gz) * dy + (bx * gy - by * gx)
        w1 = (gy * az - gz * ay) * dx + (gz * ax - gx * az) * dy + (gx * ay - gy * ax)
        w2 = (ay * bz - az * by) * dx + (az * bx - ax * bz) * dy + (ax * by - ay * bx)
        share = 1.0 / (w0 + w1 + w2)
        w0, w1, w2 = w0 * share, w1 * share, w2 * share
        nx = w0 * normals[t, 0, 0] + w1 * normals[t, 1, 0] + w2 * normals[t, 2, 0]
        ny = w0 * normals[t, 0, 1] + w1 * normals[t, 1, 1] + w2 * normals[t, 2, 1]
        nz = w0 * normals[t, 0, 2] + w1 * normals[t, 1, 2] + w2 * normals[t, 2, 2]
        facing = -(nx * dx + ny * dy + nz)
        norm = (1.0 if facing >= 0 else -1.0) / (np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12)
        facing_normals[row, 0], facing_normals[row, 1], facing_normals[row, 2] = (
            nx * norm,
            ny * norm,
            nz * norm,
        )
        size = density[t] * depth[row] / focal / max(np.sqrt(abs(facing)), 0.2)
        lod = int(min(max(np.log2(max(size, 1.0)) + 0.3, 0.0), mips.shape[1] - 1.0))
        m = materials[t]
        s = w0 * uvs[t, 0, 0] + w1 * uvs[t, 1, 0] + w2 * uvs[t, 2, 0]
        q = w0 * uvs[t, 0, 1] + w1 * uvs[t, 1, 1] + w2 * uvs[t, 2, 1]
        _texture(texels, mips[m, lod, 0], mips[m, lod, 1], mips[m, lod, 2], s, q, albedo, row)


@njit(**FAST)
def _lit(x: float, y: float, along: float, shadow_map: F32, shadow_focal: float) -> float:
    """Return the share of a lamp's light that arrives (0..1): four shadow-map comparisons,
    blended.
    """
    size = shadow_map.shape[0]
    su = x / along * shadow_focal + 0.5 * (size - 1)
    sv = y / along * shadow_focal + 0.5 * (size - 1)
    if not (su >= 0 and sv >= 0 and su < size - 1 and sv < size - 1):
        return 1.0
    iu, iv = int(su), int(sv)
    au, av = su - iu, sv - iv
    limit = along - 0.004
    a = 1.0 - au if shadow_map[iv, iu] >= limit else 0.0
    a += au if shadow_map[iv, iu + 1] >= limit else 0.0
    b = 1.0 - au if shadow_map[iv + 1, iu] >= limit else 0.0
    b += au if shadow_map[iv + 1, iu + 1] >= limit else 0.0
    return a * (1.0 - av) + b * av


@njit(**FAST)
def add_lamp(
    position: F64,
    color: F64,
    frame: F64,
    shadow_map: F32,
    shadow_focal: float,
    gloss: F64,
    materials: I32,
    slopes: F32,
    depth: F32,
    triangles: I32,
    normals: F32,
    albedo: F32,
    light: F32,
) -> None:
    """Add the Lambert and Blinn-Phong light of one lamp to light (N, 3), linear.

    position (3,) metres in the camera frame, frame (3, 4) lamp from camera, shadow_map (S, S)
    metres along its axis.
    """
    px, py, pz = position[0], position[1], position[2]
    for row in range(len(depth)):
        dx, dy, z = slopes[row, 0], slopes[row, 1], depth[row]
        nx, ny, nz = normals[row, 0], normals[row, 1], normals[row, 2]
        x, y = dx * z, dy * z
        lx, ly, lz = px - x, py - y, pz - z
        near = 1.0 / np.sqrt(lx * lx + ly * ly + lz * lz)
        lx, ly, lz = lx * near, ly * near, lz * near
        cosine = nx * lx + ny * ly + nz * lz
        if cosine <= 0.0:
            continue
        # The point moves off its surface by 3 mm, about a shadow-map texel, against self-
        # shadowing.
        x, y, z = x + 0.003 * nx, y + 0.003 * ny, z + 0.003 * nz
        along = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z + frame[2, 3]
        share = 1.0
        if along > 0.05:
            share = _lit(
                frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z + frame[0, 3],
                frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z + frame[1, 3],
                along,
                shadow_map,
                shadow_focal,
            )
        if share == 0.0:
            continue
        shine, m = 0.0, materials[triangles[row]]
        if gloss[m, 0] > 0.0:
            back = 1.0 / np.sqrt(dx * dx + dy * dy + 1.0)
            hx, hy, hz = lx - dx * back, ly - dy * back, lz - back
            middle = (nx * hx + ny * hy + nz * hz) / (np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9)
            if middle > 0.6:
                shine = gloss[m, 0] * np.exp(gloss[m, 1] * np.log(middle))
        for c in range(3):
            light[row, c] += color[c] * share * (albedo[row, c] * cosine + shine)


@njit(**FAST)
def add_surroundings(
    ambient: F64,
    up: F64,
    gloss: F64,
    materials: I32,
    slopes: F32,
    triangles: I32,
    normals: F32,
    albedo: F32,
    light: F32,
) -> None:
    """Add light from the room's sky, then mix in its blurry reflection, stronger at grazing view
    (Schlick).

    ambient (3,) linear, up (3,) the world's up in the camera frame.
    """
    for row in range(len(triangles)):
        nx, ny, nz = normals[row, 0], normals[row, 1], normals[row, 2]
        sky = 0.35 + 0.65 * (0.5 + 0.5 * (nx * up[0] + ny * up[1] + nz * up[2]))
        for c in range(3):
            light[row, c] += albedo[row, c] * ambient[c] * sky
        mirror = gloss[materials[triangles[row]], 2]
        if mirror <= 0.0:
            continue
        dx, dy = slopes[row, 0], slopes[row, 1]
        back = 1.0 / np.sqrt(dx * dx + dy * dy + 1.0)
        facing = -(nx * dx + ny * dy + nz) * back
        rx, ry, rz = (
            dx * back + 2 * facing * nx,
            dy * back + 2 * facing * ny,
            back + 2 * facing * nz,
        )
        height = rx * up[0] + ry * up[1] + rz * up[2]
        strips = 0.5 + 0.5 * np.sin(9.0 * height + 3.0 * rx)
        room = (0.25 + 0.75 * max(height, 0.0)) * (0.5 + 0.9 * strips * strips)
        graze = 1.0 - min(max(facing, 0.0), 1.0)
        share = mirror * (0.5 + 0.5 * graze * graze * graze)
        for c in range(3):
            light[row, c] = light[row, c] * (1 - share) + share * room * (ambient[c] * 1.5 + 0.25)


@njit(**FAST)
def accumulate(light: F32, pixels: I32, weights: F32, image: F32) -> None:
    """Add the weighted samples (N, 3) to their pixels of a flat image (H W, 3)."""
    for row in range(len(pixels)):
        for c in range(3):
            image[pixels[row], c] += weights[row] * light[row, c]
