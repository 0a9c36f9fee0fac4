# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from seg_ros.semantic.border_weights import (
    border_term,
    border_weights,
    class_balance,
    instances_of_foreground,
    separated,
)

IMAGES = arrays(np.int32, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
                elements=st.sampled_from([0, 0, 0, 1, 2, 5, 70000]))


def by_loops(labels, w0, sigma_px):
    """Compute the border term by its definition, in float64."""
    term = np.zeros(labels.shape)
    pixels = [np.argwhere(labels == name) for name in np.unique(labels) if name]
    for v, u in np.ndindex(labels.shape):
        nearest = sorted(np.hypot(*(of_one - (v, u)).T).min() for of_one in pixels)
        if len(nearest) > 1:
            term[v, u] = w0 * math.exp(-(nearest[0] + nearest[1]) ** 2 / (2 * sigma_px ** 2))
    return term


def discs(height, width, count, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.int32)
    rows, columns = np.mgrid[:height, :width]
    for name in range(1, count + 1):
        centre = rng.uniform((0, 0), (height, width))
        labels[np.hypot(rows - centre[0], columns - centre[1]) < rng.uniform(2, 7)] = name
    return labels


@settings(max_examples=60, deadline=None)
@given(IMAGES, st.sampled_from([(10.0, 5.0), (3.0, 1.0), (10.0, 0.4)]))
def test_the_border_term_equals_loops(labels, constants):
    np.testing.assert_allclose(
        border_term(labels, w0=constants[0], sigma_px=constants[1]), by_loops(labels, *constants),
        rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize('sigma_px', [1.0, 5.0])
def test_distances_of_far_instances_are_exact(sigma_px):
    """Larger than the reach of a term: windows around instances are no whole images."""
    labels = discs(30, 60, 9)
    np.testing.assert_allclose(
        border_term(labels, sigma_px=sigma_px), by_loops(labels, 10, sigma_px),
        rtol=1e-5, atol=2e-6)


def test_the_weight_between_two_instances():
    labels = np.array([[1, 0, 0, 0, 2]])
    inside, gap = 10 * math.exp(-16 / 50), 10 * math.exp(-16 / 50)
    np.testing.assert_allclose(border_term(labels), [[inside, gap, gap, gap, inside]], rtol=1e-6)
    np.testing.assert_allclose(
        border_term(labels, background_only=True), [[0, gap, gap, gap, 0]], rtol=1e-6)


@pytest.mark.parametrize('labels', [np.zeros((4, 5), int), np.eye(4, dtype=np.uint16) * 9])
def test_fewer_than_two_instances_have_no_border(labels):
    assert not border_term(labels).any()


@given(IMAGES)
@settings(max_examples=30, deadline=None)
def test_names_of_instances_do_not_matter(labels):
    renamed = np.where(labels > 0, 70001 - labels, 0)
    np.testing.assert_array_equal(border_term(labels), border_term(renamed))


@pytest.mark.parametrize(('counts', 'expected'), [
    ([30, 10], [2 / 3, 2]), ([5, 5, 5], [1, 1, 1]), ([8, 0, 2], [0.625, 1, 2.5]),
    ([0, 0], [1, 1])])
def test_classes_weigh_the_same_in_sum(counts, expected):
    np.testing.assert_allclose(class_balance(counts), expected, rtol=1e-6)


def test_both_parts_are_summed():
    labels = discs(20, 24, 4)
    balance = class_balance([np.sum(labels == 0), np.sum(labels > 0)])
    np.testing.assert_allclose(
        border_weights(labels, w0=4, sigma_px=3),
        balance[(labels > 0).astype(int)] + by_loops(labels, 4, 3), rtol=1e-5, atol=2e-6)
    classes = labels % 3
    np.testing.assert_allclose(
        border_weights(labels, classes=classes, class_weights=[0.5, 2, 3], w0=0),
        np.array([0.5, 2, 3])[classes], rtol=1e-6)


@pytest.mark.parametrize(('labels', 'options', 'message'), [
    (np.zeros((2, 2)), {}, r'labels are float64 of shape \(2, 2\), accepted are integers'),
    (np.zeros((2, 2, 1), int), {}, r'\(2, 2, 1\)'),
    (np.zeros((0, 2), int), {}, r'\(0, 2\)'),
    (np.array([[-1]]), {}, 'labels start at 0 .background., got -1'),
    (np.array([[1]]), {'sigma_px': 0}, 'sigma 0 px'),
    (np.array([[1]]), {'w0': -1}, 'w0 -1'),
    (np.array([[1]]), {'classes': np.array([1])}, 'classes have shape'),
    (np.array([[1]]), {'classes': np.array([[-3]])}, 'classes start at 0, got -3'),
    (np.array([[1]]), {'classes': np.array([[4]]), 'class_weights': [1, 1]},
     'class 4 has no weight: 2 were given'),
])
def test_labels_that_are_refused(labels, options, message):
    with pytest.raises(ValueError, match=message):
        border_weights(labels, **options)


@given(IMAGES)
@settings(max_examples=60, deadline=None)
def test_separated_instances_do_not_touch(labels):
    apart = separated(labels)
    for v, u in np.ndindex(labels.shape):
        around = labels[max(v - 1, 0):v + 2, max(u - 1, 0):u + 2]
        others = set(around[around > 0]) - {labels[v, u]}
        assert apart[v, u] == (0 if others else labels[v, u])


@pytest.mark.parametrize(('picture', 'expected'), [
    ([[.9, .9, .1, .6]], [[1, 1, 0, 2]]),
    ([[.9, .1], [.1, .9]], [[1, 0], [0, 2]]),
    ([[.5, .51]], [[0, 1]]),
    ([[.9, .1, .9], [.9, .9, .9]], [[1, 0, 1], [1, 1, 1]]),
    ([[np.nan, .1]], [[0, 0]]),
])
def test_instances_are_connected_foreground(picture, expected):
    labels = instances_of_foreground(np.array(picture, np.float32))
    assert labels.dtype == np.int32 and labels.tolist() == expected


def test_a_threshold_and_what_is_no_image():
    assert instances_of_foreground(np.array([[.3, .1]]), threshold=0.2).tolist() == [[1, 0]]
    with pytest.raises(ValueError, match=r'probability has shape \(1, 2, 2\)'):
        instances_of_foreground(np.zeros((1, 2, 2)))
