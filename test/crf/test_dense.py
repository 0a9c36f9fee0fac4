# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import warnings
from pathlib import Path

import numpy as np
import pytest
from dense_problems import CASES, compatibility, exact_filter, problem
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.benchmark.crf_dense_peer import by_pydensecrf, is_installed, peer_model
from seg_ros.crf.dense import (
    LABELS_COMPILED,
    DenseCrf,
    checked_costs,
    costs_of_probabilities,
    pixel_order,
    warm_up,
)
from seg_ros.crf.dense_field import softmax
from seg_ros.crf.kernels import NORMALIZATIONS, Bilateral, FeatureKernel, Gaussian

STORED = Path(__file__).parent / 'data' / 'dense_pydensecrf.npz'
BACKENDS = ['numpy', 'numba']
KERNELS = (Gaussian(3.0, 3.0), Bilateral(20.0, 30.0, weight=4.0))
needs_peer = pytest.mark.skipif(not is_installed(), reason='pydensecrf is not installed')


@pytest.fixture(autouse=True)
def _needs_numba(request):
    if 'numba' in request.node.name:
        pytest.importorskip('numba')


def agreement(found, expected):
    """Return the share of equal winners and the mean KL(expected || found)."""
    same = (found.argmax(2) == expected.argmax(2)).mean()
    ratio = np.log((expected.astype(np.float64) + 1e-20) / (found.astype(np.float64) + 1e-20))
    return same, (expected * ratio).sum(2).mean()


@pytest.mark.parametrize('threads', [1, 3])
@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('name', CASES)
def test_equals_what_pydensecrf_gave(name, backend, threads):
    shape, kernels, seed = CASES[name]
    costs, color = problem(*shape)
    crf = DenseCrf(kernels, compatibility=compatibility(shape[2], seed), backend=backend,
                   threads=threads)
    same, divergence = agreement(
        crf.infer(costs, color).probabilities, np.load(STORED)[name])
    assert same == 1
    assert abs(divergence) < 1e-6


@needs_peer
@pytest.mark.parametrize('normalization', NORMALIZATIONS)
@pytest.mark.parametrize('backend', BACKENDS)
def test_equals_pydensecrf_in_every_normalization(backend, normalization):
    costs, color = problem(40, 56, 7, seed=3)
    weight = 0.002 if normalization == 'none' else 1.0
    kernels = (Gaussian(2.0, 3.0 * weight, normalization),
               Bilateral(15.0, 25.0, weight=5.0 * weight, normalization=normalization))
    mu = compatibility(7, 2)
    found = DenseCrf(kernels, compatibility=mu, backend=backend).infer(costs, color)
    same, divergence = agreement(
        found.probabilities, by_pydensecrf(costs, color, kernels, compatibility=mu))
    assert same >= 0.9999
    assert abs(divergence) < 1e-6


@needs_peer
def test_free_energy_is_that_of_pydensecrf():
    costs, color = problem(30, 40, 4)
    model = peer_model(costs, color, KERNELS)
    field, *rest = model.startInference()
    model.stepInference(field, *rest)
    crf = DenseCrf(KERNELS, iterations=1)
    found = crf.free_energy(costs, crf.infer(costs, color).probabilities, color)
    assert found == pytest.approx(model.klDivergence(field), rel=1e-5)


@pytest.mark.parametrize('backend', BACKENDS)
def test_mean_field_with_exact_filters_is_near(backend):
    costs, color = problem(20, 24, 3)
    kernel = Gaussian(3.0, 2.0, 'after')
    guide_features = np.stack(np.meshgrid(np.arange(24), np.arange(20))).reshape(2, -1) / 3.0
    flat = costs.reshape(-1, 3).astype(np.float64)
    norm = exact_filter(guide_features, np.ones((480, 1)))
    field = softmax(-flat)
    for _ in range(5):
        field = softmax(2 * exact_filter(guide_features, field) / norm - flat)
    found = DenseCrf([kernel], iterations=5, backend=backend).infer(costs)
    assert np.abs(found.probabilities.reshape(-1, 3) - field).max() < 0.03


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 19), st.integers(0, 2**32 - 1))
def test_probabilities_sum_to_one_and_the_backends_agree(rows, columns, labels, seed):
    pytest.importorskip('numba')
    costs, color = problem(rows, columns, labels, seed)
    found = [DenseCrf(KERNELS, iterations=3, backend=backend).infer(costs, color).probabilities
             for backend in BACKENDS]
    assert np.abs(found[0].sum(2) - 1).max() < 1e-5
    assert np.abs(found[0] - found[1]).max() < 1e-3
    assert np.abs(found[0] - found[1]).mean() < 1e-5


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('iterations', [0, 1])
def test_no_iteration_is_the_softmax(backend, iterations):
    costs, color = problem(9, 11, 4)
    kernels = (Gaussian(1.0, 0.0),)
    found = DenseCrf(kernels, iterations=iterations, backend=backend).infer(costs, color)
    assert found.iterations == iterations
    np.testing.assert_allclose(found.probabilities, softmax(-costs), atol=1e-6)


@pytest.mark.parametrize('backend', BACKENDS)
def test_stops_where_the_field_rests(backend):
    costs, color = problem(24, 32, 3)
    crf = DenseCrf(KERNELS, iterations=100, tolerance=1e-7, backend=backend)
    found = crf.infer(costs, color)
    assert found.converged
    assert found.iterations < 100
    assert found.change < 1e-7
    fixed = DenseCrf(KERNELS, iterations=found.iterations, backend=backend).infer(costs, color)
    np.testing.assert_allclose(found.probabilities, fixed.probabilities, atol=1e-5)


@pytest.mark.parametrize('backend', BACKENDS)
def test_weights_of_labels_are_a_diagonal_compatibility(backend):
    costs, color = problem(16, 20, 3)
    weights = (1.0, 2.0, 4.0)
    by_weight = DenseCrf([Gaussian(2.0, weights)], backend=backend)
    by_matrix = DenseCrf([Gaussian(2.0, 1.0)], compatibility=-np.diag(weights), backend=backend)
    np.testing.assert_allclose(by_weight.infer(costs, color).probabilities,
                               by_matrix.infer(costs, color).probabilities, atol=2e-5)


@pytest.mark.parametrize('backend', BACKENDS)
def test_depth_keeps_apart_what_colour_cannot_tell(backend):
    costs = np.full((20, 40, 2), 0.7, np.float32)
    costs[:, :20, 0], costs[:, 20:, 1] = 0.5, 0.5  # the classifier leans to the true side
    costs[:, 16:24] = np.float32(0.7)  # and knows nothing at the border
    costs[:, 23, 0] = 0.6  # but for one wrong column
    color = np.full((20, 40, 3), 128, np.uint8)
    depth = np.where(np.arange(40) < 20, np.float32(1.0), np.float32(1.5)) * np.ones(
        (20, 1), np.float32)
    depth[5:9, 18:22] = np.nan
    kernel = Bilateral(15.0, 20.0, depth_m=0.05, weight=5.0)
    found = DenseCrf([kernel], backend=backend).infer(costs, color, depth)
    assert (found.labels == (np.arange(40) >= 20)).all()


def test_a_compatibility_that_is_not_symmetric_is_made_so_with_a_warning():
    costs, color = problem(12, 12, 3)
    mu = np.array([[0, 1, 2], [3, 0, 1], [0, 1, 0]], np.float32)
    with pytest.warns(UserWarning, match='not symmetric'):
        warned = DenseCrf(KERNELS, compatibility=mu)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        even = DenseCrf(KERNELS, compatibility=(mu + mu.T) / 2)
    assert np.array_equal(warned.infer(costs, color).probabilities,
                          even.infer(costs, color).probabilities)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize(('shape', 'labels'), [((1, 1), 1), ((1, 1), 5), ((1, 9), 2),
                                               ((3, 1), 2), ((7, 5), 1)])
def test_small_images_and_one_label(shape, labels, backend):
    costs, color = problem(*shape, labels)
    found = DenseCrf(KERNELS, backend=backend).infer(costs, color)
    assert np.isfinite(found.probabilities).all()
    np.testing.assert_allclose(found.probabilities.sum(2), 1, atol=1e-5)
    if labels == 1:
        assert (found.labels == 0).all()


@pytest.mark.slow
def test_an_image_of_4k():
    pytest.importorskip('numba')
    costs, color = problem(2160, 3840, 2)
    kernels = (Gaussian(3.0, 3.0), Bilateral(60.0, 40.0, weight=4.0))
    found = DenseCrf(kernels, iterations=2).infer(costs, color)
    assert found.probabilities.shape == (2160, 3840, 2)
    np.testing.assert_allclose(found.probabilities[::97, ::89].sum(2), 1, atol=1e-5)


@pytest.mark.parametrize('threads', [1, 2])
@pytest.mark.parametrize('labels', [1, 7, 8, 9, 17, 24, 25, 40, 73])
def test_numba_equals_numpy_for_any_number_of_labels(labels, threads):
    costs, color = problem(19, 21, labels)
    found, expected = (
        DenseCrf(KERNELS, iterations=4, backend=backend, threads=threads).infer(costs, color)
        for backend in ('numba', 'numpy'))
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)


@pytest.mark.parametrize('backend', BACKENDS)
def test_a_cost_of_infinity_forbids_a_label(backend):
    costs, color = problem(16, 16, 3)
    costs[4:8, :, 1] = np.inf
    found = DenseCrf(KERNELS, backend=backend).infer(costs, color).probabilities
    assert (found[4:8, :, 1] < 1e-20).all()
    assert np.isfinite(found).all()


@pytest.mark.parametrize(('kind', 'error'), [
    (lambda: Gaussian(0.0), 'widths of kernels are above 0'),
    (lambda: Gaussian((3.0, -1.0)), 'widths of kernels are above 0'),
    (lambda: Bilateral(10.0, 0.0), 'color is'),
    (lambda: Bilateral(10.0, depth_m=float('nan')), 'depth_m is'),
    (lambda: Bilateral(None, None), 'compares by nothing'),
    (lambda: Gaussian(1.0, 1.0, 'half'), 'choose one of symmetric'),
    (lambda: Gaussian(1.0, float('inf')), 'finite numbers'),
    (lambda: FeatureKernel(np.array([[np.nan]])), 'NaN or infinity'),
    (lambda: DenseCrf([]), 'without a kernel'),
    (lambda: DenseCrf(iterations=-1), 'from 0 on'),
    (lambda: DenseCrf(backend='cuda'), 'choose one of auto'),
    (lambda: DenseCrf(compatibility=[[0, 1]]), r'\(L, L\)'),
])
def test_refuses_what_is_no_crf(kind, error):
    with pytest.raises(ValueError, match=error):
        kind()


@pytest.mark.parametrize(('changes', 'error'), [
    ({'costs': np.full((4, 4, 2), np.nan, np.float32)}, 'without NaN'),
    ({'costs': np.full((4, 4, 2), -np.inf, np.float32)}, 'without NaN'),
    ({'costs': np.zeros((4, 4), np.float32)}, r'\(H, W, L\)'),
    ({'costs': np.zeros((4, 4, 0), np.float32)}, r'\(H, W, L\)'),
    ({'color': np.zeros((4, 5, 3), np.uint8)}, 'must agree'),
    ({'color': None}, 'which was not given'),
    ({'color': np.full((4, 4, 3), np.nan)}, 'NaN or infinity'),
])
def test_refuses_inputs_that_do_not_fit(changes, error):
    given_ = {'costs': np.zeros((4, 4, 2), np.float32), 'color': np.zeros((4, 4, 3), np.uint8)}
    with pytest.raises(ValueError, match=error):
        DenseCrf(KERNELS).infer(**(given_ | changes))


@pytest.mark.parametrize('crf', [DenseCrf([Gaussian(1.0, (1.0, 2.0))]),
                                 DenseCrf(KERNELS, compatibility=np.eye(2))])
def test_refuses_another_number_of_labels(crf):
    with pytest.raises(ValueError, match='of 3'):
        crf.infer(*problem(4, 4, 3))


@pytest.mark.parametrize(('probability', 'cost'), [
    (0.0, -np.log(1e-5)), (1e-7, -np.log(1e-5)), (0.5, np.log(2)), (1.0, 0.0)])
def test_costs_of_probabilities(probability, cost):
    assert costs_of_probabilities(np.array([probability]))[0] == pytest.approx(cost, rel=1e-6)


@pytest.mark.parametrize('value', [np.nan, -0.1, 1.5])
def test_refuses_what_is_no_probability(value):
    with pytest.raises(ValueError, match='0 to 1'):
        costs_of_probabilities(np.array([value, 0.5]))


def test_probabilities_of_zero_are_no_trouble():
    probabilities = np.zeros((8, 8, 3), np.float32)
    probabilities[..., 1] = 1
    color = np.zeros((8, 8, 3), np.uint8)
    found = DenseCrf(KERNELS).infer(costs_of_probabilities(probabilities), color)
    assert (found.labels == 1).all()


@pytest.mark.parametrize(('costs', 'expected'), [
    ([0.0, 5.0], [0.0, 5.0]), ([0.0, np.inf], [0.0, 1e4]), ([-3.0, 2e4], [-3.0, 1e4]),
    ([2e5, 2e5 + 1], [2e5, 2e5 + 1])])
def test_high_costs_are_bounded_above_the_least(costs, expected):
    found = checked_costs(np.array(costs, np.float32).reshape(1, 1, 2))
    assert found.ravel().tolist() == expected


@pytest.mark.parametrize('shape', [(1, 1), (16, 16), (17, 31), (3, 50)])
def test_the_order_of_pixels_has_each_once(shape):
    order = pixel_order(shape)
    assert sorted(order.tolist()) == list(range(shape[0] * shape[1]))


def test_warm_up_takes_every_kind_of_kernel():
    warm_up((Gaussian(2.0, (1.0, 2.0)), Bilateral(10.0, 5.0, depth_m=0.1, normal=0.3)))


def test_warm_up_compiles_for_every_number_of_labels():
    label_blocks = pytest.importorskip('seg_ros.crf.dense_passes').label_blocks
    blocks = {labels: label_blocks(labels) for labels in range(1, 300)}
    assert all(0 <= 8 * count * groups - labels < 8 * max(groups, count)
               for labels, (count, groups) in blocks.items())
    assert {groups for _, groups in blocks.values()} == {
        label_blocks(labels)[1] for labels in LABELS_COMPILED}
