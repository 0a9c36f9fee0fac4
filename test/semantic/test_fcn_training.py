# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from fcn_by_definition import CLASSES, KINDS
from torch import nn

from seg_ros.semantic.architectures import build_network
from seg_ros.semantic.fcn import MOMENTUM, WEIGHT_DECAY
from seg_ros.semantic.upsampling import bilinear_kernel

RATE = 0.01


def network_of(kind, **more):
    name, config, size = KINDS[kind]
    torch.manual_seed(0)
    network = build_network(name, CLASSES, **{**config, **more})
    nn.init.normal_(network.score_fr.weight)
    return network, torch.randn(2, 3, size, size)


def train_once(network, color):
    """Take one step of SGD by the network's own groups; return values and gradients before it."""
    groups = network.parameter_groups(WEIGHT_DECAY)
    optimizer = torch.optim.SGD(
        [{**group, 'lr': RATE * group['lr_scale']} for group in groups], momentum=MOMENTUM)
    network.train()
    labels = torch.randint(CLASSES, (2, *color.shape[2:]))
    nn.functional.cross_entropy(network(color, color), labels).backward()
    before = {name: (value.detach().clone(), value.grad) for name, value in
              network.named_parameters()}
    optimizer.step()
    return before


@pytest.mark.parametrize('kind', ['alexnet 32s', 'vgg16 8s', 'light 8s'])
def test_weights_decay_and_biases_learn_twice_as_fast(kind):
    network, color = network_of(kind)
    before = train_once(network, color)
    learned = [name for name, (_, grad) in before.items() if grad is not None]
    assert {'score_fr.weight', 'score_fr.bias'} <= set(learned)
    for name in learned:
        value, grad = before[name]
        if name.endswith('bias'):
            expected = value - 2 * RATE * grad
        elif value.ndim == 1:  # a scale of a normalisation layer
            expected = value - RATE * grad
        else:
            expected = value - RATE * (grad + 5e-4 * value)
        torch.testing.assert_close(network.get_parameter(name).data, expected)


@pytest.mark.parametrize(('kind', 'last', 'kernel', 'learned'), [
    ('alexnet 32s', 'upscore', 63, set()),
    ('vgg16 32s', 'upscore', 64, set()),
    ('vgg16 16s', 'upscore16', 32, {'upscore2'}),
    ('vgg16 8s', 'upscore8', 16, {'upscore2', 'upscore_pool4'}),
])
def test_last_deconvolution_stays_bilinear_and_the_others_learn(kind, last, kernel, learned):
    network, color = network_of(kind)
    train_once(network, color)
    fixed = network.get_parameter(f'{last}.weight')
    torch.testing.assert_close(fixed[1, 1], bilinear_kernel(kernel).float())
    assert fixed[0, 1].abs().max() == 0
    groups = network.parameter_groups(0.0)
    in_groups = {id(value) for group in groups for value in group['params']}
    assert id(fixed) not in in_groups
    wanted = {f'{name}.weight' for name in learned}
    assert {name for name, value in network.named_parameters()
            if name.startswith('upscore') and id(value) in in_groups} == wanted
    for name in wanted:
        assert (network.get_parameter(name)[1, 1] - bilinear_kernel(4)).abs().max() > 0


@pytest.mark.parametrize('kind', ['vgg16 32s', 'light 32s', 'light 8s'])
def test_only_the_scores_learn_in_the_fixed_network(kind):
    network, color = network_of(kind, trained='score')
    before = {key: value.clone() for key, value in network.state_dict().items()}
    train_once(network, color)
    changed = {key for key, value in network.state_dict().items()
               if not torch.equal(value, before[key])}
    assert {'score_fr.weight', 'score_fr.bias'} <= changed
    assert all(key.startswith('score') for key in changed)
    groups = [{name for name, value in network.named_parameters()
               if any(value is found for found in group['params'])}
              for group in network.parameter_groups(WEIGHT_DECAY)]
    scores = [name for name, _ in network.named_children() if name.startswith('score')]
    assert groups == [{f'{name}.weight' for name in scores}, {f'{name}.bias' for name in scores}]


def test_skips_learn_from_zero_scores():
    network, color = network_of('vgg16 8s')
    train_once(network, color)
    assert network.score_pool3.weight.abs().max() > 0
    assert network.score_pool4.weight.abs().max() > 0
