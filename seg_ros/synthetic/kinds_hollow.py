# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Hollow objects: bowls, plates, mugs, cups, pots, baskets, with handles that have holes."""

from __future__ import annotations

import numpy as np

from seg_ros.synthetic.mesh import Array, Soup, loft, merge, tube
from seg_ros.synthetic.objects import (
    CERAMIC,
    MOULDED,
    Material,
    ObjectModel,
    Rng,
    hollow_hulls,
    hulls_by_slices,
    material,
    settled,
)


def _shell(outer: Array, wall_m: float, floor_m: float) -> Array:
    """Return the inner profile (K, 2), bottom to rim, of a wall of even thickness."""
    height = outer[-1, 1]
    z = floor_m + (height - floor_m) * np.linspace(0, 1, len(outer)) ** 1.2
    radius = np.interp(z, outer[:, 1], outer[:, 0]) - wall_m
    return np.stack([np.maximum(radius, 0.2 * outer[0, 0]), z], axis=1)


def _hollow_soup(outer: Array, inner: Array, exponent: float, aspect: tuple[float, float]) -> Soup:
    """Sweep outside, rim and inside: parts 0 (outside, rim) and 1 (inside)."""
    foot, bottom = [(0.0, outer[0, 1])], [(0.0, inner[0, 1])]
    profile = np.concatenate([foot, outer, inner[::-1], bottom])
    parts = [0] * (len(outer) + 1) + [1] * len(inner)
    return loft(profile, parts=parts, exponent=exponent, aspect=aspect, segments=32)


def _glaze(rng: Rng) -> tuple[Material, Material]:
    """Draw the outside and the inside: mostly alike."""
    outside = material(rng, CERAMIC, ['glazed', 'plastic', 'satin', 'matte'])
    alike = rng.random() < 0.65
    return outside, outside if alike else material(rng, {'plain': 1}, ['glazed', 'plastic'])


def make_bowl(rng: Rng) -> ObjectModel:
    """Make a bowl, from a dessert bowl to a salad bowl."""
    radius, height = rng.uniform(0.05, 0.13), rng.uniform(0.03, 0.1)
    foot = rng.uniform(0.3, 0.7)
    t = np.linspace(0, 1, 8)
    bulge = rng.uniform(0.35, 1.0)
    outer = np.stack([radius * (foot + (1 - foot) * t**bulge), height * t], axis=1)
    wall = rng.uniform(0.0025, 0.006)
    inner = _shell(outer, wall, wall * 1.5)
    soup = _hollow_soup(outer, inner, 2.0, (1.0, 1.0))
    hulls = hollow_hulls(outer, inner, sectors=12)
    return ObjectModel(
        'bowl', soup, _glaze(rng), hulls, 0.93, cavity=(float(inner[3, 0]), float(inner[0, 1]))
    )


def make_plate(rng: Rng) -> ObjectModel:
    """Make a plate, a saucer or a tray."""
    radius, height = rng.uniform(0.06, 0.14), rng.uniform(0.01, 0.03)
    exponent = float(rng.choice([2.0, 2.0, 2.0, 5.0]))
    aspect = (1.0, 1.0 if rng.random() < 0.7 else rng.uniform(0.55, 0.9))
    t = np.array([0.0, 0.25, 0.6, 1.0])
    outer = np.stack([radius * (0.62 + 0.38 * t), height * t**0.8], axis=1)
    wall = rng.uniform(0.003, 0.005)
    inner = _shell(outer, wall, wall)
    soup = _hollow_soup(outer, inner, exponent, aspect)
    hulls = hollow_hulls(outer, inner, sectors=12, exponent=exponent, aspect=aspect)
    return ObjectModel(
        'plate',
        soup,
        _glaze(rng),
        hulls,
        0.97,
        cavity=(radius * 0.5 * aspect[1], float(inner[0, 1])),
    )


def _cup_profiles(rng: Rng, radius: float, height: float) -> tuple[Array, Array]:
    t = np.linspace(0, 1, 6)
    taper = rng.uniform(0.65, 1.08)
    belly = rng.uniform(-0.06, 0.12)
    outer = np.stack(
        [radius * (taper + (1 - taper) * t + belly * np.sin(np.pi * t)), height * t], axis=1
    )
    wall = rng.uniform(0.002, 0.005)
    return outer, _shell(outer, wall, wall * 1.5)


def _handle(rng: Rng, outer: Array, height: float) -> Soup:
    """Bend a tube from the wall out and back: round, pointed or angular."""
    low, high = height * rng.uniform(0.1, 0.3), height * rng.uniform(0.7, 0.92)
    reach = rng.uniform(0.018, 0.042)
    thick = rng.uniform(0.003, 0.007)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 12)
    power = rng.uniform(0.4, 1.1)
    z = (low + high) / 2 + (high - low) / 2 * np.sin(angle)
    wall = np.interp(z, outer[:, 1], outer[:, 0])
    x = (
        wall[0]
        + (wall[-1] - wall[0]) * np.linspace(0, 1, 12)
        - 0.003
        + reach * np.cos(angle) ** power
    )
    path = np.stack([x, np.zeros(12), z], axis=1)
    return tube(path, np.full(12, thick), flat=rng.uniform(0.8, 1.8), segments=8)


def make_mug(rng: Rng) -> ObjectModel:
    """Make a mug: a handle with a hole."""
    radius, height = rng.uniform(0.032, 0.052), rng.uniform(0.06, 0.135)
    outer, inner = _cup_profiles(rng, radius, height)
    handle = _handle(rng, outer, height)
    soup = merge([_hollow_soup(outer, inner, 2.0, (1.0, 1.0)), handle.with_part(0)])
    hulls = hollow_hulls(outer, inner) + hulls_by_slices(handle, 2, 4)
    return ObjectModel(
        'mug', soup, _glaze(rng), hulls, 0.85, cavity=(float(inner[2, 0]), float(inner[0, 1]))
    )


def make_cup(rng: Rng) -> ObjectModel:
    """Make a cup, a glass, a flower pot or a bin without a handle."""
    radius, height = rng.uniform(0.028, 0.06), rng.uniform(0.05, 0.15)
    outer, inner = _cup_profiles(rng, radius, height)
    exponent = float(rng.choice([2.0, 2.0, 2.0, 5.0]))
    soup = _hollow_soup(outer, inner, exponent, (1.0, 1.0))
    hulls = hollow_hulls(outer, inner, exponent=exponent)
    return ObjectModel(
        'cup', soup, _glaze(rng), hulls, 0.8, cavity=(float(inner[2, 0]), float(inner[0, 1]))
    )


def make_pitcher(rng: Rng) -> ObjectModel:
    """Make a pitcher or a watering can: tall, a big handle."""
    radius, height = rng.uniform(0.045, 0.075), rng.uniform(0.15, 0.25)
    outer, inner = _cup_profiles(rng, radius, height)
    handle = _handle(rng, outer, height).scaled((1.25, 1.5, 1.0))
    soup = merge([_hollow_soup(outer, inner, 2.0, (1.0, 1.0)), handle.with_part(0)])
    hulls = hollow_hulls(outer, inner) + hulls_by_slices(handle, 2, 4)
    return ObjectModel(
        'pitcher', soup, _glaze(rng), hulls, 0.9, cavity=(float(inner[2, 0]), float(inner[0, 1]))
    )


def make_pan(rng: Rng) -> ObjectModel:
    """Make a pan: shallow, a long handle."""
    radius, height = rng.uniform(0.06, 0.12), rng.uniform(0.03, 0.07)
    t = np.linspace(0, 1, 5)
    outer = np.stack([radius * (0.82 + 0.18 * t), height * t], axis=1)
    inner = _shell(outer, 0.003, 0.004)
    length = rng.uniform(0.1, 0.18)
    path = np.array(
        [
            [radius - 0.004, 0, height * 0.8],
            [radius + length / 2, 0, height * 1.1],
            [radius + length, 0, height * 1.2],
        ]
    )
    handle = tube(path, np.array([0.007, 0.009, 0.011]), flat=rng.uniform(0.7, 1.6)).with_part(2)
    soup = merge([_hollow_soup(outer, inner, 2.0, (1.0, 1.0)), handle])
    hulls = hollow_hulls(outer, inner) + hulls_by_slices(handle, 0, 2)
    inside = material(rng, {'plain': 2, 'brushed': 2}, ['metal', 'satin'])
    paint = (
        material(rng, {'plain': 2, 'brushed': 2}, ['metal', 'glazed']),
        inside,
        material(rng, MOULDED, ['plastic']),
    )
    shift = float((radius + length - radius) / 2)
    return _recentred(ObjectModel('pan', soup, paint, hulls, 0.97), shift)


def _recentred(model: ObjectModel, shift_m: float) -> ObjectModel:
    """Move a thing along -x, soup and hulls together."""
    offset = (-shift_m, 0.0, 0.0)
    return ObjectModel(
        model.kind,
        model.soup.moved(translation=offset),
        model.materials,
        tuple(hull + offset for hull in model.hulls),
        model.upright,
    )


def make_basket(rng: Rng) -> ObjectModel:
    """Make a box open at the top: a basket, a tray, a drawer."""
    half, height = rng.uniform(0.06, 0.13), rng.uniform(0.03, 0.1)
    aspect = (1.0, rng.uniform(0.6, 1.0))
    outer = np.array([[half * rng.uniform(0.85, 1.0), 0.0], [half, height]])
    inner = _shell(outer, rng.uniform(0.003, 0.006), 0.004)
    soup = _hollow_soup(outer, inner, 8.0, aspect)
    hulls = hollow_hulls(outer, inner, sectors=12, exponent=8.0, aspect=aspect)
    paint = material(
        rng, {'plain': 3, 'wood': 1, 'weave': 1, 'stripes': 0.5}, ['matte', 'satin', 'plastic']
    )
    cavity = (float(half * 0.55 * aspect[1]), 0.004)
    return ObjectModel('basket', settled(soup), (paint, paint), hulls, 0.95, cavity=cavity)
