# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered_boxes import CAMERA, box_on_table, looking_down, render, seen

from seg_ros.core.boxes import (
    above_plane,
    fit_boxes,
    rests_on_another,
    standing_box,
    stands_on,
)
from seg_ros.core.geometry import OrientedBox, Plane, oriented_box
from seg_ros.core.rigid import RigidTransform, matrix_from_quaternion
from seg_ros.core.support import find_support_planes

SIZE = (0.12, 0.08, 0.1)


def fitted(boxes, rotation, place, noise_m=0.0):
    depth, labels = render(boxes, rotation, place)
    if noise_m:
        depth += np.random.default_rng(0).normal(0, noise_m, depth.shape).astype(np.float32)
    planes = [one.plane for one in find_support_planes(depth, CAMERA, labels)]
    return fit_boxes(depth, CAMERA, labels, len(boxes), planes)


def check(box, true, center_m=0.004, size_share=0.05):
    """Check a box against the true one, whichever side of its footprint comes first."""
    likeness = np.abs(true.axes.T @ box.axes)
    order = [0, 1, 2] if likeness[0, 0] > likeness[0, 1] else [1, 0, 2]
    np.testing.assert_allclose(box.center, true.center, atol=center_m)
    np.testing.assert_allclose(box.size[order], true.size, rtol=size_share)
    assert likeness[2, 2] > 0.9999
    assert likeness[0, order[0]] > np.cos(np.deg2rad(2.5))


@settings(max_examples=25, deadline=None)
@given(st.floats(-90, 90), st.floats(35, 60), st.floats(-180, 180),
       st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)))
def test_a_box_is_found_wherever_it_stands_and_however_the_camera_is_turned(yaw, tilt, roll, xy):
    rotation, place = looking_down(tilt, 0.8, roll)
    true = box_on_table(*xy, SIZE, yaw)
    check(fitted([true], rotation, place)[0], seen(true, rotation, place))


@pytest.mark.parametrize('noise_m', [0.0005, 0.0015])
def test_noise_moves_it_little(noise_m):
    rotation, place = looking_down(45, 0.8)
    true = box_on_table(0.02, 0.03, SIZE, 25)
    check(fitted([true], rotation, place, noise_m)[0], seen(true, rotation, place), 0.005, 0.08)


@settings(max_examples=20, deadline=None)
@given(st.floats(-90, 90), st.floats(35, 55), st.floats(-180, 180))
def test_axes_are_right_handed_and_sizes_positive_and_ordered(yaw, tilt, roll):
    rotation, place = looking_down(tilt, 0.8, roll)
    for true in (box_on_table(0, 0, SIZE, yaw), box_on_table(0, 0, (0.1, 0.1, 0.003), yaw)):
        box = fitted([true], rotation, place)[0]
        np.testing.assert_allclose(box.axes.T @ box.axes, np.eye(3), atol=1e-9)
        assert np.linalg.det(box.axes) == pytest.approx(1)
        assert (box.size > 0).all()
        assert box.size[0] >= 0.95 * box.size[1]
        assert box.axes[0, 0] + 0.57 * box.axes[2, 0] > -0.01  # to the right, or ahead


def test_a_small_turn_of_the_camera_turns_the_axes_little():
    rotation, place = looking_down(45, 0.8)
    for size in (SIZE, (0.08, 0.08, 0.1)):
        true = box_on_table(0, 0, size, 12)
        first = fitted([true], rotation, place)[0]
        turned, moved = looking_down(45.5, 0.81, 0.5)
        second = fitted([true], turned, moved)[0]
        assert np.diag((rotation.T @ first.axes).T @ (turned.T @ second.axes)).min() > 0.999


def test_the_bottom_is_the_table_also_where_the_front_hides_it():
    rotation, place = looking_down(40, 0.8)
    tall = box_on_table(0.03, 0, (0.06, 0.06, 0.16), 0)
    front = box_on_table(-0.06, 0, (0.04, 0.2, 0.09), 0)
    box = fitted([tall, front], rotation, place)[0]
    assert box.size[2] == pytest.approx(0.16, abs=0.004)


def test_a_box_on_another_keeps_its_own_bottom():
    rotation, place = looking_down(40, 0.8)
    below = box_on_table(0, 0, (0.1, 0.1, 0.08), 15)
    above = box_on_table(0, 0, (0.07, 0.05, 0.06), 15, bottom=0.08)
    boxes = fitted([below, above], rotation, place)
    check(boxes[1], seen(above, rotation, place), 0.005, 0.08)
    assert boxes[0].size[2] == pytest.approx(0.08, abs=0.004)


def test_a_mask_that_reaches_too_far_changes_little():
    rotation, place = looking_down(45, 0.8)
    true = box_on_table(0, 0, SIZE, 25)
    depth, labels = render([true], rotation, place)
    wide = np.zeros_like(labels)
    for down in (-2, 0, 2):
        for right in (-2, 0, 2):
            wide |= np.roll(labels, (down, right), (0, 1))
    assert (wide > 0).sum() > 1.05 * (labels > 0).sum()
    planes = [one.plane for one in find_support_planes(depth, CAMERA, labels)]
    check(fit_boxes(depth, CAMERA, wide, 1, planes)[0], seen(true, rotation, place), 0.006, 0.08)


def test_without_a_plane_the_axes_are_principal_ones():
    rotation, place = looking_down(60, 0.7)
    true = box_on_table(0, 0, (0.2, 0.03, 0.03), 30)
    depth, labels = render([true], rotation, place)
    box = fit_boxes(depth, CAMERA, labels, 1)[0]
    assert abs(box.axes[:, 0] @ (rotation @ true.axes[:, 0])) > 0.99
    assert box.size[0] == pytest.approx(0.2, rel=0.06)
    assert np.linalg.det(box.axes) == pytest.approx(1)


def test_objects_of_too_few_points_have_no_box():
    labels = np.zeros((240, 320), np.int32)
    labels[100:120, 100:120], labels[5, 5:7] = 1, 3
    depth = np.full((240, 320), 1.0, np.float32)
    depth[100:120] = np.nan
    assert fit_boxes(depth, CAMERA, labels, 3) == [None, None, None]
    assert fit_boxes(depth, CAMERA, labels * 0, 0) == []


UP = Plane(np.array([0.0, 0.0, 1.0]), 0.5)


@settings(max_examples=25)
@given(st.floats(-0.2, 0.4), st.floats(0.02, 0.3))
def test_a_standing_box_keeps_its_top(bottom, height):
    box = OrientedBox(np.array([0.0, 0, 0.5 + bottom + height / 2]), np.eye(3),
                      np.array([0.2, 0.1, height]))
    found = standing_box(box, UP)
    top = max(bottom + height, 1e-3)
    assert found.size.tolist() == pytest.approx([0.2, 0.1, top])
    assert found.center.tolist() == pytest.approx([0, 0, 0.5 + top / 2])


@pytest.mark.parametrize(('points', 'expected'), [
    ([[0, 0, 0.58], [0.01, 0, 0.57], [0, 0.02, 0.56]], True),    # under it
    ([[0, 0, 0.58], [0.01, 0, 0.57]], False),                    # too few
    ([[0, 0, 0.51], [0.01, 0, 0.51], [0, 0.02, 0.52]], False),   # flat on the table
    ([[0, 0, 0.9], [0.01, 0, 0.9], [0, 0.02, 0.9]], False),      # above
    ([[0.3, 0, 0.58], [0.3, 0, 0.57], [0.3, 0.02, 0.56]], False),  # beside
])
def test_what_lies_under_a_box(points, expected):
    box = OrientedBox(np.array([0, 0, 0.65]), np.eye(3), np.array([0.1, 0.1, 0.1]))
    assert rests_on_another(box, UP, [np.array(points, float)]) is expected
    assert not rests_on_another(box, UP, [])
    assert stands_on(box, UP, [np.array(points, float)]) is not expected


@pytest.mark.parametrize(('bottom', 'size', 'stands'), [
    (-0.01, 0.1, True), (0.019, 0.004, True), (0.15, 0.1, True), (0.21, 0.1, False)])
def test_what_is_held_high_does_not_stand(bottom, size, stands):
    box = OrientedBox(np.array([0, 0, 0.5 + bottom + 0.05]), np.eye(3),
                      np.array([size, size / 2, 0.1]))
    assert stands_on(box, UP, []) is stands


def test_points_at_the_table_are_left_out_of_what_is_tall_alone():
    heights = np.r_[np.zeros(10), np.linspace(0.02, 0.1, 90)]
    points = np.c_[np.zeros((100, 2)), heights + 0.5]
    assert len(above_plane(points, UP)) == 90
    flat = np.c_[np.zeros((100, 2)), np.linspace(0.5, 0.508, 100)]
    assert len(above_plane(flat, UP)) == 100


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.3),
       st.tuples(*[st.floats(-1, 1)] * 3))
def test_boxes_of_points_turn_with_them(quaternion, translation):
    move = RigidTransform(matrix_from_quaternion(quaternion), np.array(translation))
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (3000, 3))
    points[np.arange(3000), np.arange(3000) % 3] = 0.5  # three faces
    points *= SIZE
    up = np.array([0.0, 0, 1])
    first = move.box(oriented_box(points, up))
    second = oriented_box(move.points(points), move.rotation @ up)
    np.testing.assert_allclose(second.size, first.size, rtol=0.02)
    np.testing.assert_allclose(second.center, first.center, atol=0.001)
    assert np.abs(np.diag(first.axes.T @ second.axes)).min() > 0.999
