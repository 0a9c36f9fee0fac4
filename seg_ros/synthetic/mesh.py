# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Triangle soups and the few ways in which every procedural object is made from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Soup:
    """Hold triangles with corner normals and texture coordinates.

    positions (T, 3, 3) metres, normals (T, 3, 3) unit, uvs (T, 3, 2), parts (T,) int32: the index
    of the material of each triangle.
    """

    positions: Array
    normals: Array
    uvs: Array
    parts: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.positions)

    def moved(
        self, rotation: Array | None = None, translation: Sequence[float] | Array = (0.0, 0.0, 0.0)
    ) -> Soup:
        """Rotate (3, 3), then translate (3,) metres."""
        turn = np.eye(3) if rotation is None else rotation
        shape = self.positions.shape
        moved = self.positions.reshape(-1, 3) @ turn.T + np.asarray(translation, np.float64)
        return Soup(
            moved.reshape(shape),
            (self.normals.reshape(-1, 3) @ turn.T).reshape(shape),
            self.uvs,
            self.parts,
        )

    def scaled(self, factors: Sequence[float] | Array) -> Soup:
        """Scale each axis by a factor that is not zero."""
        scale = np.asarray(factors, dtype=np.float64)
        return Soup(self.positions * scale, _unit(self.normals / scale), self.uvs, self.parts)

    def with_part(self, part: int) -> Soup:
        """Give every triangle one material index."""
        return Soup(self.positions, self.normals, self.uvs, np.full(len(self), part, np.int32))

    def deformed(self, bend: Callable[[Array], Array], step_m: float = 1e-5) -> Soup:
        """Move the vertices by a smooth map (N, 3) -> (N, 3); normals follow by its inverse
        transposed Jacobian.
        """
        points = self.positions.reshape(-1, 3)
        columns = [
            (bend(points + step_m * axis) - bend(points - step_m * axis)) / (2 * step_m)
            for axis in np.eye(3)
        ]
        a, b, c = columns
        cofactors = np.stack([cross(b, c), cross(c, a), cross(a, b)], axis=-1)
        normals = np.einsum('nij,nj->ni', cofactors, self.normals.reshape(-1, 3))
        return Soup(
            bend(points).reshape(-1, 3, 3), _unit(normals).reshape(-1, 3, 3), self.uvs, self.parts
        )

    def bounds(self) -> tuple[Array, Array]:
        """Return the lowest and the highest corner of the axis-aligned box, metres."""
        points = self.positions.reshape(-1, 3)
        return points.min(axis=0), points.max(axis=0)


def cross(a: Array, b: Array) -> Array:
    """Return the cross products (..., 3) of vectors, as numpy's but without its bookkeeping."""
    (ax, ay, az), (bx, by, bz) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def _unit(vectors: Array) -> Array:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, 1e-12)


def merge(soups: Sequence[Soup]) -> Soup:
    """Join soups; part indices stay as they are."""
    return Soup(
        np.concatenate([soup.positions for soup in soups]),
        np.concatenate([soup.normals for soup in soups]),
        np.concatenate([soup.uvs for soup in soups]),
        np.concatenate([soup.parts for soup in soups]),
    )


def ring(segments: int, exponent: float = 2.0, aspect: tuple[float, float] = (1.0, 1.0)) -> Array:
    """Return a closed superellipse (segments + 1, 2) of half axes `aspect`; exponent 2 is an
    ellipse, 8 nearly a box.
    """
    angle = np.linspace(0.0, 2 * np.pi, segments + 1)
    # Rounded, for the root of a sine that is zero but for rounding is not small.
    cosine, sine = np.round(np.cos(angle), 12), np.round(np.sin(angle), 12)
    x = np.sign(cosine) * np.abs(cosine) ** (2.0 / exponent)
    y = np.sign(sine) * np.abs(sine) ** (2.0 / exponent)
    points = np.stack([x * aspect[0], y * aspect[1]], axis=1)
    points[-1] = points[0]
    return _even(points) if exponent > 2.5 else points


def _even(points: Array) -> Array:
    """Space the points of a closed curve evenly, for a superellipse bunches them at corners."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(0.0, length[-1], len(points))
    return np.stack(
        [np.interp(at, length, points[:, 0]), np.interp(at, length, points[:, 1])], axis=1
    )


def _profile_tangents(profile: Array, crease_deg: float) -> tuple[Array, Array]:
    """Return the tangents (P - 1, 2) at the start and at the end of each profile segment, sharp at
    creases.
    """
    steps = _unit(np.diff(profile, axis=0))
    mixed = _unit(steps[:-1] + steps[1:])
    sharp = np.sum(steps[:-1] * steps[1:], axis=1) < np.cos(np.deg2rad(crease_deg))
    start, end = steps.copy(), steps.copy()
    start[1:][~sharp] = mixed[~sharp]
    end[:-1][~sharp] = mixed[~sharp]
    return start, end


def _spread(profile: Array, parts: NDArray[np.int32]) -> tuple[Array, Array]:
    """Return v at both ends of each segment: the share of the arc length inside its part."""
    length = np.linalg.norm(np.diff(profile, axis=0), axis=1)
    start, end = np.zeros(len(length)), np.zeros(len(length))
    for part in np.unique(parts):
        rows = np.flatnonzero(parts == part)
        total = np.cumsum(length[rows])
        end[rows] = total / max(total[-1], 1e-9)
        start[rows] = end[rows] - length[rows] / max(total[-1], 1e-9)
    return start, end


def _quads(corners: Sequence[Array]) -> Array:
    """Turn four corner grids (P, N, K) into triangles (2 P N, 3, K)."""
    a, b, c, d = corners
    pair = np.stack([np.stack([a, b, c], axis=2), np.stack([a, c, d], axis=2)], axis=2)
    return pair.reshape(-1, 3, a.shape[-1])


def loft(
    profile: Sequence[Sequence[float]] | Array,
    *,
    parts: Sequence[int] | None = None,
    exponent: float = 2.0,
    aspect: tuple[float, float] = (1.0, 1.0),
    segments: int = 28,
    crease_deg: float = 35.0,
) -> Soup:
    """Sweep a superellipse along a profile of (radius, height) pairs, metres.

    The profile runs from the bottom's centre outwards and up to the top's centre, or back inside
    for a hollow thing: normals then point out of the material. Corners sharper than `crease_deg`
    keep an edge.
    """
    path = np.asarray(profile, dtype=np.float64)
    part = np.zeros(len(path) - 1, np.int32) if parts is None else np.asarray(parts, np.int32)
    curve = ring(segments, exponent, aspect)
    around = np.gradient(np.concatenate([curve[-2:-1], curve, curve[1:2]]), axis=0)[1:-1]
    positions = np.concatenate(
        [
            path[:, None, :1] * curve[None],
            np.broadcast_to(path[:, None, 1:], (len(path), segments + 1, 1)),
        ],
        axis=2,
    )
    start, end = _profile_tangents(path, crease_deg)
    low, high = (_loft_normals(tangent, curve, around) for tangent in (start, end))
    u = np.linspace(0.0, 1.0, segments + 1)
    v_start, v_end = (1.0 - share for share in _spread(path, part))
    uv_low, uv_high = (
        np.stack(np.broadcast_arrays(u[None], v[:, None]), axis=2) for v in (v_start, v_end)
    )
    soup = Soup(
        _quads(_corners(positions[:-1], positions[1:])),
        _quads(_corners(low, high)),
        _quads(_corners(uv_low, uv_high)),
        np.repeat(part, 2 * segments),
    )
    return _without_slivers(soup)


def _loft_normals(tangent: Array, curve: Array, around: Array) -> Array:
    """Return normals (P - 1, N + 1, 3): the cross product of the tangents around and along."""
    dr, dz = tangent[:, None, :1], tangent[:, None, 1:]
    along = np.concatenate(
        [dr * curve[None], np.broadcast_to(dz, dr.shape[:1] + (len(curve), 1))], axis=2
    )
    flat = np.concatenate([around, np.zeros((len(around), 1))], axis=1)
    return _unit(cross(np.broadcast_to(flat[None], along.shape), along))


def _corners(low: Array, high: Array) -> tuple[Array, Array, Array, Array]:
    return low[:, :-1], low[:, 1:], high[:, 1:], high[:, :-1]


def _without_slivers(soup: Soup) -> Soup:
    a, b, c = (soup.positions[:, i] for i in range(3))
    keep = np.linalg.norm(cross(b - a, c - a), axis=1) > 1e-10
    return Soup(soup.positions[keep], soup.normals[keep], soup.uvs[keep], soup.parts[keep])


def tube(path: Array, radii: Array, *, flat: float = 1.0, segments: int = 12) -> Soup:
    """Sweep an ellipse along a path (K, 3) metres with radii (K,); `flat` scales the second axis.
    Ends are closed.
    """
    forward = _unit(np.gradient(path, axis=0))
    side = _unit(np.cross(forward, _steady_normal(forward)))
    up = np.cross(side, forward)
    curve = ring(segments)
    offset = curve[None, :, :1] * side[:, None] + flat * curve[None, :, 1:] * up[:, None]
    outward = _unit(flat * curve[None, :, :1] * side[:, None] + curve[None, :, 1:] * up[:, None])
    positions = path[:, None] + radii[:, None, None] * offset
    u = np.linspace(0.0, 1.0, segments + 1)
    v = np.linspace(0.0, 1.0, len(path))
    uv = np.stack(np.broadcast_arrays(u[None], v[:, None]), axis=2)
    wall = Soup(
        _quads(_corners(positions[:-1], positions[1:])),
        _quads(_corners(outward[:-1], outward[1:])),
        _quads(_corners(uv[:-1], uv[1:])),
        np.zeros(2 * segments * (len(path) - 1), np.int32),
    )
    return merge([wall, _fan(positions[0], -forward[0]), _fan(positions[-1], forward[-1])])


def _steady_normal(forward: Array) -> Array:
    """Return a vector far from every direction of the path: the normal of the path's plane, or an
    axis.
    """
    normal = np.linalg.svd(forward - 0.0, full_matrices=True)[2][2]
    if np.max(np.abs(forward @ normal)) < 0.9:
        return normal
    return np.eye(3)[int(np.argmin(np.max(np.abs(forward), axis=0)))]


def _fan(rim: Array, normal: Array) -> Soup:
    """Close a rim (N + 1, 3) by a fan of triangles."""
    centre = np.broadcast_to(rim[:-1].mean(axis=0), rim[:-1].shape)
    positions = np.stack([centre, rim[:-1], rim[1:]], axis=1)
    normals = np.broadcast_to(normal, positions.shape).copy()
    uv = np.full(positions.shape[:2] + (2,), 0.5)
    return Soup(positions, normals, uv, np.zeros(len(positions), np.int32))


# Faces +x, -x, +y, -y, +z, -z, each as (normal axis, sign, axis of u, axis of v).
_BOX_FACES = (
    (0, 1, 1, 2),
    (0, -1, 1, 2),
    (1, 1, 0, 2),
    (1, -1, 0, 2),
    (2, 1, 0, 1),
    (2, -1, 0, 1),
)


@cache
def _cube() -> Soup:
    """Return a cube of unit side; each face shows its cell of a 3 x 2 texture."""
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float64)
    triples = [[0, 1, 2], [0, 2, 3]]
    positions, normals, uvs = np.zeros((6, 4, 3)), np.zeros((6, 4, 3)), np.zeros((6, 4, 2))
    for face, (axis, sign, first, second) in enumerate(_BOX_FACES):
        positions[face, :, axis] = 0.5 * sign
        positions[face, :, first] = 0.5 * square[:, 0]
        positions[face, :, second] = 0.5 * square[:, 1]
        normals[face, :, axis] = sign
        # Seen from outside, u runs to the right, so that print reads the right way round.
        right = sign if axis != 1 else -sign
        inset = np.clip(0.5 + 0.5 * square * (right, -1), 0.01, 0.99)
        uvs[face] = (inset + (face // 2, face % 2)) / (3, 2)
    flat = [np.ascontiguousarray(part[:, triples].reshape(12, 3, -1))
            for part in (positions, normals, uvs)]  # fmt: skip
    return Soup(flat[0], flat[1], flat[2], np.zeros(12, np.int32))


def box(size: Sequence[float] | Array) -> Soup:
    """Make a box of `size` (x, y, z) metres centred on the origin.

    Texture coordinates show each face its own cell of a 3 x 2 texture.
    """
    cube = _cube()
    return Soup(cube.positions * np.asarray(size, np.float64), cube.normals, cube.uvs, cube.parts)


def project_uv(soup: Soup, tile_m: float) -> Soup:
    """Give each triangle texture coordinates by the axis that it faces, repeating every `tile_m`
    metres.
    """
    a, b, c = (soup.positions[:, i] for i in range(3))
    axis = np.argmax(np.abs(cross(b - a, c - a)), axis=1)
    first = np.array([1, 0, 0])[axis]
    second = np.array([2, 2, 1])[axis]
    rows = np.arange(len(soup))[:, None]
    corner = np.arange(3)[None]
    uvs = (
        np.stack(
            [
                soup.positions[rows, corner, first[:, None]],
                soup.positions[rows, corner, second[:, None]],
            ],
            axis=2,
        )
        / tile_m
    )
    return Soup(soup.positions, soup.normals, uvs, soup.parts)


def from_faces(
    vertices: Array,
    faces: NDArray[np.int64],
    *,
    uvs: Array | None = None,
    crease_deg: float = 40.0,
) -> Soup:
    """Make a soup of an indexed mesh (V, 3), (F, 3); normals are smoothed except across sharp
    edges. `uvs` (F, 3, 2) are the texture coordinates, zeros by default.
    """
    triangles = vertices[faces]
    flat = cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    unit = _unit(flat)
    corner, other = _corner_neighbours(faces, len(vertices))
    alike = np.einsum('nk,nk->n', unit[corner // 3], unit[other // 3])
    kept = alike > np.cos(np.deg2rad(crease_deg))
    sums = np.zeros((faces.size, 3))
    np.add.at(sums, corner[kept], flat[other[kept] // 3])
    normals = _unit(sums).reshape(-1, 3, 3)
    places = np.zeros((len(faces), 3, 2)) if uvs is None else uvs
    return _without_slivers(Soup(triangles, normals, places, np.zeros(len(faces), np.int32)))


def _corner_neighbours(
    faces: NDArray[np.int64], vertex_count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs (N,), (N,) of corners (3 face + corner) that share a vertex."""
    vertex = faces.ravel()
    order = np.argsort(vertex, kind='stable')
    degree = np.bincount(vertex, minlength=vertex_count)
    first = np.cumsum(degree) - degree
    repeats = degree[vertex]
    corner = np.repeat(np.arange(len(vertex)), repeats)
    within = np.arange(len(corner)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return corner, order[first[vertex[corner]] + within]


def rotation_about(axis: Sequence[float] | Array, angle_rad: float) -> Array:
    """Return the rotation (3, 3) by an angle about an axis (Rodrigues)."""
    x, y, z = np.asarray(axis, dtype=np.float64) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle_rad) * cross + (1 - np.cos(angle_rad)) * cross @ cross


def random_rotation(rng: np.random.Generator) -> Array:
    """Draw a rotation evenly from SO(3) (Shoemake 1992)."""
    w, x, y, z = _unit(rng.normal(size=4))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
