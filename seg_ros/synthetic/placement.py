# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Put objects on the table: resting poses, free places, things on and in one another."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from seg_ros.synthetic.mesh import Array, random_rotation, rotation_about
from seg_ros.synthetic.objects import ObjectModel, Rng

# How often a thing is pushed against another one, and what is left between them, metres.
TOUCHING_SHARE = 0.4
TOUCHING_GAP_M = 0.0004
# Height from which things fall onto what is below them, metres.
FALL_M = 0.004


@dataclass(frozen=True, eq=False)
class Placed:
    """Pair an object with its pose in the world: rotation (3, 3), translation (3,) metres."""

    model: ObjectModel
    rotation: Array
    translation: Array

    def points(self) -> Array:
        """Return the corners of the convex pieces in the world (N, 3), metres."""
        return self.model.points() @ self.rotation.T + self.translation


def resting_rotation(model: ObjectModel, rng: Rng) -> Array:
    """Draw an orientation in which the object rests: as built, or on another face of its convex
    hull.
    """
    yaw = rotation_about((0, 0, 1), rng.uniform(0, 2 * np.pi))
    if rng.random() < model.upright:
        return yaw
    return yaw @ _on_face(model.points(), rng)


def _on_face(points: Array, rng: Rng) -> Array:
    """Turn a hull face downwards whose polygon lies under the centre; larger faces more often."""
    from scipy.spatial import ConvexHull

    hull = ConvexHull(points)
    centre = points.mean(axis=0)
    normals = hull.equations[:, :3]
    gap = -(normals @ centre + hull.equations[:, 3])
    groups = np.round(normals * 20).astype(np.int64)
    corners = points[hull.simplices]
    sizes = 0.5 * np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    _, group = np.unique(groups, axis=0, return_inverse=True)
    areas = np.bincount(group.ravel(), weights=sizes)[group.ravel()]
    weights = areas * sizes / np.maximum(gap, 1e-3) ** 2
    return turn_down(normals[int(rng.choice(len(normals), p=weights / weights.sum()))])


def turn_down(normal: Array) -> Array:
    """Return a rotation (3, 3) that brings a unit vector to -z."""
    axis = np.cross(normal, (0, 0, -1))
    sine = np.linalg.norm(axis)
    if sine < 1e-9:
        return np.eye(3) if normal[2] < 0 else np.diag([1.0, -1.0, -1.0])
    return rotation_about(axis, float(np.arctan2(sine, -normal[2])))


def footprint(points: Array) -> Array:
    """Return the convex outline (K, 2) of points seen from above, metres."""
    return cv2.convexHull(points[:, :2].astype(np.float32))[:, 0].astype(np.float64)


def overlap(a: Array, b: Array) -> bool:
    """Tell whether two convex outlines overlap, by the separating axis theorem."""
    for outline in (a, b):
        edges = np.concatenate([outline[1:], outline[:1]]) - outline
        axes = np.stack([-edges[:, 1], edges[:, 0]], axis=1)
        pa, pb = axes @ a.T, axes @ b.T
        if np.any((pa.max(axis=1) < pb.min(axis=1)) | (pb.max(axis=1) < pa.min(axis=1))):
            return False
    return True


def _grown(outline: Array, margin_m: float) -> Array:
    centre = outline.mean(axis=0)
    offset = outline - centre
    length = np.linalg.norm(offset, axis=1, keepdims=True)
    return centre + offset * (1 + margin_m / np.maximum(length, 1e-6))


def _reach(outline: Array) -> float:
    return float(np.linalg.norm(outline, axis=1).max())


class Layout:
    """Collect outlines on the table and find free places among them."""

    def __init__(self, rng: Rng, spread_m: float) -> None:
        self.rng, self.spread_m = rng, spread_m
        self.outlines: list[Array] = []

    def add(self, model: ObjectModel, tries: int = 25) -> Placed | None:
        """Stand or lay an object where it touches nothing; None where no place is found."""
        rotation = resting_rotation(model, self.rng)
        points = model.points() @ rotation.T
        outline = footprint(points)
        margin = self.rng.choice([0.001, self.rng.uniform(0.001, 0.05)])
        touching = len(self.outlines) > 0 and self.rng.random() < TOUCHING_SHARE
        for _ in range(tries):
            place = self._beside(outline) if touching else self._anywhere()
            if np.max(np.abs(place)) > self.spread_m:
                continue
            moved = outline + place if touching else _grown(outline + place, margin)
            if not self._taken(moved):
                self.outlines.append(outline + place)
                return Placed(model, rotation, np.array([*place, -points[:, 2].min()]))
        return None

    def _anywhere(self) -> Array:
        return self.rng.normal(size=2) * self.spread_m * 0.55

    def _beside(self, outline: Array) -> Array:
        """Return the place at which an outline touches one that is there, from a random side."""
        other = self.outlines[int(self.rng.integers(len(self.outlines)))]
        angle = self.rng.uniform(0, 2 * np.pi)
        side = np.array([np.cos(angle), np.sin(angle)])
        middle = other.mean(axis=0)
        near, far = 0.0, _reach(other - middle) + _reach(outline)
        for _ in range(9):
            half = (near + far) / 2
            if overlap(outline + middle + half * side, other):
                near = half
            else:
                far = half
        return np.asarray(middle + (far + TOUCHING_GAP_M) * side)

    def _taken(self, outline: Array) -> bool:
        return any(
            self._near(outline, other) and overlap(outline, other) for other in self.outlines
        )

    @staticmethod
    def _near(a: Array, b: Array) -> bool:
        return bool(
            np.all(a.min(axis=0) < b.max(axis=0)) and np.all(b.min(axis=0) < a.max(axis=0))
        )


def stack_on(base: Placed, model: ObjectModel, rng: Rng) -> Placed | None:
    """Stand an object on the flat top of one that stands as built, its outline inside; None where
    it does not fit.
    """
    if base.model.top is None or base.rotation[2, 2] < 0.999:
        return None
    rotation = rotation_about((0, 0, 1), rng.uniform(0, 2 * np.pi))
    points = model.points() @ rotation.T
    half_x, half_y, height = base.model.top
    room = np.array([half_x, half_y]) * 1.6
    if np.any(np.abs(footprint(points).mean(axis=0)) > 0.02) or np.min(
        np.ptp(points[:, :2], axis=0)
    ) > 2 * np.max(room):
        return None
    shift = base.rotation[:2, :2] @ (rng.uniform(-0.25, 0.25, 2) * (half_x, half_y))
    z = base.translation[2] + height - points[:, 2].min() + 0.0003
    return Placed(model, rotation, np.array([*(base.translation[:2] + shift), z]))


def lay_out(
    models: list[ObjectModel], rng: Rng, spread_m: float, stack_share: float = 0.15
) -> list[Placed]:
    """Place objects without physics: standing or lying on the table, some on the flat tops of
    others.

    No two touch. Objects that find no place are left out.
    """
    layout = Layout(rng, spread_m)
    placed: list[Placed] = []
    taken: set[int] = set()
    for model in models:
        done = None
        if placed and rng.random() < stack_share:
            free = [i for i, one in enumerate(placed) if i not in taken and one.model.top] or [0]
            base = free[int(rng.integers(len(free)))]
            done = stack_on(placed[base], model, rng) if base not in taken else None
            if done is not None and not _fits_above(done, placed, base):
                done = None
            if done is not None:
                taken.update((base, len(placed)))
                layout.outlines.append(footprint(done.points()))
        done = done or layout.add(model)
        if done is not None:
            placed.append(done)
    return placed


def _fits_above(candidate: Placed, placed: list[Placed], base: int) -> bool:
    """Tell whether a stacked object keeps clear of everything that reaches its height, and rests
    inside its base.
    """
    outline, low = footprint(candidate.points()), candidate.points()[:, 2].min()
    clear = not any(
        overlap(outline, footprint(other.points()))
        for index, other in enumerate(placed)
        if index != base and other.points()[:, 2].max() > low
    )
    support = footprint(placed[base].points()).astype(np.float32)
    return (
        clear
        and cv2.pointPolygonTest(support[:, None], outline.mean(axis=0).tolist(), True) > 0.003
    )


def in_rows(
    models: list[ObjectModel], rng: Rng, half: Array, height_m: float
) -> list[Placed]:
    """Stand objects side by side as on a shelf, front ones along y = -half[1], others behind.

    ``half`` (2,) metres: sides of the shelf; what is taller than ``height_m`` or finds no place
    is left out. Often the same thing stands behind itself.
    """
    placed: list[Placed] = []
    x = -half[0] + rng.uniform(0, 0.1)
    queue = list(models)
    while queue:
        model = queue.pop(0)
        rotation = resting_rotation(model, rng)
        points = model.points() @ rotation.T
        low, high = points.min(axis=0), points.max(axis=0)
        if high[2] - low[2] > height_m or x + high[0] - low[0] > half[0]:
            continue
        y, depth = -half[1] + rng.choice([0.002, rng.uniform(0.002, 0.08)]), high[1] - low[1]
        while y + depth < half[1]:
            placed.append(Placed(model, rotation, np.array([x, y, 0.0005]) - low))
            y += depth + rng.choice([TOUCHING_GAP_M, rng.uniform(0.001, 0.03)])
            if rng.random() < 0.4:
                break
            if queue and rng.random() < 0.4:
                break
        x += high[0] - low[0] + rng.choice([TOUCHING_GAP_M, rng.uniform(0.001, 0.06)])
    return placed


def _target(placed: list[Placed], model: ObjectModel, rng: Rng) -> Placed | None:
    """Choose what an object falls on: often something upright that it fits into, now and then
    the bare table.
    """
    half = 0.5 * float(np.min(np.ptp(model.points(), axis=0)[:2]))
    hollow = [
        one for one in placed
        if one.model.cavity and one.rotation[2, 2] > 0.999 and one.model.cavity[0] > half
    ]
    if hollow and rng.random() < 0.45:
        return hollow[int(rng.integers(len(hollow)))]
    return placed[int(rng.integers(len(placed)))] if placed and rng.random() < 0.8 else None


def drop_poses(
    models: list[ObjectModel],
    placed: list[Placed],
    rng: Rng,
    spread_m: float,
    bounds: Array | None = None,
) -> list[Placed]:
    """Hold objects over others, in cavities' middles and over tops, ready to fall a little.

    Each hangs just above all that its outline covers, those held before it included: stacks
    stay stacks. With `bounds`, half sides (2,) metres, none hangs farther out.
    """
    held: list[Placed] = []
    below = [(footprint(one.points()), float(one.points()[:, 2].max())) for one in placed]
    for model in models:
        target = _target(placed + held, model, rng)
        rotation = resting_rotation(model, rng) if rng.random() < 0.8 else random_rotation(rng)
        points = model.points() @ rotation.T
        place = _drop_place(target, rng, spread_m)
        if bounds is not None:
            room = np.maximum(bounds - np.abs(footprint(points)).max(axis=0), 0)
            place = np.clip(place, -room, room)
        outline = footprint(points) + place
        ceiling = max([top for other, top in below if overlap(outline, other)], default=0.0)
        low = ceiling + FALL_M
        held.append(Placed(model, rotation, np.array([*place, low - points[:, 2].min()])))
        below.append((outline, low + float(np.ptp(points[:, 2]))))
    return held


def _drop_place(target: Placed | None, rng: Rng, spread_m: float) -> Array:
    if target is None:
        return rng.normal(size=2) * spread_m * 0.4
    spread = 0.1 if target.model.cavity else rng.choice([0.08, 0.25, 0.6])
    points_xy = target.points()[:, :2]
    offset = rng.normal(size=2) * spread * 0.3 * np.ptp(points_xy, axis=0)
    return np.asarray(points_xy.mean(axis=0) + offset)
