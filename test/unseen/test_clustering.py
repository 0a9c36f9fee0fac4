# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tabletop import directions, raised_boxes
from torch.nn.functional import interpolate

from seg_ros.unseen.clustering import (
    ClusterMaps,
    ShiftDefaults,
    background_rule,
    cluster_maps,
    confidence_of,
    labels_of,
    mean_shift_of,
)
from seg_ros.unseen.options import UnseenOptions

DEFAULTS = ShiftDefaults(kappa=10.0, connect_distance=0.04)


@pytest.mark.parametrize(('choice', 'has_head', 'has_points', 'expected'), [
    ('auto', True, True, 'foreground_head'),
    ('auto', True, False, 'foreground_head'),
    ('auto', False, True, 'support_plane'),
    ('auto', False, False, 'largest_cluster'),
    ('largest_cluster', True, True, 'largest_cluster'),
    ('support_plane', True, True, 'support_plane'),
    ('support_plane', False, False, 'support_plane'),
    ('foreground_head', True, True, 'foreground_head'),
])
def test_the_rule_follows_network_and_frame(choice, has_head, has_points, expected):
    assert background_rule(UnseenOptions(background=choice), has_head, has_points) == expected


def test_a_missing_head_is_named():
    with pytest.raises(ValueError, match='this network has none: choose support_plane'):
        background_rule(UnseenOptions(background='foreground_head'), False, True)


@pytest.mark.parametrize(('options', 'kappa', 'distance', 'samples'), [
    (UnseenOptions(), 10.0, 0.04, 2048),
    (UnseenOptions(kappa=15, mean_shift='exact'), 15.0, 0.04, 0),
    (UnseenOptions(connect_distance=0.3, num_samples=64), 10.0, 0.3, 64),
])
def test_options_reach_the_mean_shift(options, kappa, distance, samples):
    shift = mean_shift_of(options, DEFAULTS)
    assert (shift.kappa, shift.connect_distance) == (kappa, distance)
    assert shift.num_samples == samples


def random_maps(seed, count, height, width, background=()):
    rng = np.random.default_rng(seed)
    similarity = rng.uniform(-1, 1, (count, height, width)).astype(np.float32)
    flags = np.isin(np.arange(count), background)
    return ClusterMaps(similarity, flags, rng.random((height, width), np.float32))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 99), count=st.integers(1, 20), scale=st.integers(1, 3),
       background=st.sets(st.integers(0, 4)))
def test_labels_are_the_argmax_of_the_resized_maps(seed, count, scale, background):
    maps = random_maps(seed, count, 7, 9, sorted(background))
    size = (9 * scale, 7 * scale)
    labels = labels_of(maps, size, 0.4)
    stack = torch.from_numpy(np.concatenate([maps.similarity, maps.foreground[None]]))[None]
    resized = interpolate(stack, (size[1], size[0]), mode='bilinear', align_corners=False)[0]
    resized = resized.numpy().astype(np.float64)
    winner = resized[:-1].argmax(axis=0)
    expected = np.where((resized[-1] > 0.4) & ~maps.background[winner], winner + 1, 0)
    ordered = np.sort(resized[:-1], axis=0)
    close = ordered[-1] - ordered[-2] < 1e-4 if count > 1 else np.zeros(labels.shape, bool)
    sure = ~close & (np.abs(resized[-1] - 0.4) > 1e-4)
    np.testing.assert_array_equal(labels[sure], expected[sure])


def test_no_cluster_no_label():
    maps = ClusterMaps(np.zeros((0, 3, 4), np.float32), np.zeros(0, bool),
                       np.ones((3, 4), np.float32))
    assert labels_of(maps, (8, 6), 0.5).shape == (6, 8)
    assert not labels_of(maps, (8, 6), 0.5).any() and not confidence_of(maps, (8, 6)).any()


def test_confidence_is_foreground_times_similarity():
    maps = ClusterMaps(np.array([[[0.5, -1.0]], [[0.2, -0.5]]], np.float32), np.zeros(2, bool),
                       np.array([[0.8, 1.0]], np.float32))
    assert confidence_of(maps, (2, 1)).ravel() == pytest.approx([0.4, 0.0])


def embedded(labels):
    table = directions(int(labels.max()) + 1)
    return table[torch.from_numpy(labels).long()].movedim(-1, 0)


def test_only_the_foreground_is_clustered_where_there_is_a_head():
    _, labels = raised_boxes(80, 60, [(0.1, 0.2, 0.4, 0.5), (0.5, 0.4, 0.7, 0.8)])
    logits = torch.from_numpy(np.where(labels > 0, 5.0, -5.0))
    maps = cluster_maps(embedded(labels), logits, None, UnseenOptions(), defaults=DEFAULTS)
    assert len(maps) == 2 and not maps.background.any()
    found = labels_of(maps, (80, 60), 0.5)
    assert np.unique(np.stack([found, labels]).reshape(2, -1), axis=1).shape[1] == 3


@pytest.mark.parametrize('rule', ['support_plane', 'largest_cluster'])
def test_all_pixels_are_clustered_by_the_other_rules(rule):
    frame, labels = raised_boxes(80, 60, [(0.1, 0.2, 0.4, 0.5), (0.5, 0.4, 0.7, 0.8)])
    maps = cluster_maps(embedded(labels), None, frame.points,
                        UnseenOptions(background=rule), defaults=DEFAULTS)
    assert maps.background.tolist() == [True, False, False]
    np.testing.assert_array_equal(labels_of(maps, (80, 60), 0.5) > 0, labels > 0)


def test_specks_are_left_to_their_neighbours():
    labels = np.ones((40, 40), np.int32)
    labels[20, 20] = 2
    logits = torch.ones(40, 40)
    counts = [len(cluster_maps(embedded(labels), logits, None, UnseenOptions(),
                               defaults=ShiftDefaults(20.0, 0.04), min_pixels=least))
              for least in (0, 3)]
    assert counts == [2, 1]
