# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""VGG16 (Simonyan and Zisserman, 2015), its layers named as in Caffe."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeVar

from torch import nn

from seg_ros.networks.small_trunk import MOST_CHANNELS

WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = (2, 2, 3, 3, 3)
FC_WIDTH = 4096
POOLED_SIZE = 7  # rows and columns of pool5 at the training size

Module = TypeVar('Module', bound=nn.Module)


def vgg16_features(
    widths: Sequence[int] = WIDTHS, *, padding: int = 1, ceil: bool = False,
) -> OrderedDict[str, nn.Module]:
    """Return the layers conv1_1 to pool5 by name; they lead colour to stride 32.

    ``padding`` is conv1_1's (100 in the FCN), ``ceil`` rounds the pools' sizes up, as Caffe
    does. ValueError for widths that are not five positive channel counts.
    """
    check_widths(widths, len(WIDTHS))
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = 3
    for stage, (width, depth) in enumerate(zip(widths, DEPTHS, strict=True), start=1):
        for index in range(1, depth + 1):
            margin = padding if (stage, index) == (1, 1) else 1
            layers[f'conv{stage}_{index}'] = nn.Conv2d(inputs, width, 3, padding=margin)
            layers[f'relu{stage}_{index}'] = nn.ReLU(inplace=True)
            inputs = width
        layers[f'pool{stage}'] = nn.MaxPool2d(2, 2, ceil_mode=ceil)
    return layers


def vgg16(
    num_classes: int = 1000, *, widths: Sequence[int] = WIDTHS, fc_width: int = FC_WIDTH,
) -> nn.Sequential:
    """Build the classifier for images (B, 3, 224, 224), random weights."""
    return initialise(nn.Sequential(OrderedDict(
        vgg16_features(widths),
        flatten=nn.Flatten(),
        **connected_layers(widths[-1], POOLED_SIZE, fc_width),
        fc8=nn.Linear(fc_width, num_classes))))


def connected_layers(channels: int, size: int, width: int) -> OrderedDict[str, nn.Module]:
    """Return fc6 to drop7 over flattened maps (channels, size, size), by name."""
    check_widths((width,), 1)
    return OrderedDict(
        fc6=nn.Linear(channels * size * size, width), relu6=nn.ReLU(inplace=True),
        drop6=nn.Dropout(0.5),
        fc7=nn.Linear(width, width), relu7=nn.ReLU(inplace=True), drop7=nn.Dropout(0.5))


def check_widths(widths: Sequence[int], count: int) -> None:
    """Raise ValueError unless these are so many channel counts that can be built."""
    known = all(isinstance(width, int) and 1 <= width <= MOST_CHANNELS for width in widths)
    if len(widths) != count or not known:
        raise ValueError(f'widths {widths}: give {count}, each of 1 to {MOST_CHANNELS} channels')


def initialise(module: Module) -> Module:
    """Draw weights for rectified layers (He et al., 2015) and let biases be 0; return the module.

    Without normalisation a signal would die out in 16 layers of smaller weights.
    """
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(part.weight, nonlinearity='relu')
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return module
