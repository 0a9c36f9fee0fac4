# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tiny views: discs on a tilted plane."""

import numpy as np

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import write_frame, write_labels
from seg_ros.training.samples import View

WIDTH, HEIGHT = 64, 48
PLANE = np.array([0.1, -0.6, -0.79])
PLANE /= np.linalg.norm(PLANE)
OFFSET = -0.9


def view_of(seed, objects=3):
    """Return a view of discs 8 cm before the plane PLANE . p = OFFSET."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    camera = CameraModel(WIDTH, HEIGHT, 60.0, 60.0, 31.5, 23.5)
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)])
    depth = (OFFSET / np.einsum('c,chw->hw', PLANE, rays)).astype(np.float32)
    color = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    labels = np.zeros((HEIGHT, WIDTH), np.int32)
    for k in range(1, objects + 1):
        x, y = 12 + 18 * (k - 1) + rng.integers(4), rng.integers(12, HEIGHT - 12)
        inside = (u - x) ** 2 + (v - y) ** 2 < rng.integers(5, 8) ** 2
        color[inside], labels[inside] = rng.integers(0, 256, 3), k
        depth[inside] = depth[y, x] - 0.08
    return View(color, depth, labels, camera)


def plane_heights(xyz, mirrored):
    """Return the distances (N,) of points (3, h, w) to the plane, mirrored left to right."""
    sign = np.array([-1.0 if mirrored else 1.0, 1, 1])
    return (PLANE * sign) @ xyz.reshape(3, -1) - OFFSET


def write_view(folder, name, seed):
    """Write a view as `seg_ros synthesize` lays it out, the colour image last."""
    view = view_of(seed)
    write_labels(folder / f'{name}-labels.png', view.labels)
    write_frame(folder, name, RgbdFrame(view.color, view.depth_m, view.camera))
