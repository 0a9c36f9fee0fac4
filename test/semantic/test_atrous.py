# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from seg_ros.semantic.atrous import atrous_conv2d, receptive_field


def by_loops(features, weight, rate):
    """Compute y[i] = sum_k x[i + r k] w[k] one product at a time."""
    batch, channels, height, width = features.shape
    outputs, _, rows, columns = weight.shape
    shape = (batch, outputs, height - rate * (rows - 1), width - rate * (columns - 1))
    result = np.zeros(shape)
    for b, o, i, j in itertools.product(*map(range, shape)):
        for c, v, u in itertools.product(range(channels), range(rows), range(columns)):
            result[b, o, i, j] += features[b, c, i + rate * v, j + rate * u] * weight[o, c, v, u]
    return result


@pytest.mark.parametrize(('kernel', 'rate'), [
    ((3, 3), 1), ((3, 3), 2), ((1, 1), 3), ((2, 3), 3), ((1, 4), 2)])
def test_it_is_the_formula(kernel, rate):
    rng = np.random.default_rng(0)
    features, weight = rng.normal(size=(2, 3, 9, 8)), rng.normal(size=(4, 3, *kernel))
    found = atrous_conv2d(torch.from_numpy(features), torch.from_numpy(weight), rate=rate)
    np.testing.assert_allclose(found, by_loops(features, weight, rate), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(0, 6),
       st.integers(17, 20), st.integers(17, 20))
@torch.no_grad()
def test_it_is_a_dilated_convolution(rows, columns, rate, padding, height, width):
    conv = nn.Conv2d(3, 4, (rows, columns), dilation=rate, padding=padding).double()
    features = torch.randn(2, 3, height, width, dtype=torch.float64)
    found = atrous_conv2d(features, conv.weight, conv.bias, rate, padding)
    torch.testing.assert_close(found, conv(features), atol=1e-12, rtol=0)


def test_it_is_a_convolution_with_zeros_between_the_weights():
    features, weight = torch.randn(1, 2, 12, 13), torch.randn(3, 2, 3, 3)
    holes = torch.zeros(3, 2, 7, 7)
    holes[:, :, ::3, ::3] = weight
    torch.testing.assert_close(
        atrous_conv2d(features, weight, rate=3, padding=3),
        nn.functional.conv2d(features, holes, padding=3), atol=1e-5, rtol=0)


def test_its_gradients_are_right():
    inputs = [torch.randn(*shape, dtype=torch.float64, requires_grad=True)
              for shape in ((2, 2, 6, 5), (3, 2, 3, 2), (3,))]
    assert torch.autograd.gradcheck(lambda x, w, b: atrous_conv2d(x, w, b, 2, 1), inputs)


@pytest.mark.parametrize(('kernel', 'rate', 'expected'), [
    (3, 1, 3), (3, 2, 5), (3, 12, 25), (7, 2, 13), (1, 9, 1), (5, 4, 17)])
def test_receptive_field_is_what_an_output_depends_on(kernel, rate, expected):
    assert receptive_field(kernel, rate) == expected
    features = torch.randn(1, 1, expected + 8, expected + 8, requires_grad=True)
    found = atrous_conv2d(features, torch.ones(1, 1, kernel, kernel), rate=rate)
    found[0, 0, 4, 3].backward()
    rows, columns = features.grad[0, 0].nonzero().T
    assert (rows.min(), columns.min()) == (4, 3)
    assert (rows.max(), columns.max()) == (4 + expected - 1, 3 + expected - 1)
    assert len(rows) == kernel ** 2  # no more weights for a larger field


@pytest.mark.parametrize(('features', 'weight', 'rate', 'message'), [
    ((1, 2, 8, 8), (1, 3, 3, 3), 1, r'features \(1, 2, 8, 8\) and weight \(1, 3, 3, 3\)'),
    ((2, 8, 8), (1, 2, 3, 3), 1, r'accepted are \(B, C, h, w\)'),
    ((1, 2, 8, 9), (1, 2, 3, 5), 4, 'a kernel 5x3 of rate 4 does not fit into features of 9x8'),
    ((1, 2, 8, 8), (1, 2, 3, 3), 0, 'kernel 3, rate 0: both start at 1'),
])
def test_what_does_not_fit_is_refused(features, weight, rate, message):
    with pytest.raises(ValueError, match=message):
        atrous_conv2d(torch.zeros(features), torch.zeros(weight), rate=rate)
