# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_ros.core.frame import CameraModel, RgbdFrame

CAMERA = CameraModel(4, 3, fx=2.0, fy=4.0, cx=1.0, cy=1.0)
COLOR = np.zeros((3, 4, 3), np.uint8)
DEPTH = np.ones((3, 4), np.float32)


@pytest.mark.parametrize(('values', 'error'), [
    ({'fx': 0.0}, 'focal lengths must be positive'),
    ({'fy': -1.0}, 'focal lengths must be positive'),
    ({'cx': float('nan')}, 'must be finite'),
    ({'width': 0}, 'sizes start at 1x1'),
    ({'distortion': (0.1, float('inf'))}, 'must be finite'),
])
def test_camera_refuses(values, error):
    with pytest.raises(ValueError, match=error):
        CameraModel(**({'width': 4, 'height': 3, 'fx': 1, 'fy': 1, 'cx': 1, 'cy': 1} | values))


@given(st.integers(1, 4), st.integers(1, 4), st.floats(-1, 5), st.floats(-1, 5))
def test_resizing_keeps_the_ray_of_a_pixel_corner(factor_x, factor_y, u, v):
    big = CAMERA.resized(4 * factor_x, 3 * factor_y)
    # A point at image coordinate u (integer centres) lies at (u + .5) * s - .5 after resizing.
    u_big, v_big = (u + 0.5) * factor_x - 0.5, (v + 0.5) * factor_y - 0.5
    assert (u_big - big.cx) / big.fx == pytest.approx((u - CAMERA.cx) / CAMERA.fx)
    assert (v_big - big.cy) / big.fy == pytest.approx((v - CAMERA.cy) / CAMERA.fy)


def test_cropping_moves_the_principal_point():
    crop = CAMERA.cropped((1, 1, 4, 3))
    assert (crop.width, crop.height, crop.cx, crop.cy) == (3, 2, 0.0, 0.0)
    with pytest.raises(ValueError, match='is not inside 4x3'):
        CAMERA.cropped((0, 0, 5, 3))


def test_points_are_metres_in_the_optical_frame():
    points = RgbdFrame(COLOR, 2 * DEPTH, CAMERA).points()
    assert points.dtype == np.float32
    np.testing.assert_allclose(points[2, 3], [(3 - 1) * 2 / 2, (2 - 1) * 2 / 4, 2])


@pytest.mark.parametrize('false', [np.inf, -np.inf, 0.0, -0.5, np.nan])
def test_false_depth_becomes_nan_and_the_caller_keeps_his_array(false):
    depth = DEPTH.copy()
    depth[0, 0] = false
    frame = RgbdFrame(COLOR, depth, CAMERA)
    assert np.isnan(frame.depth[0, 0]) and np.isfinite(frame.depth).sum() == 11
    np.testing.assert_array_equal(depth[0, 0], np.float32(false))


@pytest.mark.parametrize(('color', 'depth', 'camera', 'error'), [
    (COLOR.astype(float), None, None, 'color must be a uint8 array, got float64'),
    (COLOR[..., 0], None, None, r'color must be \(H, W, 3\)'),
    (np.zeros((0, 4, 3), np.uint8), None, None, r'color must be \(H, W, 3\)'),
    (COLOR, DEPTH.astype(np.uint16), CAMERA, 'depth must be float32 metres.*got uint16'),
    (COLOR, DEPTH[:2], CAMERA, 'depth 4x2, colour image 4x3.*align_depth'),
    (COLOR, DEPTH, None, 'depth came without a camera'),
    (COLOR, DEPTH, CAMERA.resized(8, 6), 'camera 8x6, colour image 4x3'),
])
def test_frame_refuses(color, depth, camera, error):
    with pytest.raises(ValueError, match=error):
        RgbdFrame(color, depth, camera)


def test_a_colour_frame_has_no_points():
    with pytest.raises(ValueError, match='no depth'):
        RgbdFrame(COLOR).points()
