# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.core.footprint import (
    low_value,
    rectangle_rad,
    smallest_rectangle_rad,
    trimmed_bounds,
    within_bulk,
)


def turned(points, angle):
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


def off(found, true):
    """Return the difference of two turns of a rectangle, in degrees."""
    return np.rad2deg(abs((found - true + np.pi / 4) % (np.pi / 2) - np.pi / 4))


def rectangle_points(size, seed=0, count=600):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (count, 2)) * size


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_the_smallest_rectangle_is_opencvs(seed):
    points = np.random.default_rng(seed).normal(size=(30, 2)).astype(np.float32)
    angle = smallest_rectangle_rad(points)
    spans = np.ptp(turned(points, -angle), axis=0)
    _, (width, height), _ = cv2.minAreaRect(points)
    assert spans.prod() == pytest.approx(width * height, rel=1e-3)


@settings(max_examples=30)
@given(st.floats(0, np.pi / 2), st.floats(1.3, 12))
def test_a_filled_rectangle_is_found_at_any_turn(angle, ratio):
    points = turned(rectangle_points([0.1 * ratio, 0.1], count=2000), angle)
    assert off(rectangle_rad(points), angle) < 1.6


@settings(max_examples=30)
@given(st.floats(0, np.pi / 2), st.floats(0.4, 1))
def test_two_visible_sides_are_enough(angle, ratio):
    rng = np.random.default_rng(0)
    along = rng.uniform(0, 1, 400)
    sides = np.where(rng.random(400)[:, None] < 0.5, np.c_[along, 0 * along],
                     np.c_[0 * along, along])
    noisy = sides * [0.1, 0.1 * ratio] + rng.normal(0, 0.0005, (400, 2))
    assert off(rectangle_rad(turned(noisy, angle)), angle) < 2.5


def test_a_round_thing_keeps_its_axes():
    rng = np.random.default_rng(3)
    for _ in range(20):
        way, far = rng.uniform(0, 2 * np.pi, 900), 0.04 * np.sqrt(rng.random(900))
        assert rectangle_rad(np.c_[far * np.cos(way), far * np.sin(way)]) == 0.0


@pytest.mark.parametrize(('trim', 'low', 'high'), [(0.0, 0, 100), (0.01, 1, 99), (0.1, 10, 90)])
def test_bounds_without_the_outermost(trim, low, high):
    values = np.random.default_rng(0).permutation(101).astype(float)
    found = trimmed_bounds(np.c_[values, 2 * values], trim)
    np.testing.assert_array_equal(found, [[low, 2 * low], [high, 2 * high]])


@pytest.mark.parametrize(('share', 'expected'), [(0.0, 0), (0.1, 10), (0.5, 50), (1.0, 100)])
def test_the_value_below_which_a_share_lies(share, expected):
    assert low_value(np.random.default_rng(0).permutation(101), share) == expected


def test_few_outliers_are_left_out_in_every_direction():
    points = np.vstack([rectangle_points([0.1, 0.1], count=1000), [[0.5, 0.5], [-0.5, 0.3]]])
    kept = within_bulk(points, 0.005)
    assert np.abs(kept).max() <= 0.05 and len(kept) > 950
