# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Kinds of scenes by name: a table top, a bin seen from above, a shelf seen from the front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from seg_ros.synthetic.mesh import Array, Soup, box, merge, project_uv
from seg_ros.synthetic.objects import ObjectModel, Rng
from seg_ros.synthetic.physics import StaticBox, settle
from seg_ros.synthetic.placement import Placed, drop_poses, in_rows, lay_out
from seg_ros.synthetic.renderer import CameraPose, Item
from seg_ros.synthetic.room import BOARD, Table, make_table, room_material
from seg_ros.synthetic.views import draw_pose, orbit

Aim = Callable[[Rng, Array], CameraPose]

PRESETS = ('tabletop', 'bin', 'shelf', 'mixed')
# How often 'mixed' takes each.
MIXED_SHARES = {'tabletop': 0.75, 'bin': 0.13, 'shelf': 0.12}


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Hold settled objects on what carries them, and how cameras look at them.

    ``room_m``: low and high corner (2, 2) of the x, y in which an object's middle counts as being
    in the scene; ``aim`` draws a pose towards a centre (3,) metres.
    """

    objects: list[Placed]
    table: Table
    room_m: Array
    aim: Aim


def arrange(
    preset: str, models: list[ObjectModel], rng: Rng, physics: bool
) -> Arrangement:
    """Place the objects as the preset says; ValueError for an unknown preset."""
    if preset == 'mixed':
        names = list(MIXED_SHARES)
        preset = names[int(rng.choice(len(names), p=list(MIXED_SHARES.values())))]
    makers = {'tabletop': tabletop, 'bin': in_a_bin, 'shelf': on_a_shelf}
    if preset not in makers:
        raise ValueError(f'preset {preset!r} is unknown: choose from {", ".join(PRESETS)}')
    return makers[preset](models, rng, physics)


def tabletop(models: list[ObjectModel], rng: Rng, physics: bool) -> Arrangement:
    """Stand, stack and drop objects on a table or on the floor."""
    spread = _spread(rng, len(models))
    if physics:
        share = rng.choice([0.0, 0.25, 0.5, 0.9], p=[0.2, 0.3, 0.3, 0.2])
        dropped = round(len(models) * float(share))
        standing = lay_out(models[dropped:], rng, spread, float(rng.choice([0.05, 0.2, 0.5])))
        objects = settle(standing + drop_poses(models[:dropped], standing, rng, spread))
    else:
        objects = lay_out(models, rng, spread)
    table = make_table(rng, spread)
    azimuth = rng.uniform(0, 2 * np.pi)
    return Arrangement(objects, table, np.array([[-0.8, -0.8], [0.8, 0.8]]),
                       partial(_around, spread, azimuth))


def _spread(rng: Rng, count: int) -> float:
    crowd = rng.uniform(0.6, 1.7)
    return float(np.clip(0.075 * np.sqrt(count + 1) * crowd + 0.06, 0.12, 0.5))


def _around(spread_m: float, azimuth_rad: float, rng: Rng, centre: Array) -> CameraPose:
    return draw_pose(rng, centre, spread_m, azimuth_rad)


def in_a_bin(models: list[ObjectModel], rng: Rng, physics: bool) -> Arrangement:
    """Drop objects into a tote or a carton; the camera looks in from above."""
    half = np.array([rng.uniform(0.13, 0.3), rng.uniform(0.1, 0.22)])
    height, wall, floor = rng.uniform(0.06, 0.25), rng.uniform(0.003, 0.015), 0.003
    walls = _bin_boxes(half, height, wall, floor)
    inside = 0.75 * float(half.min())
    if physics:
        lifted = [replace(one, translation=one.translation + (0, 0, floor))
                  for one in drop_poses(models, [], rng, inside, bounds=0.8 * half)]
        objects = settle(lifted, statics=walls)
    else:
        objects = [one for one in lay_out(models, rng, inside) if _within(one, half)]
        objects = [replace(one, translation=one.translation + (0, 0, floor)) for one in objects]
    table = make_table(rng, float(half.max()) + 0.05)
    soup = project_uv(_boxes(walls), rng.uniform(0.2, 1.0))
    crate = Item(soup, (room_material(rng, BOARD, ['matte', 'satin', 'plastic'], 256, 0.5),))
    azimuth = rng.uniform(0, 2 * np.pi)
    return Arrangement(objects, replace(table, items=(*table.items, crate)),
                       np.stack([-half, half]), partial(_from_above, height, azimuth))


def _bin_boxes(half: Array, height: float, wall: float, floor: float) -> list[StaticBox]:
    """Return the floor and the four walls of a bin whose inside has these half sides."""
    x, y = half
    outer = x + 2 * wall
    return [
        (np.array([0, 0, floor / 2]), np.array([outer, y + 2 * wall, floor / 2])),
        *[(np.array([sign * (x + wall), 0, height / 2]), np.array([wall, y, height / 2]))
          for sign in (-1, 1)],
        *[(np.array([0, sign * (y + wall), height / 2]), np.array([outer, wall, height / 2]))
          for sign in (-1, 1)],
    ]


def _from_above(height_m: float, azimuth_rad: float, rng: Rng, centre: Array) -> CameraPose:
    target = centre + (*(rng.normal(size=2) * 0.04), rng.uniform(-0.02, 0.5 * height_m))
    return orbit(target, rng.uniform(0.4 + height_m, 1.3), azimuth_rad + rng.normal() * 0.6,
                 rng.uniform(48, 90), rng.normal() * 5)


def on_a_shelf(models: list[ObjectModel], rng: Rng, physics: bool) -> Arrangement:
    """Stand objects in rows in a compartment; the camera looks in from the front."""
    half = np.array([rng.uniform(0.2, 0.5), rng.uniform(0.12, 0.22)])
    height = rng.uniform(0.28, 0.5)
    boards = _shelf_boxes(half, height, rng.uniform(0.008, 0.025), rng)
    objects = in_rows(models, rng, 0.96 * half, height - 0.01)
    if physics:
        objects = settle(objects, statics=boards)
    drop = rng.uniform(0.4, 1.4)
    soup = project_uv(_boxes(boards), rng.uniform(0.4, 1.2))
    shelf = Item(soup, (room_material(rng, BOARD, ['matte', 'satin'], 256, 0.2),))
    table = Table(np.zeros(2), half, False, (shelf,), drop)
    return Arrangement(objects, table, np.stack([-half, half]), _from_the_front)


def _shelf_boxes(half: Array, height: float, board: float, rng: Rng) -> list[StaticBox]:
    """Return boards and sides of a shelf; the middle compartment's floor is at z = 0."""
    x, y = half
    boxes = [(np.array([0, 0, z]), np.array([x + 2 * board, y, board]))
             for z in (-board, height + board, -height - 3 * board)]
    tall = 1.6 * height
    boxes += [(np.array([sign * (x + board), 0, 0]), np.array([board, y, tall]))
              for sign in (-1, 1)]
    if rng.random() < 0.8:
        boxes.append((np.array([0, y + 0.003, 0]), np.array([x + 2 * board, 0.003, tall])))
    return boxes


def _from_the_front(rng: Rng, centre: Array) -> CameraPose:
    target = centre + (rng.normal() * 0.06, 0.0, rng.uniform(0.0, 0.12))
    azimuth = -np.pi / 2 + rng.uniform(-0.5, 0.5)
    return orbit(target, rng.uniform(0.45, 1.4), azimuth, rng.uniform(3, 32), rng.normal() * 3)


def _within(one: Placed, half: Array) -> bool:
    return bool(np.all(np.abs(one.points()[:, :2]) < half))


def _boxes(boxes: list[StaticBox]) -> Soup:
    return merge([box(2 * half).moved(translation=centre) for centre, half in boxes])
