# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Render a world of textured soups: colour, depth and labels of the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seg_ros.core.frame import CameraModel
from seg_ros.synthetic.mesh import Array, Soup, cross
from seg_ros.synthetic.objects import Material
from seg_ros.synthetic.rasterizer import depth_buffers, rasterize
from seg_ros.synthetic.samples import EDGE_SAMPLES, Samples, gather
from seg_ros.synthetic.shading import MIP_LEVELS, Lamps, Looks, Sky, Surfaces, develop, shade

SHADOW_SIZE = 320


@dataclass(frozen=True, eq=False)
class Item:
    """Place a soup (world frame, metres) with its materials; label 0 is background.

    ``support``: it carries the objects, as a table does.
    """

    soup: Soup
    materials: tuple[Material, ...]
    label: int = 0
    support: bool = False


@dataclass(frozen=True, eq=False)
class Lamp:
    """Describe a lamp: position (3,) metres, linear colour (3,)."""

    position: Array
    color: Array


@dataclass(frozen=True, eq=False)
class CameraPose:
    """Give camera from world: rotation (3, 3) and translation (3,) metres; optical frame (x right,
    y down, z ahead).
    """

    rotation: Array
    translation: Array

    @property
    def position(self) -> Array:
        """Return the camera's place in the world (3,), metres."""
        return -self.rotation.T @ self.translation

    def matrix(self) -> Array:
        """Return the homogeneous matrix camera from world (4, 4)."""
        full = np.eye(4)
        full[:3, :3], full[:3, 3] = self.rotation, self.translation
        return full


def look_at(position: Array, target: Array, roll_rad: float = 0.0) -> CameraPose:
    """Aim a camera at a target, its image's up along the world's up (+z) as far as possible, then
    roll it.
    """
    forward = (target - position) / np.linalg.norm(target - position)
    up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.9999 else np.array([0.0, 1.0, 0.0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(roll_rad), np.sin(roll_rad)
    rotation = np.stack([c * right + s * down, -s * right + c * down, forward])
    return CameraPose(rotation, -rotation @ position)


@dataclass(frozen=True, eq=False)
class World:
    """Hold everything to be drawn, in the world frame."""

    soup: Soup
    materials: NDArray[np.int32]  # (T,)
    labels: NDArray[np.int32]  # (T,)
    support: NDArray[np.bool_]  # (T,) belongs to what carries the objects
    texel_density: Array  # (T,)
    kinds: NDArray[np.int32]  # (T,) tells labels and materials apart
    facings: NDArray[np.float32]  # (T, 3) unit normals
    looks: Looks
    lamps: tuple[Lamp, ...]
    lamp_poses: tuple[CameraPose, ...]
    shadow_maps: NDArray[np.float32]
    shadow_focal: float
    ambient: Array


@dataclass(frozen=True, eq=False)
class Rendering:
    """Hold colour (H, W, 3) uint8 RGB, depth_m (H, W) float32 (NaN: nothing hit), labels (H, W)
    int32, support (H, W) bool: where what carries the objects is seen.
    """

    color: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    labels: NDArray[np.int32]
    support: NDArray[np.bool_]


def _looks(materials: Sequence[Material]) -> Looks:
    """Pack all textures with their mip levels into one array of texels."""
    mips = np.zeros((len(materials), MIP_LEVELS, 3), np.int64)
    chunks, offset = [], 0
    for row, paint in enumerate(materials):
        image: NDArray[Any] = paint.texture
        for level in range(MIP_LEVELS):
            mips[row, level] = offset, image.shape[1], image.shape[0]
            chunks.append(image.reshape(-1, 3))
            offset += image.shape[0] * image.shape[1]
            half = (max(image.shape[1] // 2, 1), max(image.shape[0] // 2, 1))
            image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    gloss = np.array([paint.gloss for paint in materials], np.float64)
    return Looks(np.ascontiguousarray(np.concatenate(chunks)), mips, gloss)


def _texel_density(soup: Soup, materials: NDArray[np.int32], looks: Looks) -> Array:
    """Return texels per metre of each triangle: the root of texture area over surface area."""
    p, t = soup.positions, soup.uvs
    area = np.linalg.norm(cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1)
    a, b = t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    texture_area = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    texels = looks.mips[materials, 0, 1] * looks.mips[materials, 0, 2]
    return np.sqrt(texture_area * texels / np.maximum(area, 1e-12))


def build_world(
    items: Sequence[Item],
    lamps: Sequence[Lamp],
    ambient: Array,
    *,
    reach_m: float = 0.9,
    shadow_size: int = SHADOW_SIZE,
) -> World:
    """Join the items and draw the shadow map of each lamp, which covers `reach_m` around the
    origin.
    """
    paints: list[Material] = []
    material_rows, label_rows, support_rows = [], [], []
    for item in items:
        material_rows.append(item.soup.parts + len(paints))
        label_rows.append(np.full(len(item.soup), item.label, np.int32))
        support_rows.append(np.full(len(item.soup), item.support))
        paints.extend(item.materials)
    soups = [item.soup for item in items]
    soup = Soup(
        *(
            np.concatenate([getattr(one, name) for one in soups])
            for name in ('positions', 'normals', 'uvs', 'parts')
        )
    )
    looks, materials = _looks(paints), np.concatenate(material_rows).astype(np.int32)
    poses = tuple(look_at(lamp.position, np.zeros(3)) for lamp in lamps)
    distance = np.mean([np.linalg.norm(lamp.position) for lamp in lamps]) if lamps else 1.0
    focal = 0.5 * shadow_size * float(distance) / reach_m
    near = np.linalg.norm(soup.positions.mean(axis=1), axis=1) < 2 * reach_m
    maps = [_shadow_map(soup.positions[near], pose, focal, shadow_size) for pose in poses]
    stacked = np.stack(maps) if maps else np.zeros((0, 1, 1), np.float32)
    labels = np.concatenate(label_rows)
    kinds = (labels * len(paints) + materials).astype(np.int32)
    facings = np.ascontiguousarray(soup.normals.mean(axis=1), np.float32)
    return World(
        soup,
        materials,
        labels,
        np.concatenate(support_rows),
        _texel_density(soup, materials, looks),
        kinds,
        facings,
        looks,
        tuple(lamps),
        poses,
        stacked,
        focal,
        np.asarray(ambient, np.float64),
    )


def _shadow_map(
    positions: Array, pose: CameraPose, focal: float, size: int
) -> NDArray[np.float32]:
    depth, hit = depth_buffers(size, size)
    centre = 0.5 * (size - 1)
    rasterize(_transform(positions, pose), (focal, focal), (centre, centre), depth, hit, 0)
    return depth


def _transform(positions: Array, pose: CameraPose) -> Array:
    # One product of all points, for numpy multiplies a stack of small matrices one by one.
    moved = positions.reshape(-1, 3) @ pose.rotation.T + pose.translation
    return moved.reshape(positions.shape)


def _raster(
    triangles: Array, camera: CameraModel
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    depth, hit = depth_buffers(camera.height, camera.width)
    rasterize(triangles, (camera.fx, camera.fy), (camera.cx, camera.cy), depth, hit, 0)
    return depth, hit


def draw_geometry(
    world: World, camera: CameraModel, pose: CameraPose
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return depth_m (H, W) float32, NaN where nothing is hit, and labels (H, W) int32, at pixel
    centres.
    """
    depth, hit = _raster(_transform(world.soup.positions, pose), camera)
    return _geometry(world, depth, hit)[:2]


def _geometry(
    world: World, depth: NDArray[np.float32], hit: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.bool_]]:
    # the last entries are for -1, where nothing is
    labels, support = np.append(world.labels, np.int32(0)), np.append(world.support, False)
    return np.where(hit >= 0, depth, np.float32(np.nan)), labels[hit], support[hit]


def _samples(
    world: World,
    triangles: Array,
    camera: CameraModel,
    depth: NDArray[np.float32],
    hit: NDArray[np.int32],
    wanted: NDArray[np.bool_],
) -> Samples:
    """List the shading samples of the wanted pixels (H, W): one a pixel, four where the pixel's
    quarters see different surfaces.
    """
    fine_depth, fine_hit = _raster(triangles, camera.resized(2 * camera.width, 2 * camera.height))
    room = EDGE_SAMPLES * depth.size
    samples = Samples(
        np.empty((2, room), np.float32),
        np.empty(room, np.float32),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        np.empty(room, np.float32),
    )
    rays = (camera.fx, camera.fy, camera.cx, camera.cy)
    count = gather(
        depth, hit, fine_depth, fine_hit, world.kinds, world.facings, rays, wanted, samples
    )
    slopes, sample_depth, triangles_of, pixels, weights = samples
    return Samples(
        slopes[:, :count],
        sample_depth[:count],
        triangles_of[:count],
        pixels[:count],
        weights[:count],
    )


def _draw_color(
    world: World, camera: CameraModel, pose: CameraPose, triangles: Array, samples: Samples
) -> NDArray[np.float32]:
    """Return linear colour (H, W, 3)."""
    soup = world.soup
    surfaces = Surfaces(triangles, soup.normals, soup.uvs, world.materials, world.texel_density)
    numbers = np.array(
        [
            [*(pose.rotation @ lamp.position + pose.translation),
             *_between(pose, lamp_pose).ravel(), *lamp.color]
            for lamp, lamp_pose in zip(world.lamps, world.lamp_poses, strict=True)
        ],
        np.float32,
    ).reshape(-1, 18)  # fmt: skip
    lamps = Lamps(numbers, world.shadow_maps, world.shadow_focal)
    sky = Sky(world.ambient.astype(np.float32), pose.rotation[:, 2].astype(np.float32))
    image = np.zeros((camera.height * camera.width, 3), np.float32)
    shade(samples, surfaces, world.looks, lamps, sky, pose.rotation, camera.fx, image)
    return image.reshape(camera.height, camera.width, 3)


def _between(camera: CameraPose, lamp: CameraPose) -> Array:
    """Return lamp from camera (3, 4)."""
    turn = lamp.rotation @ camera.rotation.T
    shift = lamp.rotation @ camera.position + lamp.translation
    return np.concatenate([turn, shift[:, None]], axis=1)


def _develop(image: NDArray[np.float32], exposure: float | None) -> NDArray[np.uint8]:
    """Expose so that the mean is mid-grey, roll off the highlights, and apply a gamma of 2."""
    gain = exposure if exposure is not None else 0.22 / max(float(image.mean()), 1e-3)
    out = np.empty(image.shape, np.uint8)
    develop(image.reshape(len(image), -1), np.float32(gain), out.reshape(len(out), -1))
    return out


def _draw(
    world: World, camera: CameraModel, pose: CameraPose, wanted: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32], NDArray[np.bool_]]:
    """Return linear colour (H, W, 3), black outside of `wanted` (H, W), depth_m, labels and
    support.
    """
    triangles = _transform(world.soup.positions, pose)
    raw_depth, hit = _raster(triangles, camera)
    chosen = np.ones(hit.shape, np.bool_) if wanted is None else wanted
    samples = _samples(world, triangles, camera, raw_depth, hit, chosen)
    color = _draw_color(world, camera, pose, triangles, samples)
    return color, *_geometry(world, raw_depth, hit)


def render(
    world: World, camera: CameraModel, pose: CameraPose, *, exposure: float | None = None
) -> Rendering:
    """Draw colour, depth, labels and support of one view, aligned to the pixel; exposure None:
    set by the picture.
    """
    color, depth_m, labels, support = _draw(world, camera, pose)
    return Rendering(_develop(color, exposure), depth_m, labels, support)


def render_through(
    world: World, behind: World, camera: CameraModel, pose: CameraPose,
    clear: NDArray[np.float32],
) -> Rendering:  # fmt: skip
    """Draw a view whose clear objects let through what is behind them.

    clear (L,): share of what shines through the object of each label; `behind` is the world
    without clear objects. Depth cameras measure what is behind a clear thing, or nothing: their
    light passes through it.
    """
    front, depth_m, labels, support = _draw(world, camera, pose)
    share = clear[labels]
    wanted = share > 0
    color = _develop(front, None)
    if not wanted.any():
        return Rendering(color, depth_m, labels, support)
    through, depth_behind, *_ = _draw(behind, camera, pose, wanted)
    # Exposed by the whole picture: what is not behind clear things is that of the front.
    through_color = _develop(np.where(wanted[..., None], through, front), None)[wanted]
    seen = share[wanted][:, None]
    color[wanted] = ((1 - seen) * color[wanted] + seen * through_color + 0.5).astype(np.uint8)
    return Rendering(color, np.where(wanted, depth_behind, depth_m), labels, support)
