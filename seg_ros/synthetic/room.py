# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The background of a scene: table, floor, walls, furniture, lamps. All of it is label 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seg_ros.synthetic import catalogue, textures
from seg_ros.synthetic.mesh import Array, Soup, box, loft, merge, project_uv, rotation_about
from seg_ros.synthetic.objects import FINISHES, Material, Rng, material
from seg_ros.synthetic.renderer import Item, Lamp

TABLE = {
    'wood': 6.0,
    'plain': 2.5,
    'weave': 0.8,
    'marble': 0.6,
    'speckle': 0.8,
    'checks': 0.3,
    'brushed': 0.3,
    'stripes': 0.3,
    'tiles': 0.3,
}
FLOOR = {
    'wood': 2.0,
    'tiles': 1.5,
    'speckle': 2.0,
    'plain': 2.0,
    'weave': 1.0,
    'marble': 0.4,
    'checks': 0.2,
}
BOARD = {'plain': 4.0, 'wood': 2.5, 'speckle': 0.6, 'brushed': 0.6, 'printed': 0.4}
WALL = {'plain': 4.0, 'speckle': 0.7, 'tiles': 0.7, 'wood': 0.4, 'stripes': 0.3}


@dataclass(frozen=True, eq=False)
class Table:
    """Describe a table top at z = 0: centre (2,) and half sides (2,) metres, round or not.

    ``items`` are all of what carries the objects: top and legs, the bare floor where there is no
    table, a bin with the table under it, boards, sides and back of a shelf.
    """

    centre: Array
    half: Array
    round: bool
    items: tuple[Item, ...]
    drop_m: float  # height of the top over the floor; 0: the floor itself carries the objects

    def carries(self, points_xy: Array) -> np.ndarray:
        """Tell which points (N, 2) lie over the top."""
        offset = np.abs(points_xy - self.centre) / self.half
        return (
            np.hypot(offset[:, 0], offset[:, 1]) < 1 if self.round else np.all(offset < 1, axis=1)
        )


def room_material(
    rng: Rng,
    patterns: dict[str, float],
    finishes: list[str],
    size: int = 128,
    vivid_share: float = 0.15,
) -> Material:
    """Draw a material of the room: mostly quiet colours."""
    if rng.random() < vivid_share:
        return material(rng, patterns, finishes, size)
    with textures.colors_of(textures.room_color):
        return material(rng, patterns, finishes, size)


def make_table(rng: Rng, spread_m: float) -> Table:
    """Draw a table whose top reaches over the objects, its edges often in view; one in eight is
    the bare floor.
    """
    paint = room_material(rng, TABLE, ['matte', 'satin', 'satin', 'plastic', 'glazed'], 512)
    tile = rng.uniform(0.5, 1.6)
    if rng.random() < 0.12:
        ground = project_uv(box((12, 12, 0.02)).moved(translation=(0, 0, -0.01)), tile)
        return Table(np.zeros(2), np.full(2, 6.0), False, (Item(ground, (paint,)),), 0.0)
    is_round = rng.random() < 0.2
    half = spread_m + np.array([rng.uniform(0.02, 0.7), rng.uniform(0.02, 0.45)])
    if is_round:
        half = np.full(2, half.max() * 1.1)
    slack = np.maximum(half - spread_m, 0) * (0.5 if is_round else 1.0)
    centre = rng.uniform(-1, 1, 2) * slack
    drop = rng.uniform(0.35, 1.0)
    parts = [
        _top(rng, half, is_round).moved(translation=(*centre, 0)),
        *_legs(rng, half, centre, drop),
    ]
    soup = project_uv(merge(parts), tile)
    return Table(
        centre,
        half,
        is_round,
        (Item(soup, (paint, room_material(rng, TABLE, ['satin', 'metal']))),),
        drop,
    )


def _top(rng: Rng, half: Array, is_round: bool) -> Soup:
    thick = rng.uniform(0.012, 0.05)
    if is_round:
        return loft(
            [(0, -thick), (1, -thick), (1, 0), (0, 0)], segments=64, aspect=(half[0], half[1])
        )
    if rng.random() < 0.3:
        return loft(
            [(0, -thick), (1, -thick), (1, 0), (0, 0)],
            segments=64,
            exponent=rng.uniform(6, 20),
            aspect=(half[0], half[1]),
        )
    return box((2 * half[0], 2 * half[1], thick)).moved(translation=(0, 0, -thick / 2))


def _legs(rng: Rng, half: Array, centre: Array, drop_m: float) -> list[Soup]:
    side = rng.uniform(0.03, 0.08)
    leg = box((side, side, drop_m - 0.012)).with_part(1)
    inset = rng.uniform(0.7, 0.98)
    return [
        leg.moved(
            translation=(
                centre[0] + sx * half[0] * inset * 0.9,
                centre[1] + sy * half[1] * inset * 0.9,
                -drop_m / 2 - 0.006,
            )
        )
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]


def make_surroundings(rng: Rng, table: Table, cameras: Array) -> list[Item]:
    """Draw floor, walls and furniture that no camera (N, 3) stands behind or inside."""
    items: list[Item] = []
    floor_z = -table.drop_m
    if table.drop_m:
        floor = project_uv(
            box((14, 14, 0.02)).moved(translation=(0, 0, floor_z - 0.01)), rng.uniform(0.5, 2.5)
        )
        items.append(
            Item(floor, (room_material(rng, FLOOR, ['matte', 'satin', 'plastic'], 512),))
        )
    paint = room_material(rng, WALL, ['matte'], 256)
    angle = rng.uniform(0, 2 * np.pi)
    for turn in range(4):
        items += _wall(rng, angle + turn * np.pi / 2, table, cameras, paint)
    for _ in range(int(rng.integers(0, 9))):
        items += _furniture(rng, table, cameras, floor_z)
    return items + _sheets(rng, table)


def _wall(rng: Rng, angle: float, table: Table, cameras: Array, paint: Material) -> list[Item]:
    """Stand a wall behind the table unless a camera would be beyond it."""
    direction = np.array([np.cos(angle), np.sin(angle)])
    edge = (
        float(np.abs(direction) @ table.half + direction @ table.centre) if table.drop_m else 0.5
    )
    distance = edge + rng.choice([rng.uniform(0.01, 0.3), rng.uniform(0.3, 3.5)], p=[0.25, 0.75])
    if np.max(cameras[:, :2] @ direction) > distance - 0.15 or distance > 6.5:
        return []
    panel = box((0.05, 14, 5)).moved(
        rotation_about((0, 0, 1), angle), (*(direction * (distance + 0.025)), 1.0)
    )
    return [Item(project_uv(panel, rng.uniform(0.6, 3)), (paint,))]


def _furniture(rng: Rng, table: Table, cameras: Array, floor_z: float) -> list[Item]:
    """Put a chair, a cupboard or a big odd thing on the floor beside the table."""
    angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 2.2)
    direction = np.array([np.cos(angle), np.sin(angle)])
    reach = float(np.abs(direction) @ table.half) if table.drop_m else 0.9
    soup, paints = _piece(rng)
    radius = float(np.abs(soup.positions[..., :2]).max()) * 1.42
    place = table.centre + direction * (reach * 1.42 + away * 0.6 + radius)
    if (
        np.min(np.linalg.norm(cameras[:, :2] - place, axis=1)) < radius + 0.15
        or np.linalg.norm(place) > 6
    ):
        return []
    turn = rotation_about((0, 0, 1), rng.uniform(0, 2 * np.pi))
    return [Item(soup.moved(turn, (*place, floor_z)), paints)]


def _piece(rng: Rng) -> tuple[Soup, tuple[Material, ...]]:
    pick = rng.random()
    if pick < 0.3:
        return _chair(rng)
    if pick < 0.65:
        size = rng.uniform((0.2, 0.2, 0.2), (1.0, 0.8, 1.8))
        soup = box(size).moved(translation=(0, 0, size[2] / 2))
        return project_uv(soup, rng.uniform(0.2, 1.5)), (
            room_material(rng, catalogue_paint(), ['matte', 'satin']),
        )
    model = catalogue.draw_object(rng)
    return model.soup.scaled(np.full(3, rng.uniform(2, 6))), model.materials


def catalogue_paint() -> dict[str, float]:
    """Return the patterns that furniture is painted with, by weight."""
    return {
        'plain': 3.0,
        'wood': 2.0,
        'printed': 1.0,
        'stripes': 0.5,
        'speckle': 0.5,
        'tiles': 0.5,
        'brushed': 0.5,
    }


def _chair(rng: Rng) -> tuple[Soup, tuple[Material, ...]]:
    seat, height = rng.uniform(0.36, 0.5), rng.uniform(0.38, 0.5)
    leg = rng.uniform(0.02, 0.045)
    parts = [
        box((seat, seat, 0.04)).moved(translation=(0, 0, height)),
        box((0.03, seat, rng.uniform(0.2, 0.5))).moved(translation=(-seat / 2, 0, height + 0.32)),
    ]
    parts += [
        box((leg, leg, height))
        .moved(translation=(sx * seat * 0.45, sy * seat * 0.45, height / 2))
        .with_part(1)
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    parts += [
        box((leg, leg, 0.5))
        .moved(translation=(-seat / 2, sy * seat * 0.4, height + 0.2))
        .with_part(1)
        for sy in (-1, 1)
    ]
    paints = (
        room_material(rng, catalogue_paint(), ['matte', 'satin']),
        room_material(rng, {'plain': 1, 'wood': 1}, list(FINISHES)),
    )
    return project_uv(merge(parts), rng.uniform(0.3, 1)), paints


def _sheets(rng: Rng, table: Table) -> list[Item]:
    """Lay paper, stickers or a place mat on the table: seen in colour, not in depth, and so a
    part of what carries the objects.
    """
    if rng.random() > 0.2:
        return []
    size = (*rng.uniform(0.05, 0.5, 2), 0.0006)
    turn = rotation_about((0, 0, 1), rng.uniform(0, np.pi))
    sheet = box(size).moved(turn, (*rng.uniform(-0.3, 0.3, 2), 0.0003))
    if not np.all(table.carries(sheet.positions.reshape(-1, 3)[:, :2])):
        return []
    return [
        Item(
            sheet,
            (
                room_material(
                    rng,
                    {'printed': 2, 'plain': 2, 'weave': 1, 'checks': 1},
                    ['matte', 'satin'],
                    256,
                    0.7,
                ),
            ),
            support=True,
        )
    ]


def make_lamps(rng: Rng) -> tuple[list[Lamp], Array]:
    """Draw one to three lamps, each of one to four points for soft shadows, and the ambient light
    (3,), linear.
    """
    lamps: list[Lamp] = []
    for _ in range(int(rng.integers(1, 4))):
        angle, height = rng.uniform(0, 2 * np.pi), rng.uniform(1.0, 2.8)
        away = rng.uniform(0, 1.8)
        centre = np.array([away * np.cos(angle), away * np.sin(angle), height])
        points = int(rng.integers(1, 5))
        warmth = rng.uniform(-0.15, 0.2)
        color = np.array([1 + warmth, 1.0, 1 - warmth]) * rng.uniform(0.3, 1.0) / points
        size = rng.uniform(0.02, 0.5)
        lamps += [
            Lamp(centre + rng.normal(size=3) * size * (points > 1) * (1, 1, 0.2), color)
            for _ in range(points)
        ]
    tint = np.array([1 + rng.uniform(-0.1, 0.1), 1.0, 1 + rng.uniform(-0.1, 0.1)])
    return lamps, tint * rng.uniform(0.15, 0.9)
