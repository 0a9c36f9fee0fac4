# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""AlexNet (Krizhevsky et al., 2012) as CaffeNet and the FCN have it: pooling, then normalising."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from seg_ros.semantic.vgg16 import check_widths, connected_layers, initialise

WIDTHS = (96, 256, 384, 384, 256)
FC_WIDTH = 4096
INPUT_SIZES = (224, 227)
POOLED_SIZE = 6  # rows and columns of pool5 at the training size


def alexnet_features(
    widths: Sequence[int] = WIDTHS, *, padding: int = 0, ceil: bool = False,
) -> OrderedDict[str, nn.Module]:
    """Return the layers conv1 to pool5 by name; they lead colour to stride 32.

    ``padding`` is conv1's, ``ceil`` rounds the pools' sizes up, as Caffe does. ValueError for
    widths that are not five even channel counts (conv2, conv4 and conv5 have two groups).
    """
    check_widths(widths, len(WIDTHS))
    if any(width % 2 for width in widths):
        raise ValueError(f'widths {list(widths)}: AlexNet has two groups, give even numbers')
    first, second, third, fourth, fifth = widths

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=ceil)

    def norm() -> nn.Module:
        return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)

    return OrderedDict(
        conv1=nn.Conv2d(3, first, 11, stride=4, padding=padding), relu1=nn.ReLU(inplace=True),
        pool1=pool(), norm1=norm(),
        conv2=nn.Conv2d(first, second, 5, padding=2, groups=2), relu2=nn.ReLU(inplace=True),
        pool2=pool(), norm2=norm(),
        conv3=nn.Conv2d(second, third, 3, padding=1), relu3=nn.ReLU(inplace=True),
        conv4=nn.Conv2d(third, fourth, 3, padding=1, groups=2), relu4=nn.ReLU(inplace=True),
        conv5=nn.Conv2d(fourth, fifth, 3, padding=1, groups=2), relu5=nn.ReLU(inplace=True),
        pool5=pool())


def alexnet(
    num_classes: int = 1000, input_size: int = 227, *, ceil: bool = False,
    widths: Sequence[int] = WIDTHS, fc_width: int = FC_WIDTH,
) -> nn.Sequential:
    """Build the classifier for square images (B, 3, input_size, input_size), random weights.

    The lecture's 55x55 after conv1 and 6x6 after pool5 come of 227 pixels, or of 224 with a
    padding of 2; with ``ceil`` 224 needs no padding: 54x54, and 6x6 again. ValueError for
    another size.
    """
    if input_size not in INPUT_SIZES:
        raise ValueError(f'input_size {input_size}: AlexNet is built for 224 and 227')
    padding = 2 if input_size == 224 and not ceil else 0
    return initialise(nn.Sequential(OrderedDict(
        alexnet_features(widths, padding=padding, ceil=ceil),
        flatten=nn.Flatten(),
        **connected_layers(widths[-1], POOLED_SIZE, fc_width),
        fc8=nn.Linear(fc_width, num_classes))))
