# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from dense_problems import exact_filter, problem
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.crf.kernels import Bilateral, Gaussian, Guide, filled_depth
from seg_ros.crf.lattice import build_lattice, multipliers


def compiled_lattice(features):
    """Return weights, norm and the number of vertices by the compiled functions, in two parts."""
    dense_numba = pytest.importorskip('seg_ros.crf.dense_numba')
    team = dense_numba.Team(2)
    try:
        return dense_numba.build_joined([features], ['none'], 8, team)
    finally:
        team.close()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([1, 2, 5, 6]), st.integers(1, 300), st.floats(0.1, 30),
       st.integers(0, 2**32 - 1))
def test_the_compiled_lattice_is_that_of_numpy(d, points, spread, seed):
    rng = np.random.default_rng(seed)
    features = (rng.standard_normal((d, points)) * spread).astype(np.float32)
    lattice = build_lattice(features)
    assert lattice.weight.sum(1) == pytest.approx(1, abs=1e-4)
    assert lattice.weight.min() > -1e-4
    joined = compiled_lattice(features)
    # some points lie between two simplices
    np.testing.assert_allclose(joined.splat, lattice.weight, atol=2e-4)
    assert joined.vertices - 1 == pytest.approx(lattice.vertices, abs=2)


@pytest.mark.parametrize('d', [1, 2, 3, 5, 6])
def test_the_reverse_is_the_adjoint(d):
    rng = np.random.default_rng(0)
    lattice = build_lattice((rng.standard_normal((d, 200)) * 2).astype(np.float32))
    x, y = rng.standard_normal((2, 200, 3))
    forward, backward = lattice.filter(x), lattice.filter(y, reverse=True)
    assert (forward * y).sum() == pytest.approx((x * backward).sum(), rel=1e-6)
    if d > 1:  # and differs from the filter: neighbours are missing here
        assert np.abs(lattice.filter(y) - backward).max() > 1e-6


@pytest.mark.parametrize(('kernel', 'error'), [
    (Gaussian(3.0), 0.03), (Gaussian(8.0), 0.03), (Bilateral(20.0, 30.0), 0.06),
    (Bilateral(80.0, 13.0), 0.1)])
def test_normalised_filter_is_near_the_exact_one(kernel, error):
    costs, color = problem(48, 64, 2)
    features = kernel.features(Guide((48, 64), color))
    values = costs.reshape(-1, 2)
    lattice = build_lattice(features)
    found = lattice.filter(values) / lattice.norm[:, None]
    ones = np.ones((48 * 64, 1))
    exact = exact_filter(features, values) / exact_filter(features, ones)
    assert np.abs(found - exact).mean() / values.std() < error


@pytest.mark.parametrize('d', [0, 65])
def test_refuses_other_numbers_of_features(d):
    with pytest.raises(ValueError, match='1 to 64'):
        multipliers(d)


def test_features_are_in_the_order_of_the_reference():
    color = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    depth = np.array([[1, np.nan, 2], [1, 1, 2]], np.float32)
    normals = np.zeros((2, 3, 3), np.float32)
    normals[..., 2] = -1
    kernel = Bilateral((2.0, 4.0), 10.0, depth_m=0.5, normal=0.1)
    found = kernel.features(Guide((2, 3), color, depth, normals)).reshape(9, 2, 3)
    assert found[:, 1, 2] == pytest.approx([1.0, 0.25, 1.5, 1.6, 1.7, 4.0, 0, 0, -10])
    assert found[5, 0, 1] in (2.0, 4.0)  # the hole takes a neighbour's depth


@pytest.mark.parametrize(('depth', 'expected'), [
    ([[1.0, np.nan, np.nan, 3.0]], [[1.0, 1.0, 3.0, 3.0]]),
    ([[np.nan, np.nan]], [[0.0, 0.0]]),
    ([[np.inf, 2.0]], [[2.0, 2.0]]),
    ([[1.0, 2.0]], [[1.0, 2.0]])])
def test_holes_take_the_nearest_depth(depth, expected):
    assert filled_depth(np.array(depth, np.float32)).tolist() == expected
