# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Deferred shading of rasterised pixels: textures, then one pass a lamp with its shadow map, then reflections."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

MIP_LEVELS = 6

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


class Looks(NamedTuple):
    """Hold materials: texels (N, 3) uint8, mips (M, levels, 3) offset/width/height, gloss (M, 3)."""

    texels: NDArray[np.uint8]
    mips: NDArray[np.int64]
    gloss: F64  # specular strength, shininess, mirror share


@njit(cache=True, error_model='numpy', fastmath=True)
def draw_surfaces(triangles: F64, normals: F64, uvs: F64, materials: NDArray[np.int32], density: F64,
                  texels: NDArray[np.uint8], mips: NDArray[np.int64], rays: tuple[float, float, float, float],
                  depth: F32, hit: NDArray[np.int32], normal_map: F32, albedo: F32) -> None:
    """Write the normal (H, W, 3), turned towards the camera, and the linear albedo (H, W, 3) of every pixel.

    `rays` is (fx, fy, cx, cy), pixels. Weights of the corners are perspective-correct; textures are sampled
    bilinearly at the mip level of the pixel's size on the surface.
    """
    fx, fy, cx, cy = rays
    levels = mips.shape[1]
    for v in range(hit.shape[0]):
        dy = (v - cy) / fy
        for u in range(hit.shape[1]):
            t = hit[v, u]
            if t < 0:
                continue
            dx = (u - cx) / fx
            ax, ay, az = triangles[t, 0, 0], triangles[t, 0, 1], triangles[t, 0, 2]
            bx, by, bz = triangles[t, 1, 0], triangles[t, 1, 1], triangles[t, 1, 2]
            gx, gy, gz = triangles[t, 2, 0], triangles[t, 2, 1], triangles[t, 2, 2]
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
            normal_map[v, u, 0], normal_map[v, u, 1], normal_map[v, u, 2] = nx * norm, ny * norm, nz * norm
            size = density[t] * depth[v, u] / fx / max(np.sqrt(abs(facing)), 0.2)
            lod = int(min(max(np.log2(max(size, 1.0)) + 0.3, 0.0), levels - 1.0))
            m = materials[t]
            offset, width, height = mips[m, lod, 0], mips[m, lod, 1], mips[m, lod, 2]
            s = w0 * uvs[t, 0, 0] + w1 * uvs[t, 1, 0] + w2 * uvs[t, 2, 0]
            q = w0 * uvs[t, 0, 1] + w1 * uvs[t, 1, 1] + w2 * uvs[t, 2, 1]
            # Mirrored repeat: 0..1 as it is, then back again, so that a tiled ground shows no seam.
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
                albedo[v, u, c] = value * value


@njit(cache=True, error_model='numpy', fastmath=True)
def add_lamp(position: F64, color: F64, frame: F64, shadow_map: F32, shadow_focal: float,
             rays: tuple[float, float, float, float], gloss: F64, materials: NDArray[np.int32], depth: F32,
             hit: NDArray[np.int32], normal_map: F32, albedo: F32, image: F32) -> None:
    """Add Lambert and Blinn-Phong light of one lamp; shadows by four shadow-map comparisons, blended.

    position (3,) metres, color (3,) linear, frame (3, 4) lamp from camera, shadow_map (S, S) metres along its axis.
    """
    fx, fy, cx, cy = rays
    px, py, pz = position[0], position[1], position[2]
    red, green, blue = color[0], color[1], color[2]
    m00, m01, m02, m03 = frame[0, 0], frame[0, 1], frame[0, 2], frame[0, 3]
    m10, m11, m12, m13 = frame[1, 0], frame[1, 1], frame[1, 2], frame[1, 3]
    m20, m21, m22, m23 = frame[2, 0], frame[2, 1], frame[2, 2], frame[2, 3]
    size = shadow_map.shape[0]
    half = 0.5 * (size - 1)
    for v in range(hit.shape[0]):
        dy = (v - cy) / fy
        for u in range(hit.shape[1]):
            t = hit[v, u]
            if t < 0:
                continue
            dx = (u - cx) / fx
            z = depth[v, u]
            nx, ny, nz = normal_map[v, u, 0], normal_map[v, u, 1], normal_map[v, u, 2]
            x, y = dx * z, dy * z
            lx, ly, lz = px - x, py - y, pz - z
            away = 1.0 / np.sqrt(lx * lx + ly * ly + lz * lz)
            lx, ly, lz = lx * away, ly * away, lz * away
            cosine = nx * lx + ny * ly + nz * lz
            if cosine <= 0.0:
                continue
            # The point moves off its surface by 3 mm, about a shadow-map texel, against self-shadowing.
            x, y, z = x + 0.003 * nx, y + 0.003 * ny, z + 0.003 * nz
            share = 1.0
            along = m20 * x + m21 * y + m22 * z + m23
            if along > 0.05:
                su = (m00 * x + m01 * y + m02 * z + m03) / along * shadow_focal + half
                sv = (m10 * x + m11 * y + m12 * z + m13) / along * shadow_focal + half
                if su >= 0 and sv >= 0 and su < size - 1 and sv < size - 1:
                    iu, iv = int(su), int(sv)
                    au, av = su - iu, sv - iv
                    limit = along - 0.004
                    a = 1.0 - au if shadow_map[iv, iu] >= limit else 0.0
                    a += au if shadow_map[iv, iu + 1] >= limit else 0.0
                    b = 1.0 - au if shadow_map[iv + 1, iu] >= limit else 0.0
                    b += au if shadow_map[iv + 1, iu + 1] >= limit else 0.0
                    share = a * (1.0 - av) + b * av
            if share == 0.0:
                continue
            shine = 0.0
            g = materials[t]
            if gloss[g, 0] > 0.0:
                back = 1.0 / np.sqrt(dx * dx + dy * dy + 1.0)
                hx, hy, hz = lx - dx * back, ly - dy * back, lz - back
                middle = (nx * hx + ny * hy + nz * hz) / (np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9)
                if middle > 0.6:
                    shine = gloss[g, 0] * np.exp(gloss[g, 1] * np.log(middle))
            image[v, u, 0] += red * share * (albedo[v, u, 0] * cosine + shine)
            image[v, u, 1] += green * share * (albedo[v, u, 1] * cosine + shine)
            image[v, u, 2] += blue * share * (albedo[v, u, 2] * cosine + shine)


@njit(cache=True, error_model='numpy', fastmath=True)
def add_surroundings(ambient: F64, up: F64, rays: tuple[float, float, float, float], gloss: F64,
                     materials: NDArray[np.int32], hit: NDArray[np.int32], normal_map: F32, albedo: F32,
                     image: F32) -> None:
    """Add light from the sky of the room, then mix in its blurry reflection, stronger at grazing view (Schlick).

    ambient (3,) linear, up (3,) the world's up in the camera frame.
    """
    fx, fy, cx, cy = rays
    for v in range(hit.shape[0]):
        dy = (v - cy) / fy
        for u in range(hit.shape[1]):
            t = hit[v, u]
            if t < 0:
                continue
            nx, ny, nz = normal_map[v, u, 0], normal_map[v, u, 1], normal_map[v, u, 2]
            sky = 0.35 + 0.65 * (0.5 + 0.5 * (nx * up[0] + ny * up[1] + nz * up[2]))
            for c in range(3):
                image[v, u, c] += albedo[v, u, c] * ambient[c] * sky
            mirror = gloss[materials[t], 2]
            if mirror <= 0.0:
                continue
            dx = (u - cx) / fx
            back = 1.0 / np.sqrt(dx * dx + dy * dy + 1.0)
            facing = -(nx * dx + ny * dy + nz) * back
            rx, ry, rz = dx * back + 2 * facing * nx, dy * back + 2 * facing * ny, back + 2 * facing * nz
            height = rx * up[0] + ry * up[1] + rz * up[2]
            strips = 0.5 + 0.5 * np.sin(9.0 * height + 3.0 * rx)
            room = (0.25 + 0.75 * max(height, 0.0)) * (0.5 + 0.9 * strips * strips)
            graze = 1.0 - min(max(facing, 0.0), 1.0)
            share = mirror * (0.5 + 0.5 * graze * graze * graze)
            for c in range(3):
                image[v, u, c] = image[v, u, c] * (1 - share) + share * room * (ambient[c] * 1.5 + 0.25)
