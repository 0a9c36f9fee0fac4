# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Boxes that hold still, follow what moves, and ignore a frame that is off."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.core.geometry import OrientedBox, oriented_box
from seg_ros.core.track_boxes import BoxMeans, carried, like

STILL = np.eye(4)
HERE = {1: np.zeros(3), 2: np.ones(3)}


def turned(angle, axis=2):
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.eye(3)
    a, b = [i for i in range(3) if i != axis]
    matrix[a, a] = matrix[b, b] = cos
    matrix[a, b], matrix[b, a] = -sin, sin
    return matrix


def box(x=0.0, size=(0.2, 0.12, 0.06), axes=None):
    return OrientedBox(np.array([x, 0.1, 0.8]), np.eye(3) if axes is None else axes,
                       np.array(size))


def test_the_centre_of_a_still_object_jitters_less_by_the_root_of_the_gain():
    rng, means, shown = np.random.default_rng(0), BoxMeans(), []
    for _ in range(400):
        noisy = OrientedBox(np.array([0, 0.1, 0.8]) + rng.normal(0, 0.005, 3), np.eye(3),
                            np.array([0.2, 0.12, 0.06]))
        shown.append(means.update({1: noisy}, STILL, HERE)[1].center)
    jitter = np.std(shown[100:], axis=0)
    # a mean with gain g of independent noise s deviates by s sqrt(g / (2 - g))
    np.testing.assert_allclose(jitter, 0.005 * np.sqrt(0.05 / 1.95), rtol=0.4)


def test_the_camera_may_move_around_an_object_that_stands_still():
    means = BoxMeans()
    world = box(0.1)
    for at in range(30):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = turned(0.02 * at, 1), (0.01 * at, 0.0, 0.0)
        seen = carried(world, np.linalg.inv(pose))
        steady = means.update({1: seen}, pose, HERE)[1]
        np.testing.assert_allclose(steady.center, seen.center, atol=1e-9)
        np.testing.assert_allclose(steady.axes, seen.axes, atol=1e-9)


@pytest.mark.parametrize('off', [box(0.3), box(size=(0.4, 0.12, 0.06)),
                                 box(axes=turned(0.7))])
def test_frames_that_are_off_are_not_shown_until_nine_in_a_row_agree(off):
    means = BoxMeans()
    for _ in range(20):
        means.update({1: box()}, STILL, HERE)
    shown = [means.update({1: one}, STILL, HERE)[1] for one in [*[off] * 8, box(), *[off] * 9]]
    for steady in shown[:-1]:
        np.testing.assert_allclose(steady.center, box().center, atol=1e-9)
        np.testing.assert_allclose(steady.size, box().size, atol=1e-9)
    np.testing.assert_allclose(shown[-1].center, off.center)
    np.testing.assert_allclose(shown[-1].size, off.size)


def test_what_moves_is_followed_at_once():
    means = BoxMeans()
    for _ in range(5):
        means.update({1: box()}, STILL, HERE)
    shown = [means.update({1: box(x)}, STILL, {1: np.array([x, 0, 0])})[1].center[0]
             for x in np.arange(1, 9) * 0.1]
    np.testing.assert_allclose(shown, np.arange(1, 9) * 0.1)


def test_a_wild_box_moves_the_mean_by_its_share_of_a_centimetre():
    means = BoxMeans()
    for _ in range(40):
        means.update({1: box()}, STILL, HERE)
    assert means.update({1: box(0.03)}, STILL, HERE)[1].center[0] == pytest.approx(0.05 * 0.01)


def test_objects_are_apart_and_forgotten_when_told():
    means = BoxMeans()
    means.update({1: box(), 2: box(0.5)}, STILL, HERE)
    assert means.update({2: box(0.5)}, STILL, HERE)[2].center[0] == pytest.approx(0.5)
    means.keep({2})
    assert means.update({1: box(0.015)}, STILL, HERE)[1].center[0] == pytest.approx(0.015)
    assert means.update({2: box(0.515)}, STILL, HERE)[2].center[0] < 0.51


@settings(deadline=None)
@given(st.permutations(range(3)), st.lists(st.sampled_from([-1.0, 1.0]), min_size=3, max_size=3),
       st.floats(-0.3, 0.3))
def test_the_same_box_under_other_names_of_its_axes_is_the_same(order, signs, angle):
    mean = box()
    axes = turned(angle)[:, order] * np.array(signs)
    if np.linalg.det(axes) < 0:
        axes[:, 0] *= -1
    named = like(OrientedBox(mean.center, axes, np.array([0.2, 0.12, 0.06])[list(order)]), mean)
    np.testing.assert_allclose(named.axes, turned(angle), atol=1e-9)
    np.testing.assert_allclose(named.size, mean.size)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_axes_stay_right_handed_and_sizes_positive(seed):
    rng, means = np.random.default_rng(seed), BoxMeans()
    for _ in range(6):
        cloud = rng.normal(size=(30, 3)) * rng.uniform(0.01, 0.1, 3)
        found = oriented_box(cloud)
        steady = means.update({1: found}, STILL, HERE)[1]
        np.testing.assert_allclose(steady.axes.T @ steady.axes, np.eye(3), atol=1e-9)
        assert np.linalg.det(steady.axes) == pytest.approx(1.0)
        assert (steady.size > 0).all()
