# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A detector of a few thousand weights to start trainings from, and options that take seconds."""

import torch

from seg_ros.mask_rcnn.checkpoint import metadata_of
from seg_ros.mask_rcnn.network_small import SmallDetectorConfig, small_detector
from seg_ros.training.detection_options import DetectionTrainOptions
from seg_ros.weights import load_weights, save_weights

OPTIONS = DetectionTrainOptions(
    width=64, height=64, batch=2, samples=8, warmup_steps=1, log_steps=1, workers=0, device='cpu',
    threads=1, validation_samples=1000, validation_frames=2, proposals=50, rois=32,
    smallest_object=4, sensor_noise='never', learning_rate=2e-3)
# Nothing of a sample is left to chance but its mirror and its colours.
STEADY = OPTIONS.replaced(
    focus_share=0.0, zoom_min=1.0, zoom_max=1.0, drop_color=0.0, drop_depth=0.0)


def tiny_config(classes):
    return SmallDetectorConfig(
        widths=(4, 6, 8, 8, 8), blocks=(0, 0, 0, 0), raised_blocks=0, channels=16, box_width=32,
        mask_layers=1, anchor_sizes=(8, 12, 16, 32, 64), num_classes=classes + 1)


def tiny_weights(folder, names=('object',), roi=('align', 'average')):
    """Return random weights that --init takes."""
    torch.manual_seed(0)
    config = tiny_config(len(names))
    path = folder / 'tiny.safetensors'
    save_weights(path, small_detector(config).state_dict(),
                 metadata_of(config, names, (64, 64), *roi))
    return load_weights(path, method='mask_rcnn')
