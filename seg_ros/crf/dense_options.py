# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The parameters of CRFs that sharpen results; methods inherit those that they offer."""

from __future__ import annotations

from dataclasses import dataclass

from seg_ros.core.options import Options, option


@dataclass(frozen=True)
class SemanticCrfOptions(Options):
    """Hold the parameters of a CRF over classes of pixels; each says what it does."""

    crf: str = option(
        'none',
        'conditional random field that sharpens the classes by the image: dense joins every pixel '
        "to every other, by DeepLab's parameters unless told otherwise; grid joins neighbours",
        choices=('none', 'dense', 'grid'),
    )
    crf_iterations: int = option(
        10, 'crf: steps of the mean field', minimum=1, maximum=100)
    crf_gaussian_px: float = option(
        3.0, 'crf dense: pixels this far apart smooth each other', minimum=0.5, maximum=500.0)
    crf_gaussian_weight: float = option(
        3.0, 'crf dense: weight of that smoothing', minimum=0.0, maximum=100.0)
    crf_bilateral_px: float = option(
        67.0, 'crf dense: pixels this far apart and of like colour have like classes',
        minimum=0.5, maximum=2000.0)
    crf_bilateral_color: float = option(
        3.0, 'crf dense: colours, of 255, that differ by this much are no longer like',
        minimum=0.5, maximum=255.0)
    crf_bilateral_weight: float = option(
        4.0, 'crf dense: weight of likeness', minimum=0.0, maximum=100.0)
    crf_depth_m: float = option(
        0.0, 'crf dense: depths in metres that differ by this much are no longer like; 0 leaves '
        'depth out', minimum=0.0, maximum=10.0)
    crf_contrast_weight: float = option(
        2.0, 'crf grid: cost of a border between neighbours of like colour', minimum=0.0,
        maximum=100.0)


@dataclass(frozen=True)
class InstanceCrfOptions(Options):
    """Hold the parameters of a CRF over objects; each says what it does."""

    refine: str = option(
        'none',
        'crf: masks get the borders that colour and depth suggest, by a fully connected CRF over '
        'background and objects',
        choices=('none', 'crf'),
    )
    refine_px: float = option(
        10.0, 'refine: pixels this far apart speak for each other', minimum=0.5, maximum=500.0)
    refine_color: float = option(
        10.0, 'refine: colours, of 255, that differ by this much count as different',
        minimum=0.5, maximum=255.0)
    refine_depth_m: float = option(
        0.02, 'refine: depths in metres that differ by this much count as different; 0 leaves '
        'depth out', minimum=0.0, maximum=10.0)
    refine_weight: float = option(
        10.0, "refine: weight of the pixels that speak for each other against the mask's",
        minimum=0.0, maximum=100.0)
    refine_edge_px: float = option(
        3.0, "refine: uncertainty of the masks' borders in pixels; none moves further than twice "
        'this', minimum=0.5, maximum=50.0)
