# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The object model of a scene, its paint, and the convex pieces that physics sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seg_ros.synthetic import textures
from seg_ros.synthetic.mesh import Array, Soup, ring

Rng = np.random.Generator

# Specular strength, shininess, mirror share.
FINISHES = {
    'matte': (0.0, 8.0, 0.0),
    'satin': (0.12, 12.0, 0.02),
    'plastic': (0.25, 40.0, 0.06),
    'glazed': (0.5, 120.0, 0.12),
    'metal': (0.5, 60.0, 0.45),
}


@dataclass(frozen=True, eq=False)
class Material:
    """Pair a texture (H, W, 3) uint8 RGB with its gloss: specular, shininess, mirror share."""

    texture: NDArray[np.uint8]
    gloss: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class ObjectModel:
    """Describe an object standing on z = 0, centred in x and y; metres.

    materials: one per part of the soup. hulls: convex pieces, points (N, 3). upright: the chance
    that somebody put it down as built. cavity: inner radius and floor height of a hollow thing.
    top: half sides and height of a flat top that carries another object. fitted: its file gave no
    size, one was chosen. colored: its file gave colours or a texture, which stay.
    clear: share of what lies behind that shines through; depth cameras see the rest of the scene.
    """

    kind: str
    soup: Soup
    materials: tuple[Material, ...]
    hulls: tuple[Array, ...]
    upright: float = 0.6
    cavity: tuple[float, float] | None = None
    top: tuple[float, float, float] | None = None
    fitted: bool = False
    colored: bool = False
    clear: float = 0.0

    def points(self) -> Array:
        """Return the corners of the convex pieces (N, 3), metres."""
        return np.concatenate(self.hulls)


def varied(model: ObjectModel, rng: Rng) -> ObjectModel:
    """Paint an object anew unless its file gave colours, and draw its size where it gave none."""
    paints = tuple(material(rng, ANYTHING, list(FINISHES)) for _ in model.materials)
    if model.colored:
        paints = model.materials
    factor = rng.uniform(0.35, 1.0) if model.fitted else 1.0
    return replace(
        model,
        materials=paints,
        soup=model.soup.scaled((factor,) * 3),
        hulls=tuple(hull * factor for hull in model.hulls),
    )


def material(
    rng: Rng, patterns: dict[str, float], finishes: Sequence[str], size: int = 128
) -> Material:
    """Draw a material of one of the patterns (by weight) and one of the finishes."""
    specular, shininess, mirror = FINISHES[finishes[int(rng.integers(len(finishes)))]]
    scale = rng.uniform(0.5, 1.5)
    return Material(
        textures.draw(rng, size, patterns),
        (specular * scale, shininess * rng.uniform(0.7, 1.5), mirror * scale),
    )


PACKED = {'printed': 5.0, 'plain': 1.0, 'stripes': 0.4, 'checks': 0.2, 'dots': 0.2}
CERAMIC = {
    'plain': 5.0,
    'stripes': 0.5,
    'dots': 0.3,
    'marble': 0.3,
    'printed': 0.8,
    'speckle': 0.3,
}
MOULDED = {'plain': 5.0, 'speckle': 0.4, 'stripes': 0.3, 'printed': 0.8, 'wood': 0.5}
ANYTHING = {
    'plain': 3.0,
    'speckle': 1.0,
    'wood': 0.8,
    'stripes': 0.8,
    'checks': 0.4,
    'dots': 0.4,
    'marble': 0.6,
    'brushed': 0.6,
    'weave': 0.5,
    'printed': 1.5,
}
METAL = {'brushed': 1.0}


def settled(soup: Soup) -> Soup:
    """Centre a soup in x and y and stand it on z = 0."""
    low, high = soup.bounds()
    middle = (low + high) / 2
    return soup.moved(translation=(-middle[0], -middle[1], -low[2]))


def hull_of(soup: Soup) -> Array:
    """Return the vertices (N, 3) without repeats, for one convex piece."""
    return np.unique(np.round(soup.positions.reshape(-1, 3), 6), axis=0)


def hulls_by_slices(soup: Soup, axis: int, count: int) -> tuple[Array, ...]:
    """Cut along an axis into convex pieces: the triangles of each slice with all their corners."""
    middle = soup.positions.mean(axis=1)[:, axis]
    edges = np.linspace(middle.min(), middle.max() + 1e-9, count + 1)
    pieces = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        points = soup.positions[(middle >= low) & (middle < high)].reshape(-1, 3)
        if len(points) >= 4 and np.min(np.ptp(points, axis=0)) > 1e-4:
            pieces.append(np.unique(np.round(points, 6), axis=0))
    return tuple(pieces) or (hull_of(soup),)


def hollow_hulls(
    outer: Array,
    inner: Array,
    *,
    sectors: int = 12,
    exponent: float = 2.0,
    aspect: tuple[float, float] = (1.0, 1.0),
) -> tuple[Array, ...]:
    """Cut a hollow turned thing into a floor and wedges of its wall.

    outer, inner: profiles (K, 2) of (radius, height) from the bottom to the rim, without the axis.
    """
    curve = ring(sectors, exponent, aspect)
    floor = np.concatenate([_circle(curve, outer[0]), _circle(curve, inner[0])])
    pieces = [floor]
    levels = np.linspace(inner[0, 1], inner[-1, 1], 2 if len(inner) < 4 else 3)
    for low, high in zip(levels[:-1], levels[1:], strict=True):
        radii = [np.interp([low, high], side[:, 1], side[:, 0]) for side in (outer, inner)]
        for sector in range(sectors):
            corners = curve[sector : sector + 2]
            pieces.append(
                np.array(
                    [
                        [*(radius * corner), z]
                        for pair in radii
                        for radius, z in zip(pair, (low, high), strict=True)
                        for corner in corners
                    ]
                )
            )
    return tuple(pieces)


def _circle(curve: Array, at: Array) -> Array:
    return np.concatenate([curve[:-1] * at[0], np.full((len(curve) - 1, 1), at[1])], axis=1)
