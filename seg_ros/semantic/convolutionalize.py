# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Turn a classifier's fully connected layers into convolutions (Long et al., 2015, section 3.1).

A fully connected layer over a C x K x K input is a K x K convolution of the same weights, those
after it are 1x1 convolutions: on a larger input they give a map of scores.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

# Act on each value by itself, so that it doesn't matter whether there are rows or maps of them.
_ELEMENTWISE = (
    nn.Identity, nn.Dropout, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU,
    nn.Hardswish, nn.Sigmoid, nn.Tanh)
_MODEL = ('features', 'avgpool', 'classifier')  # attributes of torchvision's
_ADAPTIVE = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


def convolutionalize(classifier: nn.Module, input_shape: tuple[int, int, int]) -> nn.Sequential:
    """Return a fully convolutional network that shares the classifier's weights.

    ``classifier`` is an nn.Sequential (others may be nested in it) of layers on maps, an
    nn.Flatten and nn.Linear layers with elementwise layers among them, or a model that has
    ``features``, ``avgpool`` and ``classifier`` like torchvision's AlexNet and VGG.
    ``input_shape`` (C, H, W) is what it was trained on: images, or feature maps where it has
    fully connected layers only.

    The result maps (B, C, H, W) to (B, classes, 1, 1), larger inputs to larger maps. Weights are
    shared, not copied: give ``copy.deepcopy(classifier)`` to have one's own. Raises ValueError
    for layers that are no convolution of the kind, naming them.
    """
    layers = list(_layers(classifier))
    flatten = _position_of_flatten(layers)
    maps, size = _map_layers(layers[:flatten], torch.zeros(1, *input_shape, device='meta'))
    return nn.Sequential(*maps, *_converted(layers[flatten + 1:], size))


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers in the order in which they run, nested nn.Sequentials opened."""
    if isinstance(module, nn.Sequential):
        for part in module:
            yield from _layers(part)
    elif all(hasattr(module, name) for name in _MODEL):
        for name in _MODEL:
            if name == 'classifier':
                yield nn.Flatten()  # a function call in such a model's forward
            yield from _layers(module.get_submodule(name))
    else:
        yield module


def _position_of_flatten(layers: list[nn.Module]) -> int:
    found = [index for index, layer in enumerate(layers) if isinstance(layer, nn.Flatten)]
    if len(found) != 1:
        raise ValueError(
            f'the classifier has {len(found)} nn.Flatten: an nn.Sequential with one, between the '
            f'layers on maps and the fully connected ones, or a model with {", ".join(_MODEL)} is '
            'accepted')
    flatten = layers[found[0]]
    if (flatten.start_dim, flatten.end_dim) not in ((1, -1), (1, 3)):
        raise ValueError(f'{flatten} does not join channels, rows and columns: take nn.Flatten()')
    return found[0]


def _map_layers(
    layers: list[nn.Module], maps: Tensor
) -> tuple[list[nn.Module], tuple[int, int, int]]:
    """Return the layers that stay as they are and the shape (C, H, W) that comes out of them.

    ``maps`` is a meta tensor: shapes are computed, values are not. Adaptive pooling goes where it
    changes nothing at the training size: it would shrink larger maps.
    """
    kept = []
    for layer in layers:
        before = tuple(maps.shape)
        maps = _shape_after(layer, maps)
        if not isinstance(layer, _ADAPTIVE):
            kept.append(layer)
        elif tuple(maps.shape) != before:
            raise ValueError(
                f'{layer} pools {before[2]}x{before[3]} to {maps.shape[2]}x{maps.shape[3]} at the '
                'training size: only where it changes nothing there can it be left out')
    return kept, (maps.shape[1], maps.shape[2], maps.shape[3])


def _shape_after(layer: nn.Module, maps: Tensor) -> Tensor:
    try:
        with torch.no_grad():
            found = copy.deepcopy(layer).to('meta', torch.float32).eval()(maps)
    except (RuntimeError, IndexError) as error:
        raise ValueError(f'{layer} does not take {tuple(maps.shape[1:])}: {error}') from error
    if not isinstance(found, Tensor) or found.ndim != 4:
        raise ValueError(f'{layer} stands before nn.Flatten and gives no maps (B, C, H, W)')
    return found


def _converted(layers: list[nn.Module], size: tuple[int, int, int]) -> Iterator[nn.Module]:
    """Yield the layers that do on maps what these do on rows; size (C, H, W) is flattened."""
    for layer in layers:
        if isinstance(layer, nn.Linear):
            yield _convolution(layer, size)
            size = (layer.out_features, 1, 1)
        elif isinstance(layer, _ELEMENTWISE):
            yield layer
        else:
            raise ValueError(
                f'{layer} after nn.Flatten cannot be turned into a convolution; accepted: '
                f'nn.Linear, {", ".join(kind.__name__ for kind in _ELEMENTWISE)}')


def _convolution(linear: nn.Linear, size: tuple[int, int, int]) -> nn.Conv2d:
    channels, height, width = size
    if linear.in_features != channels * height * width:
        raise ValueError(
            f'{linear} gets {channels}x{height}x{width} = {channels * height * width} values: '
            'give the input_shape that the classifier was trained on')
    with torch.device('meta'):  # no memory for weights that are replaced at once
        convolution = nn.Conv2d(
            channels, linear.out_features, (height, width), bias=linear.bias is not None)
    weight = linear.weight.detach().view(-1, channels, height, width)
    convolution.weight = nn.Parameter(weight, requires_grad=linear.weight.requires_grad)
    convolution.bias = linear.bias
    return convolution.train(linear.training)
