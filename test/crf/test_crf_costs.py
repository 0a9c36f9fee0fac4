# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.crf.color_model import fit_colors
from seg_ros.crf.pairwise import EDGE_STEPS, Pairwise, edge_views
from seg_ros.crf.unary import LEAST_PROBABILITY, Unary


def test_probabilities_become_their_logs():
    unary = Unary.from_probabilities(np.array([[[0.25, 0.75, 0.0]]], np.float32))
    expected = [math.log(4), -math.log(0.75), -math.log(LEAST_PROBABILITY)]
    np.testing.assert_allclose(unary.costs[0, 0], expected, rtol=1e-6)
    assert unary.costs.dtype == np.float32
    assert (unary.shape, unary.label_count) == ((1, 1), 3)


def test_labels_become_costs_of_their_confidence():
    unary = Unary.from_labels(np.array([[2, 0, 9]]), 3, confidence=0.7, unknown=9)
    expected = [[0.15, 0.15, 0.7], [0.7, 0.15, 0.15], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(np.exp(-unary.costs[0]), expected, rtol=1e-5)


@pytest.mark.parametrize(('costs', 'dtype'), [
    (np.zeros((1, 1, 1), np.float32), np.float32), (np.zeros((1, 1, 1), np.float16), np.float64),
    (np.full((2, 3, 4), -5), np.float64)])
def test_costs_are_of_two_types(costs, dtype):
    unary = Unary(costs)
    assert unary.costs.dtype == dtype
    np.testing.assert_array_equal(unary.costs, costs)


@pytest.mark.parametrize(('call', 'message'), [
    (lambda: Unary(np.zeros((3, 3))), r'\(H, W, L\)'),
    (lambda: Unary(np.zeros((3, 0, 2))), 'at least one pixel'),
    (lambda: Unary(np.array([[['a']]])), 'real numbers'),
    (lambda: Unary(np.array([[[0.0, np.nan]]])), '1 costs are NaN or infinite'),
    (lambda: Unary(np.array([[[np.inf, -np.inf]]])), '2 costs are NaN or infinite'),
    (lambda: Unary.from_probabilities(np.array([[[-0.1, 1.1]]])), 'must be 0 to 1, got -0.1'),
    (lambda: Unary.from_probabilities(np.array([[[2, 3]]])), 'must be 0 to 1, got 2'),
    (lambda: Unary.from_probabilities(np.array([[[np.nan]]])), 'must be 0 to 1'),
    (lambda: Unary.from_probabilities(np.ones((1, 1, 1)), least=0.0), 'least is 0'),
    (lambda: Unary.from_labels(np.array([[3]]), 3), 'labels 3 to 3: 0 to 2'),
    (lambda: Unary.from_labels(np.array([[-1]]), 3), 'labels -1'),
    (lambda: Unary.from_labels(np.array([[0]]), 0), 'label_count is 0'),
    (lambda: Unary.from_labels(np.array([[0]]), 2, confidence=1.0), 'confidence is 1'),
    (lambda: Unary.from_colors(np.zeros((2, 2, 3)), []), 'models is empty'),
    (lambda: fit_colors(np.zeros((0, 3))), 'at least one pixel'),
    (lambda: fit_colors(np.zeros((4, 3)), components=0), 'components is 0'),
    (lambda: Pairwise.potts(-1.0), 'l1 is -1'),
    (lambda: Pairwise.potts(math.nan), 'l1 is nan'),
    (lambda: Pairwise.contrast_sensitive(np.zeros((2, 2)), 1.0, -2.0), 'l2 is -2'),
    (lambda: Pairwise.contrast_sensitive(np.zeros(4), 1.0, 2.0), 'image must be'),
    (lambda: Pairwise.contrast_sensitive(np.full((2, 2), np.nan), 1.0, 2.0), 'image has NaN'),
    (lambda: Pairwise.truncated_linear(1.0, 0.0), 'limit is 0'),
    (lambda: Pairwise.matrix(np.zeros((2, 3))), r'must be \(L, L\)'),
    (lambda: Pairwise.matrix(np.full((2, 2), np.inf)), 'NaN or infinite entries'),
])
def test_a_mistake_is_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize('connectivity', [4, 8])
def test_contrast_weights_are_the_formula(connectivity):
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.float64)
    steps = EDGE_STEPS[: connectivity // 2]
    edges = {(e, y, x): ((image[y, x] - image[y + dy, x + dx]) ** 2).sum()
             for e, (dy, dx) in enumerate(steps) for y in range(4) for x in range(5)
             if 0 <= y + dy < 4 and 0 <= x + dx < 5}
    beta = 1 / (2 * np.mean(list(edges.values())))
    weights = Pairwise.contrast_sensitive(image, 0.3, 2.0).weights_for((4, 5), connectivity)
    for (e, y, x), square in edges.items():
        expected = (0.3 + 2.0 * math.exp(-beta * square)) / math.hypot(*steps[e])
        assert weights[e, y, x] == pytest.approx(expected, rel=1e-5)
    assert np.count_nonzero(weights) == len(edges)


def test_a_flat_image_has_full_weights():
    weights = Pairwise.contrast_sensitive(np.full((2, 2), 7), 1.0, 2.0).weights_for((2, 2), 4)
    np.testing.assert_array_equal(weights, [[[3, 0], [3, 0]], [[3, 3], [0, 0]]])


@pytest.mark.parametrize(('pairwise', 'expected'), [
    (Pairwise.potts(5.0), [[0, 1, 1], [1, 0, 1], [1, 1, 0]]),
    (Pairwise.truncated_linear(2.0, 1.5), [[0, 1, 1.5], [1, 0, 1], [1.5, 1, 0]]),
    (Pairwise.matrix([[0, 2, 3], [4, 0, -1], [1, 1, 9]]), [[0, 2, 3], [4, 0, -1], [1, 1, 9]]),
])
def test_costs_of_label_pairs(pairwise, expected):
    np.testing.assert_array_equal(pairwise.costs_for(3), expected)


@given(st.integers(1, 5), st.integers(1, 5), st.sampled_from(EDGE_STEPS))
@settings(max_examples=60, deadline=None)
def test_views_are_both_ends_of_every_edge(height, width, step):
    numbers = np.arange(height * width).reshape(height, width)
    here, there = edge_views(numbers, step)
    found = set(zip(here.ravel().tolist(), there.ravel().tolist(), strict=True))
    expected = {(y * width + x, (y + step[0]) * width + x + step[1])
                for y in range(height) for x in range(width)
                if 0 <= y + step[0] < height and 0 <= x + step[1] < width}
    assert found == expected


def test_a_color_model_tells_colours_apart():
    rng = np.random.default_rng(1)
    red = rng.normal([200, 30, 30], 10, (500, 3))
    blue = rng.normal([30, 30, 200], 10, (700, 3))
    models = [fit_colors(red), fit_colors(blue)]
    image = np.stack([red[:5], blue[:5]])
    costs = Unary.from_colors(image, models).costs
    assert (costs[0].argmin(1) == 0).all() and (costs[1].argmin(1) == 1).all()


def test_a_mixture_is_the_density_that_drew_it():
    """Two Gaussians and their shares are found, and costs are minus the log of the density."""
    rng = np.random.default_rng(2)
    colors = np.concatenate([rng.normal(50, 8, (15_000, 1)), rng.normal(180, 15, (5_000, 1))])
    model = fit_colors(colors, components=2)
    where = np.array([[50.0], [100.0], [180.0]])
    density = sum(share * np.exp(-((where - mean) / sigma) ** 2 / 2) / (sigma * math.tau**0.5)
                  for mean, sigma, share in ((50, 8, 0.75), (180, 15, 0.25)))
    # two more squared levels of variance are added
    np.testing.assert_allclose(model.costs(where)[[0, 2]], -np.log(density[[0, 2], 0]), atol=0.1)


def test_one_flat_colour_is_a_model():
    model = fit_colors(np.full((50, 3), 80))
    assert len(model.means) == 1
    costs = model.costs(np.array([[80, 80, 80], [90, 80, 80]]))
    assert np.isfinite(costs).all() and costs[0] < costs[1]


def test_a_mixture_is_the_same_every_time():
    colors = np.random.default_rng(3).integers(0, 256, (400, 3))
    one, other = fit_colors(colors), fit_colors(colors)
    np.testing.assert_array_equal(one.means, other.means)
