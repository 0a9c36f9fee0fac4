# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.core.geometry import (
    fit_plane,
    oriented_box,
    points_from_depth,
    quaternion_from_matrix,
)


def rotation(angles):
    cx, cy, cz = np.cos(angles)
    sx, sy, sz = np.sin(angles)
    turn_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    turn_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    turn_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return turn_z @ turn_y @ turn_x


angles = st.tuples(*[st.floats(-3.1, 3.1)] * 3).map(np.array)


def matrix_of(quaternion):
    x, y, z, w = quaternion
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])


@given(angles)
def test_quaternion_turns_as_the_matrix_does(turn):
    quaternion = quaternion_from_matrix(rotation(turn))
    assert quaternion[3] >= 0
    np.testing.assert_allclose(matrix_of(quaternion), rotation(turn), atol=1e-9)


def test_points_follow_the_pinhole_and_keep_nan():
    depth = np.array([[1.0, np.nan], [2.0, 4.0]], np.float32)
    points = points_from_depth(depth, 2.0, 4.0, 0.5, 0.0)
    np.testing.assert_allclose(points[1, 1], [0.5 * 4 / 2, 1 * 4 / 4, 4])
    assert np.isnan(points[0, 1]).all()


@settings(max_examples=25)
@given(angles, st.floats(0.3, 1.5))
def test_plane_is_found_among_outliers(turn, distance):
    rng = np.random.default_rng(1)
    flat = np.c_[rng.uniform(-0.5, 0.5, (600, 2)), rng.normal(0, 0.001, 600)]
    above = np.c_[rng.uniform(-0.2, 0.2, (200, 2)), rng.uniform(0.03, 0.3, 200)]
    normal = rotation(turn)[:, 2]
    points = np.vstack([flat, above]) @ rotation(turn).T - distance * normal
    plane, share = fit_plane(points, tolerance_m=0.005)
    assert plane.offset < 0
    np.testing.assert_allclose(np.abs(plane.normal @ normal), 1, atol=1e-4)
    assert abs(-plane.offset - distance) < 2e-3
    assert share == pytest.approx(0.75, abs=0.02)
    assert np.quantile(np.abs(plane.heights(points[:600])), 0.99) < 0.005


@pytest.mark.parametrize('points', [
    np.zeros((0, 3)),
    np.full((9, 3), np.nan),
    np.outer(np.arange(9.0), [1, 2, 3]),
    np.ones((9, 3)),
], ids=['none', 'nan', 'line', 'point'])
def test_no_plane_without_three_directions(points):
    assert fit_plane(points) is None


def test_plane_fit_is_deterministic():
    points = np.random.default_rng(0).normal(size=(5000, 3))
    first, second = fit_plane(points)[0], fit_plane(points)[0]
    np.testing.assert_array_equal(first.normal, second.normal)


@settings(max_examples=25)
@given(angles, st.tuples(*[st.floats(-1, 1)] * 3))
def test_principal_box_of_a_solid_box(turn, center):
    rng = np.random.default_rng(0)
    size = np.array([0.3, 0.12, 0.05])
    points = rng.uniform(-0.5, 0.5, (4000, 3)) * size @ rotation(turn).T + center
    box = oriented_box(points)
    np.testing.assert_allclose(box.size, size * 0.98, rtol=0.05)
    np.testing.assert_allclose(box.center, center, atol=4e-3)
    np.testing.assert_allclose(np.linalg.det(box.axes), 1, atol=1e-9)
    assert np.abs(np.diag(box.axes.T @ rotation(turn))).min() > 0.99


@settings(max_examples=25)
@given(angles)
def test_upright_box_stands_on_its_plane(turn):
    rng = np.random.default_rng(0)
    size = np.array([0.08, 0.05, 0.2])
    axes = rotation(turn)
    points = rng.uniform(-0.5, 0.5, (4000, 3)) * size @ axes.T + [0.1, 0.0, 0.8]
    box = oriented_box(points, up=axes[:, 2], trim=0.0)
    np.testing.assert_allclose(box.axes[:, 2], axes[:, 2], atol=1e-9)
    np.testing.assert_allclose(box.size, size, rtol=0.04)
    np.testing.assert_allclose(np.linalg.det(box.axes), 1, atol=1e-9)
    np.testing.assert_allclose(box.center, [0.1, 0.0, 0.8], atol=4e-3)


def test_box_ignores_few_outliers_and_nan():
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.1, 0.1, (3000, 3))
    points[:20] = [0, 0, 5]
    points[20:30] = np.nan
    np.testing.assert_allclose(oriented_box(points).size, 0.2, rtol=0.25)


@pytest.mark.parametrize('count', [0, 1, 2])
def test_no_box_without_three_points(count):
    assert oriented_box(np.zeros((count, 3))) is None


def test_a_flat_object_has_a_positive_size():
    grid = np.stack(np.meshgrid(np.arange(10), np.arange(10), [0.0]), -1) / 100
    assert (oriented_box(grid).size >= 1e-3).all()
