# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Each trouble on values: how much depth is lost, what noise becomes, what stays untouched."""

import numpy as np
import pytest

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.evaluation import conditions


def rng():
    return np.random.default_rng(0)


def depth(shape=(48, 64)):
    image = np.linspace(0.5, 1.5, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    image[:4] = np.nan
    return image


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 1.0])
def test_the_share_asked_for_is_lost_and_the_rest_untouched(share):
    before = depth()
    after = conditions.without_depth(before, share, rng())
    kept = np.isfinite(after)
    known = np.isfinite(before).sum()
    assert abs(kept.sum() - (1 - share) * known) <= 1
    np.testing.assert_array_equal(after[kept], before[kept])
    assert np.array_equal(np.isfinite(before), np.isfinite(depth()))


@pytest.mark.parametrize(('clean', 'measured', 'factor', 'expected'), [
    (1.0, 1.01, 2.0, 1.02), (1.0, 0.99, 4.0, 0.96), (1.0, np.nan, 4.0, np.nan),
    (np.nan, 1.2, 2.0, 1.2), (1.0, 0.2, 4.0, 0.2)])
def test_noise_is_scaled_and_losses_stay(clean, measured, factor, expected):
    arrays = (np.full((1, 1), value, np.float32) for value in (clean, measured))
    found = conditions.with_more_noise(*arrays, factor)
    np.testing.assert_allclose(found, [[expected]], rtol=1e-6)


@pytest.mark.parametrize(('pixels', 'step'), [(8, 1), (80, 8), (0, 0)])
def test_depth_moves_right_by_pixels_of_a_640_image(pixels, step):
    before = depth()
    after = conditions.shifted_depth(before, pixels)
    assert np.isnan(after[:, :step]).all()
    np.testing.assert_array_equal(after[:, step:], before[:, :64 - step])


def test_less_light_is_darker_and_noisier_in_proportion():
    gray = np.full((200, 200, 3), 200, np.uint8)
    half, dim = (conditions.darkened(gray, factor, rng()).astype(float) for factor in (0.5, 0.05))
    assert half.mean() == pytest.approx(100, abs=1)
    assert dim.mean() == pytest.approx(10, abs=0.5)
    # shot noise: deviation / mean grows as 1 / sqrt(light)
    assert (dim.std() / dim.mean()) / (half.std() / half.mean()) == pytest.approx(10**0.5, rel=0.1)


def test_blurs_spread_an_edge_and_keep_flat_parts():
    color = np.zeros((60, 640, 3), np.uint8)
    color[:, 320:] = 200
    soft, moved = conditions.defocused(color, 4.0), conditions.moved_while_exposed(color, 20.0)
    for image, width in ((soft, 20), (moved, 20)):
        assert (image[:, :280] == 0).all()
        assert (image[:, 360:] == 200).all()
        changing = ((image[30, :, 0] > 5) & (image[30, :, 0] < 195)).sum()
        assert width * 0.5 < changing < width * 1.5


@pytest.mark.parametrize('factor', [0.5, 2.0])
def test_another_resolution_keeps_points_where_they_are(factor):
    camera = CameraModel(64, 48, 60.0, 62.0, 31.5, 23.5)
    frame = RgbdFrame(np.zeros((48, 64, 3), np.uint8), np.full((48, 64), 1.2, np.float32), camera)
    resized = conditions.resized_frame(frame, factor)
    assert resized.shape == (48 * factor, 64 * factor)
    for corner in ((0, 0), (-1, -1)):
        np.testing.assert_allclose(
            resized.points()[corner], frame.points()[corner], atol=1.2 / 60)
    labels = np.zeros((48, 64), np.int32)
    labels[:, 32:] = 60000
    found = conditions.resized_labels(labels, resized.shape)
    assert np.array_equal(np.unique(found), np.unique(labels))
    assert (found > 0).mean() == 0.5
