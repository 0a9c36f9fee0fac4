# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The parameters of semantic segmentation."""

from __future__ import annotations

from dataclasses import dataclass

from seg_ros.core.options import Options, option


@dataclass(frozen=True)
class SemanticOptions(Options):
    """Hold the parameters of semantic segmentation; each says what it does."""

    network: str = option(
        'auto',
        'network: auto takes the one of the weights; a name with weights default takes those that '
        'ship, or that torchvision publishes, under that name; with a file it must be of that '
        'network',
        live=False,
    )
    input_scale: float = option(
        1.0,
        'sides of the image that the network sees, relative to what its weights ask for: less is '
        'faster and loses small things',
        minimum=0.25, maximum=4.0,
    )
    min_confidence: float = option(
        0.0,
        'a pixel whose class has a lower probability becomes background; 0 leaves every pixel its '
        'class',
        minimum=0.0, maximum=1.0,
    )
