# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Network inputs against values worked out by hand."""

import numpy as np
import pytest

from seg_ros.core.frame import CameraModel
from seg_ros.networks.preprocessing import (
    PUBLISHED,
    SMALL,
    Preprocessing,
    input_arrays,
    network_inputs,
    resized_images,
    xyz_array,
)

CAMERA = CameraModel(4, 2, 10.0, 20.0, 1.5, 0.5)


@pytest.mark.parametrize(('preprocessing', 'expected'), [
    (SMALL, [(255 / 255 - 0.5) / 0.25, (0 - 0.5) / 0.25, (51 / 255 - 0.5) / 0.25]),
    (PUBLISHED, [(51 - 102.9801) / 255, (0 - 115.9465) / 255, (255 - 122.7717) / 255]),
])
def test_color_is_ordered_shifted_and_scaled(preprocessing, expected):
    color = np.tile(np.array([255, 0, 51], np.uint8), (2, 4, 1))
    found = preprocessing.color_array(color)
    assert found.shape == (3, 2, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 1, 2], expected, atol=1e-6)


def test_xyz_is_the_organised_cloud_with_zeros_for_none():
    depth = np.full((2, 4), 2.0, np.float32)
    depth[0, 1] = np.nan
    _, xyz = input_arrays(np.zeros((2, 4, 3), np.uint8), depth, CAMERA)
    np.testing.assert_allclose(xyz[:, 1, 3], [(3 - 1.5) * 2 / 10, (1 - 0.5) * 2 / 20, 2])
    np.testing.assert_array_equal(xyz[:, 0, 1], 0)


def test_a_point_with_one_bad_coordinate_is_none():
    points = np.ones((1, 2, 3), np.float32)
    points[0, 0, 1] = np.inf
    np.testing.assert_array_equal(xyz_array(points)[:, 0], [[0, 1]] * 3)


def test_points_stay_as_they_came():
    planes = np.full((3, 1, 2), np.nan, np.float32)
    assert not xyz_array(planes.transpose(1, 2, 0)).any()
    assert np.isnan(planes).all()


def test_resized_frame_has_the_same_points():
    camera = CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5)
    depth = np.full((48, 64), 1.5, np.float32)
    color = np.zeros((48, 64, 3), np.uint8)
    _, xyz = network_inputs(color, depth, camera, size=(32, 24))
    assert xyz.shape == (1, 3, 24, 32)
    # pixel (0, 0) of the small image covers pixels 0 and 1: its ray goes through 0.5
    np.testing.assert_allclose(xyz[0, 0, 0, 0], (0.5 - 31.5) * 1.5 / 60, rtol=1e-5)
    np.testing.assert_allclose(xyz[0, 1, -1, 0], (46.5 - 23.5) * 1.5 / 60, rtol=1e-5)


def test_depth_is_never_mixed_across_an_edge():
    depth = np.where(np.arange(32)[None] < 15, 1.0, 3.0).astype(np.float32).repeat(24, axis=0)
    _, small = resized_images(np.zeros((24, 32, 3), np.uint8), depth, (16, 12))
    assert set(np.unique(small)) == {1.0, 3.0}


def test_no_depth_gives_zeros():
    _, xyz = network_inputs(np.zeros((4, 4, 3), np.uint8), None, None, size=(2, 2))
    assert not xyz.any()


def test_depth_without_a_camera_is_refused():
    with pytest.raises(ValueError, match='intrinsics'):
        input_arrays(np.zeros((2, 4, 3), np.uint8), np.ones((2, 4), np.float32), None)


@pytest.mark.parametrize(('values', 'message'), [
    ({'color_order': 'hsv'}, 'accepted: rgb, bgr'), ({'std': (1.0, 0.0, 1.0)}, 'above 0'),
    ({'mean': (0.5,)}, 'three values')])
def test_preprocessing_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**values)


@pytest.mark.parametrize('preprocessing', [SMALL, PUBLISHED])
def test_preprocessing_survives_json(preprocessing):
    assert Preprocessing.from_dict(preprocessing.as_dict()) == preprocessing


def test_preprocessing_with_an_unknown_field_is_refused():
    with pytest.raises(ValueError, match='unknown fields: gamma'):
        Preprocessing.from_dict({'gamma': 2})
