# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One scene: objects settled on a table, in a bin or on a shelf in a room, and its views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seg_ros.core.frame import CameraModel
from seg_ros.synthetic import catalogue, textures
from seg_ros.synthetic.mesh import Array
from seg_ros.synthetic.objects import ObjectModel, Rng, varied
from seg_ros.synthetic.placement import Placed
from seg_ros.synthetic.presets import PRESETS, Aim, Arrangement, arrange
from seg_ros.synthetic.renderer import (
    CameraPose,
    Item,
    Rendering,
    World,
    build_world,
    draw_geometry,
    render,
    render_through,
)
from seg_ros.synthetic.room import Table, make_lamps, make_surroundings
from seg_ros.synthetic.views import draw_camera

View = tuple[CameraModel, CameraPose]


@dataclass(frozen=True)
class SceneOptions:
    """Choose what is drawn: views a scene, image size, physics ('mujoco' or 'none'), share of
    scenes without objects, most objects, preset ('tabletop', 'bin', 'shelf' or 'mixed').
    """

    views: int = 4
    width: int = 320
    height: int = 240
    physics: str = 'mujoco'
    empty_share: float = 0.02
    max_objects: int = 30
    preset: str = 'tabletop'

    def __post_init__(self) -> None:
        if not 0 <= self.empty_share <= 1:
            raise ValueError(f'empty_share is a share, 0 to 1, got {self.empty_share}')
        if self.preset not in PRESETS:
            raise ValueError(
                f'preset {self.preset!r} is unknown: choose from {", ".join(PRESETS)}')
        if self.physics not in ('mujoco', 'none'):
            raise ValueError(f"physics {self.physics!r} is unknown: choose 'mujoco' or 'none'")
        if min(self.views, self.width, self.height, self.max_objects) < 1:
            raise ValueError(f'views, width, height and max_objects start at 1, got {self}')


@dataclass(frozen=True, eq=False)
class Scene:
    """Hold a world to render, its objects (label = index + 1) and its views.

    ``behind`` is the world without the clear objects, None where there are none.
    """

    world: World
    objects: tuple[Placed, ...]
    views: tuple[tuple[CameraModel, CameraPose], ...]
    behind: World | None = None

    def render(self, view: int) -> Rendering:
        """Draw one view; labels are those of the front, depth passes through clear objects."""
        camera, pose = self.views[view]
        if self.behind is None:
            return render(self.world, camera, pose)
        clear = np.array([0.0, *(one.model.clear for one in self.objects)], np.float32)
        return render_through(self.world, self.behind, camera, pose, clear)


def scene_rng(seed: int, index: int) -> Rng:
    """Return the generator of one scene, the same whoever draws it."""
    return np.random.default_rng(np.random.SeedSequence([seed, index]))


def _draw_count(rng: Rng, options: SceneOptions) -> int:
    if rng.random() < options.empty_share:
        return 0
    typical = 1 + rng.gamma(2.2, 3.9)
    return int(min(max(round(typical), 1), options.max_objects))


def _draw_models(
    rng: Rng, count: int, meshes: Sequence[ObjectModel], mesh_share: float = 0.2
) -> list[ObjectModel]:
    """Draw objects; now and then several alike, or all of one tone."""
    palette = textures.toned(rng) if rng.random() < 0.12 else textures.natural_color
    models: list[ObjectModel] = []
    with textures.colors_of(palette):
        while len(models) < count:
            if meshes and rng.random() < mesh_share:
                models.append(varied(meshes[int(rng.integers(len(meshes)))], rng))
            else:
                models.append(catalogue.draw_object(rng))
            while rng.random() < 0.1:
                models.append(models[-1] if rng.random() < 0.7 else varied(models[-1], rng))
    return models[:count]


def draw_scene(rng: Rng, options: SceneOptions, meshes: Sequence[ObjectModel] = ()) -> Scene:
    """Draw a whole scene: objects, what carries them, room, lamps, views."""
    models = _draw_models(rng, _draw_count(rng, options), meshes)
    arrangement = arrange(options.preset, models, rng, options.physics != 'none')
    kept = tuple(one for one in arrangement.objects if _rests(arrangement, one))
    kept = kept[:options.max_objects]
    candidates = _candidate_views(rng, kept, arrangement.aim, options)
    cameras = np.array([pose.position for _, pose in candidates])
    world, behind = furnish(rng, kept, arrangement.table, cameras)
    views = _good_views(world, candidates, len(kept), options.views)
    return Scene(world, kept, views, behind)


def furnish(
    rng: Rng, objects: Sequence[Placed], table: Table, cameras: Array
) -> tuple[World, World | None]:
    """Build the world of objects (label = index + 1) on a table, with a room around the cameras
    (N, 3) and lamps; returns also the world without clear objects, None where none is clear.
    """
    items = [
        Item(one.model.soup.moved(one.rotation, one.translation), one.model.materials, label)
        for label, one in enumerate(objects, start=1)
    ]
    lamps, ambient = make_lamps(rng)
    carrying = [replace(item, support=True) for item in table.items]
    backdrop = [*carrying, *make_surroundings(rng, table, cameras)]
    solid = [item for item, one in zip(items, objects, strict=True) if not one.model.clear]
    behind = None
    if len(solid) < len(items):
        behind = build_world([*solid, *backdrop], lamps, ambient)
    return build_world([*items, *backdrop], lamps, ambient), behind


def _rests(arrangement: Arrangement, one: Placed) -> bool:
    """Tell whether an object ended where it belongs: its middle over what carries it, not below
    it, not thrown away.
    """
    points = one.points()
    middle = points.mean(axis=0)
    low = float(points[:, 2].min())
    inside = bool(arrangement.table.carries(middle[None, :2])[0])
    corner, opposite = arrangement.room_m
    inside &= bool(np.all((corner < middle[:2]) & (middle[:2] < opposite)))
    return inside and -0.01 < low < 0.5


def _candidate_views(
    rng: Rng, objects: Sequence[Placed], aim: Aim, options: SceneOptions
) -> list[View]:
    """Draw twice the views that are asked for."""
    centre = np.mean([one.translation for one in objects], axis=0) if objects else np.zeros(3)
    camera = draw_camera(rng, options.width, options.height)
    poses: list[View] = []
    while len(poses) < 2 * options.views:
        pose = aim(rng, centre)
        if pose.position[2] > 0.02:
            poses.append((camera, pose))
    return poses


def _good_views(
    world: World, candidates: list[tuple[CameraModel, CameraPose]], objects: int, count: int
) -> tuple[tuple[CameraModel, CameraPose], ...]:
    """Choose views that see something and have nothing right before the lens; fill up with the
    rest.
    """
    good: list[View] = []
    poor: list[View] = []
    for camera, pose in candidates:
        if len(good) == count:
            break
        small = camera.resized(max(camera.width // 4, 1), max(camera.height // 4, 1))
        depth, labels = draw_geometry(world, small, pose)
        close = float(np.mean(depth < 0.2))
        share = float(np.mean(labels > 0))
        fine = close < 0.002 and (objects == 0 or 0.02 < share < 0.75)
        (good if fine else poor).append((camera, pose))
    return tuple((good + poor)[:count])
