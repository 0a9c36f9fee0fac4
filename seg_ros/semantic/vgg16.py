# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""VGG16 (Simonyan and Zisserman, 2015), its layers named as in Caffe."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from seg_ros.networks.small_trunk import MOST_CHANNELS
from seg_ros.weights import load_weights

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


def read_vgg16(path: str | Path) -> list[tuple[Tensor, Tensor]]:
    """Return weight and bias of VGG16's layers conv1_1 to conv5_3, fc6 and fc7, in this order.

    Any names are taken whose order is that of the layers, as in torchvision's vgg16; the last
    layer is left out. fc6 comes as a convolution (4096, 512, 7, 7), fc7 as (4096, 4096, 1, 1).
    Raises ValueError for other layers.
    """
    values = list(load_weights(path, method='semantic').state.values())
    layers = list(zip(values[::2], values[1::2], strict=False))[:sum(DEPTHS) + 2]
    whole = len(layers) == sum(DEPTHS) + 2 and all(
        weight.ndim >= 2 and bias.shape == weight.shape[:1] for weight, bias in layers)
    if not whole or layers[-2][0].shape[1:] != (49 * len(layers[-3][0]),):
        raise ValueError(
            f"{path} is no VGG16: its layers have other shapes; give torchvision's vgg16 "
            'checkpoint')
    (fc6, fc6_bias), (fc7, fc7_bias) = layers[-2:]
    return [*layers[:-2], (fc6.view(len(fc6), -1, 7, 7), fc6_bias),
            (fc7[:, :, None, None], fc7_bias)]
