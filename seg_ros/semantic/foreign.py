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
