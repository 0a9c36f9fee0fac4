# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks of weights: both layouts, strictness, metadata."""

from pathlib import Path

import pytest
import torch

from seg_ros.networks.preprocessing import PUBLISHED, SMALL
from seg_ros.unseen.checkpoint import (
    build_network,
    metadata_of,
    network_of_weights,
    one_branch_of,
    published_fusion,
    published_layout,
)
from seg_ros.weights import Weights, load_strictly, load_weights, save_weights

TINY = {'fusion': 'depth', 'embedding_dim': 8, 'widths': (4, 8, 8, 8, 8), 'head_width': 8}


@pytest.fixture(scope='module')
def published_state():
    """Return the state dict of one published branch, on the meta device: shapes, no memory."""
    with torch.device('meta'):
        return build_network('ucn_resnet34', fusion='color').state_dict()


def real(state):
    return {key: torch.zeros(value.shape, dtype=value.dtype) for key, value in state.items()}


@pytest.mark.parametrize('wrap', [
    lambda state: state,
    lambda state: {'model': state},
    lambda state: {'state_dict': {f'module.{key}': value for key, value in state.items()}},
    lambda state: {f'module.{key}': value for key, value in state.items()},
], ids=['plain', 'model', 'state_dict and module', 'module'])
def test_published_layouts_unwrap_to_the_same(wrap):
    state = {'fcn.resnet34_8s.conv1.weight': torch.zeros(1), 'fcn.resnet34_8s.fc.bias': None}
    assert published_layout(wrap(state)) == state


def test_a_prefix_that_only_some_keys_have_stays():
    state = {'module.a': 1, 'b': 2}
    assert published_layout(state) == state


def test_published_checkpoint_loads_and_may_lack_batch_counters(published_state):
    state = {key: value for key, value in real(published_state).items()
             if not key.endswith('num_batches_tracked')}
    state['fcn.resnet34_8s.fc.bias'] = torch.arange(64.0)
    loaded = network_of_weights(Weights({'model': state}, {}, Path('a.pth')), fusion='color')
    assert torch.equal(loaded.network.fcn.resnet34_8s.fc.bias, torch.arange(64.0))
    assert loaded.preprocessing == PUBLISHED
    assert (loaded.input_size, loaded.fusion) == ((640, 480), 'color')
    assert not loaded.network.training


@pytest.mark.parametrize(('change', 'message'), [
    (lambda s: s.pop('fcn.resnet34_8s.layer3.5.bn2.running_var'),
     r'1 keys differ: missing fcn\.resnet34_8s\.layer3\.5\.bn2\.running_var$'),
    (lambda s: s.update({'fcn.resnet34_8s.layer5.weight': torch.zeros(1)}),
     r'extra fcn\.resnet34_8s\.layer5\.weight$'),
    (lambda s: s.update({'fcn.resnet34_8s.fc.weight': torch.zeros(32, 512, 1, 1)}),
     r'fc\.weight is \(32, 512, 1, 1\), needed \(64, 512, 1, 1\)$'),
])
def test_published_checkpoint_that_does_not_fit_is_refused(published_state, change, message):
    state = real(published_state)
    change(state)
    with torch.device('meta'), pytest.raises(ValueError, match=message):
        network_of_weights(Weights(state, {}, Path('a.pth')), fusion='color')


def test_one_branch_is_no_two_branch_network(published_state):
    with torch.device('meta'), pytest.raises(ValueError, match='missing fcn_depth'):
        network_of_weights(Weights(published_state, {}, Path('a.pth')), fusion='add')


@pytest.mark.parametrize(('fusion', 'inputs', 'branches'), [
    ('early', 6, ('fcn',)), ('add', 3, ('fcn', 'fcn_depth'))])
def test_keys_tell_the_fusion_of_a_published_checkpoint(caplog, fusion, inputs, branches):
    state = {f'{branch}.resnet34_8s.conv1.weight': torch.zeros(64, inputs, 7, 7)
             for branch in branches}
    assert published_fusion(state, 'a.pth') == fusion
    assert ('set the option fusion to cat' in caplog.text) == (fusion == 'add')


def test_one_branch_of_three_inputs_asks_for_its_fusion(published_state):
    with torch.device('meta'), pytest.raises(ValueError, match='option fusion to color or depth'):
        network_of_weights(Weights(published_state, {}, Path('a.pth')))


def test_saved_weights_give_the_same_network_back(tmp_path):
    torch.manual_seed(0)
    network = build_network('ucn_small', **TINY).half().float().eval()
    path = tmp_path / 'tiny.safetensors'
    save_weights(path, network.state_dict(), metadata_of(network, 'ucn_small', (64, 48)))
    loaded = network_of_weights(load_weights(path, method='unseen_objects'))
    inputs = torch.zeros(1, 3, 48, 64), torch.rand(1, 3, 48, 64) + 0.5
    with torch.no_grad():
        torch.testing.assert_close(loaded.network(*inputs), network(*inputs))
    assert (loaded.input_size, loaded.fusion) == ((64, 48), 'depth')
    assert (loaded.architecture, loaded.preprocessing) == ('ucn_small', SMALL)


@pytest.mark.parametrize(('change', 'fusion', 'message'), [
    ({'architecture': 'unet'}, None, "network 'unet'; accepted: ucn_small, ucn_resnet34"),
    ({'config': {'fusion': 'add'}}, None, 'lacks config.input_size'),
    ({}, 'add', "trained with fusion 'depth', not 'add'"),
])
def test_metadata_that_do_not_fit_are_refused(change, fusion, message):
    network = build_network('ucn_small', **TINY)
    metadata = {**metadata_of(network, 'ucn_small', (64, 48)), **change}
    with pytest.raises(ValueError, match=message):
        network_of_weights(Weights(network.state_dict(), metadata, Path('a')), fusion)


def test_metadata_with_an_unknown_field_are_refused():
    network = build_network('ucn_small', **TINY)
    metadata = metadata_of(network, 'ucn_small', (64, 48))
    metadata['config']['depth'] = 3
    with pytest.raises(ValueError, match='fit no ucn_small'):
        network_of_weights(Weights(network.state_dict(), metadata, Path('a')))


@pytest.mark.parametrize(('fusion', 'silent'), [('depth', 'color'), ('color', 'depth')])
def test_one_branch_is_the_network_of_both_with_the_other_silent(fusion, silent):
    torch.manual_seed(1)
    both = build_network('ucn_small', **{**TINY, 'fusion': 'add'}).eval()
    branch = one_branch_of(both, fusion).eval()
    for unit in (getattr(both.stems, silent).to2, getattr(both.stems, silent).to4):
        torch.nn.init.zeros_(unit[1].weight)
        torch.nn.init.zeros_(unit[1].bias)
    inputs = torch.rand(1, 3, 48, 64), torch.rand(1, 3, 48, 64) + 0.5
    with torch.no_grad():
        for found, expected in zip(branch(*inputs), both(*inputs), strict=True):
            torch.testing.assert_close(found, expected)
    assert branch.config.fusion == fusion


@pytest.mark.parametrize(('given', 'fusion'), [
    ('add', 'cat'), ('add', 'early'), ('cat', 'depth'), ('depth', 'color')])
def test_other_networks_give_no_single_branch(given, fusion):
    network = build_network('ucn_small', **{**TINY, 'fusion': given})
    with pytest.raises(ValueError, match=f'fusion {given} cannot start a SmallUcn of fusion'):
        one_branch_of(network, fusion)


def test_many_differences_are_counted_and_the_first_named():
    network = build_network('ucn_small', **TINY)
    total = sum(not key.endswith('num_batches_tracked') for key in network.state_dict())
    with pytest.raises(ValueError, match=rf'{total} keys differ: missing .*; \.\.\.$'):
        load_strictly(network, {}, 'nothing')


def test_unknown_architecture_is_refused():
    with pytest.raises(ValueError, match='accepted: ucn_small, ucn_resnet34'):
        build_network('unet')


def test_other_modules_have_no_metadata():
    with pytest.raises(ValueError, match='Linear is no Unseen Clustering Network'):
        metadata_of(torch.nn.Linear(1, 1), 'ucn_small', (4, 4))
