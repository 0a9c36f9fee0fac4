# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np

from seg_ros.core.frame import CameraModel, RgbdFrame

CAMERA = CameraModel(64, 48, 60.0, 62.0, 31.5, 23.5)


def small_frame(shift=0):
    """Two red rectangles at 0.8 m and 1.0 m before a grey wall at 1.5 m, and their labels."""
    color = np.full((48, 64, 3), 120, np.uint8)
    depth = np.full((48, 64), 1.5, np.float32)
    labels = np.zeros((48, 64), np.int32)
    for label, (x, y, depth_m) in enumerate([(5 + shift, 6, 0.8), (35 + shift, 20, 1.0)], 1):
        color[y:y + 10, x:x + 12] = (220, 30, 40)
        depth[y:y + 10, x:x + 12] = depth_m
        labels[y:y + 10, x:x + 12] = label
    depth[0] = np.nan
    return RgbdFrame(color, depth, CAMERA), labels
