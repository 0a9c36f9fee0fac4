# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from fcn_by_definition import KINDS, SMALL, vgg16_fcn

from seg_ros.semantic.architectures import CAFFE, build_network
from seg_ros.semantic.fcn_checkpoint import foreign_fcn
from seg_ros.semantic.foreign import VOC_CLASSES
from seg_ros.weights import load_strictly, load_weights

# What the published files hold beyond the trunk: kernels of the deconvolutions by name.
HEADS = {
    32: {'upscore': 64},
    16: {'upscore2': 4, 'upscore16': 32},
    8: {'upscore2': 4, 'upscore_pool4': 4, 'upscore8': 16},
}


def checkpoint(stride, classes=21, widths=SMALL['widths'], fc_width=SMALL['fc_width']):
    """Return random weights with the names and, but for the widths, shapes of the files."""
    torch.manual_seed(stride)
    convolutions, inputs = [], 3
    for stage, (width, depth) in enumerate(zip(widths, (2, 2, 3, 3, 3), strict=True), start=1):
        for index in range(1, depth + 1):
            convolutions.append((f'conv{stage}_{index}', width, inputs, 3))
            inputs = width
    convolutions += [('fc6', fc_width, inputs, 7), ('fc7', fc_width, fc_width, 1),
                     ('score_fr', classes, fc_width, 1)]
    if stride < 32:
        convolutions.append(('score_pool4', classes, widths[3], 1))
    if stride < 16:
        convolutions.append(('score_pool3', classes, widths[2], 1))
    state = {}
    for name, outputs, channels, kernel in convolutions:
        spread = (2 / (channels * kernel ** 2)) ** 0.5
        state[f'{name}.weight'] = spread * torch.randn(outputs, channels, kernel, kernel)
        state[f'{name}.bias'] = 0.1 * torch.randn(outputs)
    for name, kernel in HEADS[stride].items():
        state[f'{name}.weight'] = torch.rand(classes, classes, kernel, kernel) / 10
    return state


@pytest.mark.parametrize(('stride', 'at_once', 'scales'), [
    (32, False, None), (16, False, (1, 1)), (8, False, (1, 1)), (8, True, (0.01, 0.0001))])
@torch.no_grad()
def test_published_files_are_loaded(tmp_path, stride, at_once, scales):
    state = checkpoint(stride)
    torch.save({'epoch': 7, 'model_state_dict': state}, tmp_path / 'x.pth')
    foreign = foreign_fcn(load_weights(tmp_path / 'x.pth', method='semantic').state, at_once)
    assert (foreign.architecture, foreign.class_names) == (f'fcn{stride}s', VOC_CLASSES)
    assert foreign.preprocessing == CAFFE
    network = build_network(foreign.architecture, 21, **foreign.config).eval()
    load_strictly(network, foreign.state, 'x.pth')
    color = 50 * torch.randn(1, 3, 40, 53)
    expected = vgg16_fcn(
        {key: value.double() for key, value in state.items()}, color.double(), stride, scales)
    found = network.double()(color.double(), color.double())
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('stride', HEADS)
def test_widths_are_the_published_ones_unless_given(stride):
    with torch.device('meta'):  # shapes alone
        foreign = foreign_fcn(checkpoint(stride, 21, [64, 128, 256, 512, 512], 4096))
        network = build_network(f'fcn{stride}s', 21)
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    assert {key: value.shape for key, value in foreign.state.items()} == shapes


def test_other_numbers_of_classes_have_numbers_for_names():
    foreign = foreign_fcn(checkpoint(8, classes=4))
    assert foreign.class_names == ('background', 'class 1', 'class 2', 'class 3')


@pytest.mark.parametrize('kind', KINDS)
def test_own_weights_are_of_another_layout(kind):
    name, config, _ = KINDS[kind]
    assert foreign_fcn(build_network(name, 3, **config).state_dict()) is None


@pytest.mark.parametrize('state', [
    {},
    {'features.0.weight': torch.zeros(64, 3, 3, 3)},
    {key: value for key, value in checkpoint(8).items() if not key.startswith('upscore')},
    {key: value for key, value in checkpoint(8).items() if key != 'score_fr.weight'},
])
def test_other_keys_are_not_of_this_layout(state):
    assert foreign_fcn(state) is None


def without(key):
    return {name: value for name, value in checkpoint(8).items() if name != key}


@pytest.mark.parametrize(('state', 'message'), [
    (without('conv4_2.bias'), 'missing trunk.conv4_2.bias'),
    (without('score_pool3.weight'), 'missing score_pool3.weight'),
    ({**checkpoint(8), 'fc8.weight': torch.zeros(3)}, 'extra trunk|extra fc8'),
    ({**checkpoint(8), 'fc7.weight': torch.zeros(8, 8, 3, 3)},
     r'trunk.fc7.weight is \(8, 8, 3, 3\), needed \(8, 8, 1, 1\)'),
])
def test_keys_that_differ_are_named(state, message):
    foreign = foreign_fcn(state)
    network = build_network(foreign.architecture, len(foreign.class_names), **foreign.config)
    with pytest.raises(ValueError, match=message):
        load_strictly(network, foreign.state, 'x.pth')


def test_fully_connected_weights_are_refused():
    with pytest.raises(ValueError, match=r'fc6.weight has the shape \(8, 392\)'):
        foreign_fcn({**checkpoint(8), 'fc6.weight': torch.zeros(8, 8 * 49)})
