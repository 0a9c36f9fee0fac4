# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Views, batches and proposals that the rows of the RoI ablation share."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from roi_scenes import rectangle_view, rectangle_views

from seg_ros.benchmark.roi_proposals import (
    fit,
    proposal_recall,
    train_proposals,
    with_proposals,
)
from seg_ros.benchmark.roi_views import batches_of, features_of, read_views, trunk_from
from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import write_frame, write_labels
from seg_ros.weights import Weights, load_weights


@pytest.fixture(scope='module')
def trunk():
    return trunk_from(load_weights('unseen_objects', method='unseen_objects'))


@pytest.fixture
def folder(tmp_path):
    """Write three views of a camera, 128x96: one, two and no objects on a wall at 1 m."""
    camera = CameraModel(128, 96, 120.0, 120.0, 63.5, 47.5)
    color = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)
    for number, name in enumerate('abc'):
        labels = np.zeros((96, 128), np.int32)
        if number < 2:
            labels[10:50, 20:60] = 7
        if number == 1:
            labels[30:80, 50:100] = 3
        depth = np.where(labels > 0, 0.8, 1.0).astype(np.float32)
        write_labels(tmp_path / f'{name}-labels.png', labels)
        write_frame(tmp_path, name, RgbdFrame(color, depth, camera))
    return tmp_path


def test_features_and_truth_of_a_folder(folder, trunk):
    views, said = read_views(folder, 10, (128, 96), trunk)
    assert (said['folder'], said['views'], said['used']) == (folder.name, 3, 3)
    assert [view.boxes.tolist() for view in views] == [
        [[20, 10, 60, 50]], [[50, 30, 100, 80], [20, 10, 60, 50]], []]
    first, second = views[1].masks().bool()
    assert int(first.sum()) == 50 * 50
    assert int(second.sum()) == 40 * 40 - 20 * 10  # the other lies on it
    assert not (first & second).any()
    for view in views:
        assert view.size == (96, 128)
        assert view.features.shape[1:] == (6, 8)
    assert len(views[2].target()['masks']) == 0
    assert views[1].target()['labels'].tolist() == [1, 1]


def test_features_are_the_trunks_at_stride_16(folder, trunk):
    seen = []
    handle = trunk.up16.register_forward_hook(lambda module, inputs, output: seen.append(output))
    views, _ = read_views(folder, 2, (128, 96), trunk)
    handle.remove()
    assert len(views) == len(seen) == 2
    for view, output in zip(views, seen, strict=True):
        assert torch.equal(view.features, output[0].half())
    assert views[0].features.std() > 0


def test_views_are_read_alike_each_time(folder, trunk):
    (folder / 'dataset.json').write_text('{}')  # clean views, which get noise
    first, second = (read_views(folder, 3, (128, 96), trunk)[0] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.features, other.features)


def test_the_trunk_is_frozen(trunk):
    assert not trunk.training
    assert not any(parameter.requires_grad for parameter in trunk.parameters())


def test_weights_without_a_trunk(tmp_path):
    with pytest.raises(ValueError, match="network 'pony': weights of mask_rcnn or of"):
        trunk_from(Weights({}, {'architecture': 'pony'}, tmp_path / 'pony.safetensors'))


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 9), batch=st.integers(1, 12), seed=st.integers(0, 99))
def test_every_view_comes_before_one_comes_again(count, batch, seed):
    iterations = 7
    batches = list(batches_of(range(count), batch, iterations, seed))
    assert [len(each) for each in batches] == [batch] * iterations
    order = [view for each in batches for view in each]
    for start in range(0, len(order) - count + 1, count):
        assert sorted(order[start:start + count]) == list(range(count))
    assert list(batches_of(range(count), batch, iterations, seed)) == batches


def test_another_seed_is_another_order():
    first, second = (list(batches_of(range(40), 4, 10, seed)) for seed in (0, 1))
    assert first != second


def test_fit_minimises_and_averages_the_last_quarter():
    module = torch.nn.Linear(1, 1, bias=False)
    seen = []

    def losses_of(views):
        seen.append(float((module.weight.detach() - 3).square()))
        return {'a': (module.weight - 3).square().sum(), 'b': 2 * module.weight.sum() * 0}

    found = fit(module, losses_of, [[]] * 200, 200, 0.1)
    assert not module.training
    assert abs(float(module.weight.detach()) - 3) < 0.2
    assert found == {'a': pytest.approx(sum(seen[-50:]) / 50), 'b': 0.0}


@pytest.mark.parametrize(('proposals', 'iou', 'expected'), [
    ([[0, 0, 10, 10], [50, 50, 60, 60]], 0.5, 0.5),
    ([[0, 0, 10, 10], [20, 0, 30, 10]], 0.5, 1.0),
    ([[0, 0, 10, 7], [20, 0, 30, 10]], 0.75, 0.5),
    ([[0, 0, 10, 7], [20, 0, 30, 10]], 0.7, 1.0),
])
def test_proposal_recall(proposals, iou, expected):
    view = replace(rectangle_view(0), boxes=torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]]),
                   proposals=torch.tensor(proposals, dtype=torch.float32))
    empty = replace(rectangle_view(4, 0), proposals=torch.zeros((3, 4)))
    assert proposal_recall([view, empty], iou) == expected


def test_no_objects_have_no_recall():
    view = replace(rectangle_view(4, 0), proposals=torch.zeros((3, 4)))
    assert math.isnan(proposal_recall([view], 0.5))


def trained_proposals(views, seed, iterations=60):
    chosen = {'kept': 30, 'batch': 4, 'rate': 3e-2}
    return train_proposals(views, iterations=iterations, seed=seed, **chosen)


@pytest.mark.slow
def test_proposals_are_learned_and_repeatable():
    views, others = rectangle_views(20), rectangle_views(10, first=100)
    before = torch.get_rng_state()
    network = trained_proposals(views, 0)
    assert torch.equal(torch.get_rng_state(), before)
    found = with_proposals(network, others)
    assert proposal_recall(found, 0.5) > 0.9
    untaught = with_proposals(trained_proposals(views, 0, iterations=1), others)
    assert proposal_recall(untaught, 0.5) < 0.5
    for view, own in zip(found, others, strict=True):
        assert 0 < len(view.proposals) <= 30
        assert torch.equal(view.labels, own.labels)
    again = with_proposals(trained_proposals(views, 0), others)
    assert all(torch.equal(a.proposals, b.proposals) for a, b in zip(found, again, strict=True))


def test_features_are_stacked_as_float32():
    views = rectangle_views(3)
    stacked = features_of(views)
    assert stacked.dtype == torch.float32
    assert torch.equal(stacked[1], views[1].features.float())
