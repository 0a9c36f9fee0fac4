# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A network that gives every pixel a class, the names of the classes and its preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from seg_ros.crf.rnn import CrfRnn
from seg_ros.networks.preprocessing import Preprocessing

LEAST_SIDE = 32
MOST_CLASSES = 256  # class images have 8 bits


class SemanticNetwork(nn.Module):
    """What is asked of a network.

    ``multiple``: the sides of an image must be multiples of it; ``uses_depth``: whether ``xyz``
    plays a part; ``preprocessing``: what its backbone is trained with, None where that is its
    architecture's; ``exportable``: whether it can be traced for ONNX.
    """

    multiple: int = 1
    uses_depth: bool = False
    preprocessing: Preprocessing | None = None
    exportable: bool = True

    def forward(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Map colour and xyz (B, 3, h, w) to logits (B, L, h', w') of the same field of view.

        Where h', w' are not h, w, the logits are enlarged bilinearly by the caller.
        """
        raise NotImplementedError

    def load_imagenet(self, path: Path) -> None:
        """Start the backbone from a checkpoint of ImageNet: the light one from MobileNetV2's.

        ValueError for a network without such a backbone, and for other checkpoints.
        """
        from seg_ros.semantic.light import LightTrunk, load_imagenet

        trunk = next((part for part in self.modules() if isinstance(part, LightTrunk)), None)
        if trunk is None:
            raise ValueError(f'{type(self).__name__} has no backbone that ImageNet starts; give '
                             'config.backbone=light, or leave it out')
        load_imagenet(trunk, path)


class SemanticModel(nn.Module):
    """Give every pixel of an image a class.

    ``class_names`` name the logits' channels in their order. ``crf``, where there is one, is a
    CrfRnn, which sharpens the network's logits by the image.
    """

    def __init__(
        self, network: SemanticNetwork, architecture: str, config: dict[str, Any],
        class_names: Sequence[str], preprocessing: Preprocessing, crf: CrfRnn | None = None,
    ) -> None:
        """Take a network; ValueError for more than 256 classes or none."""
        super().__init__()
        if not 1 <= len(class_names) <= MOST_CLASSES:
            raise ValueError(
                f'{len(class_names)} classes: an 8-bit class image holds 1 to {MOST_CLASSES}')
        self.network: SemanticNetwork = network
        self.architecture, self.config = architecture, dict(config)
        self.class_names = tuple(class_names)
        self.preprocessing = preprocessing
        self.crf = crf

    @property
    def exportable(self) -> bool:
        """Return whether the model can be traced for ONNX: a CRF's lattice cannot."""
        return self.network.exportable and self.crf is None

    @property
    def uses_depth(self) -> bool:
        """Return whether xyz plays a part."""
        return self.network.uses_depth

    def forward(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Map preprocessed colour and xyz in metres, 0 = none, (B, 3, h, w) each, to logits.

        Returns (B, L, h, w). Sides that the network cannot take are padded on the right and below,
        colour by its border, xyz by zeros, and the logits cropped. Raises ValueError for an image
        smaller than 32x32.
        """
        height, width = color.shape[2:]
        if not torch.jit.is_tracing():  # sizes are variables there; the caller has checked
            check_size(width, height)
        multiple = self.network.multiple
        if multiple > 1:
            right, below = -width % multiple, -height % multiple
            color = functional.pad(color, (0, right, 0, below), mode='replicate')
            xyz = functional.pad(xyz, (0, right, 0, below))
        logits = self.network(color, xyz)
        if logits.shape[2:] != color.shape[2:]:
            logits = functional.interpolate(
                logits, size=color.shape[2:], mode='bilinear', align_corners=False)
        logits = logits[:, :, :height, :width]
        if self.crf is not None:
            logits = self.crf(logits, self._levels(color[:, :, :height, :width]))
        return logits

    def _levels(self, color: Tensor) -> Tensor:
        """Return preprocessed colour (B, 3, h, w) as it was before, 0 to 255."""
        std, mean = (color.new_tensor(values)[:, None, None]
                     for values in (self.preprocessing.std, self.preprocessing.mean))
        return (color * std + mean) * 255


def check_size(width: int, height: int) -> None:
    """Raise ValueError for an image smaller than 32x32."""
    if min(height, width) < LEAST_SIDE:
        raise ValueError(
            f'the image has {width}x{height} pixels: semantic networks take '
            f'{LEAST_SIDE}x{LEAST_SIDE} or more')
