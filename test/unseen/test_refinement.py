# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from tabletop import camera_of, frame_of, plane_depth, raised_boxes, table_normal

from seg_ros.unseen.options import UnseenOptions
from seg_ros.unseen.refinement import (
    Region,
    depth_share,
    instances_of,
    min_area_px,
    pasted,
    pieces,
    refined,
    without_contact_edges,
    without_holes,
)

PICTURE = """
11...22
11...22
.......
1..3333
...3..3
...3333
"""


def image(text):
    rows = text.split()
    return np.array([[0 if c == '.' else int(c) for c in row] for row in rows], np.uint8)


@pytest.mark.parametrize(('min_area', 'min_fragment', 'expected'), [
    (1, 0.0, {1: 4, 2: 1, 3: 4, 4: 10}),
    (2, 0.0, {1: 4, 2: 4, 3: 10}),
    (1, 0.3, {1: 4, 2: 4, 3: 10}),
    (5, 0.0, {1: 10}),
    (11, 0.0, {}),
])
def test_pieces_are_objects_where_large_enough(min_area, min_fragment, expected):
    found = pieces(image(PICTURE), min_area, min_fragment)
    assert {k: region.area for k, region in enumerate(found, start=1)} == expected
    labels = pasted(found, (6, 7))
    assert np.bincount(labels.ravel(), minlength=len(found) + 1)[1:].tolist() == [
        *expected.values()]
    assert (labels[image(PICTURE) == 0] == 0).all()


@pytest.mark.parametrize(('share', 'inside', 'filled'), [
    (0.5, 0, True), (0.1, 0, False), (0.5, 2, False),
])
def test_holes_are_filled_where_small_and_empty(share, inside, filled):
    labels = np.zeros((9, 9), np.uint8)
    labels[1:8, 1:8] = 1
    labels[3:6, 3:6] = inside
    result = pasted(without_holes(pieces(labels, 1, 0), (9, 9), share), (9, 9))
    expected = labels.astype(np.int32)
    expected[3:6, 3:6] = 1 if filled else inside
    np.testing.assert_array_equal(result, expected)


def test_a_bay_is_no_hole():
    labels = np.ones((6, 6), np.uint8)
    labels[2:4, 2:] = 0
    result = pasted(without_holes(pieces(labels, 1, 0), (6, 6), 1.0), (6, 6))
    np.testing.assert_array_equal(result, labels)


def test_a_contact_edge_is_cut_back_to_the_object():
    frame, truth = raised_boxes(160, 120, [(0.3, 0.3, 0.6, 0.6)])
    leaked = truth.astype(np.uint8)
    leaked[36:72, 48:104] = 1
    regions = without_contact_edges(pieces(leaked, 1, 0), frame, 0.004, 20)
    np.testing.assert_array_equal(pasted(regions, truth.shape), truth)


def test_what_a_bowl_encloses_stays():
    frame, truth = raised_boxes(160, 120, [(0.3, 0.3, 0.6, 0.7)])
    depth, inside = frame.depth.copy(), np.s_[50:70, 60:84]
    depth[inside] = plane_depth(frame.camera, table_normal(), -0.7)[inside]
    leaked = truth.astype(np.uint8)
    leaked[36:84, 40:104] = 1
    regions = without_contact_edges(
        pieces(leaked, 1, 0), frame_of(depth, frame.camera), 0.004, 20)
    np.testing.assert_array_equal(pasted(regions, truth.shape), truth)


def test_a_flat_object_is_left_alone():
    camera = camera_of(160, 120)
    depth = plane_depth(camera, table_normal(), -0.7)
    labels = np.zeros((120, 160), np.uint8)
    labels[50:60, 60:100] = 1
    regions = without_contact_edges(pieces(labels, 1, 0), frame_of(depth, camera), 0.004, 20)
    np.testing.assert_array_equal(pasted(regions, labels.shape), labels)


def test_pixels_without_depth_are_not_cut():
    frame, truth = raised_boxes(160, 120, [(0.3, 0.3, 0.6, 0.6)])
    depth = frame.depth.copy()
    depth[36:46, 48:60] = np.nan
    regions = without_contact_edges(
        pieces(truth.astype(np.uint8), 1, 0), frame_of(depth, frame.camera), 0.004, 20)
    np.testing.assert_array_equal(pasted(regions, truth.shape), truth)


@pytest.mark.parametrize(('shape', 'expected'), [
    ((480, 640), 150), ((240, 320), 37.5), ((960, 1280), 600), ((2, 2), 1.0),
])
def test_the_smallest_area_follows_the_image(shape, expected):
    assert min_area_px(150, shape) == expected


def test_the_depth_share_counts_the_mask_alone():
    region = Region(1, 1, np.array([[1, 1], [0, 1]], np.uint8), 3)
    depth = np.full((4, 4), np.nan, np.float32)
    depth[1, 1] = depth[2, 1] = 1.0
    assert depth_share(region, depth) == pytest.approx(1 / 3)


def test_scores_are_means_and_objects_come_by_area():
    labels = image(PICTURE)
    confidence = np.where(labels == 3, 0.5, 0.0).astype(np.float32)
    confidence[labels == 2] = [0.2, 0.4, 0.6, 1.0]
    found = instances_of(pieces(labels, 2, 0), confidence, 0.0)
    assert found.areas().tolist() == [10, 4, 4]
    assert found.scores == pytest.approx([0.5, 0.0, 0.55])
    assert found.ids.tolist() == [1, 2, 3]
    kept = instances_of(pieces(labels, 2, 0), confidence, 0.52)
    assert kept.scores == pytest.approx([0.55]) and (kept.labels > 0).sum() == 4


@pytest.mark.parametrize(('share', 'count'), [(0.0, 2), (0.8, 1)])
def test_objects_without_depth_are_dropped_where_asked(share, count):
    frame, truth = raised_boxes(160, 120, [(0.1, 0.3, 0.3, 0.6), (0.6, 0.3, 0.8, 0.6)])
    depth = frame.depth.copy()
    depth[truth == 2] = np.nan
    options = UnseenOptions(min_depth_share=share, plane_cleanup=False)
    found = refined(truth.astype(np.uint8), np.ones(truth.shape, np.float32),
                    frame_of(depth, frame.camera), options)
    assert len(found) == count
