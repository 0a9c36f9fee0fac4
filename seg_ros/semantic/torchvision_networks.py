# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""torchvision's segmentation networks, by its names and with its published weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn
from torchvision.models import segmentation

from seg_ros.networks.published import torchvision_weights
from seg_ros.semantic.architectures import IMAGENET
from seg_ros.semantic.foreign import PUBLISHED, ForeignModel, numbered_classes
from seg_ros.semantic.model import SemanticNetwork
from seg_ros.weights import Weights

_LRASPP = 'lraspp_mobilenet_v3_large'
# An entry that a network's head, and its trunk, have and the others have not.
_HEADS = {
    'classifier.0.convs.0.0.weight': 'deeplabv3',
    'classifier.0.weight': 'fcn',
    'classifier.low_classifier.weight': 'lraspp',
}
_TRUNKS = {  # in this order: the larger has the smaller's layers too
    'backbone.layer3.22.conv1.weight': 'resnet101',
    'backbone.layer3.5.conv1.weight': 'resnet50',
    'backbone.16.0.weight': 'mobilenet_v3_large',
}


class TorchvisionNetwork(SemanticNetwork):
    """Give the scores of a torchvision network before it enlarges them; keys are torchvision's.

    The auxiliary classifier, which plays a part in training alone, is left out.
    """

    def __init__(self, network: Any) -> None:
        """Take the parts of one of torchvision's segmentation networks."""
        super().__init__()
        self.backbone: nn.Module = network.backbone
        self.classifier: nn.Module = network.classifier
        self._takes_levels = isinstance(network, segmentation.LRASPP)

    def forward(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Map colour (B, 3, h, w) to scores (B, L, h/8, w/8), at 16 for deeplabv3_mobilenet."""
        levels = self.backbone(color)
        return self.classifier(levels if self._takes_levels else levels['out'])


def _build(name: str, num_classes: int) -> TorchvisionNetwork:
    """Build a network by torchvision's name with random weights."""
    more: dict[str, Any] = {} if name == _LRASPP else {'aux_loss': False}
    return TorchvisionNetwork(getattr(segmentation, name)(
        weights=None, weights_backbone=None, num_classes=num_classes, **more))


fcn_resnet50 = partial(_build, 'fcn_resnet50')
fcn_resnet101 = partial(_build, 'fcn_resnet101')
deeplabv3_resnet50 = partial(_build, 'deeplabv3_resnet50')
deeplabv3_resnet101 = partial(_build, 'deeplabv3_resnet101')
deeplabv3_mobilenet_v3_large = partial(_build, 'deeplabv3_mobilenet_v3_large')
lraspp_mobilenet_v3_large = partial(_build, _LRASPP)


def published_semantic(name: str) -> Weights:
    """Return the published weights of a network by its name, downloaded if need be.

    ValueError for a name that is none of the six. FileNotFoundError says which file to put where
    when they cannot be downloaded.
    """
    if name not in PUBLISHED:
        raise ValueError(f'no weights {name!r} are published; there are {", ".join(PUBLISHED)}')
    return torchvision_weights(name, PUBLISHED[name], method='semantic')


def foreign_torchvision(state: Mapping[str, Tensor]) -> ForeignModel | None:
    """Tell which of the six networks a state dict is of, by its keys; None where it is none.

    Auxiliary classifiers are dropped. 21 classes are VOC's, others have numbers for names.
    """
    head = next((name for key, name in _HEADS.items() if key in state), '')
    trunk = next((name for key, name in _TRUNKS.items() if key in state), '')
    name = f'{head}_{trunk}'
    last = state.get('classifier.low_classifier.weight' if head == 'lraspp'
                     else 'classifier.4.weight')
    if name not in PUBLISHED or last is None or last.ndim != 4:
        return None
    kept = {key: value for key, value in state.items() if not key.startswith('aux_classifier.')}
    return ForeignModel(name, numbered_classes(len(last)), kept, IMAGENET)
