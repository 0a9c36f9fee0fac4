# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest

from seg_ros.core.frame import CameraModel
from seg_ros.synthetic import sensor
from seg_ros.synthetic.color import augment_color
from seg_ros.synthetic.sensor import MODELS, corrupt_depth

CAMERA = CameraModel(320, 240, 306.0, 306.0, 159.5, 119.5)
NOTHING = np.zeros((240, 320), np.int32)


def flat(depth_m):
    return np.full((240, 320), depth_m, np.float32)


def step(near_m=0.6, far_m=1.0):
    """Stand a near block, columns 120 to 199, before a far wall."""
    depth, labels = flat(far_m), NOTHING.copy()
    depth[60:180, 120:200] = near_m
    labels[60:180, 120:200] = 1
    return depth, labels


@pytest.fixture
def only_noise(monkeypatch):
    """Leave a stereo sensor nothing but its disparity noise."""
    quiet = replace(
        MODELS['realsense'], baseline_m=(0, 0), subpixel=0, noise_px=(0.1, 0.1), lumps_px=(0, 0),
        window_px=(1, 1), edge_jitter_px=(0, 0), edge_drop=(0, 0), flying=(0, 0), border=(0, 0),
        lost_object=0, patchy_object=0, blobs=0, far_m=(20, 20), shift_px=0)  # fmt: skip
    monkeypatch.setitem(MODELS, 'realsense', quiet)


def test_disparity_noise_grows_with_the_square_of_depth(only_noise):
    spread = {}
    for depth in (0.5, 1.0, 2.0):
        noisy = corrupt_depth(flat(depth), NOTHING, CAMERA, np.random.default_rng(1), 'realsense')
        spread[depth] = np.nanstd(noisy)
        # z^2 / (f b) e, with f at 640 pixels of width.
        assert spread[depth] == pytest.approx(depth**2 / (612 * 0.055) * 0.1, rel=0.05)
    assert spread[2.0] / spread[0.5] == pytest.approx(16, rel=0.1)


def test_disparity_comes_in_steps(monkeypatch, only_noise):
    monkeypatch.setitem(MODELS, 'realsense', replace(MODELS['realsense'], subpixel=8))
    noisy = corrupt_depth(flat(1.5), NOTHING, CAMERA, np.random.default_rng(1), 'realsense')
    steps = 8 * 612 * 0.055 / np.unique(noisy).astype(np.float64)
    assert len(steps) > 2
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)


@pytest.mark.parametrize('mirrored', [False, True])
def test_the_shadow_lies_beside_the_block_and_is_as_wide_as_the_disparity_step(mirrored):
    depth, labels = step()
    drawn = sensor._Draw(MODELS['kinect'], CAMERA, np.random.default_rng(0),
                         np.random.default_rng(0))  # fmt: skip
    drawn.mirrored = mirrored
    drawn.uniform = lambda span: 0.075 if span == MODELS['kinect'].baseline_m else 0.5
    drawn._ragged = lambda mask: mask
    hidden = drawn._shadow(depth)[120]
    width = 306 * 0.075 * (1 / 0.6 - 1 / 1.0)
    columns = np.flatnonzero(hidden)
    assert abs(len(columns) - width) <= 1.5
    assert (columns.min() == 200) if mirrored else (columns.max() == 119)
    assert not drawn._shadow(flat(1.0)).any()


def test_clean_changes_nothing():
    depth, labels = step()
    depth[0, 0] = np.nan
    out = corrupt_depth(depth, labels, CAMERA, np.random.default_rng(0), 'clean')
    assert out is not depth and np.array_equal(out, depth, equal_nan=True)


@pytest.mark.parametrize('model', MODELS)
def test_a_sensor_loses_some_and_keeps_the_rest_close(model):
    depth, labels = step()
    lost, error, bias = [], [], []
    for seed in range(12):
        out = corrupt_depth(depth, labels, CAMERA, np.random.default_rng(seed), model)
        assert out.dtype == np.float32 and np.nanmin(out) > 0
        inside = np.zeros_like(labels, bool)
        inside[75:165, 140:185] = True
        lost.append(np.isnan(out).mean())
        kept = out[inside & np.isfinite(out)]
        if len(kept):
            error.append(np.mean(np.abs(kept - 0.6)))
            bias.append(np.median(kept) - 0.6)
    assert 0.005 < np.mean(lost) < 0.3 and np.max(lost) < 0.6
    assert 0.0002 < np.median(error) < 0.01
    assert np.max(np.abs(bias)) < 0.01


def test_a_random_sensor_is_clean_in_about_an_eighth_of_the_frames():
    depth, labels = (image[::8, ::8] for image in step())
    camera = CameraModel(40, 30, 38.0, 38.0, 19.5, 14.5)
    same = [np.array_equal(corrupt_depth(depth, labels, camera, np.random.default_rng(s)), depth)
            for s in range(200)]  # fmt: skip
    assert 0.06 < np.mean(same) < 0.19


@pytest.mark.parametrize(('gray', 'low', 'high'), [(5, 3.5, 6.5), (128, 0.5, 0.95), (None, 1, 1)])
def test_dark_objects_lose_their_depth_more_often(monkeypatch, only_noise, gray, low, high):
    monkeypatch.setitem(
        MODELS, 'realsense', replace(MODELS['realsense'], lost_object=0.1, patchy_object=0))
    depth, labels = flat(1.0), NOTHING.copy()
    for row in range(10):
        for column in range(10):
            labels[row * 20 + 20:row * 20 + 36, column * 20 + 20:column * 20 + 36] = (
                10 * row + column + 1)
    plain, seen = (sum(
        lost_objects(corrupt_depth(depth, labels, CAMERA, np.random.default_rng(seed),
                                   'realsense', color=color), labels)
        for seed in range(8)) for color in (None, gray_image(gray)))
    assert plain == pytest.approx(80, abs=25)
    assert low <= seen / plain <= high


def gray_image(value):
    """Return an image of one gray, None for none."""
    return None if value is None else np.full((*NOTHING.shape, 3), value, np.uint8)


def lost_objects(depth, labels):
    """Count the objects of which half the depth is missing."""
    sizes = np.bincount(labels.ravel())
    missing = np.bincount(labels.ravel(), np.isnan(depth).ravel())
    return int((missing[1:] > 0.5 * sizes[1:]).sum())


def test_same_seed_same_frame_and_a_character_holds_through_a_sequence():
    depth, labels = step()
    one, two, other = (corrupt_depth(depth, labels, CAMERA, np.random.default_rng(s), 'realsense')
                       for s in (3, 3, 4))  # fmt: skip
    assert np.array_equal(one, two, equal_nan=True)
    assert not np.array_equal(one, other, equal_nan=True)
    rng = np.random.default_rng(0)
    frames = [corrupt_depth(depth, labels, CAMERA, rng, 'realsense', character_seed=11)
              for _ in range(6)]  # fmt: skip
    shares = [np.isnan(frame).mean() for frame in frames]
    strangers = [np.isnan(corrupt_depth(depth, labels, CAMERA, rng, 'realsense')).mean()
                 for _ in range(15)]  # fmt: skip
    assert np.std(shares) < 0.5 * np.std(strangers)
    assert not np.array_equal(frames[0], frames[1], equal_nan=True)


@pytest.mark.parametrize(
    ('labels', 'model', 'message'),
    [
        (NOTHING, 'sonar', "'sonar' is unknown: choose from realsense, kinect, tof, clean, "),
        (NOTHING[:10], 'clean', 'must have one size'),
    ],
)
def test_bad_arguments_are_named(labels, model, message):
    with pytest.raises(ValueError, match=message):
        corrupt_depth(flat(1.0), labels, CAMERA, np.random.default_rng(0), model)


def test_missing_depth_stays_missing_in_every_model():
    depth = flat(0.8)
    depth[100:140, 100:180] = np.nan
    for model in MODELS:
        out = corrupt_depth(depth, NOTHING, CAMERA, np.random.default_rng(2), model)
        assert np.isnan(out[100:140, 100:180]).all()


def test_colour_augmentation_varies_exposure_and_keeps_the_picture():
    rng = np.random.default_rng(0)
    color = np.zeros((120, 160, 3), np.uint8)
    color[:, :80] = (150, 110, 80)
    color[:, 80:] = (40, 60, 90)
    before = color.copy()
    means = []
    for _ in range(60):
        out = augment_color(color, rng)
        assert out.shape == color.shape and out.dtype == np.uint8
        left, right = out[:, 10:70].mean(), out[:, 90:150].mean()
        assert left > right  # what is brighter stays brighter
        means.append(out.mean())
    assert np.array_equal(color, before)
    assert 12 < np.std(means) < 60 and 50 < np.mean(means) < 140
    with pytest.raises(ValueError, match='uint8 RGB'):
        augment_color(color.astype(np.float32), rng)
