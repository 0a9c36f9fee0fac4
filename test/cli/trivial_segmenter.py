# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Segmenters without a network: red pixels are objects, or of the class cup."""

from dataclasses import dataclass

import cv2
import numpy as np

from seg_ros.core.options import Options, option
from seg_ros.core.results import Instances, SemanticMap
from seg_ros.segmenters import METHODS, Method, register


@dataclass(frozen=True)
class TrivialOptions(Options):
    redness: int = option(60, 'least red minus green', minimum=0, maximum=255)
    far_m: float = option(2.0, 'nothing beyond', minimum=0.1, maximum=100.0)


class TrivialSegmenter:
    device = 'cpu'
    backend = 'none'

    def __init__(self, method, options):
        self.method = method
        self.needs_depth = METHODS[method].needs_depth
        self.options = options
        self.timings = {}

    def segment(self, frame):
        red = frame.color[..., 0].astype(int) - frame.color[..., 1] >= self.options.redness
        if frame.depth is not None:
            red &= frame.depth < self.options.far_m
        count, labels = cv2.connectedComponents(red.astype(np.uint8), connectivity=4)
        return Instances.from_labels(labels, np.linspace(1, 0.5, count - 1, dtype=np.float32))


@dataclass(frozen=True)
class ClassOptions(TrivialOptions):
    network: str = option('auto', 'cup or can: the name of what is red', live=False)


class ClassSegmenter(TrivialSegmenter):
    def segment(self, frame):
        red = frame.color[..., 0].astype(int) - frame.color[..., 1] >= self.options.redness
        name = 'cup' if self.options.network == 'auto' else self.options.network
        return SemanticMap(red.astype(np.uint8), ('background', name))


def load_classes(weights, device, backend, options):
    return ClassSegmenter('trivial_classes', options)


def load_rgbd(weights, device, backend, options):
    if weights != 'default':
        raise FileNotFoundError(f'{weights}: no such weights')
    return TrivialSegmenter('trivial', options)


def load_color(weights, device, backend, options):
    return TrivialSegmenter('trivial_color', options)


for _name, _loader, _depth in (('trivial', 'load_rgbd', True),
                               ('trivial_color', 'load_color', False)):
    if _name not in METHODS:
        register(Method(_name, f'trivial_segmenter:{_loader}', 'trivial_segmenter:TrivialOptions',
                        _depth, 'instances', 'red things'))
if 'trivial_classes' not in METHODS:
    register(Method('trivial_classes', 'trivial_segmenter:load_classes',
                    'trivial_segmenter:ClassOptions', False, 'semantic', 'red pixels'))
