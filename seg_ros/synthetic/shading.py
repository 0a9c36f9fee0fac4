# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Deferred shading of samples: textures, one pass a lamp with its shadow map, then reflections.

Samples are shaded in blocks, by loops without branches that the compiler turns into SIMD code. A
block is one flat array (FIELDS * BLOCK,) float32, one field after the other: constant distances
within one array let the compiler prove that no field overlaps another. All that shades samples
stands in this file, for numba's cache sees no change of another one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from seg_ros.synthetic.samples import Samples

MIP_LEVELS = 6

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

FAST: dict[str, Any] = {'cache': True, 'error_model': 'numpy', 'fastmath': True}

BLOCK = 256
# Offsets of the fields: place (metres, camera frame), normal towards the camera, unit ray, colour
# of the surface, gloss, light; then what the loops hand on.
X, Y, Z, NX, NY, NZ, VX, VY, VZ = (BLOCK * field for field in range(9))
RED, GREEN, BLUE, SPECULAR, SHININESS, MIRROR = (BLOCK * field for field in range(9, 15))
LIGHT_RED, LIGHT_GREEN, LIGHT_BLUE = (BLOCK * field for field in range(15, 18))
COSINE, ALONG, COLUMN, ROW, MIDDLE, SHARE = (BLOCK * field for field in range(18, 24))
ACROSS, DOWN, SIZE = (BLOCK * field for field in range(24, 27))
FIELDS = 27

# Numba takes a literal for double precision; one of these keeps a loop in single precision.
ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
# The point moves off its surface by 3 mm, about a shadow-map texel, against self-shadowing.
LIFT_M = np.float32(0.003)
SHADOW_SLACK_M = np.float32(0.004)
SHINE_FROM = np.float32(0.6)  # cosine of normal and half vector
TINY = np.float32(1e-9)
# Series of artanh, exp and sine; the library's functions are not vectorised.
ARTANH = tuple(np.float32(1 / divisor) for divisor in (3, 5, 7, 9))
EXP = tuple(np.float32(1 / divisor) for divisor in (2, 6, 24, 120, 720))
SINE = tuple(np.float32(1 / divisor) for divisor in (6, 120, 5040, 362880))
EXP_LEAST = np.float32(-17)
MIP_STEP = 2.0**0.7  # texels a pixel from which the first mip level is taken


class Looks(NamedTuple):
    """Hold materials: texels (N, 3), mips (M, levels, 3) offset width height, gloss (M, 3)."""

    texels: NDArray[np.uint8]
    mips: NDArray[np.int64]
    gloss: F64  # specular strength, shininess, mirror share


class Surfaces(NamedTuple):
    """Hold T triangles: corners (T, 3, 3) metres in the camera frame, normals (T, 3, 3) in the
    world, uvs (T, 3, 2), materials (T,) and density (T,), texels per metre.
    """

    corners: F64
    normals: F64
    uvs: F64
    materials: I32
    density: F64


class Lamps(NamedTuple):
    """Hold L lamps: numbers (L, 18), position (3,) metres in the camera frame, lamp from camera
    (3, 4), linear colour (3,); shadow maps (L, S, S) metres along their axes, their focal length.
    """

    numbers: F32
    shadow_maps: F32
    focal: float


class Sky(NamedTuple):
    """Hold the room's light: ambient (3,) linear, up (3,) the world's up in the camera frame."""

    ambient: F32
    up: F32


@njit(**FAST)
def _add_textures(
    s: F32, samples: Samples, start: int, count: int, materials: I32, looks: Looks
) -> None:
    """Sample each texture bilinearly into linear colour."""
    texels, levels = looks.texels, looks.mips.shape[1]
    for i in range(count):
        m = materials[samples.triangles[start + i]]
        mip = looks.mips[m, _mip_level(s[i + SIZE], levels)]
        offset, width, height = mip[0], mip[1], mip[2]
        x, y = s[i + ACROSS] * np.float32(width) - HALF, s[i + DOWN] * np.float32(height) - HALF
        x0, y0 = np.int32(x + ONE) - 1, np.int32(y + ONE) - 1  # floor, for x > -1
        rx, ry = x - np.float32(x0), y - np.float32(y0)
        xa, xb = max(x0, 0), min(x0 + 1, width - 1)
        ya, yb = offset + max(y0, 0) * width, offset + min(y0 + 1, height - 1) * width
        for c in range(3):
            top = texels[ya + xa, c] * (ONE - rx) + texels[ya + xb, c] * rx
            low = texels[yb + xa, c] * (ONE - rx) + texels[yb + xb, c] * rx
            value = (top * (ONE - ry) + low * ry) * np.float32(1 / 255)
            s[i + RED + c * BLOCK] = value * value


@njit(**FAST)
def _mip_level(size: float, levels: int) -> int:
    """Return the mip level at which a pixel covers about one texel, for `size` texels a pixel."""
    level, limit = 0, MIP_STEP
    while level < levels - 1 and size >= limit:
        level, limit = level + 1, 2 * limit
    return level


@njit(**FAST)
def _mirrored(place: float) -> float:
    """Fold a texture coordinate to 0..1: as it is, then back again, so that tiles show no seam."""
    return 2 * abs(0.5 * place - np.floor(0.5 * place + 0.5))


@njit(**FAST)
def _turned(rotation: F64, vector: F64) -> tuple[float, float, float]:
    x, y, z = vector[0], vector[1], vector[2]
    return (
        rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z,
        rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z,
        rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z,
    )


@njit(**FAST)
def _draw_run(
    s: F32, count: int, corners: F64, normals: F64, uvs: F64, rotation: F64,
    texels: float,
) -> None:  # fmt: skip
    """Write normals, rays and places in the texture for the first `count` samples of one triangle.

    corners (3, 3) in the camera frame, normals (3, 3) in the world, uvs (3, 2); texels: of the
    texture a pixel at 1 m. The weights of the corners are perspective-correct.
    """
    ax, ay, az = corners[0, 0], corners[0, 1], corners[0, 2]
    bx, by, bz = corners[1, 0], corners[1, 1], corners[1, 2]
    gx, gy, gz = corners[2, 0], corners[2, 1], corners[2, 2]
    px, py, pz = by * gz - bz * gy, bz * gx - bx * gz, bx * gy - by * gx
    qx, qy, qz = gy * az - gz * ay, gz * ax - gx * az, gx * ay - gy * ax
    rx, ry, rz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    n00, n01, n02 = _turned(rotation, normals[0])
    n10, n11, n12 = _turned(rotation, normals[1])
    n20, n21, n22 = _turned(rotation, normals[2])
    u0, v0, u1, v1, u2, v2 = uvs[0, 0], uvs[0, 1], uvs[1, 0], uvs[1, 1], uvs[2, 0], uvs[2, 1]
    for i in range(count):
        dx, dy, z = np.float64(s[i + X]), np.float64(s[i + Y]), np.float64(s[i + Z])
        w0, w1, w2 = px * dx + py * dy + pz, qx * dx + qy * dy + qz, rx * dx + ry * dy + rz
        share = 1.0 / (w0 + w1 + w2)
        w0, w1, w2 = w0 * share, w1 * share, w2 * share
        nx, ny, nz = (
            w0 * n00 + w1 * n10 + w2 * n20,
            w0 * n01 + w1 * n11 + w2 * n21,
            w0 * n02 + w1 * n12 + w2 * n22,
        )
        facing = -(nx * dx + ny * dy + nz)
        norm = np.copysign(1.0, facing) / (np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12)
        back = 1.0 / np.sqrt(dx * dx + dy * dy + 1.0)
        s[i + X], s[i + Y] = dx * z, dy * z
        s[i + NX], s[i + NY], s[i + NZ] = nx * norm, ny * norm, nz * norm
        s[i + VX], s[i + VY], s[i + VZ] = dx * back, dy * back, back
        s[i + SIZE] = texels * z / max(np.sqrt(abs(facing)), 0.2)
        s[i + ACROSS] = _mirrored(w0 * u0 + w1 * u1 + w2 * u2)
        s[i + DOWN] = _mirrored(w0 * v0 + w1 * v1 + w2 * v2)


@njit(**FAST)
def _draw_surfaces(
    s: F32, samples: Samples, start: int, count: int, surfaces: Surfaces, looks: Looks,
    rotation: F64, focal: float,
) -> None:  # fmt: skip
    """Write place, normal, ray, colour and gloss of `count` samples from `start` on.

    rotation (3, 3) camera from world. The mip level is that of the pixel's size on the surface.
    """
    for i in range(count):
        s[i + X], s[i + Y] = samples.slopes[0, start + i], samples.slopes[1, start + i]
        s[i + Z] = samples.depth[start + i]
    first = 0
    while first < count:
        t, stop = samples.triangles[start + first], first + 1
        while stop < count and samples.triangles[start + stop] == t:
            stop += 1
        run = s[first:]
        _draw_run(run, stop - first, surfaces.corners[t], surfaces.normals[t], surfaces.uvs[t],
                  rotation, surfaces.density[t] / focal)  # fmt: skip
        gloss = looks.gloss[surfaces.materials[t]]
        specular, shininess, mirror = gloss[0], gloss[1], gloss[2]
        for i in range(stop - first):
            run[i + SPECULAR], run[i + SHININESS], run[i + MIRROR] = specular, shininess, mirror
        first = stop
    _add_textures(s, samples, start, count, surfaces.materials, looks)


@njit(**FAST)
def _aim(s: F32, count: int, lamp: F32, focal: float, size: int) -> None:
    """Write each sample's cosine to a lamp, its place in the lamp's shadow map and the cosine of
    normal and half vector.
    """
    px, py, pz = lamp[0], lamp[1], lamp[2]
    a0, a1, a2, a3 = lamp[3], lamp[4], lamp[5], lamp[6]
    b0, b1, b2, b3 = lamp[7], lamp[8], lamp[9], lamp[10]
    c0, c1, c2, c3 = lamp[11], lamp[12], lamp[13], lamp[14]
    middle = HALF * np.float32(size - 1)
    for i in range(count):
        x, y, z = s[i + X], s[i + Y], s[i + Z]
        nx, ny, nz = s[i + NX], s[i + NY], s[i + NZ]
        lx, ly, lz = px - x, py - y, pz - z
        near = ONE / np.sqrt(lx * lx + ly * ly + lz * lz)
        lx, ly, lz = lx * near, ly * near, lz * near
        s[i + COSINE] = nx * lx + ny * ly + nz * lz
        hx, hy, hz = lx - s[i + VX], ly - s[i + VY], lz - s[i + VZ]
        s[i + MIDDLE] = (nx * hx + ny * hy + nz * hz) / (
            np.sqrt(hx * hx + hy * hy + hz * hz) + TINY
        )
        x, y, z = x + LIFT_M * nx, y + LIFT_M * ny, z + LIFT_M * nz
        along = c0 * x + c1 * y + c2 * z + c3
        scale = focal / along
        s[i + ALONG] = along
        s[i + COLUMN] = (a0 * x + a1 * y + a2 * z + a3) * scale + middle
        s[i + ROW] = (b0 * x + b1 * y + b2 * z + b3) * scale + middle


@njit(**FAST)
def _cast_shadows(s: F32, count: int, shadow_map: F32) -> None:
    """Write the share of a lamp's light that arrives (0..1): four shadow-map comparisons, blended.

    None where the surface faces away, all of it outside the map (S, S), metres.
    """
    last = np.float32(shadow_map.shape[0] - 1)
    for i in range(count):
        if s[i + COSINE] <= ZERO:
            s[i + SHARE] = ZERO
            continue
        su, sv, along = s[i + COLUMN], s[i + ROW], s[i + ALONG]
        if not (along > 0.05 and su >= ZERO and sv >= ZERO and su < last and sv < last):
            s[i + SHARE] = ONE
            continue
        iu, iv = np.uint32(su), np.uint32(sv)
        au, av = su - np.float32(iu), sv - np.float32(iv)
        limit = along - SHADOW_SLACK_M
        a = (ONE - au) * np.float32(shadow_map[iv, iu] >= limit)
        a += au * np.float32(shadow_map[iv, iu + 1] >= limit)
        b = (ONE - au) * np.float32(shadow_map[iv + 1, iu] >= limit)
        b += au * np.float32(shadow_map[iv + 1, iu + 1] >= limit)
        s[i + SHARE] = a * (ONE - av) + b * av


@njit(**FAST)
def _add_lamp(s: F32, count: int, lamp: F32) -> None:
    """Add the Lambert and Blinn-Phong light of a lamp whose share of light is known."""
    red, green, blue = lamp[15], lamp[16], lamp[17]
    for i in range(count):
        share, cosine = s[i + SHARE], s[i + COSINE]
        middle = max(s[i + MIDDLE], SHINE_FROM)
        q = (middle - ONE) / (middle + ONE)
        qq = q * q
        log = TWO * q * (
            ONE + qq * (ARTANH[0] + qq * (ARTANH[1] + qq * (ARTANH[2] + qq * ARTANH[3])))
        )
        t = max(s[i + SHININESS] * log, EXP_LEAST) * np.float32(1 / 32)
        power = ONE + t * (
            ONE + t * (EXP[0] + t * (EXP[1] + t * (EXP[2] + t * (EXP[3] + t * EXP[4]))))
        )
        power = power * power
        power = power * power
        power = power * power
        power = power * power
        power = power * power
        shine = s[i + SPECULAR] * power * np.float32(s[i + MIDDLE] > SHINE_FROM)
        s[i + LIGHT_RED] += red * share * (s[i + RED] * cosine + shine)
        s[i + LIGHT_GREEN] += green * share * (s[i + GREEN] * cosine + shine)
        s[i + LIGHT_BLUE] += blue * share * (s[i + BLUE] * cosine + shine)


@njit(**FAST)
def _add_surroundings(s: F32, count: int, sky: Sky) -> None:
    """Add light from the room's sky, then mix in its blurry reflection, stronger at grazing view
    (Schlick).
    """
    red, green, blue = sky.ambient[0], sky.ambient[1], sky.ambient[2]
    ux, uy, uz = sky.up[0], sky.up[1], sky.up[2]
    for i in range(count):
        nx, ny, nz = s[i + NX], s[i + NY], s[i + NZ]
        vx, vy, vz = s[i + VX], s[i + VY], s[i + VZ]
        open_sky = np.float32(0.675) + np.float32(0.325) * (nx * ux + ny * uy + nz * uz)
        facing = -(nx * vx + ny * vy + nz * vz)
        rx, ry, rz = (
            vx + TWO * facing * nx,
            vy + TWO * facing * ny,
            vz + TWO * facing * nz,
        )
        height = rx * ux + ry * uy + rz * uz
        strips = HALF + HALF * _sine(np.float32(9) * height + np.float32(3) * rx)
        room = (np.float32(0.25) + np.float32(0.75) * max(height, ZERO)) * (
            HALF + np.float32(0.9) * strips * strips
        )
        graze = ONE - min(max(facing, ZERO), ONE)
        share = s[i + MIRROR] * (HALF + HALF * graze * graze * graze)
        for light, surface, tint in (
            (LIGHT_RED, RED, red),
            (LIGHT_GREEN, GREEN, green),
            (LIGHT_BLUE, BLUE, blue),
        ):
            own = s[i + light] + s[i + surface] * tint * open_sky
            s[i + light] = own * (ONE - share) + share * room * (
                tint * np.float32(1.5) + np.float32(0.25)
            )


@njit(inline='always', **FAST)
def _sine(angle_rad: float) -> float:
    """Return the sine by its series, after folding the angle to -pi/2..pi/2; errors below 4e-6."""
    turns = angle_rad * np.float32(0.5 / np.pi) + np.float32(0.25)
    x = np.float32(2 * np.pi) * (np.float32(0.25) - abs(turns - np.floor(turns) - HALF))
    xx = x * x
    return x * (ONE - xx * (SINE[0] - xx * (SINE[1] - xx * (SINE[2] - xx * SINE[3]))))


@njit(**FAST)
def shade(
    samples: Samples, surfaces: Surfaces, looks: Looks, lamps: Lamps, sky: Sky, rotation: F64,
    focal: float, image: F32,
) -> None:  # fmt: skip
    """Add the light of the samples, weighted, to their pixels of a flat image (H W, 3), linear.

    rotation (3, 3) camera from world, focal length in pixels.
    """
    s = np.empty(FIELDS * BLOCK, np.float32)
    for start in range(0, len(samples.depth), BLOCK):
        count = min(BLOCK, len(samples.depth) - start)
        _draw_surfaces(s, samples, start, count, surfaces, looks, rotation, focal)
        s[LIGHT_RED : LIGHT_BLUE + BLOCK] = ZERO
        for k in range(len(lamps.numbers)):
            lamp, shadow_map = lamps.numbers[k], lamps.shadow_maps[k]
            _aim(s, count, lamp, np.float32(lamps.focal), len(shadow_map))
            _cast_shadows(s, count, shadow_map)
            _add_lamp(s, count, lamp)
        _add_surroundings(s, count, sky)
        for i in range(count):
            pixel, weight = samples.pixels[start + i], samples.weights[start + i]
            image[pixel, 0] += weight * s[i + LIGHT_RED]
            image[pixel, 1] += weight * s[i + LIGHT_GREEN]
            image[pixel, 2] += weight * s[i + LIGHT_BLUE]


@njit(cache=True, error_model='numpy')
def develop(image: F32, gain: float, out: NDArray[np.uint8]) -> None:
    """Multiply linear rows (H, N) by a gain, roll off the highlights, and apply a gamma of 2;
    writes out (H, N).
    """
    knee, span, top = np.float32(0.7), np.float32(0.3), np.float32(255)
    for v in range(len(image)):
        row, target = image[v], out[v]
        for i in range(len(row)):
            light = min(row[i] * gain, ONE)
            target[i] = np.uint8(np.int32(top * np.sqrt(light) + HALF))
        for i in range(len(row)):
            light = row[i] * gain
            if light > knee:
                # tanh, which is many times slower as numba has it
                rolled = ONE - TWO / (np.exp((light - knee) * (TWO / span)) + ONE)
                target[i] = np.uint8(np.int32(top * np.sqrt(knee + span * rolled) + HALF))
