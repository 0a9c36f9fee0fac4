# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What depth sensors are like, by name: the ranges from which a frame's sensor is drawn."""

from __future__ import annotations

from dataclasses import dataclass

Span = tuple[float, float]


@dataclass(frozen=True)
class SensorModel:
    """Give the ranges of a kind of sensor; pixels at 640 pixels width, metres, shares.

    matching_baseline_m 0 means no stereo noise, subpixel 0 no disparity steps.
    """

    baseline_m: Span  # between the two eyes, for the shadow
    matching_baseline_m: float  # for the noise
    subpixel: int  # disparity steps a pixel
    noise_px: Span  # white disparity noise
    lumps_px: Span  # disparity noise correlated over a few pixels
    window_px: Span  # matching window, which smooths the surface
    edge_jitter_px: Span  # how ragged the edges are
    edge_drop: Span  # share of depth edges lost
    flying: Span  # share of edge pixels that hang between near and far
    border: Span  # share of the width lost on the shadow's side
    lost_object: float  # chance of each object to vanish
    patchy_object: float  # chance of each object to lose patches
    blobs: float  # mean number of lost ellipses
    far_m: Span  # beyond it nothing is measured
    shift_px: float  # deviation of the misregistration to colour
    fattening: float  # chance that near things grow by a pixel
    proportional: Span = (0.0, 0.0)  # noise proportional to z (time of flight)


MODELS: dict[str, SensorModel] = {
    'realsense': SensorModel(
        baseline_m=(0.04, 0.12),
        matching_baseline_m=0.055,
        subpixel=32,
        noise_px=(0.005, 0.04),
        lumps_px=(0.015, 0.11),
        window_px=(3, 13),
        edge_jitter_px=(0.3, 2.5),
        edge_drop=(0.0, 0.5),
        flying=(0.0, 0.2),
        border=(0.0, 0.12),
        lost_object=0.015,
        patchy_object=0.05,
        blobs=1.2,
        far_m=(3.0, 10.0),
        shift_px=2.0,
        fattening=0.5,
    ),
    'kinect': SensorModel(
        baseline_m=(0.05, 0.09),
        matching_baseline_m=0.075,
        subpixel=8,
        noise_px=(0.02, 0.08),
        lumps_px=(0.03, 0.12),
        window_px=(2, 6),
        edge_jitter_px=(0.5, 2.5),
        edge_drop=(0.1, 0.8),
        flying=(0.0, 0.05),
        border=(0.0, 0.03),
        lost_object=0.03,
        patchy_object=0.08,
        blobs=2.5,
        far_m=(3.5, 8.0),
        shift_px=2.0,
        fattening=0.3,
    ),
    'tof': SensorModel(
        baseline_m=(0.0, 0.03),
        matching_baseline_m=0.0,
        subpixel=0,
        noise_px=(0.0, 0.0),
        lumps_px=(0.0, 0.0),
        window_px=(1, 4),
        edge_jitter_px=(0.2, 1.5),
        edge_drop=(0.0, 0.5),
        flying=(0.2, 0.8),
        border=(0.0, 0.02),
        lost_object=0.02,
        patchy_object=0.06,
        blobs=1.0,
        far_m=(4.0, 9.0),
        shift_px=2.0,
        fattening=0.1,
        proportional=(0.0005, 0.003),
    ),
}

MODEL_NAMES = (*MODELS, 'clean', 'random')
# How often 'random' takes each: active stereo is what most robots carry.
RANDOM_SHARES = {'realsense': 0.5, 'kinect': 0.23, 'tof': 0.15, 'clean': 0.12}
