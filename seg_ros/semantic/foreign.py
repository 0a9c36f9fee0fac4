# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a checkpoint of somebody else's layout is here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from seg_ros.networks.preprocessing import Preprocessing

VOC_CLASSES = (
    'background', 'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair',
    'cow', 'diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa',
    'train', 'tvmonitor')

# Networks of torchvision, and what their published weights are called there: trained on images of
# COCO with the classes of VOC.
PUBLISHED = {
    'fcn_resnet50': 'FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1',
    'fcn_resnet101': 'FCN_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1',
    'deeplabv3_resnet50': 'DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1',
    'deeplabv3_resnet101': 'DeepLabV3_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1',
    'deeplabv3_mobilenet_v3_large': 'DeepLabV3_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1',
    'lraspp_mobilenet_v3_large': 'LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1',
}


@dataclass(frozen=True, eq=False)
class ForeignModel:
    """Hold a foreign checkpoint in this package's terms.

    ``state`` has the keys of the network that ``build_network(architecture, len(class_names),
    **config)`` builds.
    """

    architecture: str
    class_names: tuple[str, ...]
    state: dict[str, Tensor]
    preprocessing: Preprocessing
    config: dict[str, Any] = field(default_factory=dict)


def numbered_classes(count: int) -> tuple[str, ...]:
    """Return VOC's names for 21 classes, else background and numbers: a checkpoint has none."""
    if count == len(VOC_CLASSES):
        return VOC_CLASSES
    return ('background', *(f'class {index}' for index in range(1, count)))
