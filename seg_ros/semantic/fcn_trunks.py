# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the FCN stands on: AlexNet, VGG16 or the light trunk, and how their grids lie.

Score maps must be enlarged so that each score comes to lie at the middle of what it sees. VGG16:
after 100 pixels of padding, five pools and the 7x7 of fc6, score i of stride 32 sees pixels around
32 i + 12.5; the deconvolution 64/32 puts it at 32 i + 31.5, so that 19 must be cropped. The other
published offsets follow in the same way. The light trunk pads each of its odd kernels evenly:
feature i of stride s sees pixels around s i, so that kernels 2 s - 1 with a padding of s - 1 fit
(AlexNet's 63/32 is such a one) and nothing is cropped at the start. At the end features may
lie up to s - 1 pixels short of the image's border: the last score is repeated once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from seg_ros.semantic import alexnet, vgg16
from seg_ros.semantic.architectures import CAFFE, IMAGENET
from seg_ros.semantic.convolutionalize import convolutionalize
from seg_ros.semantic.light import CHANNELS, LightTrunk
from seg_ros.semantic.upsampling import BilinearDeconvolution, BilinearEnlargement

PADDING = 100  # of the first convolution


@dataclass(frozen=True)
class Published:
    """Describe a classifier as the FCN takes it.

    ``features(widths, padding=, ceil=)`` returns its layers by name; pool5 is ``pooled_size``
    square at its training size. ``skips`` names the pools with scores of their own and the places
    of their widths, ``crops`` the offsets for each stride that an FCN on it may have.
    ``odd_kernels``: the deconvolutions' kernels are one less than twice the stride.
    """

    features: Callable[..., dict[str, nn.Module]]
    widths: tuple[int, ...]
    pooled_size: int
    skips: dict[str, int]
    crops: dict[int, tuple[int, ...]]
    odd_kernels: bool


PUBLISHED = {
    'alexnet': Published(
        alexnet.alexnet_features, alexnet.WIDTHS, alexnet.POOLED_SIZE, {}, {32: (18,)}, True),
    'vgg16': Published(
        vgg16.vgg16_features, vgg16.WIDTHS, vgg16.POOLED_SIZE, {'pool3': 2, 'pool4': 3},
        {32: (19,), 16: (5, 27), 8: (5, 9, 31)}, False),
}
BACKBONES = (*PUBLISHED, 'light')


class ClassifierTrunk(nn.Module):
    """A published classifier, padded by 100 and with its fully connected layers as convolutions.

    ``score_channels``: of the features that are scored, finest first; ``crops``: for each stride
    that an FCN may have, where its skips, coarsest first, and finally its logits are cropped.
    """

    uses_depth = False
    multiple = 1
    preprocessing = CAFFE

    def __init__(self, published: Published, widths: Sequence[int], fc_width: int) -> None:
        """Build the trunk with random weights; ValueError for widths amiss."""
        super().__init__()
        features = published.features(widths, padding=PADDING, ceil=True)
        size = published.pooled_size
        connected = vgg16.connected_layers(widths[-1], size, fc_width)
        converted = convolutionalize(
            nn.Sequential(nn.Flatten(), *connected.values()), (widths[-1], size, size))
        for name, layer in (*features.items(), *zip(connected, converted, strict=True)):
            self.add_module(name, layer)
        self.published = published
        self.skips, self.crops = tuple(published.skips), published.crops
        self.score_channels = (*(widths[stage] for stage in published.skips.values()), fc_width)
        self.odd_kernels = published.odd_kernels
        vgg16.initialise(self)

    def forward(self, color: Tensor, xyz: Tensor) -> tuple[Tensor, ...]:
        """Map colour (B, 3, h, w) to the skips' features and those of fc7."""
        found, features = [], color
        for name, layer in self.named_children():
            features = layer(features)
            if name in self.skips:
                found.append(features)
        return (*found, features)

    def upscore(self, classes: int, stride: int, last: bool) -> nn.Module:
        """Return the published deconvolution, fixed where it is the last."""
        layer = BilinearDeconvolution(classes, 2 * stride - self.odd_kernels, stride)
        return layer.requires_grad_(not last)

    def load_layers(self, layers: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Copy weight and bias of every convolution of a trained classifier, in their order.

        The fully connected ones come as convolutions too. ValueError for other shapes.
        """
        own = [part for part in self.modules() if isinstance(part, nn.Conv2d)]
        found, needed = ([tuple(weight.shape) for weight in weights] for weights in (
            (weight for weight, _ in layers), (part.weight for part in own)))
        if found != needed:
            raise ValueError(
                f'the classifier has layers of other shapes: {found}, needed {needed}')
        for part, (weight, bias) in zip(own, layers, strict=True):
            part.load_state_dict({'weight': weight, 'bias': bias})


class LightFcnTrunk(LightTrunk):
    """The light trunk at strides 8, 16 and 32."""

    score_channels = CHANNELS[2:]
    crops = {32: (0,), 16: (0, 0), 8: (0, 0, 0)}
    preprocessing = IMAGENET

    def __init__(self, fusion: str = 'color') -> None:
        """Build the trunk with random weights; ValueError for an unknown fusion."""
        super().__init__(fusion)
        self.uses_depth = fusion != 'color'
        # the depth stem halves by 2x2 means: an odd row would be lost
        self.multiple = 2 if self.uses_depth else 1

    def forward(self, color: Tensor, xyz: Tensor) -> tuple[Tensor, ...]:
        """Map colour and xyz (B, 3, h, w) to features at strides 8, 16 and 32."""
        return self.pyramid(color, xyz)[2:]

    def upscore(self, classes: int, stride: int, last: bool) -> nn.Module:
        """Return an enlargement that puts score i at stride * i, beyond the image's end."""
        if last:
            return BilinearEnlargement(stride, border=1)
        return BilinearDeconvolution(classes, 2 * stride - 1, stride, stride - 1, border=1)


Trunk = ClassifierTrunk | LightFcnTrunk


def build_trunk(
    backbone: str, fusion: str, widths: Sequence[int] | None, fc_width: int | None
) -> Trunk:
    """Build a trunk with random weights; ValueError for an unknown name or options amiss."""
    if backbone not in BACKBONES:
        raise ValueError(f'backbone {backbone!r} is unknown; accepted: {", ".join(BACKBONES)}')
    if backbone == 'light':
        if widths is not None or fc_width is not None:
            raise ValueError('the light backbone has its own widths: leave widths, fc_width out')
        return LightFcnTrunk(fusion)
    if fusion != 'color':
        raise ValueError(
            f'fusion {fusion!r}: {backbone} sees colour only; backbone light takes depth')
    published = PUBLISHED[backbone]
    return ClassifierTrunk(
        published, published.widths if widths is None else widths,
        vgg16.FC_WIDTH if fc_width is None else fc_width)
