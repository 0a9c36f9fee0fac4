# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Cameras as robots have them, and where they look from."""

from __future__ import annotations

import numpy as np

from seg_ros.core.frame import CameraModel
from seg_ros.synthetic.mesh import Array
from seg_ros.synthetic.objects import Rng
from seg_ros.synthetic.renderer import CameraPose, look_at

# fx over width of the colour image: RealSense D415, D435; Kinect v1; Azure Kinect, Kinect v2.
FOCAL_RATIOS = (0.96, 0.95, 0.96, 0.82, 0.84, 0.95, 1.1)


def draw_camera(rng: Rng, width: int, height: int) -> CameraModel:
    """Draw intrinsics of a usual camera for an image of this size."""
    ratio = float(rng.choice(FOCAL_RATIOS)) * rng.uniform(0.96, 1.04)
    fx = ratio * width * max(1.0, height / width * 4 / 3)
    fy = fx * rng.uniform(0.995, 1.005)
    cx = (width - 1) / 2 + rng.uniform(-0.02, 0.02) * width
    cy = (height - 1) / 2 + rng.uniform(-0.025, 0.025) * height
    return CameraModel(width, height, float(fx), float(fy), float(cx), float(cy))


def orbit(
    target: Array, distance_m: float, azimuth_rad: float, tilt_deg: float, roll_deg: float
) -> CameraPose:
    """Look at a target from a distance; tilt 90 looks straight down."""
    tilt = np.deg2rad(min(tilt_deg, 89.9))
    offset = np.array(
        [np.cos(tilt) * np.cos(azimuth_rad), np.cos(tilt) * np.sin(azimuth_rad), np.sin(tilt)]
    )
    return look_at(target + distance_m * offset, target, np.deg2rad(roll_deg))


def draw_pose(rng: Rng, centre: Array, spread_m: float, azimuth_rad: float) -> CameraPose:
    """Draw a view of a group of objects: 0.3 to 1.6 m away, tilt 15 to 90 degrees, mostly 25 to
    65.
    """
    pick = rng.random()
    near, far = 0.3 + 0.5 * spread_m, 0.6 + 1.2 * spread_m
    distance = rng.uniform(near, min(far, 1.6)) if pick < 0.7 else rng.uniform(0.3, 1.6)
    tilt = rng.uniform(25, 65) if rng.random() < 0.7 else rng.uniform(15, 90)
    target = centre + np.array([*(rng.normal(size=2) * spread_m * 0.35), rng.uniform(-0.02, 0.08)])
    roll = rng.normal() * 3 if rng.random() < 0.85 else rng.uniform(-25, 25)
    return orbit(target, distance, azimuth_rad + rng.normal() * 0.9, tilt, roll)
