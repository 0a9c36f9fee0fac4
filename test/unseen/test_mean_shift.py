# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from embedding_scenes import embedding_scene, separated_directions
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from seg_ros.benchmark.naive_mean_shift import naive_mean_shift
from seg_ros.evaluation.unseen_metrics import evaluate_frame
from seg_ros.unseen import mean_shift as module
from seg_ros.unseen.mean_shift import (
    MeanShift,
    climb,
    connected,
    farthest_points,
    mean_shift,
    mean_shift_fast,
    stratified_sample,
)


def brute_force(pixels, kappa, num_seeds, iterations, connect_distance):
    """Cluster as published, in float64 and plain loops; returns seeds' indices and labels."""
    x = np.asarray(pixels, np.float64)
    chosen = [int((x @ x.mean(axis=0)).argmax())]
    while len(chosen) < num_seeds:
        distances = np.stack([(1 - x @ x[seed]) / 2 for seed in chosen])
        chosen.append(int(distances.min(axis=0).argmax()))
    seeds = x[chosen]
    for _ in range(iterations):
        weights = np.exp(kappa * (seeds @ x.T - 1))
        seeds = weights @ x
        seeds /= np.linalg.norm(seeds, axis=1, keepdims=True)
    group = list(range(num_seeds))
    for _ in range(num_seeds):
        for i in range(num_seeds):
            for j in range(num_seeds):
                if (1 - seeds[i] @ seeds[j]) / 2 <= connect_distance:
                    group[i] = group[j] = min(group[i], group[j])
    return chosen, np.array(group)[(x @ seeds.T).argmax(axis=1)]


def pair_counts(first, second):
    table = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(table, (first, second), 1)
    return table


def adjusted_rand_index(first, second):
    """Return the adjusted Rand index (Hubert and Arabie 1985) of two labellings."""
    table = pair_counts(np.asarray(first), np.asarray(second))

    def pairs(counts):
        return float((counts * (counts - 1) / 2).sum())

    both, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = rows * columns / pairs(table.sum())
    mean = (rows + columns) / 2
    return 1.0 if mean == expected else (both - expected) / (mean - expected)


def same_partition(first, second):
    table = pair_counts(np.asarray(first), np.asarray(second)) > 0
    return (table.sum(axis=0) <= 1).all() and (table.sum(axis=1) <= 1).all()


@pytest.mark.parametrize('seed', range(5))
def test_the_exact_form_equals_brute_force(seed):
    pixels, _ = embedding_scene(seed, 48, 36, dim=16, objects=5, noise=0.4)
    pixels = normalize(pixels.double(), dim=1)
    chosen, labels = brute_force(pixels, 20.0, 25, 10, 0.04)
    assert farthest_points(pixels, 25).tolist() == chosen
    found = mean_shift(pixels[None], num_seeds=25)[0]
    assert len(found) == len(np.unique(labels)) >= 2
    assert same_partition(found.labels.numpy(), np.unique(labels, return_inverse=True)[1])


def test_lazy_seeding_over_many_blocks_equals_plain_seeding(monkeypatch):
    monkeypatch.setattr(module, 'CPU_BLOCK', 37)
    pixels, _ = embedding_scene(3, 60, 40, dim=8, objects=6)
    pixels = normalize(pixels.double(), dim=1)
    lazy = farthest_points(pixels, 60).tolist()
    assert lazy == brute_force(pixels, 1.0, 60, 0, 0.0)[0]
    assert lazy == module._farthest_on_device(pixels, 60, lazy[0]).tolist()


def test_blocks_do_not_change_the_climb(monkeypatch):
    pixels, _ = embedding_scene(4, 60, 40, dim=8, objects=6)
    whole = mean_shift(pixels[None])[0]
    monkeypatch.setattr(module, 'CPU_BLOCK', 100)
    torch.testing.assert_close(mean_shift(pixels[None])[0].modes, whole.modes)


@pytest.mark.parametrize('seed', range(20))
def test_the_fast_form_agrees_with_the_exact_one(seed):
    width, height = 240, 180
    pixels, _ = embedding_scene(seed, width, height, noise=0.3)
    exact = mean_shift(pixels[None])[0]
    fast = mean_shift_fast(pixels[None], num_samples=4096)[0]
    foreground = exact.labels > 0
    index = adjusted_rand_index(exact.labels[foreground], fast.labels[foreground])
    images = [found.labels.reshape(height, width).numpy() for found in (exact, fast)]
    assert index >= 0.99
    assert evaluate_frame(*images).overlap_f >= 0.98


@pytest.mark.parametrize('seed', range(3))
def test_the_exact_form_finds_what_the_naive_peer_finds(seed):
    pixels, _ = embedding_scene(seed, 120, 90)
    first = int(farthest_points(pixels, 1)[0])
    naive = naive_mean_shift(pixels, first=first)
    assert adjusted_rand_index(naive, mean_shift(pixels[None])[0].labels) > 0.999


@pytest.mark.parametrize('seed', range(3))
def test_clusters_are_the_scene(seed):
    pixels, truth = embedding_scene(seed, 160, 120)
    found = mean_shift_fast(pixels[None])[0]
    score = evaluate_frame(truth, found.labels.reshape(truth.shape).numpy())
    assert score.overlap_f > 0.95
    assert found.sizes.tolist() == sorted(found.sizes.tolist(), reverse=True)
    assert found.sizes.tolist() == torch.bincount(found.labels).tolist()
    torch.testing.assert_close(found.modes.norm(dim=1), torch.ones(len(found)))


@pytest.mark.parametrize(('own_weight', 'stays'), [(1.0, True), (0.01, False)])
def test_a_lone_sample_at_a_border_joins_a_side(own_weight, stays):
    border = normalize(torch.tensor([[0.6, 0.5, 0.62]]), dim=1)
    sides = torch.eye(3)[:2].repeat(3000, 1)
    pixels = torch.cat([sides, border])
    end, _ = climb(pixels, border, 30.0, 10, own_weight=own_weight)
    expected = border if stays else torch.eye(3)[:1]
    torch.testing.assert_close(end, expected, atol=0.12, rtol=0)


def unit_vectors(seed, count, dim):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(count, dim, generator=generator, dtype=torch.float64), dim=1)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), order=st.permutations(range(3)))
def test_the_batch_order_does_not_matter(seed, order):
    batch = torch.stack([unit_vectors(seed + k, 50, 5) for k in range(3)])
    found = mean_shift(batch, num_seeds=10)
    shuffled = mean_shift(batch[order], num_seeds=10)
    for place, source in enumerate(order):
        assert torch.equal(shuffled[place].labels, found[source].labels)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), dim=st.integers(2, 8))
def test_a_rotation_turns_the_modes_and_keeps_the_labels(seed, dim):
    rng = np.random.default_rng(seed)
    centres = torch.from_numpy(separated_directions(rng, 2, dim))
    pixels = normalize(centres[torch.arange(80) % 2] + 0.05 * unit_vectors(seed, 80, dim), dim=1)
    rotation = torch.linalg.qr(unit_vectors(seed + 1, dim, dim))[0]
    plain, turned = (mean_shift(x[None], num_seeds=9)[0] for x in (pixels, pixels @ rotation))
    assert same_partition(plain.labels.numpy(), turned.labels.numpy())
    order = plain.labels[turned.labels.argsort(stable=True)].unique_consecutive()
    torch.testing.assert_close(turned.modes, plain.modes[order] @ rotation, atol=1e-6, rtol=0)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 60), kappa=st.sampled_from([1.0, 20, 100]))
def test_one_tight_bundle_is_one_cluster(seed, count, kappa):
    pixels = normalize(unit_vectors(seed, 1, 6) + 0.02 * unit_vectors(seed, count, 6), dim=1)
    for shift in (MeanShift(kappa), MeanShift(kappa, num_samples=16)):
        found = shift.cluster(pixels)
        assert len(found) == 1 and found.labels.eq(0).all() and found.sizes.tolist() == [count]


def test_the_mask_leaves_pixels_out():
    pixels, _ = embedding_scene(1, 40, 30, dim=8, objects=3)
    mask = torch.arange(1200) % 3 != 0
    found = mean_shift(pixels[None], mask[None])[0]
    alone = mean_shift(pixels[mask][None])[0]
    assert (found.labels[~mask] == -1).all()
    assert torch.equal(found.labels[mask], alone.labels)
    assert torch.equal(found.modes, alone.modes)


@pytest.mark.parametrize('run', [mean_shift, mean_shift_fast])
def test_an_image_without_pixels_has_no_clusters(run):
    found = run(torch.ones(1, 4, 2) / 2**0.5, torch.zeros(1, 4, dtype=torch.bool))[0]
    assert len(found) == 0 and found.modes.shape == (0, 2) and found.labels.tolist() == [-1] * 4


def test_results_repeat_and_inputs_stay():
    pixels, _ = embedding_scene(2, 80, 60)
    before = pixels.clone()
    first, second = (mean_shift_fast(pixels[None], num_samples=500)[0] for _ in range(2))
    assert torch.equal(first.labels, second.labels) and torch.equal(first.modes, second.modes)
    assert torch.equal(pixels, before)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_seeding_takes_every_float(dtype):
    pixels = torch.eye(4, dtype=dtype).repeat(5, 1)
    assert sorted(index % 4 for index in farthest_points(pixels, 10).tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize(('count', 'samples'), [(10, 10), (1000, 37), (307200, 4096), (7, 1)])
def test_one_sample_stands_in_each_stretch(count, samples):
    places = stratified_sample(count, samples).numpy()
    assert (np.floor(places * samples / count + 1e-9).astype(int) <= np.arange(samples)).all()
    assert len(np.unique(places)) == samples and places.max() < count


@pytest.mark.parametrize(('angles_deg', 'distance', 'expected'), [
    ([0, 10, 20, 90], 0.01, [0, 0, 0, 1]),
    ([0, 90, 10, 100], 0.01, [0, 1, 0, 1]),
    ([0, 10, 20], 0.0, [0, 1, 2]),
    ([5], 0.0, [0]),
])
def test_groups_are_connected_by_chains(angles_deg, distance, expected):
    angles = torch.deg2rad(torch.tensor(angles_deg, dtype=torch.float64))
    points = torch.stack([angles.cos(), angles.sin()], dim=1)
    assert connected(points, distance).tolist() == expected


@pytest.mark.parametrize(('embeddings', 'mask', 'message'), [
    (torch.zeros(4, 2), None, r'\(B, N, D\)'),
    (torch.zeros(1, 4, 2, dtype=torch.int32), None, 'int32'),
    (torch.zeros(1, 4, 2), torch.zeros(1, 4), r'mask must be bool \(1, 4\)'),
    (torch.zeros(1, 4, 2), torch.zeros(1, 5, dtype=torch.bool), r'got \(1, 5\)'),
])
def test_wrong_inputs_are_refused(embeddings, mask, message):
    with pytest.raises(ValueError, match=message):
        mean_shift(embeddings, mask)


@pytest.mark.parametrize(('values', 'message'), [
    ({'kappa': 0.0}, 'kappa 0.0 must be positive'),
    ({'num_seeds': 0}, 'num_seeds 0 starts at 1'),
    ({'connect_distance': -1.0}, 'not negative'),
])
def test_wrong_parameters_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        MeanShift(**values)
