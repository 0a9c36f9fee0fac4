# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A method that does next to nothing: what is left is the node's own cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.options import Options, option
from seg_ros.core.results import Instances
from seg_ros.segmenters import METHODS, Method, register

NAME = 'trivial'


@dataclass(frozen=True)
class TrivialOptions(Options):
    """The one option: how near an object is."""

    near_m: float = option(0.8, 'Depth in metres below which a pixel is an object', minimum=0.0)


class TrivialSegmenter:
    """Label what is near by the image's quarter that it lies in: up to four objects."""

    method = NAME
    needs_depth = True

    def __init__(self, options: TrivialOptions) -> None:
        self.options, self.device, self.backend = options, 'cpu', 'numpy'
        self.timings: dict[str, float] = {}

    def segment(self, frame: RgbdFrame) -> Instances:
        """Return the near pixels of each quarter as an object."""
        if frame.depth is None:
            raise ValueError('the trivial method needs depth')
        height, width = frame.shape
        near = frame.depth < self.options.near_m
        labels = np.zeros((height, width), np.int32)
        labels[near] = 1
        labels[:, width // 2:][near[:, width // 2:]] += 1
        labels[height // 2:][near[height // 2:]] += 2
        return Instances.from_labels(labels)


def load_trivial(
    weights: str | Path, device: str, backend: str, options: TrivialOptions
) -> TrivialSegmenter:
    """Build the trivial segmenter; it has no weights and runs on the CPU."""
    return TrivialSegmenter(options)


def register_trivial() -> None:
    """Add the method 'trivial' to the registry of this process."""
    if NAME not in METHODS:
        register(Method(
            name=NAME, loader=f'{__name__}:load_trivial', options=f'{__name__}:TrivialOptions',
            needs_depth=True, result='instances', summary='for measurements of the node alone'))
