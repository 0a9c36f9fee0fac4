# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Thin, bent and composed objects: pens, cutlery, hammers, drills, fruit, superquadrics, odd
compounds.
"""

from __future__ import annotations

import numpy as np

from seg_ros.synthetic.mesh import (
    Array,
    Soup,
    box,
    loft,
    merge,
    project_uv,
    random_rotation,
    rotation_about,
    tube,
)
from seg_ros.synthetic.objects import (
    ANYTHING,
    FINISHES,
    METAL,
    MOULDED,
    ObjectModel,
    Rng,
    hull_of,
    hulls_by_slices,
    material,
    settled,
)

_LYING = rotation_about((0, 1, 0), np.pi / 2)


def _rod(
    length: float, radius: float, *, tip: float = 1.0, segments: int = 16, exponent: float = 2.0
) -> Soup:
    """Make a round bar along x, centred, with one end narrowed to `tip`."""
    profile = [(0, 0), (radius, 0), (radius, length * 0.85), (radius * tip, length), (0, length)]
    return loft(profile, segments=segments, exponent=exponent).moved(_LYING, (-length / 2, 0, 0))


def _compose(
    rng: Rng, kind: str, pieces: list[Soup], paints: int, upright: float = 0.85
) -> ObjectModel:
    """Join pieces, each a convex piece for physics, and paint them by their parts."""
    soup = merge(pieces)
    low, high = soup.bounds()
    shift = (-(low + high)[0] / 2, -(low + high)[1] / 2, -low[2])
    soup = project_uv(soup.moved(translation=shift), rng.uniform(0.08, 0.25))
    hulls = tuple(hull_of(piece.moved(translation=shift)) for piece in pieces)
    paint = tuple(
        material(rng, MOULDED if index else ANYTHING, ['matte', 'satin', 'plastic', 'metal'])
        for index in range(paints)
    )
    return ObjectModel(kind, soup, paint, hulls, upright)


def make_pen(rng: Rng) -> ObjectModel:
    """Make a pen, a marker, a pencil, a screwdriver's shaft or a battery."""
    length, radius = rng.uniform(0.08, 0.19), rng.uniform(0.0035, 0.011)
    sides = int(rng.choice([6, 16, 16]))
    body = _rod(length, radius, tip=rng.uniform(0.2, 1.0), segments=sides)
    cap = (
        _rod(length * rng.uniform(0.2, 0.4), radius * 1.12)
        .moved(translation=(-length * 0.35, 0, 0))
        .with_part(1)
    )
    return _compose(rng, 'pen', [body, cap], 2, upright=0.98)


def make_cutlery(rng: Rng) -> ObjectModel:
    """Make a spoon, a knife, a spatula: a thin bent handle and a flat end."""
    length, width = rng.uniform(0.1, 0.19), rng.uniform(0.004, 0.009)
    x = np.linspace(0, length, 8)
    lift = rng.uniform(0.0, 0.02)
    path = np.stack([x, np.zeros(8), 0.004 + lift * np.sin(np.pi * x / length)], axis=1)
    handle = tube(path, np.linspace(1.0, 0.7, 8) * width, flat=0.35, segments=8)
    if np.ptp(path[:, 2]) < 1e-3 or rng.random() < 0.5:
        head = _ellipsoid(
            (rng.uniform(0.02, 0.045), rng.uniform(0.012, 0.026), rng.uniform(0.002, 0.006))
        )
    else:
        head = box((rng.uniform(0.04, 0.1), rng.uniform(0.012, 0.06), 0.003))
    joined = head.moved(translation=(length + 0.015, 0, 0.005))
    model = _compose(
        rng, 'cutlery', [handle, joined.with_part(int(rng.integers(2)))], 2, upright=0.98
    )
    metal = material(rng, METAL, ['metal'])
    return (
        model
        if rng.random() < 0.4
        else ObjectModel(model.kind, model.soup, (metal, metal), model.hulls, 0.98)
    )


def _ellipsoid(
    half: tuple[float, float, float], square: float = 2.0, ring_square: float = 2.0
) -> Soup:
    """Make a superellipsoid centred on the origin."""
    t = np.linspace(-np.pi / 2, np.pi / 2, 15)
    power = 2.0 / square
    radius = np.abs(np.cos(t)) ** power
    radius[[0, -1]] = 0.0
    z = half[2] * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** power
    return loft(
        np.stack([radius, z], axis=1),
        exponent=ring_square,
        aspect=(half[0], half[1]),
        segments=24,
        crease_deg=60,
    )


def make_fruit(rng: Rng) -> ObjectModel:
    """Make a ball, an apple, a lemon, a potato: round, a little lumpy."""
    radius = rng.uniform(0.02, 0.05)
    half = tuple(radius * rng.uniform(0.8, 1.25, 3))
    waves, lump = rng.normal(size=(3, 3)) * 1.5 / radius, rng.uniform(0, 0.03) * radius
    soup = _ellipsoid((half[0], half[1], half[2]))
    soup = settled(soup.deformed(lambda p: p + lump * np.sin(p @ waves)))
    paint = material(
        rng, {'plain': 3, 'speckle': 2, 'stripes': 0.3, 'dots': 0.3}, ['matte', 'satin', 'plastic']
    )
    return ObjectModel('fruit', soup, (paint,), (hull_of(soup),), 0.5)


def make_banana(rng: Rng) -> ObjectModel:
    """Make a bent, tapered thing: a banana, a hose, a horn, a croissant."""
    angle = rng.uniform(0.5, 2.2)
    bend, radius = rng.uniform(0.1, 0.2) / angle, rng.uniform(0.01, 0.022)
    t = np.linspace(-angle / 2, angle / 2, 14)
    path = bend * np.stack([np.sin(t), np.cos(t), np.zeros(14)], axis=1)
    radii = radius * np.maximum(
        np.cos(np.linspace(-1.35, 1.35, 14)) ** rng.uniform(0.15, 0.8), 0.25
    )
    soup = settled(tube(path, radii, flat=rng.uniform(0.8, 1.0)))
    paint = material(
        rng, {'plain': 3, 'speckle': 1, 'stripes': 0.5}, ['matte', 'satin', 'plastic']
    )
    return ObjectModel('banana', soup, (paint,), hulls_by_slices(soup, 0, 5), 0.95)


def make_superquadric(rng: Rng) -> ObjectModel:
    """Make a superquadric, twisted or tapered at times."""
    half = rng.uniform(0.015, 0.07, 3)
    soup = _ellipsoid((half[0], half[1], half[2]), rng.uniform(1.2, 6), rng.uniform(1.5, 6))
    taper = rng.uniform(-0.5, 0.5) / half[2] * (rng.random() < 0.4)
    soup = settled(
        soup.deformed(
            lambda p: p * np.stack([1 + taper * p[:, 2]] * 2 + [np.ones(len(p))], axis=1)
        )
    )
    return ObjectModel(
        'superquadric', soup, (material(rng, ANYTHING, list(FINISHES)),), (hull_of(soup),), 0.4
    )


def make_hammer(rng: Rng) -> ObjectModel:
    """Make a T or an L lying flat: a hammer, an axe, a brush, a wrench, a clamp."""
    length, radius = rng.uniform(0.1, 0.26), rng.uniform(0.006, 0.014)
    head = rng.uniform(0.04, 0.12)
    shift = rng.choice([0.0, head * 0.4])
    handle = _rod(length, radius, exponent=rng.choice([2.0, 4.0]))
    cross = box((rng.uniform(0.015, 0.04), head, rng.uniform(0.012, 0.035)))
    if rng.random() < 0.4:
        cross = _rod(head, rng.uniform(0.009, 0.02)).moved(rotation_about((0, 0, 1), np.pi / 2))
    return _compose(
        rng,
        'hammer',
        [handle, cross.moved(translation=(length / 2, shift, 0)).with_part(1)],
        2,
        0.97,
    )


def make_drill(rng: Rng) -> ObjectModel:
    """Make a drill, a hair dryer or a glue gun: a barrel with a chuck, a grip, a battery."""
    length, radius = rng.uniform(0.1, 0.17), rng.uniform(0.018, 0.03)
    grip, tilt = rng.uniform(0.08, 0.13), rng.uniform(-0.35, 0.2)
    barrel = _rod(length, radius, tip=rng.uniform(0.7, 1.0))
    chuck = (
        _rod(rng.uniform(0.03, 0.07), radius * 0.7, tip=0.5)
        .moved(translation=(length / 2 + 0.02, 0, 0))
        .with_part(1)
    )
    turn = rotation_about((0, 1, 0), tilt)
    handle = (
        box((rng.uniform(0.028, 0.045), rng.uniform(0.024, 0.036), grip))
        .moved(
            turn, turn @ np.array([0, 0, -grip / 2]) + np.array([-length * 0.2, 0, -radius * 0.5])
        )
        .with_part(1)
    )
    foot = turn @ np.array([0, 0, -grip]) + np.array([-length * 0.15, 0, -radius * 0.5])
    battery = box(
        (rng.uniform(0.06, 0.11), rng.uniform(0.04, 0.07), rng.uniform(0.02, 0.05))
    ).moved(translation=tuple(foot))
    pieces = [barrel, chuck, handle] + ([battery] if rng.random() < 0.75 else [])
    return _on_side(
        _compose(rng, 'drill', pieces, 2, upright=1.0), rng, 0.65 if len(pieces) == 4 else 0.0
    )


def _on_side(model: ObjectModel, rng: Rng, standing: float) -> ObjectModel:
    """Lay a thing on its side unless it stands."""
    if rng.random() < standing:
        return model
    turn = rotation_about((1, 0, 0), np.pi / 2 * rng.choice([-1, 1]))
    soup = model.soup.moved(turn)
    low, high = soup.bounds()
    shift = (-(low + high)[0] / 2, -(low + high)[1] / 2, -low[2])
    return ObjectModel(
        model.kind,
        soup.moved(translation=shift),
        model.materials,
        tuple(hull @ turn.T + shift for hull in model.hulls),
        0.97,
    )


def make_scissors(rng: Rng) -> ObjectModel:
    """Make two crossed bars with rings: scissors, pliers."""
    length, opening = rng.uniform(0.1, 0.18), rng.uniform(0.05, 0.5)
    pieces: list[Soup] = []
    for side in (-1, 1):
        turn = rotation_about((0, 0, 1), side * opening / 2)
        blade = box((length, rng.uniform(0.008, 0.014), 0.005))
        ringed = _ring(rng.uniform(0.014, 0.024), 0.005).moved(
            translation=(-length * 0.6, side * 0.012, 0)
        )
        pieces += [
            blade.moved(turn, (0, 0, 0.002 * side)).with_part(0),
            ringed.moved(turn).with_part(1),
        ]
    return _compose(rng, 'scissors', pieces, 2, upright=0.99)


def _ring(radius: float, thick: float) -> Soup:
    """Make a torus lying flat."""
    angle = np.linspace(0, 2 * np.pi, 21)
    path = radius * np.stack([np.cos(angle), np.sin(angle), np.zeros(21)], axis=1)
    return tube(path, np.full(21, thick), segments=8)


def make_roll(rng: Rng) -> ObjectModel:
    """Make a roll of tape: a ring with a hole."""
    outer, width = rng.uniform(0.025, 0.06), rng.uniform(0.012, 0.05)
    inner = outer * rng.uniform(0.45, 0.85)
    soup = loft([(inner, 0), (outer, 0), (outer, width), (inner, width), (inner, 0)], segments=32)
    cuts = 10
    angle = np.linspace(0, 2 * np.pi, cuts + 1)
    hulls = tuple(
        np.array(
            [
                [r * np.cos(a), r * np.sin(a), z]
                for r in (inner, outer)
                for a in angle[k : k + 2]
                for z in (0, width)
            ]
        )
        for k in range(cuts)
    )
    paint = material(
        rng, {'plain': 3, 'printed': 1, 'brushed': 0.5}, ['matte', 'satin', 'plastic']
    )
    return ObjectModel('roll', soup, (paint,), hulls, 0.85)


def make_compound(rng: Rng) -> ObjectModel:
    """Make an odd thing of two to five primitives that touch each other."""
    pieces: list[Soup] = []
    at: Array = np.zeros(3)
    for index in range(int(rng.integers(2, 6))):
        size = rng.uniform(0.012, 0.07, 3)
        if rng.random() < 0.5:
            piece = box(size)
        else:
            piece = _rod(size[0] * 1.5, min(size[1], 0.035), tip=rng.uniform(0.3, 1))
        turn = random_rotation(rng) if rng.random() < 0.3 else np.eye(3)[rng.permutation(3)]
        turn = turn * np.sign(np.linalg.det(turn))
        pieces.append(piece.moved(turn, tuple(at)).with_part(index % 3))
        at = at + rng.uniform(-0.5, 0.5, 3) * np.ptp(pieces[-1].positions.reshape(-1, 3), axis=0)
    return _compose(rng, 'compound', pieces, 3, upright=0.5)
