# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The parameters of Mask R-CNN."""

from __future__ import annotations

from dataclasses import dataclass

from seg_ros.core.options import option
from seg_ros.crf.dense_options import InstanceCrfOptions


@dataclass(frozen=True)
class MaskRcnnOptions(InstanceCrfOptions):
    """Hold the parameters of Mask R-CNN; each says what it does."""

    score_threshold: float = option(
        0.5, 'an object with a lower score is dropped', minimum=0.0, maximum=1.0)
    mask_threshold: float = option(
        0.5, 'probability from which a pixel belongs to an object', minimum=0.01, maximum=0.99)
    nms_threshold: float = option(
        0.5, 'of two boxes of a class that overlap by more than this IoU the better one stays',
        minimum=0.0, maximum=1.0,
    )
    min_visible: float = option(
        0.5,
        'an object is dropped where better ones leave less than this share of its mask: it shows '
        'what they show',
        minimum=0.0, maximum=1.0,
    )
    max_objects: int = option(100, 'objects a frame at most', minimum=1, maximum=1000)
    classes: str = option(
        '', 'names of the classes wanted, separated by commas; empty: all')
    input_scale: float = option(
        1.0,
        'sides of the image that the network sees, relative to what its weights ask for: less is '
        'faster and loses small objects',
        minimum=0.25, maximum=4.0,
    )
    roi: str = option(
        'auto',
        'how features of a box are read: align (rounds nothing), warp (rounds the box), pool '
        '(rounds box and bins); auto: as the weights were trained',
        choices=('auto', 'align', 'warp', 'pool'), live=False,
    )
    roi_aggregation: str = option(
        'auto',
        'what a bin makes of its samples; auto: as the weights were trained, with another roi '
        'average, of pool max',
        choices=('auto', 'average', 'max'), live=False,
    )
