# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The loss against a plain-loop float64 version of the paper's formulas."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from seg_ros.unseen.loss import (
    LossOptions,
    border_loss,
    clustering_loss,
    contact_cells,
    contact_loss,
    foreground_loss,
)


def looped_loss(embedding, labels, alpha, delta):
    """Return intra and inter of one image, by loops in float64: (D, h, w), (h, w)."""
    pixels = np.asarray(embedding, np.float64).transpose(1, 2, 0)
    intra, means = [], []
    for label in np.unique(labels[labels >= 0]):
        members = [pixels[i, j] for i, j in zip(*np.nonzero(labels == label), strict=True)]
        total = np.sum(members, axis=0)
        mean = total / max(np.linalg.norm(total), 1e-12)
        distances = [(1 - p @ mean) / 2 for p in members]
        far = [d ** 2 for d in distances if d >= alpha]
        intra.append(sum(far) / len(far) if far else 0.0)
        means.append(mean)
    pairs = [max(delta - (1 - a @ b) / 2, 0) ** 2 for a, b in itertools.combinations(means, 2)]
    return (float(np.mean(intra)) if intra else 0.0), (float(np.mean(pairs)) if pairs else 0.0)


def unit(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    return functional.normalize(values, dim=1)


@settings(max_examples=40, deadline=None)
@given(batch=st.integers(1, 3), dims=st.integers(2, 6), height=st.integers(1, 5),
       width=st.integers(1, 6), highest=st.integers(-1, 6), seed=st.integers(0, 1000),
       alpha=st.sampled_from([0.0, 0.02, 0.4]), delta=st.sampled_from([0.1, 0.5, 0.9]))
def test_loss_equals_the_loops(batch, dims, height, width, highest, seed, alpha, delta):
    embedding = unit((batch, dims, height, width), seed)
    labels = np.random.default_rng(seed).integers(-1, highest + 1, (batch, height, width))
    loss = clustering_loss(
        embedding, torch.from_numpy(labels), LossOptions(alpha, delta, 3.0, 7.0))
    expected = np.mean([looped_loss(embedding[i].numpy(), labels[i], alpha, delta)
                        for i in range(batch)], axis=0)
    np.testing.assert_allclose([loss.intra, loss.inter], expected, atol=1e-12)
    np.testing.assert_allclose(loss.total, 3 * expected[0] + 7 * expected[1], atol=1e-11)


@pytest.mark.parametrize('seed', range(4))
def test_gradient_equals_finite_differences(seed):
    raw = torch.randn(2, 3, 3, 4, dtype=torch.float64,
                      generator=torch.Generator().manual_seed(seed), requires_grad=True)
    labels = torch.from_numpy(np.random.default_rng(seed).integers(-1, 4, (2, 3, 4)))

    def total(raw):
        embedding = functional.normalize(raw, dim=1)
        return clustering_loss(embedding, labels).total + border_loss(embedding, labels, reach=1)

    assert torch.autograd.gradcheck(total, (raw,))


@pytest.mark.parametrize(
    'labels', [[[-1, -1], [-1, -1]], [[0, 0], [0, 0]], [[7, 7], [-1, 7]]])
def test_one_cluster_or_none_has_no_inter_and_finite_gradients(labels):
    raw = torch.randn(1, 4, 2, 2, requires_grad=True)
    loss = clustering_loss(functional.normalize(raw, dim=1), torch.tensor([labels]))
    loss.total.backward()
    assert loss.inter == 0
    assert torch.isfinite(raw.grad).all()


def test_opposite_pixels_whose_mean_vanishes_give_finite_gradients():
    embedding = torch.tensor([[[[1.0, -1.0]], [[0.0, 0.0]]]], requires_grad=True)
    clustering_loss(embedding, torch.zeros(1, 1, 2, dtype=torch.long)).total.backward()
    assert torch.isfinite(embedding.grad).all()


def test_perfect_clusters_cost_nothing():
    directions = torch.eye(4)
    directions[1] = -directions[0]
    labels = torch.tensor([[[0, 0, 1], [1, 0, 1]]])
    embedding = directions[labels].movedim(-1, 1)
    assert clustering_loss(embedding, labels).total == 0


def test_numbers_of_labels_do_not_matter():
    embedding = unit((1, 4, 4, 4), 5)
    labels = torch.randint(0, 3, (1, 4, 4), generator=torch.Generator().manual_seed(0))
    renamed = torch.tensor([9, 4, 30])[labels]
    torch.testing.assert_close(
        clustering_loss(embedding, labels).total, clustering_loss(embedding, renamed).total)


def test_border_loss_equals_the_loops():
    embedding, reach = unit((2, 3, 5, 6), 3), 2
    labels = np.random.default_rng(3).integers(-1, 3, (2, 5, 6))
    found = border_loss(embedding, torch.from_numpy(labels), reach=reach)
    penalties = ([], [])
    for b, i, j, (di, dj) in itertools.product(range(2), range(5), range(6), ((0, 2), (2, 0))):
        if i + di < 5 and j + dj < 6:
            one, two = labels[b, i, j], labels[b, i + di, j + dj]
            d = (1 - float(embedding[b, :, i, j] @ embedding[b, :, i + di, j + dj])) / 2
            if min(one, two) >= 0 and one != two:
                penalties[b].append(max(0.5 - d, 0) ** 2)
    assert all(penalties)
    np.testing.assert_allclose(found, np.mean([np.mean(p) for p in penalties]), atol=1e-12)


@pytest.mark.parametrize('loss', [
    lambda e, p: border_loss(e, p), lambda e, p: clustering_loss(e, p).total,
    lambda e, p: foreground_loss(e[:, :1], p), lambda e, p: contact_loss(e[:, :1], p)])
def test_the_loss_of_a_batch_is_the_mean_over_its_images(loss):
    embedding = unit((3, 4, 6, 7), 2)
    labels = torch.from_numpy(np.random.default_rng(0).integers(-1, 4, (3, 6, 7)))
    single = [loss(embedding[i:i + 1], labels[i:i + 1]) for i in range(3)]
    torch.testing.assert_close(loss(embedding, labels), torch.stack(single).mean())


@given(seed=st.integers(0, 1000), height=st.integers(1, 6), width=st.integers(1, 6))
def test_contact_cells_equal_the_loops(seed, height, width):
    labels = np.random.default_rng(seed).integers(-1, 3, (1, height, width))
    found = contact_cells(torch.from_numpy(labels))[0].numpy()
    for i, j in itertools.product(range(height), range(width)):
        window = labels[0, max(i - 1, 0):i + 2, max(j - 1, 0):j + 2]
        assert found[i, j] == (len(np.unique(window[window > 0])) > 1)


@pytest.mark.parametrize(('logit', 'labels', 'expected'), [
    (-40.0, [[0, 1, 1]], 0.0), (40.0, [[1, 2]], 0.0),
    (0.0, [[1, 2, -1]], np.log(2) + 1 - (2 * 1.0 + 1) / (1 + 2 + 1))])
def test_contact_loss_in_closed_form(logit, labels, expected):
    logits = torch.full((1, 1, 1, len(labels[0])), logit, dtype=torch.float64)
    np.testing.assert_allclose(contact_loss(logits, torch.tensor([labels])), expected, atol=1e-9)


@pytest.mark.parametrize('shape', [(1, 3, 1, 1), (1, 3, 2, 1)])
def test_border_loss_of_images_smaller_than_the_reach_is_zero(shape):
    labels = torch.zeros(shape[0], *shape[2:], dtype=torch.long)
    assert border_loss(unit(shape, 0), labels) == 0


@pytest.mark.parametrize(
    ('logit', 'labels', 'expected'),
    [(0.0, [[1, 0]], np.log(2) + 1 - (2 * 0.5 + 1) / (1 + 1 + 1)),
     (0.0, [[1, -1]], np.log(2) + 1 - (2 * 0.5 + 1) / (0.5 + 1 + 1)),
     (40.0, [[2, 5]], 0.0), (-40.0, [[0, 0]], 0.0), (3.0, [[-1, -1]], 0.0)])
def test_foreground_loss_in_closed_form(logit, labels, expected):
    logits = torch.full((1, 1, 1, 2), logit, dtype=torch.float64)
    found = foreground_loss(logits, torch.tensor([labels]))
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(
    ('labels', 'message'),
    [(torch.zeros(1, 3, 4, dtype=torch.long), 'do not fit'), (torch.zeros(1, 4, 4), 'integers')])
def test_clustering_loss_refuses(labels, message):
    with pytest.raises(ValueError, match=message):
        clustering_loss(torch.ones(1, 2, 4, 4), labels)


def test_foreground_loss_refuses_other_shapes():
    with pytest.raises(ValueError, match='do not fit'):
        foreground_loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long))
