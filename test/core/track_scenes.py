# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frames of flat things before a textured wall, seen by a camera that moves sideways."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.results import Instances

CAMERA = CameraModel(320, 240, 300.0, 300.0, 159.5, 119.5)
WALL_M = 1.0
_TEXTURE = cv2.resize(
    np.random.default_rng(0).integers(40, 120, (120, 240, 1), np.uint8).repeat(3, axis=2),
    (960, 480), interpolation=cv2.INTER_CUBIC)


@dataclass(frozen=True)
class Thing:
    """A square of one colour: middle and side in metres at a depth."""

    x: float
    y: float
    color: tuple[int, int, int] = (200, 30, 30)
    side: float = 0.12
    z: float = 0.8


RED, BLUE = Thing(-0.2, 0.0), Thing(0.2, 0.0, (30, 30, 200))
GREEN = Thing(0.0, 0.1, (30, 180, 30))


def see(things, camera_x=0.0, stamp_s=1.0, depth=True):
    """Return a frame and labels (H, W): the number of each thing in the list, near ones last."""
    rows, columns = np.indices((CAMERA.height, CAMERA.width))
    x = (columns - CAMERA.cx) / CAMERA.fx
    y = (rows - CAMERA.cy) / CAMERA.fy
    u = np.round((x * WALL_M + camera_x) * 300 + 480).astype(int)
    v = np.round(y * WALL_M * 300 + 240).astype(int)
    color, depth_m = _TEXTURE[v, u].copy(), np.full(x.shape, WALL_M, np.float32)
    labels = np.zeros(x.shape, np.int32)
    for number, thing in enumerate(things, start=1):
        inside = (np.abs(x * thing.z + camera_x - thing.x) < thing.side / 2) & (
            np.abs(y * thing.z - thing.y) < thing.side / 2)
        color[inside], depth_m[inside], labels[inside] = thing.color, thing.z, number
    frame = RgbdFrame(color, depth_m if depth else None, CAMERA if depth else None,
                      int(stamp_s * 1e9), 'camera')
    return frame, labels


def found(labels, *numbers, scores=None, class_ids=None, names=('object',)):
    """Return instances of some of the numbers, in the order given."""
    rows = np.zeros(labels.shape, np.int32)
    for row, number in enumerate(numbers, start=1):
        rows[labels == number] = row
    count = len(numbers)
    return Instances(
        rows, np.ones(count, np.float32) if scores is None else np.float32(scores),
        np.zeros(count, np.int32) if class_ids is None else np.int32(class_ids),
        np.arange(1, count + 1, dtype=np.int32), names)
