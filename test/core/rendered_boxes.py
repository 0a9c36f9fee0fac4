# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depth images of boxes on a plane, by casting a ray through each pixel."""

import numpy as np

from seg_ros.core.frame import CameraModel
from seg_ros.core.geometry import OrientedBox

CAMERA = CameraModel(320, 240, 300.0, 300.0, 159.5, 119.5)


def looking_down(tilt_deg, distance_m, roll_deg=0.0):
    """Return the camera's rotation and place: it looks at the world's origin, z is up."""
    tilt, roll = np.deg2rad([tilt_deg, roll_deg])
    forward = np.array([np.cos(tilt), 0, -np.sin(tilt)])
    right = np.array([0.0, -1, 0])
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    rotation = np.stack([c * right + s * down, -s * right + c * down, forward])
    return rotation, -distance_m * forward


def box_on_table(x, y, size, yaw_deg, bottom=0.0):
    """Return a box in the world, its bottom at a height."""
    yaw = np.deg2rad(yaw_deg)
    axes = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    return OrientedBox(np.array([x, y, bottom + size[2] / 2]), axes, np.array(size, float))


def seen(box, rotation, place):
    """Return a box of the world in the camera's frame."""
    return OrientedBox(rotation @ (box.center - place), rotation @ box.axes, box.size)


def render(boxes, rotation, place, camera=CAMERA, heights=(0.0,), reach=5.0):
    """Return depth (H, W) float32 metres and labels (H, W) of boxes and horizontal planes."""
    v, u = np.indices((camera.height, camera.width))
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy,
                     np.ones(u.shape)], -1) @ rotation
    depth, labels = np.full(u.shape, np.inf), np.zeros(u.shape, np.int32)
    with np.errstate(divide='ignore', invalid='ignore'):
        for height in heights:
            at = (height - place[2]) / rays[..., 2]
            on = (at > 0) & (np.abs(place[0] + at * rays[..., 0]) < reach)
            depth = np.where(on & (at < depth), at, depth)
        for label, box in enumerate(boxes, start=1):
            start, way = (place - box.center) @ box.axes, rays @ box.axes
            near = np.minimum((-box.size / 2 - start) / way, (box.size / 2 - start) / way).max(-1)
            far = np.maximum((-box.size / 2 - start) / way, (box.size / 2 - start) / way).min(-1)
            hit = (near < far) & (near > 0) & (near < depth)
            depth, labels = np.where(hit, near, depth), np.where(hit, label, labels)
    depth = np.where(np.isfinite(depth), depth, np.nan).astype(np.float32)
    return depth, labels.astype(np.int32)
