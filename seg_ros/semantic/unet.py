# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""U-Net (Ronneberger et al., MICCAI 2015): unpadded as published, padded, on a light trunk.

Names of layers are those of checkpoints that people have (trained on Carvana), so that they load.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from seg_ros.semantic.architectures import PLAIN
from seg_ros.semantic.foreign import ForeignModel, numbered_classes
from seg_ros.semantic.light import LightTrunk
from seg_ros.semantic.model import SemanticNetwork
from seg_ros.semantic.overlap_tile import ValidSizes, overlap_tile

PUBLISHED_WIDTH = 64
PUBLISHED_TILE = 388
LIGHT_WIDTH = 16
MOST_WIDTH = 256  # what a file may ask for
BACKBONES = ('plain', 'light')
# 572 -> 388: four levels of unpadded convolutions take 92 pixels from each side.
VALID_SIZES = ValidSizes(margin=92, step=16, least=4)
# Grey as Pillow makes it from RGB (ITU-R 601), for checkpoints of one input channel.
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class UNetStyle:
    """Say how convolutions are made.

    ``padded`` convolutions keep the size; ``bilinear`` enlarges where a 2x2 up-convolution would;
    ``batch_norm`` stands after each 3x3 convolution; ``dropout`` is the share of the deepest
    features dropped in training.
    """

    padded: bool = True
    bilinear: bool = False
    batch_norm: bool = True
    dropout: float = 0.0


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each with ReLU and, if asked for, batch normalisation before it."""

    def __init__(self, inputs: int, middle: int, outputs: int, style: UNetStyle) -> None:
        """Build both; without normalisation its places stay empty, so that names don't change."""
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((inputs, middle), (middle, outputs)):
            layers += [
                nn.Conv2d(before, after, 3, padding=int(style.padded), bias=not style.batch_norm),
                nn.BatchNorm2d(after) if style.batch_norm else nn.Identity(),
                nn.ReLU(inplace=True)]
        self.double_conv = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h, w), without padding to h - 4, w - 4."""
        return self.double_conv(features)


class Down(nn.Module):
    """A 2x2 max pool and two convolutions."""

    def __init__(self, inputs: int, outputs: int, style: UNetStyle) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(
            nn.MaxPool2d(2), DoubleConv(inputs, outputs, outputs, style))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h/2, w/2), without padding 4 less."""
        return self.maxpool_conv(features)


class Up(nn.Module):
    """Enlarge coarse features twice, join a skip's to them, two convolutions."""

    def __init__(self, coarse: int, skip: int, outputs: int, style: UNetStyle) -> None:
        """Build it; bilinear enlarging keeps the channels, which the convolutions then halve."""
        super().__init__()
        self.up: nn.Module
        if style.bilinear:
            self.up = nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True)
            joined = coarse + skip
            self.conv = DoubleConv(joined, joined // 2, outputs, style)
        else:
            self.up = nn.ConvTranspose2d(coarse, outputs, 2, stride=2)
            self.conv = DoubleConv(outputs + skip, outputs, outputs, style)
        self.padded = style.padded

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Map (B, coarse, h/2, w/2) and (B, skip, h, w) to (B, outputs, h, w)."""
        raised = self.up(coarse)
        if not self.padded:
            skip = center_crop(skip, raised.shape[2], raised.shape[3])
        return self.conv(torch.cat([skip, raised], dim=1))


class Outputs(nn.Module):
    """The last 1x1 convolution."""

    def __init__(self, inputs: int, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, num_classes, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to logits (B, num_classes, h, w)."""
        return self.conv(features)


def center_crop(features: Tensor, height: int, width: int) -> Tensor:
    """Return the middle (B, C, height, width) of features."""
    top, left = (features.shape[2] - height) // 2, (features.shape[3] - width) // 2
    return features[:, :, top:top + height, left:left + width]


def start_he(module: nn.Module) -> None:
    """Draw weights from N(0, sqrt(2 / N)), N the inputs of one output; biases become zero.

    Of a 2x2 up-convolution of stride 2 each output sees one weight a channel.
    """
    for layer in module.modules():
        if not isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            continue
        inputs = layer.in_channels // layer.groups
        if not isinstance(layer, nn.ConvTranspose2d):
            inputs *= math.prod(layer.kernel_size)
        nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / inputs))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


class UNet(SemanticNetwork):
    """The padded U-Net: logits of the image's size; colour alone plays a part."""

    multiple = 16

    def __init__(self, num_classes: int, width: int = PUBLISHED_WIDTH,
                 style: UNetStyle | None = None) -> None:
        """Build it with ``width`` channels at full resolution, doubled at each level down."""
        super().__init__()
        style = style or UNetStyle()
        self.dropout = style.dropout
        one, two, four, eight = (width * factor for factor in (1, 2, 4, 8))
        # enlarged bilinearly, deeper features already have the channels of the skip they meet
        deepest, shrink = (eight, 2) if style.bilinear else (2 * eight, 1)
        self.inc = DoubleConv(3, one, one, style)
        self.down1 = Down(one, two, style)
        self.down2 = Down(two, four, style)
        self.down3 = Down(four, eight, style)
        self.down4 = Down(eight, deepest, style)
        self.up1 = Up(deepest, eight, eight // shrink, style)
        self.up2 = Up(eight // shrink, four, four // shrink, style)
        self.up3 = Up(four // shrink, two, two // shrink, style)
        self.up4 = Up(two // shrink, one, one, style)
        self.outc = Outputs(one, num_classes)
        start_he(self)

    def forward(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Map colour (B, 3, h, w), sides multiples of 16, to logits (B, L, h, w)."""
        return self.logits(color)

    def logits(self, color: Tensor) -> Tensor:
        """Map colour (B, 3, h, w) to logits; without padding 184 pixels a side less."""
        skips = [self.inc(color)]
        for down in (self.down1, self.down2, self.down3):
            skips.append(down(skips[-1]))
        features = functional.dropout(self.down4(skips[-1]), self.dropout, self.training)
        for up, skip in zip((self.up1, self.up2, self.up3, self.up4), skips[::-1], strict=True):
            features = up(features, skip)
        return self.outc(features)


class UnpaddedUNet(UNet):
    """U-Net as published, for images of any size by overlap-tile prediction.

    The loop over tiles cannot be exported: export the padded network.
    """

    multiple = 1
    exportable = False

    def __init__(self, num_classes: int, width: int = PUBLISHED_WIDTH,
                 style: UNetStyle | None = None, tile: int = PUBLISHED_TILE) -> None:
        """Build it; ``tile`` is the side of the largest output at once: 20, 36, ..., 388, ..."""
        VALID_SIZES.check_tile(tile)
        super().__init__(num_classes, width, style or UNetStyle(padded=False, batch_norm=False))
        self.tile = tile

    def forward(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Map colour (B, 3, h, w) to logits (B, L, h, w); borders are mirrored."""
        if torch.jit.is_tracing():
            raise ValueError(
                'the unpadded U-Net is a loop over tiles, which cannot be exported: use backend '
                'torch, or a U-Net with padded=True')
        return overlap_tile(self.valid_logits, color, self.tile, VALID_SIZES)

    def valid_logits(self, color: Tensor) -> Tensor:
        """Map colour (B, 3, h, w) to logits (B, L, h - 184, w - 184); sides 188, 204, ..., 572."""
        for side in color.shape[2:]:
            if side < 188 or side % 16 != 12:
                raise ValueError(
                    f'the image has {color.shape[3]}x{color.shape[2]} pixels: the unpadded U-Net '
                    'takes sides of 188, 204, ..., 572, ... (every 16)')
        return self.logits(color)


class LightUNet(SemanticNetwork):
    """U-Net's way up over MobileNetV2: logits at stride 2, which the caller enlarges.

    There is no level at full resolution: the trunk has no features there to skip to it.
    """

    multiple = 32

    def __init__(self, num_classes: int, width: int = LIGHT_WIDTH,
                 style: UNetStyle | None = None, fusion: str = 'color') -> None:
        """Build it with ``width`` channels at stride 2, doubled at each level down."""
        super().__init__()
        style = style or UNetStyle()
        self.dropout = style.dropout
        self.uses_depth = fusion == 'add'
        at2, at4, at8, at16, at32 = LightTrunk.channels
        self.up1 = Up(at32, at16, 8 * width, style)
        self.up2 = Up(8 * width, at8, 4 * width, style)
        self.up3 = Up(4 * width, at4, 2 * width, style)
        self.up4 = Up(2 * width, at2, width, style)
        self.outc = Outputs(width, num_classes)
        start_he(self)
        self.trunk = LightTrunk(fusion)  # has a start of its own

    def forward(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Map colour and xyz (B, 3, h, w), sides multiples of 32, to logits (B, L, h/2, w/2)."""
        *skips, deepest = self.trunk.pyramid(color, xyz)
        features = functional.dropout(deepest, self.dropout, self.training)
        for up, skip in zip((self.up1, self.up2, self.up3, self.up4), skips[::-1], strict=True):
            features = up(features, skip)
        return self.outc(features)


def build(
    num_classes: int, backbone: str = 'plain', width: int | None = None, padded: bool = True,
    bilinear: bool = False, batch_norm: bool = True, dropout: float = 0.0,
    tile: int = PUBLISHED_TILE, fusion: str = 'color',
) -> SemanticNetwork:
    """Build a U-Net with random weights.

    ``backbone`` plain is U-Net's own way down, light is MobileNetV2. The published network is
    ``padded=False, batch_norm=False, dropout=0.5``. ``width``: channels at the finest level, by
    default 64 (light: 16); ``tile`` is for padded=False, ``fusion`` color or add for light. Raises
    ValueError for values that cannot be built.
    """
    if backbone not in BACKBONES:
        raise ValueError(f'backbone {backbone!r} is unknown; accepted: {", ".join(BACKBONES)}')
    light = backbone == 'light'
    width = (LIGHT_WIDTH if light else PUBLISHED_WIDTH) if width is None else width
    if not 2 <= width <= MOST_WIDTH or not 0 <= dropout < 1:
        raise ValueError(f'width {width}, dropout {dropout}: accepted are widths of 2 to '
                         f'{MOST_WIDTH} channels and a dropout from 0 to below 1')
    style = UNetStyle(padded, bilinear, batch_norm, dropout)
    if light:
        if not padded:
            raise ValueError('backbone light is padded: leave padded=True, or use backbone plain')
        return LightUNet(num_classes, width, style, fusion)
    if fusion != 'color':
        raise ValueError(f'fusion {fusion!r}: backbone plain takes colour alone, light takes '
                         'depth with fusion add')
    if padded:
        return UNet(num_classes, width, style)
    return UnpaddedUNet(num_classes, width, style, tile)


def foreign_unet(state: Mapping[str, Tensor]) -> ForeignModel | None:
    """Read a checkpoint of the layout that Carvana's have; None for any other.

    Its network takes levels of 0 to 1. What older ones have is brought to the same form: biases
    before batch normalisation become part of its mean, a network of grey images takes their
    colours, and a single output (a sigmoid's) is joined by a background of zero.
    """
    found = {key: value for key, value in state.items() if key != 'mask_values'}
    if not {'inc.double_conv.0.weight', 'outc.conv.weight', 'outc.conv.bias'} <= found.keys():
        return None
    found = _with_background(_of_colors(_without_biases(found)))
    width, classes = len(found['inc.double_conv.0.weight']), len(found['outc.conv.weight'])
    bilinear = 'up1.up.weight' not in found
    if width > MOST_WIDTH:
        return None
    with torch.device('meta'):
        expected = UNet(classes, width, UNetStyle(bilinear=bilinear)).state_dict()
    shapes = {key: value.shape for key, value in expected.items()}
    if {key: value.shape for key, value in found.items()} != shapes:
        return None
    return ForeignModel('unet', numbered_classes(classes), found, PLAIN,
                        {'width': width, 'bilinear': bilinear})


def _without_biases(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take biases before a batch normalisation off its running mean: the same function."""
    found = dict(state)
    for key in state:
        if key.endswith(('double_conv.0.bias', 'double_conv.3.bias')):
            prefix, number = key.removesuffix('.bias').rsplit('.', 1)
            mean = f'{prefix}.{int(number) + 1}.running_mean'
            if mean in found:
                found[mean] = found[mean] - found.pop(key)
    return found


def _of_colors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Let a first convolution over grey images take RGB: its weights times grey's shares."""
    first = state['inc.double_conv.0.weight']
    if first.ndim != 4 or first.shape[1] != 1:
        return state
    luma = torch.tensor(_LUMA, dtype=first.dtype)[None, :, None, None]
    return {**state, 'inc.double_conv.0.weight': first * luma}


def _with_background(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Make two classes of one output: softmax over (0, x) is the sigmoid of x."""
    weight, bias = state['outc.conv.weight'], state['outc.conv.bias']
    if len(weight) != 1:
        return state
    return {**state, 'outc.conv.weight': torch.cat([torch.zeros_like(weight), weight]),
            'outc.conv.bias': torch.cat([torch.zeros_like(bias), bias])}
