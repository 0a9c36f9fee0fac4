# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabletop import raised_boxes

from seg_ros.core.results import Instances
from seg_ros.networks.preprocessing import Preprocessing
from seg_ros.unseen.refinement import Region
from seg_ros.unseen.zoom import (
    Crop,
    far_to_near,
    kept_regions,
    make_crops,
    padded_box,
    resized_points,
)


@pytest.mark.parametrize(('box', 'expected'), [
    ((40, 40, 60, 80), (35, 30, 65, 90)),
    ((0, 0, 8, 8), (0, 0, 10, 10)),
    ((90, 80, 100, 100), (88, 75, 100, 100)),
    ((0, 0, 100, 100), (0, 0, 100, 100)),
    ((5, 5, 6, 6), (5, 5, 6, 6)),
])
def test_boxes_grow_by_a_quarter_and_stay_inside(box, expected):
    assert padded_box(np.array(box, np.float32), (100, 100)) == expected


@given(scale=st.integers(1, 4), rows=st.integers(2, 9), columns=st.integers(2, 9))
def test_known_points_stay_on_their_plane(scale, rows, columns):
    v, u = np.mgrid[:rows, :columns].astype(np.float32)
    points = np.dstack([u, v, 1 + u + 2 * v])
    resized = resized_points(points, (columns * scale, rows * scale))
    x, y, z = resized[..., 0], resized[..., 1], resized[..., 2]
    np.testing.assert_allclose(z, 1 + x + 2 * y, rtol=1e-5)


def test_unknown_points_do_not_pull_their_neighbours():
    points = np.ones((4, 4, 3), np.float32)
    points[:, 2:] = np.nan
    resized = resized_points(points, (8, 8))
    assert (resized[:, :4] == 1).all()
    assert np.isnan(resized[:, 5:]).all()


def crop_with(mask):
    empty = np.zeros((3, 4, 4), np.float32)
    height, width = mask.shape
    return Crop((10, 20, 10 + width, 20 + height), mask, empty, empty)


def test_clusters_are_kept_from_half_inside_the_mask():
    mask = np.zeros((4, 8), bool)
    mask[:, :4] = True
    labels = np.zeros((4, 8), np.uint8)
    labels[0, :4], labels[1, 2:6], labels[2, 3:6], labels[3, :] = 1, 2, 3, 4
    kept = kept_regions(crop_with(mask), labels, 1)
    # 1 lies inside, 2 and 4 with half, 3 with a third.
    assert [region.area for region in kept] == [4, 4, 8]
    assert kept[0].window == (slice(20, 24), slice(10, 18))
    assert [region.area for region in kept_regions(crop_with(mask), labels, 5)] == [8]


@pytest.mark.parametrize('labels', [np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8)])
def test_the_first_stage_stays_where_nothing_is_kept(labels):
    mask = np.zeros((4, 4), bool)
    mask[:2, :2] = True
    kept = kept_regions(crop_with(mask), labels, 1)
    assert len(kept) == 1
    np.testing.assert_array_equal(kept[0].mask, mask)


def test_the_nearest_is_pasted_last():
    depth = np.array([[1.0, 3.0, np.nan, 2.0]], np.float32)
    regions = [Region(x, 0, np.ones((1, 1), np.uint8), 1) for x in range(4)]
    assert [region.x for region in far_to_near(regions, depth)] == [2, 1, 3, 0]
    assert far_to_near(regions, None) == regions


def test_crops_show_their_object():
    frame, labels = raised_boxes(120, 90, [(0.1, 0.2, 0.3, 0.5), (0.5, 0.4, 0.7, 0.8)])
    crops = make_crops(frame, Instances.from_labels(labels), 32, Preprocessing())
    assert [crop.box for crop in crops] == [(6, 11, 42, 52), (54, 27, 90, 81)]
    for label, crop in enumerate(crops, start=1):
        assert crop.color.shape == crop.xyz.shape == (3, 32, 32)
        assert crop.mask.shape == (crop.size[1], crop.size[0])
        assert crop.mask.sum() == (labels == label).sum()
        y, x = np.argwhere(labels == label).mean(axis=0).astype(int)
        # The crop's middle looks at the object's middle.
        np.testing.assert_allclose(crop.xyz[:, 16, 16], frame.points()[y, x], atol=0.02)
