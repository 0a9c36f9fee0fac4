# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The Unseen Clustering Network as published: ResNet-34 at output stride 8, one or two branches.

Xiang, Xie, Mousavian, Fox: "Learning RGB-D Feature Embeddings for Unseen Object Instance
Segmentation", CoRL 2020. Module names follow the keys of the published checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

FUSIONS = ('add', 'cat', 'early', 'color', 'depth')
_BRANCHES = {
    'add': ('fcn', 'fcn_depth'), 'cat': ('fcn', 'fcn_depth'),
    'early': ('fcn',), 'color': ('fcn',), 'depth': ('fcn',),
}
_STAGES = ((64, 3, 1, 1), (128, 4, 2, 1), (256, 6, 1, 2), (512, 3, 1, 4))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., CVPR 2016), both dilated alike."""

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int) -> None:
        """Build the block; a 1x1 projection joins where shapes differ."""
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h/stride, w/stride)."""
        shortcut = features if self.downsample is None else self.downsample(features)
        first = functional.relu(self.bn1(self.conv1(features)))
        return functional.relu(self.bn2(self.conv2(first)) + shortcut)


class ResNet34Stride8(nn.Module):
    """ResNet-34 without pooled classifier: stages 3 and 4 are dilated by 2 and 4, not strided."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Build the layers; `fc` is a 1x1 convolution with bias."""
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        for index, (width, blocks, stride, dilation) in enumerate(_STAGES, start=1):
            layer = [BasicBlock(channels, width, stride, dilation)]
            layer += [BasicBlock(width, width, 1, dilation) for _ in range(blocks - 1)]
            setattr(self, f'layer{index}', nn.Sequential(*layer))
            channels = width
        self.fc = nn.Conv2d(channels, outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, outputs, h, w), upsampled with align_corners."""
        features = functional.relu(self.bn1(self.conv1(image)))
        features = functional.max_pool2d(features, 3, 2, 1)
        for index in range(1, len(_STAGES) + 1):
            features = getattr(self, f'layer{index}')(features)
        return functional.interpolate(
            self.fc(features), size=image.shape[2:], mode='bilinear', align_corners=True)


class PublishedUcn(nn.Module):
    """Embed every pixel as a unit vector: 64 values, or 128 where the fusion is 'cat'."""

    output_stride = 1

    def __init__(self, fusion: str = 'add', embedding_dim: int = 64) -> None:
        """Build the branches of the fusion; ValueError for an unknown one."""
        super().__init__()
        if fusion not in FUSIONS:
            raise ValueError(f'fusion {fusion!r} is unknown; accepted: {", ".join(FUSIONS)}')
        self.fusion = fusion
        inputs = 6 if fusion == 'early' else 3
        for name in _BRANCHES[fusion]:
            network = ResNet34Stride8(inputs, embedding_dim)
            self.add_module(name, nn.Sequential(OrderedDict(resnet34_8s=network)))

    def forward(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Map colour (B, 3, h, w), BGR as published, and xyz (B, 3, h, w), metres, 0 = none.

        Returns unit embeddings (B, D, h, w).
        """
        inputs = {'color': [color], 'depth': [xyz], 'early': [torch.cat([color, xyz], dim=1)]}
        images = inputs.get(self.fusion, [color, xyz])
        branches = [getattr(self, name) for name in _BRANCHES[self.fusion]]
        features = [branch(image) for branch, image in zip(branches, images, strict=True)]
        joined = torch.cat(features, dim=1) if self.fusion == 'cat' else sum(features)
        return functional.normalize(joined, dim=1)
