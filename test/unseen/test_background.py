# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from tabletop import camera_of, frame_of, plane_depth, raised_boxes, table_normal

from seg_ros.unseen.background import (
    background_clusters,
    ring_around,
    ring_plane,
    support_plane,
    tolerance_at,
)


def by_size(labels):
    """Renumber labels 0..K-1, the largest first, as the mean shift does."""
    values, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.argsort(np.argsort(-counts, kind='stable'))
    return rank[places].reshape(labels.shape), values[np.argsort(-counts, kind='stable')]


@pytest.mark.parametrize(('rule', 'kept'), [('largest_cluster', False), ('support_plane', True)])
def test_a_close_up_is_lost_by_the_largest_cluster_alone(rule, kept):
    frame, labels = raised_boxes(120, 90, [(0.1, 0.05, 0.9, 0.9)])
    assert (labels == 1).mean() > 0.6
    clusters, of = by_size(labels)
    background = background_clusters(clusters, 2, frame.points(), rule, 0.004)
    assert background[of == 1][0] != kept
    assert background[of == 0][0] == kept


def test_small_objects_stay_by_both_rules():
    frame, labels = raised_boxes(120, 90, [(0.1, 0.2, 0.3, 0.5), (0.5, 0.4, 0.7, 0.8)])
    clusters, of = by_size(labels)
    for rule in ('largest_cluster', 'support_plane'):
        found = background_clusters(clusters, 3, frame.points(), rule, 0.004)
        assert [of[k] for k in np.flatnonzero(found)] == [0]


def floor_and_table():
    """Return a table 0.7 m away on a floor twice as far, which fills more of the image."""
    camera, normal = camera_of(160, 120), table_normal(60)
    depth = plane_depth(camera, normal, -1.4)
    table = np.zeros(depth.shape, bool)
    table[30:95, 40:120] = True
    depth[table] = plane_depth(camera, normal, -0.7)[table]
    objects = np.zeros(depth.shape, bool)
    objects[50:75, 60:80] = objects[45:65, 90:105] = True
    depth[objects] = plane_depth(camera, normal, -0.62)[objects]
    return frame_of(depth, camera), table, objects, normal


def test_the_ring_around_objects_finds_the_table_not_the_floor():
    frame, table, objects, normal = floor_and_table()
    assert table.sum() < 0.3 * table.size
    plane = ring_plane(objects, frame.points(), 0.004)
    assert plane.normal @ normal > 0.9999
    assert plane.offset == pytest.approx(-0.7, abs=1e-3)


def test_the_support_plane_is_the_table_where_floor_and_table_are_one_cluster():
    frame, _, objects, normal = floor_and_table()
    plane = support_plane(objects.astype(int), frame.points(), 0.004)
    assert plane.normal @ normal > 0.9999
    assert plane.offset == pytest.approx(-0.7, abs=1e-3)


def test_noise_and_holes_do_not_hide_the_plane():
    frame, labels = raised_boxes(160, 120, [(0.3, 0.3, 0.6, 0.6)])
    rng = np.random.default_rng(0)
    points = frame.points() * (1 + rng.normal(0, 0.001, (120, 160, 1))).astype(np.float32)
    points[rng.random((120, 160)) < 0.3] = np.nan
    plane = ring_plane(labels > 0, points, 0.004)
    assert plane.normal @ table_normal() > 0.999


def test_no_plane_means_the_largest_cluster_and_a_warning(caplog):
    rng = np.random.default_rng(0)
    points = rng.uniform(0.5, 2, (40, 40, 3)).astype(np.float32)
    found = background_clusters(np.zeros((40, 40), int), 2, points, 'support_plane', 0.001)
    assert found.tolist() == [True, False]
    assert 'no support plane' in caplog.text


def test_the_plane_needs_depth():
    with pytest.raises(ValueError, match='choose largest_cluster'):
        background_clusters(np.zeros((4, 4), int), 1, None, 'support_plane', 0.01)


@pytest.mark.parametrize('mask', [np.zeros((60, 80), bool), np.ones((60, 80), bool)])
def test_no_ring_no_plane(mask):
    assert ring_plane(mask, np.full((60, 80, 3), np.nan, np.float32), 0.01) is None


def test_the_ring_leaves_a_gap_and_does_not_touch_the_objects():
    objects = np.zeros((240, 320), bool)
    objects[100:140, 150:200] = True
    ring = ring_around(objects)
    rows = np.flatnonzero(ring[:, 175])
    assert not (ring & objects).any()
    # 2 % of the 400 px diagonal is 8 px, a quarter of which is the gap.
    assert rows.tolist() == [*range(92, 98), *range(142, 148)]


@pytest.mark.parametrize(('z_m', 'expected_m'), [(1.0, 0.004), (2.0, 0.016), (0.1, 0.001)])
def test_the_tolerance_grows_with_the_square_of_the_range(z_m, expected_m):
    assert tolerance_at(0.004, np.array([z_m], np.float32))[0] == pytest.approx(expected_m)
