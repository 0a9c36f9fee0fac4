# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""AlexNet and VGG16 by their definitions."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models import vgg

from seg_ros.semantic.alexnet import alexnet, alexnet_features
from seg_ros.semantic.convolutionalize import convolutionalize
from seg_ros.semantic.vgg16 import vgg16, vgg16_features

SMALL = {'widths': (4, 6, 8, 8, 4), 'fc_width': 6}


def parameters(build):
    with torch.device('meta'):
        return sum(value.numel() for value in build().parameters())


@pytest.mark.parametrize(('build', 'count'), [
    (alexnet, 60_965_224),  # CaffeNet's
    (vgg16, 138_357_544),
])
def test_parameters_are_as_many_as_published(build, count):
    assert parameters(build) == count


@pytest.mark.parametrize(('size', 'ceil', 'sides'), [
    (227, False, (55, 27, 27, 13, 13, 6)),
    (224, False, (55, 27, 27, 13, 13, 6)),
    (224, True, (54, 27, 27, 13, 13, 6)),
    (227, True, (55, 27, 27, 13, 13, 6)),
])
def test_alexnet_has_the_sizes_of_the_lecture(size, ceil, sides):
    with torch.device('meta'):
        network = alexnet(input_size=size, ceil=ceil)
        maps = torch.zeros(1, 3, size, size)
    shapes = {}
    for name, layer in network.named_children():
        maps = layer(maps)
        shapes[name] = tuple(maps.shape[1:])
    names = ('conv1', 'pool1', 'conv2', 'pool2', 'conv5', 'pool5')
    assert [shapes[name] for name in names] == [
        (channels, side, side)
        for channels, side in zip((96, 96, 256, 256, 256, 256), sides, strict=True)]
    assert [shapes[name] for name in ('conv3', 'conv4', 'fc6', 'fc7', 'fc8')] == [
        (384, 13, 13), (384, 13, 13), (4096,), (4096,), (1000,)]


def normalised(maps):
    """Normalise across channels by the formula: a / (1 + 1e-4 / 5 * sum of 5 a^2) ** 0.75."""
    found = torch.empty_like(maps)
    for channel in range(maps.shape[1]):
        near = maps[:, max(channel - 2, 0):channel + 3]
        found[:, channel] = maps[:, channel] / (
            1 + 1e-4 / 5 * near.square().sum(dim=1)) ** 0.75
    return found


def grouped(maps, state, name, **options):
    """Convolve both halves of the channels by themselves."""
    weight, bias = state[f'{name}.weight'], state[f'{name}.bias']
    half, out = maps.shape[1] // 2, len(weight) // 2
    return torch.cat([
        functional.conv2d(maps[:, :half], weight[:out], bias[:out], **options),
        functional.conv2d(maps[:, half:], weight[out:], bias[out:], **options)], dim=1)


def alexnet_by_definition(state, image, padding):
    def conv(maps, name, **options):
        return functional.conv2d(maps, state[f'{name}.weight'], state[f'{name}.bias'], **options)

    maps = conv(image, 'conv1', stride=4, padding=padding).relu()
    maps = normalised(functional.max_pool2d(maps, 3, 2))
    maps = normalised(functional.max_pool2d(grouped(maps, state, 'conv2', padding=2).relu(), 3, 2))
    maps = conv(maps, 'conv3', padding=1).relu()
    maps = grouped(maps, state, 'conv4', padding=1).relu()
    maps = functional.max_pool2d(grouped(maps, state, 'conv5', padding=1).relu(), 3, 2)
    row = maps.flatten(1)
    for name in ('fc6', 'fc7'):
        row = functional.linear(row, state[f'{name}.weight'], state[f'{name}.bias']).relu()
    return functional.linear(row, state['fc8.weight'], state['fc8.bias'])


@pytest.mark.parametrize(('size', 'padding'), [(227, 0), (224, 2)])
@torch.no_grad()
def test_alexnet_computes_its_definition(size, padding):
    network = alexnet(5, size, **SMALL).double().eval()
    for value in network.parameters():
        value += 0.1 * torch.randn_like(value)
    image = 50 * torch.randn(2, 3, size, size).double()
    expected = alexnet_by_definition(network.state_dict(), image, padding)
    torch.testing.assert_close(network(image), expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize(('build', 'shape'), [
    (lambda: alexnet(5, 227, **SMALL), (3, 227, 227)),
    (lambda: alexnet(5, 224, **SMALL), (3, 224, 224)),
    (lambda: alexnet(5, 224, ceil=True, **SMALL), (3, 224, 224)),
    (lambda: vgg16(5, **SMALL), (3, 224, 224)),
])
@torch.no_grad()
def test_converted_classifiers_score_the_same(build, shape):
    torch.manual_seed(0)
    network = build().eval()
    image = 0.1 * torch.randn(1, *shape)
    found = convolutionalize(network, shape)(image)
    expected = network(image)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(found[:, :, 0, 0], expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_features_of_vgg16_are_those_of_torchvision():
    layers = vgg16_features()
    ours = nn.Sequential(layers)
    reference = vgg.make_layers(vgg.cfgs['D'])
    reference.load_state_dict(dict(zip(
        reference.state_dict(), ours.state_dict().values(), strict=True)))
    image = torch.randn(1, 3, 64, 96)
    torch.testing.assert_close(ours(image), reference(image))
    convolutions = [name for name in layers if name.startswith('conv')]
    assert convolutions[:3] + convolutions[-1:] == ['conv1_1', 'conv1_2', 'conv2_1', 'conv5_3']
    assert len(convolutions) == 13


@pytest.mark.parametrize(('features', 'ceil', 'side'), [
    (vgg16_features, False, 7), (vgg16_features, True, 8),
    (alexnet_features, False, 7), (alexnet_features, True, 8),
])
def test_pools_round_up_as_caffe_does_if_asked(features, ceil, side):
    layers = features(SMALL['widths'], ceil=ceil)
    pools = [layer for name, layer in layers.items() if name.startswith('pool')]
    size = 15 if features is vgg16_features else 16
    assert {pool(torch.zeros(1, 1, size, size)).shape[2] for pool in pools} == {side}


@pytest.mark.parametrize(('build', 'message'), [
    (lambda: alexnet(input_size=225), 'input_size 225'),
    (lambda: alexnet(widths=(2, 3, 4, 4, 4)), 'even'),
    (lambda: alexnet(widths=(2, 4, 4, 4)), 'give 5'),
    (lambda: alexnet_features((0, 2, 2, 2, 2)), 'give 5'),
    (lambda: vgg16(widths=(2, 4, 4, 4, 1 << 20)), 'give 5'),
    (lambda: vgg16(widths=('2', 4, 4, 4, 4)), 'give 5'),
    (lambda: vgg16(widths=(2, 2, 2, 2, 2), fc_width=0), 'give 1'),
])
def test_widths_and_sizes_that_cannot_be_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
