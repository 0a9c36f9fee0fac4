# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A short tabletop sequence: one arrangement, a moving camera, ids that hold, a sensor's noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.synthetic.catalogue import make_object
from seg_ros.synthetic.mesh import Array
from seg_ros.synthetic.objects import Rng
from seg_ros.synthetic.placement import Placed, lay_out
from seg_ros.synthetic.renderer import CameraPose, render
from seg_ros.synthetic.room import make_table
from seg_ros.synthetic.scene import furnish
from seg_ros.synthetic.sensor import corrupt_depth
from seg_ros.synthetic.views import orbit

SHOWN_KINDS = (
    'box',
    'bowl',
    'mug',
    'can',
    'drill',
    'bottle',
    'tin',
    'jar',
    'book',
    'fruit',
    'mug',
    'can',
)
FRAME_INTERVAL_NS = 66_666_667
FRAME_ID = 'camera_color_optical_frame'

SequenceFrame = tuple[RgbdFrame, NDArray[np.int32], CameraPose]


def tabletop_sequence(
    n_frames: int, seed: int, width: int = 640, height: int = 480
) -> Iterator[SequenceFrame]:
    """Yield frames at 15 Hz with their labels (H, W) int32 and camera poses; no physics engine is
    needed.

    Label k is the same object in every frame. The depth carries an active stereo camera's noise.
    The same arguments give the same frames. Raises ValueError for fewer than one frame.
    """
    if n_frames < 1:
        raise ValueError(f'a sequence has at least one frame, got {n_frames}')
    rng = np.random.default_rng(np.random.SeedSequence([seed, n_frames]))
    camera = CameraModel(
        width, height, 0.958 * width, 0.958 * width, (width - 1) / 2, (height - 1) / 2
    )
    objects, spread = _arrange(rng)
    poses = camera_path(rng, objects, n_frames)
    table = make_table(rng, spread)
    while not (
        table.drop_m and np.all([table.carries(one.translation[None, :2]) for one in objects])
    ):
        table = make_table(rng, spread)
    world, _ = furnish(rng, objects, table, np.array([pose.position for pose in poses]))
    exposure: float | None = None
    for index, pose in enumerate(poses):
        drawn = render(world, camera, pose, exposure=exposure)
        depth = corrupt_depth(
            drawn.depth_m, drawn.labels, camera, rng, 'realsense', character_seed=seed
        )
        frame = RgbdFrame(drawn.color, depth, camera, 1 + index * FRAME_INTERVAL_NS, FRAME_ID)
        yield frame, drawn.labels, pose


def _arrange(rng: Rng) -> tuple[list[Placed], float]:
    """Place one object of each shown kind."""
    spread = 0.3
    objects: list[Placed] = []
    while len(objects) < len(SHOWN_KINDS) - 2:
        objects = lay_out([make_object(kind, rng) for kind in SHOWN_KINDS], rng, spread, 0.25)
    return objects, spread


def camera_path(rng: Rng, objects: list[Placed], n_frames: int) -> list[CameraPose]:
    """Swing around the objects, nearing and rising a little."""
    centre: Array = np.mean([one.translation for one in objects], axis=0) + (0, 0, 0.03)
    start, along = rng.uniform(0, 2 * np.pi), np.linspace(0, 1, n_frames)
    azimuth = start + np.deg2rad(50) * along
    tilt = 42 + 10 * np.sin(np.pi * along)
    distance = 0.85 - 0.12 * np.sin(np.pi * along)
    return [orbit(centre, *pose, 0.0) for pose in zip(distance, azimuth, tilt, strict=True)]
