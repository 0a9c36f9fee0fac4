# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Packed and moulded objects of real sizes: boxes, cans, bottles, tins, books, blocks."""

from __future__ import annotations

import numpy as np

from seg_ros.synthetic import textures
from seg_ros.synthetic.mesh import Array, Soup, box, loft, merge, project_uv
from seg_ros.synthetic.objects import (
    ANYTHING,
    FINISHES,
    METAL,
    MOULDED,
    PACKED,
    Material,
    ObjectModel,
    Rng,
    hull_of,
    material,
    settled,
)


def make_box(rng: Rng) -> ObjectModel:
    """Make a packed box: crackers, tea, medicine, a parcel."""
    size = np.array([rng.uniform(0.05, 0.2), rng.uniform(0.02, 0.1), rng.uniform(0.05, 0.27)])
    if rng.random() < 0.25:
        size = rng.uniform(0.03, 0.12, 3)
    return _boxy(rng, 'box', size, upright=0.6)


def make_book(rng: Rng) -> ObjectModel:
    """Make a book, a folder or a tablet computer: flat and wide."""
    size = np.array([rng.uniform(0.1, 0.24), rng.uniform(0.13, 0.31), rng.uniform(0.008, 0.05)])
    return _boxy(rng, 'book', size, upright=0.93)


def make_phone(rng: Rng) -> ObjectModel:
    """Make a telephone, a remote control, a bar of chocolate: small and flat, rounded corners."""
    half = np.array([rng.uniform(0.018, 0.04), rng.uniform(0.06, 0.11)])
    height = rng.uniform(0.007, 0.03)
    soup = loft(
        [(0, 0), (1, 0), (1, height), (0, height)],
        exponent=rng.uniform(5, 12),
        aspect=(half[0], half[1]),
        parts=[0, 0, 1],
    )
    face = textures.draw(rng, 128, {'plain': 2, 'printed': 2})
    soup = _planar_top(soup, 1, half)
    paint = (material(rng, MOULDED, ['satin', 'plastic']), Material(face, FINISHES['plastic']))
    return ObjectModel(
        'phone', soup, paint, (hull_of(soup),), upright=0.97, top=(*(half * 0.7), height)
    )


def _boxy(rng: Rng, kind: str, size: Array, upright: float) -> ObjectModel:
    soup = settled(box(size))
    if rng.random() < 0.75:
        paint = Material(
            textures.box_print(rng, 192), FINISHES[str(rng.choice(['matte', 'satin', 'plastic']))]
        )
    else:
        paint = material(rng, ANYTHING, ['matte', 'satin'])
        soup = project_uv(soup, rng.uniform(0.08, 0.3))
    return ObjectModel(
        kind,
        soup,
        (paint,),
        (hull_of(soup),),
        upright,
        top=(size[0] * 0.45, size[1] * 0.45, size[2]),
    )


def _planar_top(soup: Soup, part: int, half: Array) -> Soup:
    """Lay the texture of one part flat over x and y instead of around the axis."""
    uvs = soup.uvs.copy()
    rows = soup.parts == part
    uvs[rows] = np.clip(soup.positions[rows][..., :2] / (2 * half) + 0.5, 0.0, 0.999)
    return Soup(soup.positions, soup.normals, uvs, soup.parts)


def make_can(rng: Rng) -> ObjectModel:
    """Make a tin can or a drinks can with metal ends: a rim, a sunk lid."""
    radius, height = rng.uniform(0.022, 0.055), rng.uniform(0.04, 0.17)
    rim, sunk = radius * rng.uniform(0.88, 0.97), rng.uniform(0.001, 0.005)
    profile = [
        (0, 0),
        (rim, 0),
        (radius, 0.004),
        (radius, height - 0.005),
        (rim, height),
        (rim - 0.002, height),
        (rim - 0.003, height - sunk),
        (0, height - sunk),
    ]
    parts = [1, 1, 0, 1, 1, 1, 1]
    soup = _planar_top(loft(profile, parts=parts), 1, np.array([radius, radius]))
    paint = (
        material(rng, PACKED, ['satin', 'plastic', 'metal'], 192),
        material(rng, METAL, ['metal']),
    )
    return ObjectModel(
        'can', soup, paint, (hull_of(soup),), 0.75, top=(radius * 0.6, radius * 0.6, height)
    )


def make_tin(rng: Rng) -> ObjectModel:
    """Make a rounded tin: luncheon meat, tuna, sardines, sweets."""
    half = np.array([rng.uniform(0.03, 0.06), rng.uniform(0.022, 0.05)])
    height, exponent = rng.uniform(0.018, 0.1), rng.uniform(2, 7)
    bevel = rng.uniform(0.001, 0.006)
    profile = [
        (0, 0),
        (0.94, 0),
        (1, bevel),
        (1, height - bevel),
        (0.95, height),
        (0.92, height - 0.002),
        (0, height - 0.002),
    ]
    soup = _planar_top(
        loft(profile, parts=[1, 1, 0, 1, 1, 1], exponent=exponent, aspect=(half[0], half[1])),
        1,
        half,
    )
    lid = material(rng, {'brushed': 2, 'plain': 1, 'printed': 1}, ['metal', 'satin'])
    paint = (material(rng, PACKED, ['satin', 'metal', 'plastic'], 192), lid)
    return ObjectModel(
        'tin', soup, paint, (hull_of(soup),), 0.8, top=(half[0] * 0.7, half[1] * 0.7, height)
    )


def _bottle_profile(rng: Rng, height: float, neck: float) -> tuple[Array, int]:
    """Return a profile of unit body radius with a smooth shoulder, and the index where the cap
    begins.
    """
    shoulder, cap = rng.uniform(0.55, 0.8), rng.uniform(0.86, 0.95)
    waist = 1 - rng.uniform(0, 0.18) * (rng.random() < 0.5)
    t = np.linspace(0, 1, 7)
    curve = neck + (1 - neck) * (0.5 + 0.5 * np.cos(np.pi * t)) ** rng.uniform(0.6, 1.6)
    rise = shoulder + (cap - shoulder) * t
    body = [(0, 0), (0.9, 0), (1, 0.03), (1, 0.12), (waist, shoulder * 0.5), (1, shoulder * 0.92)]
    wide = neck * rng.uniform(1.0, 1.25)
    top = [(wide, cap), (wide * rng.uniform(0.7, 1.0), 1.0), (0, 1.0)]
    profile = np.array(body + list(zip(curve, rise, strict=True)) + top, dtype=np.float64)
    profile[:, 1] *= height
    return profile, len(body) + len(t) - 1


def make_bottle(rng: Rng) -> ObjectModel:
    """Make a bottle: round or flat body, shoulder, neck, cap; printed label in the middle."""
    radius, height = rng.uniform(0.022, 0.05), rng.uniform(0.1, 0.3)
    aspect = (radius, radius * (1.0 if rng.random() < 0.55 else rng.uniform(0.5, 0.85)))
    profile, cap = _bottle_profile(rng, height, rng.uniform(0.25, 0.65))
    parts = [1, 1, 1, 0, 0] + [1] * (cap - 5) + [2] * (len(profile) - 1 - cap)
    soup = loft(profile, parts=parts, exponent=rng.choice([2.0, 2.0, 3.5]), aspect=aspect)
    body = material(rng, MOULDED, ['plastic', 'glazed', 'satin'])
    label = material(rng, PACKED, ['plastic', 'satin'], 192) if rng.random() < 0.8 else body
    soup_hulls = (hull_of(_below(soup, 0.8 * height)), hull_of(_above(soup, 0.6 * height)))
    paint = (label, body, material(rng, {'plain': 1}, ['plastic', 'metal']))
    return ObjectModel('bottle', soup, paint, soup_hulls, 0.75)


def _below(soup: Soup, height: float) -> Soup:
    return _rows(soup, soup.positions[..., 2].max(axis=1) <= height)


def _above(soup: Soup, height: float) -> Soup:
    return _rows(soup, soup.positions[..., 2].max(axis=1) > height)


def _rows(soup: Soup, keep: np.ndarray) -> Soup:
    chosen = keep if keep.sum() >= 4 else np.ones(len(soup), bool)
    return Soup(soup.positions[chosen], soup.normals[chosen], soup.uvs[chosen], soup.parts[chosen])


def make_jar(rng: Rng) -> ObjectModel:
    """Make a jar, a spice pot, a deodorant: body and a wide lid."""
    radius, height = rng.uniform(0.018, 0.055), rng.uniform(0.05, 0.2)
    lid, lid_radius = rng.uniform(0.6, 0.9), rng.uniform(0.75, 1.05)
    profile = np.array(
        [
            (0, 0),
            (0.95, 0),
            (1, 0.04),
            (1, lid - 0.05),
            (0.9, lid),
            (lid_radius, lid),
            (lid_radius, 0.98),
            (lid_radius * 0.95, 1.0),
            (0, 1.0),
        ]
    ) * (radius, height)
    exponent = rng.choice([2.0, 2.0, 2.0, 4.0])
    soup = loft(profile, parts=[1, 1, 0, 1, 2, 2, 2, 2], exponent=exponent)
    paint = (
        material(rng, PACKED, ['plastic', 'satin', 'glazed'], 192),
        material(rng, MOULDED, ['glazed', 'plastic']),
        material(rng, {'plain': 3, 'brushed': 1}, ['plastic', 'metal']),
    )
    side = radius * lid_radius * 0.6
    return ObjectModel('jar', soup, paint, (hull_of(soup),), 0.8, top=(side, side, height))


def make_block(rng: Rng) -> ObjectModel:
    """Make a prism, a cone, a cylinder or a half sphere: toys, candles, soap, sponges."""
    radius, height = rng.uniform(0.015, 0.06), rng.uniform(0.015, 0.14)
    top = rng.choice([1.0, 1.0, rng.uniform(0.1, 0.9)])
    profile = [(0, 0), (1, 0), (top, height), (0, height)]
    if rng.random() < 0.25:
        t = np.linspace(0, np.pi / 2, 7)
        profile = [(0, 0), *zip(np.cos(t), height * np.sin(t), strict=True)]
    sides = int(rng.choice([3, 5, 6, 28, 28, 28]))
    aspect = (radius, radius * rng.uniform(0.5, 1.0))
    soup = loft(profile, segments=sides, aspect=aspect, exponent=2.0)
    if sides < 10:
        soup = _faceted(soup)
    soup = project_uv(settled(soup), rng.uniform(0.05, 0.3))
    paint = (material(rng, ANYTHING, list(FINISHES)),)
    return ObjectModel('block', soup, paint, (hull_of(soup),), 0.6)


def _faceted(soup: Soup) -> Soup:
    """Give every triangle its own flat normal."""
    p = soup.positions
    flat = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    return Soup(p, np.repeat(flat[:, None], 3, axis=1), soup.uvs, soup.parts)


def make_carton(rng: Rng) -> ObjectModel:
    """Make a drinks carton with a gable, and sometimes a screw cap."""
    width, depth, height = rng.uniform(0.05, 0.1), rng.uniform(0.04, 0.09), rng.uniform(0.1, 0.25)
    body = settled(box((width, depth, height * 0.8)))
    gable = loft([(1.0, height * 0.8), (0.15, height)], segments=4, aspect=(1.0, 1.0))
    turned = _square_cone(width, depth, height * 0.8, height, gable)
    soup = merge([body, turned.with_part(0)])
    paint = Material(textures.box_print(rng, 192), FINISHES['satin'])
    return ObjectModel('carton', soup, (paint,), (hull_of(soup),), 0.8)


def _square_cone(width: float, depth: float, low: float, high: float, cone: Soup) -> Soup:
    """Turn a four-sided unit cone by 45 degrees so that it covers the top of a box."""
    turn = np.array([[1, -1, 0], [1, 1, 0], [0, 0, np.sqrt(2)]]) / np.sqrt(2)
    soup = cone.moved(turn).scaled((width / np.sqrt(2), depth / np.sqrt(2), 1.0))
    uvs = np.full_like(soup.uvs, 0.9)
    return _faceted(Soup(soup.positions, soup.normals, uvs, soup.parts))
