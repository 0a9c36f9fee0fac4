# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.crf.grid import MAP_METHODS, MARGINAL_METHODS, GridCrf
from seg_ros.crf.pairwise import Pairwise
from seg_ros.crf.unary import Unary

# Rows, columns, labels; brute force knows the truth of each.
SHAPES = [(3, 3, 3), (2, 3, 4), (4, 4, 2), (3, 5, 2), (2, 2, 5), (1, 5, 3), (5, 1, 3), (1, 1, 4),
          (2, 3, 1)]
CHAINS = [(1, 6, 3), (6, 1, 3), (1, 2, 4), (1, 9, 2)]
APPROXIMATE = ['alpha_expansion', 'alpha_beta_swap', 'icm', 'belief_propagation', 'mean_field',
               'trw_s']
SLACK = 1e-9


def potts(rng, shape):
    return Pairwise.potts(rng.uniform(0, 1.5))


def contrast(rng, shape):
    return Pairwise.contrast_sensitive(
        rng.integers(0, 256, (*shape[:2], 3)), rng.uniform(0, 0.5), rng.uniform(0, 2))


def truncated(rng, shape):
    return Pairwise.truncated_linear(rng.uniform(0, 1), rng.uniform(0.5, 3))


def matrix(rng, shape):
    return Pairwise.matrix(rng.normal(size=(shape[2], shape[2])), rng.uniform(0, 1))


KINDS = {'potts': potts, 'contrast': contrast, 'truncated': truncated, 'matrix': matrix}


def random_crf(seed, shape, kind, connectivity=4, low=-1.0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    unary = Unary(rng.uniform(low, 1.5, shape).astype(dtype))
    return GridCrf(unary, KINDS[kind](rng, shape), connectivity)


def crfs(shapes=tuple(SHAPES), kinds=tuple(KINDS), low=-1.0):
    return st.builds(
        random_crf, st.integers(0, 2**32 - 1), st.sampled_from(shapes), st.sampled_from(kinds),
        st.sampled_from([4, 8]), st.just(low))


def random_labels(crf, seed):
    return np.random.default_rng(seed).integers(0, crf.unary.label_count, crf.unary.shape)


def energy_by_definition(crf, labels):
    """Return the sum over pixels and pairs of neighbours, by plain loops."""
    height, width = labels.shape
    total = sum(crf.unary.costs[y, x, labels[y, x]] for y in range(height) for x in range(width))
    costs = crf.pairwise.costs_for(crf.unary.label_count)
    steps = [(0, 1), (1, 0), (1, 1), (1, -1)][: crf.connectivity // 2]
    weights = crf.pairwise.weights_for(labels.shape, crf.connectivity)
    for y, x, (edge, (dy, dx)) in itertools.product(
            range(height), range(width), enumerate(steps)):
        if 0 <= y + dy < height and 0 <= x + dx < width:
            total += weights[edge, y, x] * costs[labels[y, x], labels[y + dy, x + dx]]
    return total


@given(crfs(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_energy_is_its_definition(crf, seed):
    labels = random_labels(crf, seed)
    assert crf.energy(labels) == pytest.approx(energy_by_definition(crf, labels), abs=1e-9)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('connectivity', [4, 8])
def test_brute_force_is_the_sum_over_all_labellings(kind, connectivity):
    crf = random_crf(3, (2, 3, 3), kind, connectivity)
    everything = [np.reshape(x, (2, 3)) for x in itertools.product(range(3), repeat=6)]
    energies = np.array([energy_by_definition(crf, labels) for labels in everything])
    weights = np.exp(-energies)
    expected = np.array([[[weights[[x[i, j] == k for x in everything]].sum() for k in range(3)]
                          for j in range(3)] for i in range(2)]) / weights.sum()

    found = crf.marginals('brute_force')

    assert found.energy == pytest.approx(energies.min())
    assert found.lower_bound == found.energy
    assert found.log_partition == pytest.approx(np.log(weights.sum()))
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-9)


@given(crfs(shapes=[(4, 4, 2), (3, 5, 2), (1, 7, 2), (1, 1, 2)],
            kinds=['potts', 'contrast', 'truncated']))
@settings(max_examples=60, deadline=None)
def test_min_cut_finds_the_best_labelling(crf):
    best, found = crf.map('brute_force'), crf.map('min_cut')
    assert found.energy == pytest.approx(best.energy, abs=SLACK)
    assert found.energy == pytest.approx(crf.energy(found.labels), abs=SLACK)
    assert found.lower_bound == found.energy and found.converged


@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 8]))
@settings(max_examples=40, deadline=None)
def test_min_cut_takes_any_submodular_matrix(seed, connectivity):
    rng = np.random.default_rng(seed)
    costs = rng.normal(size=(2, 2))
    costs[0, 1] += max(0, np.trace(costs) - costs[0, 1] - costs[1, 0])
    crf = GridCrf(Unary(rng.normal(size=(3, 4, 2))), Pairwise.matrix(costs, 0.8), connectivity)
    assert crf.map('min_cut').energy == pytest.approx(crf.map('brute_force').energy, abs=SLACK)


@given(crfs(), st.sampled_from(APPROXIMATE), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_no_method_claims_what_is_not_so(crf, method, seed):
    best = crf.map('brute_force')
    found = crf.map(method, start=random_labels(crf, seed), iterations=30)
    assert found.energy == pytest.approx(crf.energy(found.labels), abs=SLACK)
    assert found.energy >= best.energy - SLACK
    if found.lower_bound is not None:
        assert found.lower_bound <= best.energy + SLACK
    assert (method == 'trw_s') == (found.lower_bound is not None)


@given(crfs(), st.sampled_from(APPROXIMATE), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_no_method_ends_above_its_start(crf, method, seed):
    start = random_labels(crf, seed)
    assert crf.map(method, start=start).energy <= crf.energy(start) + SLACK


@given(crfs(), st.sampled_from(['belief_propagation', 'mean_field', 'trw_s']))
@settings(max_examples=60, deadline=None)
def test_the_best_labelling_seen_is_returned(crf, method):
    seen = []
    found = crf.map(method, iterations=20, observe=lambda i, energy, bound, x: seen.append(energy))
    assert seen and found.energy <= min(seen) + SLACK


@given(crfs(low=0.0, kinds=['potts', 'contrast', 'truncated']))
@settings(max_examples=60, deadline=None)
def test_expansion_is_within_its_factor(crf):
    costs = crf.pairwise.costs_for(crf.unary.label_count)
    unequal = costs[~np.eye(len(costs), dtype=bool)]
    factor = 2 * unequal.max() / unequal.min() if unequal.size else 1
    found = crf.map('alpha_expansion')
    assert found.converged
    assert found.energy <= factor * crf.map('brute_force').energy + SLACK


@given(crfs(kinds=['potts', 'contrast', 'truncated']), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_no_move_is_left_after_expansion(crf, seed):
    """Any pixels' change to one label costs, tried for all sets of pixels."""
    found = crf.map('alpha_expansion', start=random_labels(crf, seed))
    pixels = found.labels.size
    if pixels > 9:
        return
    for label in range(crf.unary.label_count):
        for chosen in itertools.product([False, True], repeat=pixels):
            other = np.where(np.reshape(chosen, found.labels.shape), label, found.labels)
            assert crf.energy(other) >= found.energy - 1e-6


@given(crfs(shapes=CHAINS))
@settings(max_examples=60, deadline=None)
def test_messages_are_exact_on_chains(crf):
    best = crf.map('brute_force')
    for method in ('belief_propagation', 'trw_s'):
        found = crf.map(method)
        assert found.converged
        assert found.energy == pytest.approx(best.energy, abs=SLACK)
    assert found.lower_bound == pytest.approx(best.energy, abs=1e-5)
    marginals = crf.marginals('belief_propagation')
    assert marginals.converged
    np.testing.assert_allclose(
        marginals.probabilities, crf.marginals('brute_force').probabilities, atol=1e-6)


@given(crfs())
@settings(max_examples=60, deadline=None)
def test_mean_field_bounds_the_partition_function(crf):
    truth = crf.marginals('brute_force')
    found = crf.marginals('mean_field', iterations=50)
    assert found.log_partition <= truth.log_partition + SLACK
    again = crf.marginals('mean_field', iterations=3)
    assert again.log_partition <= found.log_partition + SLACK


def test_without_edges_everything_is_exact():
    crf = GridCrf(Unary(np.random.default_rng(0).normal(size=(3, 3, 3))), Pairwise.potts(0))
    truth = crf.marginals('brute_force')
    for method in MARGINAL_METHODS:
        np.testing.assert_allclose(
            crf.marginals(method).probabilities, truth.probabilities, atol=1e-9)
    for method in set(MAP_METHODS) - {'min_cut'}:
        assert crf.map(method).energy == pytest.approx(truth.energy)
    assert crf.marginals('mean_field').log_partition == pytest.approx(truth.log_partition)


@pytest.mark.parametrize('method', ['trw_s', 'belief_propagation'])
def test_truncated_linear_messages_are_those_of_its_matrix(method):
    rng = np.random.default_rng(5)
    unary = Unary(rng.normal(size=(13, 17, 6)))
    linear = Pairwise.truncated_linear(0.4, 2.5)
    fast = GridCrf(unary, linear, 8).map(method, iterations=8)
    plain = GridCrf(unary, Pairwise.matrix(linear.costs_for(6), 0.4), 8).map(method, iterations=8)
    np.testing.assert_array_equal(fast.labels, plain.labels)
    if method == 'trw_s':
        assert fast.lower_bound == pytest.approx(plain.lower_bound, rel=1e-9)


@pytest.mark.parametrize('connectivity', [4, 8])
@pytest.mark.parametrize('damping', [0.0, 0.3])
def test_potts_messages_are_those_of_its_matrix(connectivity, damping):
    rng = np.random.default_rng(6)
    unary = Unary(rng.normal(size=(11, 14, 4)))
    almost = 1.0 - np.eye(4)
    almost[0, 1] += 1e-12  # so that it is not seen to be one
    results = [GridCrf(unary, pairwise, connectivity).marginals(iterations=6, damping=damping)
               for pairwise in (Pairwise.potts(0.7), Pairwise.matrix(almost, 0.7))]
    np.testing.assert_allclose(
        results[0].probabilities, results[1].probabilities, atol=1e-9)


@pytest.mark.parametrize('connectivity', [4, 8])
def test_tiles_and_threads_change_nothing(connectivity, monkeypatch):
    from seg_ros.crf import grid_sweeps

    rng = np.random.default_rng(7)
    crf = GridCrf(Unary(rng.random((60, 110, 3))), Pairwise.potts(0.3), connectivity)
    threaded = crf.map('trw_s', iterations=9, threads=3)
    single = crf.map('trw_s', iterations=9, threads=1)
    assert len(grid_sweeps.diagonals_of_tiles(60, 110)) > 4
    monkeypatch.setattr(grid_sweeps, 'TILE', (10**6, 10**6))
    whole = crf.map('trw_s', iterations=9, threads=1)
    assert threaded.lower_bound == single.lower_bound
    assert whole.lower_bound == pytest.approx(single.lower_bound, rel=1e-12)
    np.testing.assert_array_equal(threaded.labels, single.labels)
    np.testing.assert_array_equal(whole.labels, single.labels)


@pytest.mark.parametrize('connectivity', [4, 8])
def test_trw_s_closes_the_gap_of_two_labels(connectivity):
    rng = np.random.default_rng(8)
    crf = GridCrf(Unary(rng.normal(size=(40, 50, 2))), Pairwise.potts(0.4), connectivity)
    exact = crf.map('min_cut')
    found = crf.map('trw_s', iterations=500, tolerance=1e-9)
    assert found.lower_bound <= exact.energy + SLACK
    assert found.lower_bound == pytest.approx(exact.energy, rel=1e-3)


@pytest.mark.parametrize('method', [*APPROXIMATE, 'min_cut'])
def test_float32_is_as_good(method):
    labels = 2 if method == 'min_cut' else 4
    narrow = random_crf(9, (12, 15, labels), 'contrast', 8, dtype=np.float32)
    wide = GridCrf(Unary(narrow.unary.costs.astype(np.float64)), narrow.pairwise, 8)
    found = narrow.map(method)
    assert found.energy == pytest.approx(wide.energy(found.labels), rel=1e-5)
    assert found.energy == pytest.approx(wide.map(method).energy, rel=0.02)


@pytest.mark.parametrize('method', [*APPROXIMATE, 'min_cut'])
def test_a_time_limit_ends_the_search(method):
    crf = random_crf(10, (12, 15, 2), 'potts')
    found = crf.map(method, time_limit_s=1e-9)
    assert found.iterations <= 4
    assert found.energy <= crf.energy(crf.unary.costs.argmin(2)) + SLACK


@pytest.mark.parametrize('method', sorted(set(MAP_METHODS) - {'min_cut'}))
@pytest.mark.parametrize('shape', [(1, 1, 1), (1, 1, 3), (2, 3, 1)])
def test_the_smallest_problems_are_solved(method, shape):
    costs = np.random.default_rng(1).normal(size=shape)
    crf = GridCrf(Unary(costs), Pairwise.potts(0.1), 8)
    found = crf.map(method)
    assert found.labels.shape == shape[:2] and found.labels.dtype == np.int32
    assert found.energy == pytest.approx(crf.map('brute_force').energy)


@pytest.mark.slow
@pytest.mark.parametrize('method', ['min_cut', 'icm'])
def test_an_image_of_4k_is_solved(method):
    rng = np.random.default_rng(2)
    unary = Unary(rng.random((2160, 3840, 2), dtype=np.float32))
    crf = GridCrf(unary, Pairwise.potts(0.1))
    found = crf.map(method, iterations=2)
    assert found.labels.shape == (2160, 3840)
    assert found.energy < crf.energy(unary.costs.argmin(2))


def crf_of(labels=3, size=(4, 5)):
    return GridCrf(Unary(np.zeros((*size, labels))), Pairwise.potts(1.0))


@pytest.mark.parametrize(('call', 'message'), [
    (lambda: GridCrf(Unary(np.zeros((2, 2, 2))), Pairwise.potts(1.0), 6), 'connectivity is 6'),
    (lambda: GridCrf(Unary(np.zeros((4, 6, 2))),
                     Pairwise.contrast_sensitive(np.zeros((8, 12, 3)), 1, 1)),
     'image 12x8, unary 6x4'),
    (lambda: GridCrf(Unary(np.zeros((4, 6, 2))), Pairwise.matrix(np.zeros((3, 3)))),
     'the unary has 2 labels'),
    (lambda: crf_of().energy(np.full((4, 5), 3)), 'labels 3 to 3: 0 to 2'),
    (lambda: crf_of().energy(np.full((4, 5), -1)), 'labels -1 to -1'),
    (lambda: crf_of().energy(np.zeros((5, 4), int)), 'must agree'),
    (lambda: crf_of().energy(np.zeros((4, 5))), 'integers, got .* float64'),
    (lambda: crf_of().map('graph_cut'), "unknown method 'graph_cut': known are min_cut"),
    (lambda: crf_of().marginals('trw_s'), "unknown method 'trw_s': known are belief"),
    (lambda: crf_of().map('icm', rounds=3), 'unknown setting rounds: known are start'),
    (lambda: crf_of().map('icm', start=np.zeros((2, 2), int)), 'start .* must agree'),
    (lambda: crf_of().map('icm', start=np.full((4, 5), 9)), 'labels 9 to 9'),
    (lambda: crf_of().map('icm', iterations=0), 'iterations is 0'),
    (lambda: crf_of().map('icm', tolerance=-1.0), 'tolerance is -1'),
    (lambda: crf_of().map('icm', time_limit_s=0.0), 'time_limit_s is 0'),
    (lambda: crf_of().map('icm', threads=0), 'threads is 0'),
    (lambda: crf_of().map('belief_propagation', damping=1.0), 'damping is 1'),
    (lambda: crf_of().map('min_cut'), 'two labels, these are 3'),
    (lambda: GridCrf(Unary(np.zeros((2, 2, 2))), Pairwise.matrix(np.eye(2))).map('min_cut'),
     'not submodular'),
    (lambda: crf_of(3, (20, 20)).map('brute_force'), '3 labels on 400 pixels'),
])
def test_a_mistake_is_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()
