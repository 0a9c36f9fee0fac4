# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""FCN-32s, FCN-16s and FCN-8s (Long, Shelhamer and Darrell, CVPR 2015)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from seg_ros.semantic.architectures import IMAGENET
from seg_ros.semantic.fcn_trunks import PUBLISHED, ClassifierTrunk, Trunk, build_trunk
from seg_ros.semantic.model import SemanticNetwork
from seg_ros.semantic.upsampling import cropped
from seg_ros.semantic.vgg16 import read_vgg16
from seg_ros.weights.strict import load_strictly

# The layers that enlarge scores, as in the published files; the last leads to the image's size.
UPSCORES = {
    32: ('upscore',),
    16: ('upscore2', 'upscore16'),
    8: ('upscore2', 'upscore_pool4', 'upscore8'),
}
LAST_UPSCORES = tuple(names[-1] for names in UPSCORES.values())
SKIP_SCORES = ('score_pool4', 'score_pool3')
# What the skips' features are multiplied by where all are trained at once.
AT_ONCE_SCALES = (0.01, 0.0001)
TRAINED = ('all', 'score')
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4


class Fcn(SemanticNetwork):
    """Score the features of one to three strides, enlarge and add the scores.

    Score layers start at zero: a finer network begins as the coarser one that it is started from.
    """

    def __init__(
        self, trunk: Trunk, num_classes: int, stride: int, at_once: bool = False,
        trained: str = 'all',
    ) -> None:
        """Put score layers on a trunk; ValueError for a stride that it cannot have."""
        super().__init__()
        _check(trunk, stride, trained)
        self.trunk, self.stride, self.trained = trunk, stride, trained
        self.uses_depth, self.multiple = trunk.uses_depth, trunk.multiple
        self.preprocessing = trunk.preprocessing
        self.scales = AT_ONCE_SCALES if at_once else (1.0, 1.0)
        *skip_channels, channels = trunk.score_channels
        self.score_fr = zero_scores(channels, num_classes)
        self.skips = list(zip(UPSCORES[stride][:-1], SKIP_SCORES, strict=False))
        for (upscore, score), skip in zip(self.skips, reversed(skip_channels), strict=False):
            self.add_module(upscore, trunk.upscore(num_classes, 2, last=False))
            self.add_module(score, zero_scores(skip, num_classes))
        self.add_module(UPSCORES[stride][-1], trunk.upscore(num_classes, stride, last=True))
        if trained == 'score':
            self._freeze()

    def forward(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Map colour and xyz (B, 3, h, w) to logits (B, L, h, w)."""
        *features, deepest = self.trunk(color, xyz)
        *crops, last_crop = self.trunk.crops[self.stride]
        scores = self.score_fr(deepest)
        for names, feature, scale, crop in zip(
                self.skips, reversed(features), self.scales, crops, strict=False):
            scaled = feature if scale == 1 else feature * scale
            scores = self._joined(scores, scaled, names, crop)
        enlarged = self.get_submodule(UPSCORES[self.stride][-1])(scores)
        return cropped(enlarged, last_crop, like=color)

    def _joined(
        self, scores: Tensor, feature: Tensor, names: tuple[str, str], crop: int
    ) -> Tensor:
        """Add a skip's scores to the enlarged coarser ones where both are known."""
        upscore, score = (self.get_submodule(name) for name in names)
        enlarged = upscore(scores)
        skip = cropped(score(feature), crop, like=enlarged)
        return cropped(enlarged, 0, like=skip) + skip

    def _freeze(self) -> None:
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.startswith('score'))

    def train(self, mode: bool = True) -> Fcn:
        """Switch training on or off; a trunk that isn't trained keeps its statistics."""
        super().train(mode)
        if self.trained == 'score':
            for part in self.trunk.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.eval()
        return self

    def parameter_groups(self, weight_decay: float = WEIGHT_DECAY) -> list[dict[str, Any]]:
        """Return the published groups, see ``parameter_groups``."""
        return parameter_groups(self, weight_decay)

    def load_imagenet(self, path: Path) -> None:
        """Start from a checkpoint of ImageNet: VGG16's, MobileNetV2's on the light trunk.

        Of torchvision's vgg16 all but the last layer is taken, and colours as it takes them.
        ValueError for AlexNet, of which no checkpoint has the grouped layers, and other files.
        """
        if not isinstance(self.trunk, ClassifierTrunk):
            super().load_imagenet(path)
            return
        if self.trunk.published is not PUBLISHED['vgg16']:
            raise ValueError('backbone alexnet starts from random weights alone: leave it out')
        self.trunk.load_layers(read_vgg16(path))
        self.preprocessing = IMAGENET

    def start_from(self, coarser: Mapping[str, Tensor]) -> None:
        """Take the weights of a network of a coarser stride; new layers stay as they are.

        With the light trunk the logits are then those of the coarser network. Raises ValueError
        for weights of another backbone, other classes or a finer network.
        """
        kept = {key: value for key, value in coarser.items()
                if key.split('.')[0] not in LAST_UPSCORES}
        new = {key: value for key, value in self.state_dict().items()
               if key.startswith(('score_pool', 'upscore'))}
        load_strictly(self, {**new, **kept}, 'the coarser network')


def zero_scores(channels: int, num_classes: int) -> nn.Conv2d:
    """Return a 1x1 convolution to scores, all of which are 0 at first."""
    layer = nn.Conv2d(channels, num_classes, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def parameter_groups(
    network: nn.Module, weight_decay: float = WEIGHT_DECAY
) -> list[dict[str, Any]]:
    """Group the learned parameters as published, for SGD with a momentum of 0.9.

    Each group has ``params``, ``weight_decay`` and ``lr_scale``, by which the learning rate is
    multiplied: weights 1 with decay; biases 2, without; scales of normalisation layers, which
    the published networks don't have, 1, without. Fixed parameters are in none.
    """
    weights: list[nn.Parameter] = []
    biases: list[nn.Parameter] = []
    scales: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            chosen = weights if parameter.ndim > 1 else scales
            (biases if name.endswith('bias') else chosen).append(parameter)
    groups = ((weights, weight_decay, 1.0), (biases, 0.0, 2.0), (scales, 0.0, 1.0))
    return [{'params': params, 'weight_decay': decay, 'lr_scale': scale}
            for params, decay, scale in groups if params]


def fcn32s(
    num_classes: int, backbone: str = 'vgg16', fusion: str = 'color', trained: str = 'all',
    widths: Sequence[int] | None = None, fc_width: int | None = None,
) -> Fcn:
    """Build FCN-32s with random weights.

    ``backbone``: alexnet, vgg16 or light; ``fusion`` color, or add, with light, for depth too;
    ``trained``: score for FCN-32s-fixed, of which only the last layer learns; ``widths``: channels
    of the five stages, and ``fc_width`` of fc6 and fc7, as published unless given. ValueError for
    others.
    """
    return Fcn(build_trunk(backbone, fusion, widths, fc_width), num_classes, 32, trained=trained)


def fcn16s(
    num_classes: int, backbone: str = 'vgg16', fusion: str = 'color', trained: str = 'all',
    widths: Sequence[int] | None = None, fc_width: int | None = None,
) -> Fcn:
    """Build FCN-16s with random weights; options as ``fcn32s``, without alexnet."""
    return Fcn(build_trunk(backbone, fusion, widths, fc_width), num_classes, 16, trained=trained)


def fcn8s(
    num_classes: int, backbone: str = 'vgg16', fusion: str = 'color', trained: str = 'all',
    at_once: bool = False, widths: Sequence[int] | None = None, fc_width: int | None = None,
) -> Fcn:
    """Build FCN-8s with random weights; options as ``fcn16s``.

    ``at_once`` scales the features of pool4 and pool3 by 0.01 and 0.0001, so that VGG16, whose
    features grow with nothing to normalise them, can be trained without the coarser stages.
    """
    trunk = build_trunk(backbone, fusion, widths, fc_width)
    return Fcn(trunk, num_classes, 8, at_once, trained)


def _check(trunk: Trunk, stride: int, trained: str) -> None:
    if stride not in trunk.crops:
        accepted = ', '.join(f'fcn{known}s' for known in trunk.crops)
        raise ValueError(f'fcn{stride}s: this backbone is for {accepted} only')
    if trained not in TRAINED:
        raise ValueError(f'trained {trained!r} is unknown; accepted: {", ".join(TRAINED)}')
