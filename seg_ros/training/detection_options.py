# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a training of Mask R-CNN can be told."""

from __future__ import annotations

from dataclasses import dataclass

from seg_ros.core.options import option
from seg_ros.training.options import DrawnTrainOptions


@dataclass(frozen=True)
class DetectionTrainOptions(DrawnTrainOptions):
    """Options of ``seg_ros train mask_rcnn``; a YAML file may set any of them."""

    fusion: str = option(
        'add', 'input fusion of a new network', choices=('add', 'cat', 'early', 'color', 'depth'))
    classes: str = option(
        'object', 'object: all things are of one class; named: those of the data set',
        choices=('object', 'named'))
    width: int = option(480, 'network input, pixels', minimum=64, maximum=4096)
    height: int = option(368, 'network input, pixels', minimum=64, maximum=4096)
    batch: int = option(4, 'samples in a batch', minimum=1, maximum=1024)
    smallest_object: int = option(
        20, 'objects of fewer pixels of the input are not taught', minimum=4)
    proposals: int = option(
        500, 'proposals an image of which the heads are taught', minimum=16, maximum=4000)
    rois: int = option(128, 'of those, regions an image in a step', minimum=8, maximum=1024)
    trunk_rate: float = option(
        1.0, "learning rate of the trunk over the heads'; 0: it stays as it is",
        minimum=0.0, maximum=10.0)
    freeze_stems: bool = option(
        False, 'keep the first layers, at strides 2 and 4, as the weights at the start have them')
    roi: str = option('align', 'how regions are read', choices=('align', 'warp', 'pool'))
    roi_aggregation: str = option(
        'auto', 'what a bin makes of its samples; auto: max for pool, else average',
        choices=('auto', 'average', 'max'))
    mask_weight: float = option(1.0, 'weight of the mask loss', minimum=0.0)
    drop_color: float = option(0.05, 'share of samples without colour', minimum=0.0, maximum=1.0)
    drop_depth: float = option(0.05, 'share of samples without depth', minimum=0.0, maximum=1.0)
