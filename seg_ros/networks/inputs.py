# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What every network asks of a frame: its size, depth in metres, an example."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.networks.preprocessing import Preprocessing, network_inputs

if TYPE_CHECKING:
    from torch import Tensor

# Median range above which depth can only be millimetres taken for metres.
MAX_MEDIAN_M = 100.0
# Median range below which depth can only be metres divided by 1000 once too often.
MIN_MEDIAN_M = 0.02
MIN_SIDE = 32
SIDE_MULTIPLE = 16


def network_size(
    camera_size: tuple[int, int], input_size: tuple[int, int], scale: float = 1.0
) -> tuple[int, int]:
    """Return the (w, h) at which the network sees a camera image (W, H).

    The area is that of the weights' input size, its sides times ``scale``, and the aspect ratio
    the camera's, each side rounded to a multiple of 16, so that no border needs padding; XYZ
    stays true, for the intrinsics are rescaled on each axis alone. Sides are at least 32.
    """
    if scale == 1.0 and camera_size[0] * input_size[1] == camera_size[1] * input_size[0]:
        return input_size
    area = input_size[0] * input_size[1] * scale ** 2
    longest = max(int(area) // MIN_SIDE // SIDE_MULTIPLE * SIDE_MULTIPLE, MIN_SIDE)
    width = (area * camera_size[0] / camera_size[1]) ** 0.5
    sides = (width, area / width)
    rounded = [min(max(round(side / SIDE_MULTIPLE) * SIDE_MULTIPLE, MIN_SIDE), longest)
               for side in sides]
    return rounded[0], rounded[1]


def check_depth(frame: RgbdFrame, needed: bool) -> None:
    """Raise ValueError for depth that is missing, all invalid or in other units than metres."""
    if frame.depth is None:
        if needed:
            raise ValueError(
                'this frame has no depth, which these weights need: give depth aligned to colour '
                'with its camera, or weights trained with fusion color'
            )
        return
    valid = frame.depth[::4, ::4]
    valid = valid[np.isfinite(valid)]
    if len(valid) == 0:
        valid = frame.depth[np.isfinite(frame.depth)]
    if len(valid) == 0:
        if needed:
            raise ValueError(
                f'depth image {frame.shape[1]}x{frame.shape[0]} has no valid pixel: is the depth '
                'camera running, covered, or nearer to the scene than its minimum range?'
            )
        return
    median = float(np.median(valid))
    if median > MAX_MEDIAN_M:
        raise ValueError(
            f'the median depth is {median:.0f} m: it looks like millimetres; depth is in metres, '
            'float32 (divide 16UC1 images by 1000)'
        )
    if median < MIN_MEDIAN_M:
        raise ValueError(
            f'the median depth is {1000 * median:.2f} mm, nearer than any depth camera measures: '
            'it looks divided by 1000 twice; depth is in metres, float32, or 16UC1 in millimetres'
        )


def example_inputs(
    preprocessing: Preprocessing, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return inputs (1, 3, h, w) of a made-up scene: a table one metre away with a box on it."""
    width, height = size
    ramp = np.linspace(0, 255, width * height * 3).astype(np.uint8).reshape(height, width, 3)
    depth = np.full((height, width), 1.0, np.float32)
    depth[height // 3:height // 2, width // 3:width // 2] = 0.8
    camera = CameraModel(width, height, width, width, (width - 1) / 2, (height - 1) / 2)
    return network_inputs(ramp, depth, camera, size=size, preprocessing=preprocessing)
