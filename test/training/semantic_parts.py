# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A network of a few hundred weights, data whose classes are colours, and quick options."""

import json

import cv2
import numpy as np
from torch import nn

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import write_frame, write_labels
from seg_ros.semantic.architectures import ARCHITECTURES, PLAIN, Architecture, register
from seg_ros.semantic.model import SemanticNetwork
from seg_ros.training.semantic_options import SemanticTrainOptions

NAMES = ('background', 'table', 'can', 'box')
COLORS = np.array([[60, 60, 70], [150, 110, 70], [220, 30, 30], [30, 60, 220]], np.uint8)
WIDTH, HEIGHT = 64, 48


class TinyNetwork(SemanticNetwork):
    """Two convolutions, of colour and of depth."""

    uses_depth = True

    def __init__(self, num_classes, width=8):
        super().__init__()
        self.color = nn.Conv2d(3, width, 3, padding=1)
        self.depth = nn.Conv2d(3, width, 1)
        self.score = nn.Conv2d(width, num_classes, 1)

    def forward(self, color, xyz):
        return self.score((self.color(color) + self.depth(xyz)).relu())


class GroupedNetwork(TinyNetwork):
    """As Caffe trains: biases at twice the rate, without decay."""

    def parameter_groups(self, weight_decay):
        named = list(self.named_parameters())
        return [{'params': [p for name, p in named if name.endswith('bias')],
                 'weight_decay': 0.0, 'lr_scale': 2.0},
                {'params': [p for name, p in named if not name.endswith('bias')],
                 'weight_decay': weight_decay, 'lr_scale': 1.0}]


for _network in (TinyNetwork, GroupedNetwork):
    if _network.__name__ not in ARCHITECTURES:
        register(Architecture(
            _network.__name__, f'semantic_parts:{_network.__name__}', PLAIN, 'for tests'))

OPTIONS = SemanticTrainOptions(
    network='TinyNetwork', width=64, height=48, batch=2, samples=8, warmup_steps=1, log_steps=1,
    workers=0, device='cpu', threads=1, validation_samples=1000, validation_frames=2,
    sensor_noise='never', classes='fine', checkpoint_s=1e9)


def view_of(seed):
    """Return a frame, its labels and classes: a table below, a can and a box on it that touch."""
    rng = np.random.default_rng(seed)
    classes, labels = np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((HEIGHT, WIDTH), np.int32)
    classes[rng.integers(10, 20):] = 1
    x, y = rng.integers(4, 24), rng.integers(8, 20)
    for label, number, left in ((3, 2, x), (8, 3, x + 14)):
        classes[y:y + 16, left:left + 14], labels[y:y + 16, left:left + 14] = number, label
    noise = rng.integers(-8, 9, (HEIGHT, WIDTH, 3))
    color = (COLORS[classes].astype(int) + noise).clip(0, 255).astype(np.uint8)
    depth = np.where(labels > 0, 0.6, 0.8).astype(np.float32)
    camera = CameraModel(WIDTH, HEIGHT, 60.0, 60.0, 31.5, 23.5)
    return RgbdFrame(color, depth, camera), labels, classes


def write_classes(folder, name, classes, names=NAMES):
    cv2.imwrite(str(folder / f'{name}-classes.png'), classes)
    (folder / 'classes.json').write_text(json.dumps(list(names)))


def write_class_view(folder, name, seed):
    """Write a view in the folder format, the colour image last."""
    frame, labels, classes = view_of(seed)
    folder.mkdir(parents=True, exist_ok=True)
    write_labels(folder / f'{name}-labels.png', labels)
    write_classes(folder, name, classes)
    write_frame(folder, name, frame)


def write_set(root, train=4, val=2):
    """Write train/ and val/; returns root."""
    for part, count, first in (('train', train, 0), ('val', val, 100)):
        for index in range(count):
            write_class_view(root / part, f'{index:03d}', first + index)
    return root
