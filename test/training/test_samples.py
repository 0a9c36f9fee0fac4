# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Samples: labels halved, boxes, geometry that stays true under crop, scale and flip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_views import HEIGHT, WIDTH, plane_heights, view_of

from seg_ros.core.frame import CameraModel
from seg_ros.networks.preprocessing import SMALL, input_arrays
from seg_ros.training.options import TrainOptions
from seg_ros.training.samples import (
    crop_box,
    flipped,
    focus_box,
    halved_labels,
    input_scale,
    object_box,
    resampled,
    training_sample,
    validation_sample,
)


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


@pytest.mark.parametrize(('camera', 'expected'), [
    ((320, 240), 1.0), ((640, 480), 0.5), ((160, 120), 2.0), ((1280, 720), 0.25),
    ((480, 640), 0.375)])
def test_a_whole_view_fills_the_network_at_the_input_scale(camera, expected):
    model = CameraModel(*camera, 500.0, 500.0, camera[0] / 2, camera[1] / 2)
    assert input_scale(model, (320, 240)) == expected


@pytest.mark.parametrize('enlarged', [1, 2, 4])
def test_a_crop_covers_the_same_of_a_scene_whatever_the_resolution_of_its_view(enlarged):
    view = view_of(0)
    width, height = view.camera.width, view.camera.height
    large = resampled(view, (0, 0, width, height), (enlarged * width, enlarged * height))
    options = TrainOptions(width=width, height=height, zoom_min=1.0, zoom_max=1.0,
                           drop_color=0.0, drop_depth=0.0)
    rng = np.random.default_rng(3)
    _, xyz, _ = training_sample(large, 'crop', (32, 16), options, SMALL, rng)
    slopes = np.ptp(xyz[0] / xyz[2], axis=1)[xyz[2].min(axis=1) > 0]
    assert slopes == pytest.approx(31 / view.camera.fx, rel=0.02)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10 ** 6))
def test_zoom_boxes_are_padded_around_an_object_as_at_run_time(seed):
    view = view_of(seed % 5)
    box = np.array(object_box(view, np.random.default_rng(seed)))
    allowed = []
    for label in (1, 2, 3):
        rows, columns = np.nonzero(view.labels == label)
        tight = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        sides = np.tile(tight[2:] - tight[:2], 2)
        expected = tight + np.array([-0.25, -0.25, 0.25, 0.25]) * sides
        off = np.abs(box - expected.clip(0, [WIDTH, HEIGHT] * 2))
        allowed.append((off <= 0.15 * sides + 1.5).all())
    assert sum(allowed) == 1


def test_some_zoom_boxes_hold_two_objects_that_touch():
    view = view_of(0, objects=0)
    view.labels[20:30, 10:20], view.labels[20:30, 20:30] = 1, 2
    boxes = [object_box(view, np.random.default_rng(seed)) for seed in range(300)]
    both = [box for box in boxes if box[0] < 12 and box[2] > 28 and box[2] - box[0] > 22]
    assert len(both) / len(boxes) == pytest.approx(0.3, abs=0.08)


def test_a_view_without_objects_gives_the_whole_view_to_the_zoom_stage():
    view = view_of(0, objects=0)
    assert object_box(view, np.random.default_rng(0)) == (0, 0, WIDTH, HEIGHT)
    assert focus_box(view, np.random.default_rng(0)) == (0, 0, WIDTH, HEIGHT)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10 ** 6))
def test_second_looks_show_an_object_at_the_views_aspect(seed):
    view = view_of(seed % 5)
    x1, y1, x2, y2 = focus_box(view, np.random.default_rng(seed))
    assert 0 <= x1 < x2 <= WIDTH and 0 <= y1 < y2 <= HEIGHT
    assert (x2 - x1) / (y2 - y1) == pytest.approx(WIDTH / HEIGHT, rel=0.1)
    whole = [(view.labels == label).sum() == (view.labels[y1:y2, x1:x2] == label).sum()
             for label in (1, 2, 3)]
    assert any(whole)


def test_second_looks_show_all_objects_or_some():
    view = view_of(0, objects=0)
    view.labels[4:10, 4:10], view.labels[20:26, 30:36] = 1, 2
    boxes = [focus_box(view, np.random.default_rng(seed)) for seed in range(300)]
    both = [len(np.unique(view.labels[y1:y2, x1:x2])) == 3 for x1, y1, x2, y2 in boxes]
    assert 0.5 <= np.mean(both) < 0.9


@pytest.mark.parametrize(('share', 'enlarged'), [(0.0, 1.0), (1.0, 2.0)])
def test_the_focus_share_of_whole_views_shows_their_objects_larger(share, enlarged):
    view = view_of(0, objects=0)
    view.labels[20:28, 28:36] = 1
    options = TrainOptions(width=WIDTH, height=HEIGHT, focus_share=share, zoom_min=1.0,
                           zoom_max=1.0, drop_color=0.0, drop_depth=0.0)
    cells = [(training_sample(view, 'full', (WIDTH, HEIGHT), options, SMALL,
                              np.random.default_rng(seed))[2] == 1).sum() for seed in range(20)]
    least, most = (16 * enlarged ** 2 * factor for factor in (0.6, 1.6 if share == 0 else 4))
    assert least <= np.median(cells) <= most


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
