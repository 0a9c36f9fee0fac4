# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Read views once for the RoI ablation: features of a frozen trunk, proposals, the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seg_ros.mask_rcnn.network_small import SmallDetectorConfig, small_detector
from seg_ros.networks.preprocessing import SMALL
from seg_ros.networks.small_trunk import SmallTrunk
from seg_ros.training.detection_data import FolderSource, Sources, whole_samples
from seg_ros.training.detection_options import DetectionTrainOptions
from seg_ros.training.detection_task import config_for, start_from, trunk_of
from seg_ros.weights import Weights

LEVEL = 3  # of the trunk's features at strides 2, 4, 8, 16, 32


@dataclass(frozen=True, eq=False)
class RoiView:
    """Hold what all rows share of a view.

    ``features`` (C, h / 16, w / 16) float16; ``labels`` (h, w) int16, 0 background, k = row k - 1
    of ``boxes`` (K, 4) x1, y1, x2, y2 in pixels; ``proposals`` (P, 4), None before there are any.
    """

    features: Tensor
    labels: Tensor
    boxes: Tensor
    proposals: Tensor | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width in pixels."""
        return self.labels.shape[0], self.labels.shape[1]

    def masks(self) -> Tensor:
        """Return the objects' masks, (K, h, w) uint8."""
        rows = torch.arange(1, len(self.boxes) + 1, dtype=self.labels.dtype)
        return (self.labels == rows[:, None, None]).to(torch.uint8)

    def target(self) -> dict[str, Tensor]:
        """Return torchvision's target: one class of objects."""
        return {'boxes': self.boxes, 'masks': self.masks(),
                'labels': torch.ones(len(self.boxes), dtype=torch.int64)}


def trunk_from(weights: Weights) -> SmallTrunk:
    """Return the trunk of a small detector's or an Unseen Clustering Network's weights, frozen."""
    model = small_detector(config_for(weights, SmallDetectorConfig()))
    start_from(model, weights, ())
    return trunk_of(model).eval().requires_grad_(False)


def read_views(
    folder: Path, count: int, size: tuple[int, int], trunk: SmallTrunk
) -> tuple[list[RoiView], dict[str, Any]]:
    """Read ``count`` evenly spaced views at (w, h) pixels, and what the folder says of itself.

    Clean views get sensor noise, the same at each call. ValueError for a folder without views.
    """
    sources = Sources([FolderSource(folder, 'auto', named=False)])
    options = DetectionTrainOptions(width=size[0], height=size[1], validation_frames=count)
    views = [_read(image, target, trunk)
             for (image, target), _ in whole_samples(sources, options, SMALL)]
    return views, {**sources.describe()[0], 'used': len(views)}


@torch.inference_mode()
def _read(image: Tensor, target: dict[str, Tensor], trunk: SmallTrunk) -> RoiView:
    features = trunk.pyramid(image[None, :3], image[None, 3:])[LEVEL][0]
    labels = torch.zeros(image.shape[1:], dtype=torch.int16)
    for row, mask in enumerate(target['masks'], start=1):
        labels[mask > 0] = row
    return RoiView(features.half().clone(), labels, target['boxes'])


def features_of(views: Sequence[RoiView]) -> Tensor:
    """Stack the features of views, (B, C, h, w) float32."""
    return torch.stack([view.features for view in views]).float()


def batches_of(
    views: Sequence[RoiView], batch: int, iterations: int, seed: int
) -> Iterator[list[RoiView]]:
    """Yield batches in an order that the seed fixes; every view is seen before one comes again."""
    rng = np.random.default_rng(seed)
    waiting: list[int] = []
    for _ in range(iterations):
        while len(waiting) < batch:
            waiting += rng.permutation(len(views)).tolist()
        chosen, waiting = waiting[:batch], waiting[batch:]
        yield [views[index] for index in chosen]
