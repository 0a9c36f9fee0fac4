# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""DeepLab: scores of atrous convolutions over features of output stride 8 or 16.

Chen et al., ICLR 2015 (LargeFOV) and PAMI 2017 (ASPP).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from seg_ros.semantic.deeplab_vgg import (
    OUTPUT_STRIDES,
    VggTrunk,
    load_convolutions,
    load_thinned,
)
from seg_ros.semantic.light import LightTrunk
from seg_ros.semantic.model import SemanticNetwork
from seg_ros.semantic.vgg16 import initialise, read_vgg16

# The rates of fc6 in each branch, for features of output stride 8.
RATES = {'large_fov': (12,), 'aspp_s': (2, 4, 8, 12), 'aspp_l': (6, 12, 18, 24)}
HEADS = tuple(RATES)
BACKBONES = ('light', 'vgg16')
DROPOUT = 0.5
# Channels of fc6 and fc7. The light ones keep a network below 4 million weights.
VGG_WIDTH = 1024
LIGHT_WIDTHS = {'large_fov': 256, 'aspp_s': 128, 'aspp_l': 128}
MOST_WIDTH = 4096
MOST_BRANCHES = 16
MOST_RATE = 256
# Learning rates against the others', and decay: the published groups.
LAST_LAYER_SCALE = 10.0
BIAS_SCALE = 2.0


class AtrousBranch(nn.Module):
    """fc6, 3x3 at a rate, fc7 and fc8, 1x1: VGG16's fully connected layers as convolutions.

    ``norm``: batch normalisation after fc6 and fc7, for layers that start from random weights.
    """

    def __init__(
        self, inputs: int, width: int, num_classes: int, rate: int, norm: bool = False
    ) -> None:
        """Build it with random weights, those of fc8 as published."""
        super().__init__()
        self.fc6 = initialise(
            nn.Conv2d(inputs, width, 3, padding=rate, dilation=rate, bias=not norm))
        self.norm6 = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.fc7 = initialise(nn.Conv2d(width, width, 1, bias=not norm))
        self.norm7 = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.fc8 = nn.Conv2d(width, num_classes, 1)
        nn.init.normal_(self.fc8.weight, std=0.01)
        nn.init.zeros_(self.fc8.bias)  # type: ignore[arg-type]
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, C, h, w) to scores (B, L, h, w)."""
        hidden = self.dropout(self.norm6(self.fc6(features)).relu())
        hidden = self.dropout(self.norm7(self.fc7(hidden)).relu())
        return self.fc8(hidden)


class DeepLab(SemanticNetwork):
    """Sum the scores of parallel branches over a trunk's last features.

    One branch is LargeFOV, several are atrous spatial pyramid pooling. Logits come at the trunk's
    output stride.
    """

    def __init__(self, trunk: VggTrunk | LightTrunk, branches: Sequence[AtrousBranch]) -> None:
        """Take a trunk and branches that fit it."""
        super().__init__()
        self.trunk, self.branches = trunk, nn.ModuleList(branches)
        self.multiple = trunk.output_stride
        self.uses_depth = trunk.fusion != 'color'

    def forward(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Map colour and xyz (B, 3, h, w), multiples of the stride s, to (B, L, h/s, w/s)."""
        features = self.trunk.pyramid(color, xyz)[-1]
        first, *others = self.branches
        scores = first(features)
        for branch in others:
            scores = scores + branch(features)
        return scores

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Return an optimiser's groups, with ``lr_scale``, as published.

        The last layer learns ten times as fast, biases twice as fast and without decay. What
        batch normalisation learns, which the published VGG16 lacks, is not decayed. Frozen
        parameters are left out.
        """
        last = {branch.fc8 for branch in self.branches}
        groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for module in self.modules():
            is_norm = isinstance(module, nn.BatchNorm2d)
            for name, parameter in module.named_parameters(recurse=False):
                if not parameter.requires_grad:
                    continue
                scale = LAST_LAYER_SCALE if module in last else 1.0
                if name == 'bias' and not is_norm:
                    scale *= BIAS_SCALE
                decays = name == 'weight' and not is_norm
                groups.setdefault((scale, decays), []).append(parameter)
        return [{'params': parameters, 'weight_decay': weight_decay if decays else 0.0,
                 'lr_scale': scale} for (scale, decays), parameters in groups.items()]

    def load_imagenet(self, path: Path) -> None:
        """Start from the backbone's checkpoint of ImageNet, VGG16's or MobileNetV2's.

        Over VGG16, fc6 and fc7 of every branch start from equally spaced channels and taps of the
        classifier's. Give colours as the checkpoint takes them. ValueError for other checkpoints.
        """
        if not isinstance(self.trunk, VggTrunk):
            super().load_imagenet(path)
            return
        layers = read_vgg16(path)
        load_convolutions(self.trunk, layers)
        for branch in cast('Iterable[AtrousBranch]', self.branches):
            load_thinned(branch.fc6, *layers[-2])
            load_thinned(branch.fc7, *layers[-1])


def build_deeplab(
    num_classes: int, *, backbone: str = 'light', head: str = 'large_fov', fusion: str = 'color',
    output_stride: int = 8, rates: Sequence[int] | None = None, head_width: int | None = None,
) -> DeepLab:
    """Build DeepLab with random weights.

    ``backbone`` vgg16 or light; ``head`` large_fov, aspp_s or aspp_l; ``fusion`` color or add.
    Without ``rates`` they are the head's, which are meant for stride 8, and half of them at 16, so
    that the same pixels are seen; given ``rates`` are taken as they are. ``head_width`` are the
    channels of fc6 and fc7: 1024 for vgg16, for light 256 (large_fov) and 128, with batch
    normalisation. Raises ValueError for what cannot be built.
    """
    if backbone not in BACKBONES or head not in HEADS or output_stride not in OUTPUT_STRIDES:
        raise ValueError(
            f'backbone {backbone!r}, head {head!r}, output_stride {output_stride!r}: accepted are '
            f'{" and ".join(BACKBONES)}, {", ".join(HEADS)}, 8 and 16')
    chosen = branch_rates(head, output_stride, rates)
    is_light = backbone == 'light'
    usual = LIGHT_WIDTHS[head] if is_light else VGG_WIDTH
    width = usual if head_width is None else head_width
    if not isinstance(width, int) or not 1 <= width <= MOST_WIDTH:
        raise ValueError(f'head_width {width!r}: accepted are 1 to {MOST_WIDTH} channels')
    trunk = (LightTrunk if is_light else VggTrunk)(fusion, output_stride)
    inputs = trunk.channels[-1]
    return DeepLab(trunk, [
        AtrousBranch(inputs, width, num_classes, rate, norm=is_light) for rate in chosen])


def branch_rates(
    head: str, output_stride: int, rates: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Return the rate of each branch: those given, else the published for the stride.

    ValueError for rates below 1, more than one for large_fov, or more than 16.
    """
    if rates is None:
        return tuple(rate * 8 // output_stride for rate in RATES[head])
    most = 1 if head == 'large_fov' else MOST_BRANCHES
    whole = isinstance(rates, (list, tuple)) and all(type(rate) is int for rate in rates)
    if not whole or not 1 <= len(rates) <= most or not 1 <= min(rates) <= max(rates) <= MOST_RATE:
        raise ValueError(
            f'rates {rates!r}: head {head} takes a list of 1 to {most} whole numbers of '
            f'1 to {MOST_RATE}')
    return tuple(rates)
