# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from seg_ros.core.frame import CameraModel
from seg_ros.core.geometry import points_from_depth
from seg_ros.core.object_points import near_the_bulk, object_pixels, points_at, solid_pixels


def square(depth_m=1.0, background_m=2.0):
    """Return depth 60x80 with a square of 30x40 pixels, and the square's flat pixels."""
    depth = np.full((60, 80), background_m, np.float32)
    depth[10:40, 20:60] = depth_m
    mask = np.zeros((60, 80), bool)
    mask[10:40, 20:60] = True
    return depth, mask


def solid(depth, mask):
    found = np.zeros(mask.shape, bool)
    found.ravel()[solid_pixels(depth, np.flatnonzero(mask))] = True
    return found


def test_points_are_those_of_the_whole_image():
    depth, mask = square()
    depth[12, 25] = np.nan
    camera = CameraModel(80, 60, 70.0, 60.0, 40.2, 29.1)
    flat = np.flatnonzero(mask)
    whole = points_from_depth(depth, 70.0, 60.0, 40.2, 29.1)[mask]
    np.testing.assert_allclose(
        points_at(depth, camera, flat), whole[np.isfinite(whole[:, 2])], rtol=1e-6)


def test_a_whole_surface_stays():
    depth, mask = square()
    np.testing.assert_array_equal(solid(depth, mask), mask)
    depth[10:40, 20:60] += np.linspace(0, 0.3, 40, dtype=np.float32)  # steep: 7.7 mm a pixel
    np.testing.assert_array_equal(solid(depth, mask), mask)


@pytest.mark.parametrize('width', [1, 2, 4])
def test_a_strip_of_the_background_goes(width):
    depth, mask = square()
    wide = mask.copy()
    wide[10:40, 60:60 + width] = True
    found = solid(depth, wide)
    assert not found[:, 60:].any()
    # The object's own last column is beside the jump.
    np.testing.assert_array_equal(found[:, :59], mask[:, :59])


def test_flying_pixels_and_those_without_depth_go():
    depth, mask = square()
    depth[10:40, 59] = 1.4
    depth[20, 30] = np.nan
    found = solid(depth, mask)
    assert not found[:, 59].any() and not found[20, 30]
    assert found.sum() == mask.sum() - 2 * 30 - 1


def test_a_wide_part_behind_something_stays():
    depth, mask = square()
    depth[10:40, 20:28] = 1.3
    found = solid(depth, mask)
    assert found[20, 22] and found[20, 40] and not found[20, 27]


def test_where_nothing_is_smooth_all_stays():
    depth, mask = square()
    depth[mask] = np.random.default_rng(0).uniform(0.5, 3, mask.sum())
    assert solid(depth, mask).sum() < 0.2 * mask.sum()
    depth[:, ::2] = np.nan
    lone = solid(np.where(np.indices(depth.shape)[0] % 2, np.nan, depth).astype(np.float32), mask)
    assert lone.sum() == 15 * 20


def test_a_large_object_is_looked_at_in_steps():
    depth = np.full((480, 640), 1.0, np.float32)
    flat = np.arange(480 * 640)
    found = solid_pixels(depth, flat)
    assert 15_000 < len(found) <= 20_000
    assert (np.diff(found) > 0).all()
    assert set(found // 640 % 4) == {0} and set(found % 640 % 4) == {0}


@pytest.mark.parametrize(('far', 'kept'), [(0.02, True), (0.3, False), (-0.3, False)])
def test_what_is_far_behind_or_before_goes(far, kept):
    rng = np.random.default_rng(0)
    points = np.c_[rng.uniform(-0.05, 0.05, (500, 2)), rng.uniform(0.8, 0.85, 500)]
    points[:20, 2] += far
    assert near_the_bulk(points.astype(np.float32))[:20].all() == kept
    assert near_the_bulk(points.astype(np.float32))[20:].all()


def test_both_halves_of_a_split_object_stay():
    points = np.zeros((100, 3), np.float32)
    points[:, 0] = np.linspace(0, 0.05, 100)
    points[:, 2] = np.where(np.arange(100) < 30, 0.8, 1.2)
    assert near_the_bulk(points).all()


def test_pixels_of_each_label():
    labels = np.array([[0, 2, 1], [1, 0, 2]], np.int32)
    assert [p.tolist() for p in object_pixels(labels, 3)] == [[2, 3], [1, 5], []]
