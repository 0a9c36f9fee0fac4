# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np

from seg_ros.core.box_drawing import draw_boxes
from seg_ros.core.drawing import instance_colors
from seg_ros.core.frame import CameraModel
from seg_ros.core.geometry import OrientedBox

CAMERA = CameraModel(100, 80, 100.0, 100.0, 50.0, 40.0)


def drawn(*boxes):
    ids = np.arange(1, len(boxes) + 1)
    return draw_boxes(np.zeros((80, 100, 3), np.uint8), boxes, ids, CAMERA)


def box(z, size=(0.4, 0.2, 0.2)):
    return OrientedBox(np.array([0.0, 0, z]), np.eye(3), np.array(size))


def test_edges_lie_where_the_corners_are_seen():
    picture = drawn(box(1.1))
    # Its front is 1 m away: 40 by 20 pixels about the middle.
    shade = instance_colors(np.array([1]))[0]
    for row, column in ((30, 50), (50, 50), (40, 30), (40, 70), (30, 30), (50, 70)):
        np.testing.assert_array_equal(picture[row, column], shade)
    assert not picture[40, 50].any() and not picture[20, 50].any()


def test_no_box_and_one_behind_the_camera_are_left_out():
    assert not drawn(None, box(0.05), box(-1.0)).any()
