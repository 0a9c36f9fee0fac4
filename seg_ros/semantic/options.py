# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The parameters of semantic segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seg_ros.core.options import option
from seg_ros.crf.dense_options import SemanticCrfOptions


@dataclass(frozen=True)
class SemanticOptions(SemanticCrfOptions):
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


def deeplab_crf(**changes: Any) -> SemanticOptions:
    """Return the options of DeepLab's recipe: LargeFOV, then a fully connected CRF.

    Chen et al., ICLR 2015; the CRF's parameters are those published with LargeFOV on VGG16.
    """
    preset = {'network': 'deeplab', 'crf': 'dense', 'crf_iterations': 10,
              'crf_gaussian_px': 3.0, 'crf_gaussian_weight': 3.0, 'crf_bilateral_px': 67.0,
              'crf_bilateral_color': 3.0, 'crf_bilateral_weight': 4.0}
    return SemanticOptions().replaced(**(preset | changes))
