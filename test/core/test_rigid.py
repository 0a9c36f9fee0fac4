# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from seg_ros.core.geometry import OrientedBox, Plane
from seg_ros.core.rigid import RigidTransform, interpolated, matrix_from_quaternion

numbers = st.floats(-2, 2)
quaternions = st.tuples(*[st.floats(-1, 1)] * 4).map(np.array).filter(
    lambda q: np.linalg.norm(q) > 0.1)
transforms = st.builds(
    lambda t, q: RigidTransform.from_parts(t, q), st.tuples(*[numbers] * 3), quaternions)


@given(quaternions)
def test_rotation_of_a_quaternion_is_scipys(quaternion):
    np.testing.assert_allclose(matrix_from_quaternion(quaternion),
                               Rotation.from_quat(quaternion).as_matrix(), atol=1e-9)


@pytest.mark.parametrize('quaternion', [
    (0, 0, 0, 0), (0, 0, 0, float('nan')), (0, 0, 0, float('inf')), (1, 0, 0)])
def test_no_rotation_is_refused(quaternion):
    with pytest.raises(ValueError, match='is no rotation'):
        RigidTransform.from_parts((0, 0, 0), quaternion)


@pytest.mark.parametrize(('rotation', 'translation', 'text'), [
    (2 * np.eye(3), np.zeros(3), 'is no rotation matrix'),
    (np.diag([1.0, 1.0, -1.0]), np.zeros(3), 'is no rotation matrix'),
    (np.full((3, 3), np.nan), np.zeros(3), 'is no rotation matrix'),
    (np.eye(3), np.array([0, np.inf, 0]), 'is not finite'),
])
def test_bad_transforms_are_refused(rotation, translation, text):
    with pytest.raises(ValueError, match=text):
        RigidTransform(rotation, translation)


@settings(max_examples=40)
@given(transforms, transforms)
def test_transforms_follow_one_another_and_lead_back(first, second):
    points = np.random.default_rng(0).normal(size=(5, 3))
    both = second @ first
    np.testing.assert_allclose(both.points(points), second.points(first.points(points)), atol=1e-9)
    np.testing.assert_allclose(both.inverse().points(both.points(points)), points, atol=1e-9)


def test_points_keep_their_dtype():
    turn = RigidTransform.from_parts((0.0, 0.0, 1.0), (0, 0, 1, 1))
    moved = turn.points(np.array([[1.0, 0.0, 0.0]], np.float32))
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved, [[0, 1, 1]], atol=1e-6)


@settings(max_examples=40)
@given(transforms)
def test_a_box_moves_with_its_corners_and_keeps_its_size(transform):
    box = OrientedBox(np.array([0.1, 0.2, 0.9]), matrix_from_quaternion([1, 2, 3, 4]),
                      np.array([0.3, 0.2, 0.1]))
    moved = transform.box(box)
    np.testing.assert_array_equal(moved.size, box.size)
    np.testing.assert_allclose(moved.corners(), transform.points(box.corners()), atol=1e-9)


@settings(max_examples=40)
@given(transforms)
def test_a_plane_keeps_its_points_heights(transform):
    plane = Plane(np.array([0.6, 0.0, -0.8]), -0.7)
    points = np.random.default_rng(1).normal(size=(7, 3))
    np.testing.assert_allclose(
        transform.plane(plane).heights(transform.points(points)), plane.heights(points), atol=1e-9)


@settings(max_examples=40)
@given(transforms, transforms, st.floats(0, 1))
def test_between_two_transforms_as_scipy_has_it(first, second, share):
    mixed = interpolated(first, second, share)
    turns = Rotation.from_matrix(np.stack([first.rotation, second.rotation]))
    if (turns[0].inv() * turns[1]).magnitude() > 3.1:
        return  # about half a turn there are two ways
    np.testing.assert_allclose(
        mixed.rotation, Slerp([0, 1], turns)(share).as_matrix(), atol=1e-5)
    np.testing.assert_allclose(
        mixed.translation, (1 - share) * first.translation + share * second.translation)
