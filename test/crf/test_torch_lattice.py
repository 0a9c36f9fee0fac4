# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from dense_problems import compatibility, problem
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.crf.dense import DenseCrf
from seg_ros.crf.kernels import NORMALIZATIONS, Bilateral, Gaussian, Guide
from seg_ros.crf.lattice import build_lattice
from seg_ros.crf.torch_dense import filter_of, mean_field, torch_filters
from seg_ros.crf.torch_lattice import build_torch_lattice


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.integers(1, 200), st.floats(0.1, 30), st.integers(0, 2**32 - 1))
def test_is_the_lattice_of_numpy(d, points, spread, seed):
    rng = np.random.default_rng(seed)
    features = (rng.standard_normal((d, points)) * spread).astype(np.float32)
    expected, found = build_lattice(features), build_torch_lattice(torch.from_numpy(features))
    assert found.vertices == pytest.approx(expected.vertices, abs=2)
    np.testing.assert_allclose(found.weight.numpy(), expected.weight, atol=2e-4)
    values = rng.standard_normal((points, 3))
    np.testing.assert_allclose(found.filter(torch.from_numpy(values)).numpy(),
                               expected.filter(values), atol=2e-3)


@pytest.mark.parametrize('d', [1, 2, 5])
def test_the_gradient_is_the_exact_adjoint(d):
    torch.manual_seed(0)
    lattice = build_torch_lattice(torch.randn(d, 25) * 2)
    values = torch.randn(25, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lattice.filter, values)
    assert torch.autograd.gradgradcheck(lattice.filter, values)


@pytest.mark.parametrize('normalization', NORMALIZATIONS)
def test_equals_the_compiled_mean_field(normalization):
    costs, color = problem(24, 30, 4)
    weight = 0.01 if normalization == 'none' else 1.0
    kernels = (Gaussian(2.0, 3 * weight, normalization),
               Bilateral(15.0, 25.0, weight=4 * weight, normalization=normalization))
    mu = compatibility(4, 3)
    expected = DenseCrf(kernels, compatibility=mu, iterations=5).infer(costs, color)
    logits = mean_field(
        torch.from_numpy(costs.reshape(-1, 4)), torch_filters(Guide((24, 30), color), kernels),
        [torch.tensor(kernel.weight) for kernel in kernels], torch.from_numpy(mu), 5)
    np.testing.assert_allclose(torch.softmax(logits, 1).numpy().reshape(24, 30, 4),
                               expected.probabilities, atol=1e-4)


def test_gradients_of_costs_weights_and_compatibility():
    torch.manual_seed(0)
    filters = [filter_of(torch.randn(2, 20)), filter_of(torch.randn(5, 20), 'before')]
    double = {'dtype': torch.float64, 'requires_grad': True}
    costs, mu = torch.randn(20, 3, **double), torch.randn(3, 3, **double)
    weights = [torch.rand(3, **double) for _ in filters]
    assert torch.autograd.gradcheck(
        lambda costs, mu, *weights: mean_field(costs, filters, weights, mu, 3),
        (costs, mu, *weights))
