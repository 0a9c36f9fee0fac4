# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""VGG16 as DeepLab changed it: 3x3 pools, the last strides turned into rates."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seg_ros.networks.small_trunk import GeometryFeatures, Stem
from seg_ros.semantic.light import FUSIONS
from seg_ros.semantic.vgg16 import DEPTHS, initialise

OUTPUT_STRIDES = (8, 16)


class VggTrunk(nn.Module):
    """Lead colour, and with fusion ``add`` XYZ, to features at strides 2, 4, 8 and the last.

    Layers are named as published, conv1_1 to conv5_3. All pools are 3x3; at output stride 8 the
    fourth and the fifth have stride 1 and conv5 has rate 2, at 16 only the fifth has stride 1.
    """

    def __init__(
        self, fusion: str = 'color', output_stride: int = 8, width: int = 64
    ) -> None:
        """Build it with He's random weights; ValueError for an unknown fusion or stride.

        ``width`` are the first block's channels; VGG16 has 64.
        """
        super().__init__()
        if fusion not in FUSIONS:
            raise ValueError(f'fusion {fusion!r} is unknown; accepted: {", ".join(FUSIONS)}')
        if output_stride not in OUTPUT_STRIDES:
            raise ValueError(f'output_stride {output_stride}: accepted are 8 and 16')
        self.fusion, self.output_stride = fusion, output_stride
        self.channels = (width, 2 * width, 4 * width, 8 * width, 8 * width)
        inputs = 3
        for block, (count, outputs) in enumerate(zip(DEPTHS, self.channels, strict=True), 1):
            rate = 2 if block == 5 and output_stride == 8 else 1
            for index in range(1, count + 1):
                conv = nn.Conv2d(inputs, outputs, 3, padding=rate, dilation=rate)
                self.add_module(f'conv{block}_{index}', initialise(conv))
                inputs = outputs
        strides = (2, 2, 2, 1 if output_stride == 8 else 2, 1)
        self.pools = nn.ModuleList(nn.MaxPool2d(3, stride, 1) for stride in strides)
        if fusion == 'add':
            self.geometry = GeometryFeatures()
            self.depth = Stem(GeometryFeatures.channels, GeometryFeatures.half_channels,
                              self.channels[:2])

    def pyramid(self, color: Tensor, xyz: Tensor) -> tuple[Tensor, ...]:
        """Map colour and xyz (B, 3, h, w) to the features after each of the five pools.

        Sides are divided by the stride and rounded up; fusion ``add`` takes even sides.
        """
        depth: tuple[Tensor, ...] = ()
        if self.fusion == 'add':
            depth = self.depth(*self.geometry(xyz))
        found: list[Tensor] = []
        features = color
        for block, (count, pool) in enumerate(zip(DEPTHS, self.pools, strict=True), 1):
            for index in range(1, count + 1):
                features = torch.relu(getattr(self, f'conv{block}_{index}')(features))
            features = pool(features)
            if len(found) < len(depth):
                features = features + depth[len(found)]
            found.append(features)
        return tuple(found)


def load_convolutions(trunk: VggTrunk, layers: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Copy weight and bias of conv1_1 to conv5_3; ValueError where a shape differs."""
    names = [f'conv{block}_{index}' for block, count in enumerate(DEPTHS, 1)
             for index in range(1, count + 1)]
    for name, (weight, bias) in zip(names, layers, strict=False):
        conv = getattr(trunk, name)
        if conv.weight.shape != weight.shape:
            raise ValueError(
                f'{name} is {tuple(weight.shape)}, needed {tuple(conv.weight.shape)}')
        conv.load_state_dict({'weight': weight, 'bias': bias})


def load_thinned(conv: nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    """Give a convolution equally spaced channels and taps of a larger one.

    That is how fc6 and fc7 come from VGG16's: Chen et al., ICLR 2015, section 3.1. ValueError
    where it has fewer.
    """
    for axis, size in enumerate(conv.weight.shape):
        weight = weight.index_select(axis, _spaced(weight.shape[axis], size))
    conv.load_state_dict({'weight': weight, 'bias': bias[_spaced(len(bias), len(weight))]})


def _spaced(count: int, picked: int) -> Tensor:
    """Return numbers from 0 to count - 1, equally spaced."""
    if picked > count:
        raise ValueError(f'{picked} channels cannot be picked from {count}: give a smaller '
                         'head_width')
    return torch.linspace(0, count - 1, picked).round().long()
