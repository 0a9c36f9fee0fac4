# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Boxes in space drawn over the image they were seen in."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.drawing import instance_colors
from seg_ros.core.frame import CameraModel
from seg_ros.core.geometry import OrientedBox

# The corners of OrientedBox.corners() that an edge joins differ in one sign.
_EDGES = [(a, a | bit) for bit in (1, 2, 4) for a in range(8) if not a & bit]


def draw_boxes(
    color: npt.NDArray[np.uint8],
    boxes: Sequence[OrientedBox | None],
    ids: npt.NDArray[np.integer],
    camera: CameraModel,
) -> npt.NDArray[np.uint8]:
    """Return the (H, W, 3) RGB image with the edges of boxes, in the colours of their ids.

    Boxes are in the camera's optical frame, metres; what reaches behind the camera is left out.
    """
    picture = color.copy()
    for box, shade in zip(boxes, instance_colors(ids).tolist(), strict=True):
        corners = None if box is None else box.corners()
        if corners is None or corners[:, 2].min() < 1e-3:
            continue
        pixels = corners[:, :2] / corners[:, 2:] * [camera.fx, camera.fy] + [camera.cx, camera.cy]
        # In sixteenths of a pixel.
        ends = np.rint(16 * np.clip(pixels, -1e5, 1e5)).astype(int).tolist()
        for first, second in _EDGES:
            cv2.line(picture, ends[first], ends[second], shade, 2, cv2.LINE_AA, 4)
    return picture
