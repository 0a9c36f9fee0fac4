# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A semantic network of a few weights, registered as 'tiny', and a node that has it."""

import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.semantic.architectures import (
    ARCHITECTURES,
    PLAIN,
    Architecture,
    build_model,
    register,
)
from seg_ros.semantic.checkpoint import metadata_of
from seg_ros.semantic.model import SemanticNetwork
from seg_ros.weights import save_weights

NAMES = ('background', 'cup', 'box')


class TinyNetwork(SemanticNetwork):
    """Mean colour (and xyz) of squares, then a linear map to logits."""

    def __init__(self, num_classes, stride, uses_depth, exportable):
        super().__init__()
        self.multiple, self.uses_depth, self.exportable = stride, uses_depth, exportable
        self.score = nn.Conv2d(6 if uses_depth else 3, num_classes, 1)

    def forward(self, color, xyz):
        inputs = torch.cat([color, xyz], dim=1) if self.uses_depth else color
        return self.score(functional.avg_pool2d(inputs, self.multiple))


def build(num_classes, stride=2, uses_depth=False, exportable=True, widths=(1,)):
    if stride not in (1, 2, 4):
        raise ValueError(f'stride {stride}: accepted are 1, 2 and 4')
    if not isinstance(widths, tuple):
        raise ValueError(f'widths {widths!r}: a tuple is accepted')
    return TinyNetwork(num_classes, stride, uses_depth, exportable)


if 'tiny' not in ARCHITECTURES:
    register(Architecture('tiny', 'tiny_semantic:build', PLAIN, 'for tests'))


def tiny_model(names=NAMES, seed=0, **config):
    """Return a model in eval mode whose classes differ by colour, steeply."""
    torch.manual_seed(seed)
    model = build_model('tiny', names, **config)
    with torch.no_grad():
        weight = model.network.score.weight.mul_(12)[..., 0, 0]
        model.network.score.bias.copy_(-weight[:, :3].sum(dim=1) * 120 / 255)  # grey is undecided
    return model.eval()


def red_model(names=NAMES, **config):
    """Return a model by which red is the second class, blue the third, all else the first."""
    model = tiny_model(names, **config)
    with torch.no_grad():
        model.network.score.weight.zero_()
        model.network.score.weight[1:3, :3, 0, 0] = torch.tensor([[9.0, -9, -9], [-9, -9, 9]])
        model.network.score.bias[0] = 2.0
    return model


def write_model(path, model=None, size=(96, 64), metadata=None):
    """Save a model as the trainer does; returns the path."""
    model = tiny_model() if model is None else model
    described = metadata_of(model, size) if metadata is None else metadata
    save_weights(path, model.state_dict(), described)
    return path


def camera_of(width, height):
    return CameraModel(width, height, width, width, (width - 1) / 2, (height - 1) / 2)


def frame_of(width=96, height=64, seed=0, depth=True):
    """Return boxes of random colours on a table one metre away."""
    rng = np.random.default_rng(seed)
    color = np.full((height, width, 3), 120, np.uint8)
    depth_m = np.full((height, width), 1.0, np.float32)
    for _ in range(6):
        x, y = rng.integers(width), rng.integers(height)
        part = slice(y, y + height // 4), slice(x, x + width // 5)
        color[part], depth_m[part] = rng.integers(0, 256, 3), rng.uniform(0.7, 0.95)
    depth_m[:height // 20] = np.nan
    return RgbdFrame(color, depth_m if depth else None, camera_of(width, height))


if __name__ == '__main__':
    from seg_ros.nodes.segmentation_node import main

    sys.exit(main())
