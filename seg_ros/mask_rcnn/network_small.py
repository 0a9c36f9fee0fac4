# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A small Mask R-CNN for CPUs: the small networks' trunk as its pyramid, narrow heads."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign

from seg_ros.networks.small_trunk import (
    MOST_BLOCKS,
    MOST_CHANNELS,
    Pointwise,
    SmallTrunk,
    SmallTrunkConfig,
)

MOST_CLASSES = 65536  # background counts; ids of 16 bits are published
LEVELS = ('0', '1', '2', '3')  # strides 4, 8, 16, 32; RoIs are read from these


@dataclasses.dataclass(frozen=True)
class SmallDetectorConfig(SmallTrunkConfig):
    """Describe a small detector.

    ``channels`` has every level of its pyramid, ``box_width`` the two layers of the box head.
    ``anchor_sizes`` are the sides in pixels of the anchors at strides 4, 8, 16, 32 and 64.
    """

    widths: tuple[int, ...] = (16, 48, 88, 128, 152)
    blocks: tuple[int, ...] = (0, 1, 1, 1)
    raised_blocks: int = 1
    channels: int = 64
    box_width: int = 384
    mask_layers: int = 4
    anchor_sizes: tuple[int, ...] = (16, 32, 64, 128, 256)
    num_classes: int = 2

    def __post_init__(self) -> None:
        """Refuse what cannot be built, with a ValueError."""
        super().__post_init__()
        if len(self.anchor_sizes) != len(LEVELS) + 1 or min(self.anchor_sizes) < 1:
            raise ValueError(
                f'anchor_sizes {self.anchor_sizes}: give {len(LEVELS) + 1} positive sides')
        if min(self.channels, self.box_width, self.mask_layers) < 1 or self.num_classes < 2:
            raise ValueError(
                f'channels {self.channels}, box_width {self.box_width}, mask_layers '
                f'{self.mask_layers}, num_classes {self.num_classes}: give at least 1, 1, 1 and '
                '2 (background counts)')
        if (max(self.channels, self.box_width) > MOST_CHANNELS or self.mask_layers > MOST_BLOCKS
                or self.num_classes > MOST_CLASSES):
            raise ValueError(
                f'channels {self.channels}, box_width {self.box_width}, mask_layers '
                f'{self.mask_layers}, num_classes {self.num_classes}: at most {MOST_CHANNELS}, '
                f'{MOST_CHANNELS}, {MOST_BLOCKS} and {MOST_CLASSES} are built')


class SmallPyramid(nn.Module):
    """Lead colour and XYZ, joined to six channels, to features of one width at five strides."""

    def __init__(self, config: SmallDetectorConfig) -> None:
        """Build the trunk and what brings its features to one width."""
        super().__init__()
        self.out_channels = config.channels
        self.trunk = SmallTrunk(config)
        self.lateral = nn.ModuleList(
            Pointwise(width, config.channels) for width in config.widths[1:])

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Map (B, 6, h, w), colour and XYZ, to levels '0' to '3' and 'pool', strides 4 to 64."""
        _, *features = self.trunk.pyramid(images[:, :3], images[:, 3:])
        levels = OrderedDict(
            (name, lateral(level))
            for name, lateral, level in zip(LEVELS, self.lateral, features, strict=True))
        levels['pool'] = nn.functional.max_pool2d(levels[LEVELS[-1]], 1, 2)
        return levels


class SameSize(nn.Module):
    """Stand in for torchvision's transform: images come preprocessed, all of one size."""

    def forward(
        self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        """Stack the images."""
        sizes = [(int(image.shape[-2]), int(image.shape[-1])) for image in images]
        return ImageList(torch.stack(images), sizes), targets

    def postprocess(
        self, result: list[dict[str, Tensor]], image_shapes: Any, original_sizes: Any
    ) -> list[dict[str, Tensor]]:
        """Leave boxes in pixels of the network's input and masks at the size of their head."""
        return result


# What of the proposals goes on: fewer than torchvision's, for small images of a table.
PROPOSALS = {
    'rpn_pre_nms_top_n_train': 1000, 'rpn_post_nms_top_n_train': 500,
    'rpn_pre_nms_top_n_test': 600, 'rpn_post_nms_top_n_test': 200,
    'box_batch_size_per_image': 128,
}


def small_detector(config: SmallDetectorConfig, **settings: Any) -> MaskRCNN:
    """Build a small Mask R-CNN with random weights; settings as torchvision's MaskRCNN has them.

    In training it takes images (6, h, w) and targets as torchvision's, at run time it returns
    boxes, labels, scores and masks (K, 1, 28, 28), probabilities inside the boxes.
    """
    pyramid = SmallPyramid(config)
    width = config.channels
    anchors = AnchorGenerator(
        tuple((size,) for size in config.anchor_sizes),
        ((0.5, 1.0, 2.0),) * len(config.anchor_sizes))
    names = list(LEVELS)
    model = MaskRCNN(
        pyramid,
        rpn_anchor_generator=anchors,
        rpn_head=RPNHead(width, anchors.num_anchors_per_location()[0]),
        box_roi_pool=MultiScaleRoIAlign(names, 7, 2),
        box_head=TwoMLPHead(width * 49, config.box_width),
        box_predictor=FastRCNNPredictor(config.box_width, config.num_classes),
        mask_roi_pool=MultiScaleRoIAlign(names, 14, 2),
        mask_head=MaskRCNNHeads(width, [width] * config.mask_layers, 1),
        mask_predictor=MaskRCNNPredictor(width, width, config.num_classes),
        **{**PROPOSALS, **settings})
    model.transform = SameSize()
    return model
