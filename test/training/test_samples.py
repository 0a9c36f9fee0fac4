# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Samples: labels halved, boxes, geometry that stays true under crop, scale and flip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_views import plane_heights, view_of

from seg_ros.training.options import TrainOptions
from seg_ros.training.samples import (
    crop_box,
    flipped,
    halved_labels,
    object_box,
    resampled,
    training_sample,
    validation_sample,
)
from seg_ros.unseen.preprocessing import SMALL, input_arrays


@pytest.mark.parametrize(('cell', 'expected'), [
    ([1, 1, 1, 1], 1), ([1, 1, 1, 0], 1), ([0, 1, 1, 1], 1), ([1, 0, 0, 0], 0),
    ([1, 1, 0, 0], -1), ([1, 0, 1, 0], -1), ([0, 1, 2, 1], -1)])
def test_a_cell_has_the_label_of_three_of_its_pixels(cell, expected):
    labels = np.tile(np.array(cell).reshape(2, 2), (3, 3))
    assert (halved_labels(labels) == expected).all()


def test_labels_are_renumbered_and_specks_ignored():
    labels = np.zeros((20, 20), int)
    labels[:, :8], labels[:2, 10:14], labels[10:, 12:] = 40, 7, 90
    half = halved_labels(labels)
    assert (half[0, 0], half[0, 5], half[9, 9], half[4, 5]) == (2 - 1, -1, 2, 0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10 ** 6), scale=st.floats(0.5, 3), width=st.integers(8, 64),
       height=st.integers(8, 48))
def test_crops_lie_inside_the_view(seed, scale, width, height):
    view, rng = view_of(seed % 5), np.random.default_rng(seed)
    x1, y1, x2, y2 = crop_box(view, (width, height), scale, rng)
    assert 0 <= x1 < x2 <= view.camera.width
    assert 0 <= y1 < y2 <= view.camera.height
    assert x2 - x1 == min(max(round(width / scale), 2), view.camera.width)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10 ** 6))
def test_zoom_boxes_are_padded_squares_around_an_object(seed):
    view = view_of(seed % 5)
    x1, y1, x2, y2 = object_box(view, np.random.default_rng(seed))
    assert x2 - x1 == y2 - y1
    assert min(x1, y1) >= 0
    assert x2 <= view.camera.width
    assert y2 <= view.camera.height
    whole = [np.count_nonzero(view.labels == k) for k in (1, 2, 3)]
    inside = [np.count_nonzero(view.labels[y1:y2, x1:x2] == k) for k in (1, 2, 3)]
    assert any(a == b > 0 for a, b in zip(whole, inside, strict=True))


def test_a_view_without_objects_gives_the_largest_square():
    view = view_of(0, objects=0)
    x1, y1, x2, y2 = object_box(view, np.random.default_rng(0))
    assert (x2 - x1, y2 - y1) == (48, 48)


@pytest.mark.parametrize('box', [(0, 0, 64, 48), (10, 6, 42, 30), (3, 2, 19, 14)])
@pytest.mark.parametrize('mirror', [False, True])
def test_points_stay_on_the_plane_under_crop_scale_and_flip(box, mirror):
    view = resampled(view_of(1, objects=0), box, (32, 24))
    view = flipped(view) if mirror else view
    _, xyz = input_arrays(view.color, view.depth_m, view.camera)
    assert np.abs(plane_heights(xyz, mirror)).max() < 0.02


def test_flip_twice_is_nothing():
    view = view_of(2)
    twice = flipped(flipped(view))
    np.testing.assert_array_equal(twice.labels, view.labels)
    assert twice.camera == view.camera


@pytest.mark.parametrize(('kind', 'size'), [('crop', (32, 24)), ('full', (64, 48)),
                                            ('zoom', (32, 32))])
def test_training_samples_have_the_size_of_the_network(kind, size):
    rng = np.random.default_rng(3)
    color, xyz, labels = training_sample(view_of(3), kind, size, TrainOptions(), SMALL, rng)
    assert color.shape == xyz.shape == (3, size[1], size[0])
    assert color.dtype == xyz.dtype == np.float32
    assert labels.shape == (size[1] // 2, size[0] // 2)
    assert labels.max() >= 1
    assert np.isfinite(xyz).all()


@pytest.mark.parametrize(('dropped', 'color_left', 'xyz_left'), [
    ({'drop_color': 1.0, 'drop_depth': 0.0}, False, True),
    ({'drop_color': 0.0, 'drop_depth': 1.0}, True, False),
    ({'drop_color': 0.0, 'drop_depth': 0.0}, True, True)])
def test_one_input_is_dropped_never_both(dropped, color_left, xyz_left):
    options = TrainOptions(**dropped)
    rng = np.random.default_rng(0)
    color, xyz, _ = training_sample(view_of(3), 'full', (64, 48), options, SMALL, rng)
    assert (bool(color.any()), bool(xyz.any())) == (color_left, xyz_left)


def test_validation_noise_repeats():
    first, second, other = (validation_sample(view_of(3), (64, 48), SMALL, seed)
                            for seed in (5, 5, 6))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first[1] != other[1]).any()
