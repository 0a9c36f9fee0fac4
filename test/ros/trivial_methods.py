# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Methods without a network, registered under names of their own, and a node that has them."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import cv2
import numpy as np

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.options import Options, option
from seg_ros.core.results import Instances, SemanticMap
from seg_ros.segmenters import Method, register


@dataclass(frozen=True)
class BlobOptions(Options):
    """Options of the blob methods."""

    threshold: int = option(128, 'Least red of an object', minimum=0, maximum=255)
    far: float = option(2.0, 'Farthest depth of an object in metres', minimum=0.1, maximum=10.0)
    delay: float = option(0.0, 'Seconds the method pretends to work', minimum=0.0, maximum=10.0)
    fail: str = option('no', 'What goes wrong',
                       choices=('no', 'value', 'runtime', 'depth', 'memory', 'cuda'))
    levels: int = option(4, 'Fixed as a network is', minimum=1, maximum=8, live=False)


class BlobSegmenter:
    """Call red, near, connected pixels an object."""

    def __init__(self, method: str, options: BlobOptions, needs_depth: bool, device: str) -> None:
        if device == 'cuda':
            raise ValueError('device cuda: this machine has no CUDA, use cpu or auto')
        self.method, self.options, self.needs_depth = method, options, needs_depth
        self.device, self.backend, self.timings = 'cpu', 'trivial', {}

    def segment(self, frame: RgbdFrame) -> Instances | SemanticMap:
        time.sleep(self.options.delay)
        if self.options.fail == 'value':
            raise ValueError('this frame is not accepted')
        if self.options.fail == 'depth' and frame.depth is not None:
            raise ValueError('this depth is in miles')
        if self.options.fail == 'runtime':
            raise RuntimeError('out of memory')
        if self.options.fail == 'memory':
            raise MemoryError
        if self.options.fail == 'cuda':
            raise RuntimeError('CUDA error: an illegal memory access was encountered')
        red = frame.color[..., 0] >= self.options.threshold
        if frame.depth is not None:
            red &= np.nan_to_num(frame.depth, nan=np.inf) < self.options.far
        if self.method == 'classes':
            return _classes(red)
        return Instances.from_labels(cv2.connectedComponents(red.astype(np.uint8))[1])


@dataclass(frozen=True)
class NamedOptions(BlobOptions):
    """Options of the method that names its objects."""

    classes: str = option('', 'Classes to find, separated by commas; empty finds all')


class NamedSegmenter(BlobSegmenter):
    """Call blobs by their blue: mug 0.93, bottle 0.5, and 44 without a score."""

    NAMES, SCORES = ('mug', 'bottle', '44'), np.array([0.934, 0.5, np.nan], np.float32)

    def segment(self, frame: RgbdFrame) -> Instances:
        found = super().segment(frame)
        first = [np.flatnonzero(found.labels.ravel() == n + 1)[0] for n in range(len(found))]
        kinds = (frame.color.reshape(-1, 3)[first, 2] // 30).astype(np.int32)
        named = Instances(found.labels, self.SCORES[kinds], kinds, found.ids, self.NAMES)
        wanted = self.check_options(self.options)
        keep = [not wanted or self.NAMES[kind] in wanted for kind in kinds]
        return named[np.array(keep, bool)]

    def check_options(self, options: NamedOptions) -> list[str]:
        """Return the names wanted; ValueError for unknown ones."""
        wanted = [word.strip() for word in options.classes.split(',') if word.strip()]
        unknown = sorted(set(wanted) - set(self.NAMES))
        if unknown:
            raise ValueError(f'classes names {unknown}: known are {self.NAMES}')
        return wanted


def _classes(red):
    wall = np.full(red.shape, 0.25, np.float32)
    probabilities = np.stack([np.where(red, 0.1, 0.75 - 0.15), np.where(red, 0.8, 0.15), wall])
    probabilities = (probabilities / probabilities.sum(axis=0)).astype(np.float32)
    return SemanticMap(red.astype(np.uint8), ('floor', 'thing', 'wall'), probabilities)


def load_blobs(*, weights, device, backend, options):
    if weights != 'default':
        raise FileNotFoundError(f'{weights} is not there: see where weights come from')
    sys.stderr.write('blobs are loaded\n')
    return BlobSegmenter('blobs', options, True, device)


def load_color_blobs(*, weights, device, backend, options):
    return BlobSegmenter('color_blobs', options, False, device)


def load_named(*, weights, device, backend, options):
    return NamedSegmenter('named', options, False, device)


def load_classes(*, weights, device, backend, options):
    return BlobSegmenter('classes', options, False, device)


def register_all() -> None:
    """Register the methods of this module."""
    for name, loader, options, depth, result in (
        ('blobs', 'load_blobs', 'BlobOptions', True, 'instances'),
        ('color_blobs', 'load_color_blobs', 'BlobOptions', False, 'instances'),
        ('named', 'load_named', 'NamedOptions', False, 'instances'),
        ('classes', 'load_classes', 'BlobOptions', False, 'semantic'),
    ):
        register(Method(name=name, loader=f'trivial_methods:{loader}',
                        options=f'trivial_methods:{options}', needs_depth=depth, result=result,
                        summary='for tests'))


if __name__ == '__main__':
    from seg_ros.nodes import container, segmentation_node

    register_all()
    if sys.argv[1:2] == ['container']:
        sys.exit(container.main(sys.argv[1:]))
    sys.exit(segmentation_node.main())
