# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The second stage: cluster each object again on a crop of its own (zoom-in).

Xiang et al. 2020, section 3.4: crops padded by 25 %, clusters kept by their overlap with the
first stage's mask, pasted from far to near.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.results import Instances
from seg_ros.networks.preprocessing import Preprocessing, xyz_array
from seg_ros.unseen.refinement import Region

FloatArray = npt.NDArray[np.float32]

PADDING = 0.25
MIN_OVERLAP = 0.5


@dataclass(frozen=True, eq=False)
class Crop:
    """Hold one crop: ``box`` (x1, y1, x2, y2) in the image, ``mask`` (h, w) bool of stage one.

    ``color`` and ``xyz`` are (3, s, s) float32, the network's input.
    """

    box: tuple[int, int, int, int]
    mask: npt.NDArray[np.bool_]
    color: FloatArray
    xyz: FloatArray

    @property
    def size(self) -> tuple[int, int]:
        """Return (width, height) of the box in pixels."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]


def padded_box(
    box_xyxy: npt.NDArray[np.floating], shape: tuple[int, int], padding: float = PADDING
) -> tuple[int, int, int, int]:
    """Widen a box by a share of its sides on each side, clamped to the image (H, W)."""
    x1, y1, x2, y2 = (int(value) for value in box_xyxy)
    dx, dy = round(padding * (x2 - x1)), round(padding * (y2 - y1))
    return max(0, x1 - dx), max(0, y1 - dy), min(shape[1], x2 + dx), min(shape[0], y2 + dy)


def resized_points(points_cam: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Resize points (H, W, 3), NaN = none, bilinearly to (w, h) over the known ones alone.

    A result of which less than half the weight is known is NaN.
    """
    known = np.isfinite(points_cam[..., 2])
    values = np.where(known[..., None], points_cam, np.float32(0))
    weight = np.asarray(cv2.resize(known.astype(np.float32), size), np.float32)[..., None]
    total = np.asarray(cv2.resize(values, size), np.float32)
    return np.where(weight >= 0.5, total / np.maximum(weight, 0.5), np.float32(np.nan))


def make_crops(
    frame: RgbdFrame, stage_one: Instances, side: int, preprocessing: Preprocessing
) -> list[Crop]:
    """Cut one crop for each object, resized to side x side: colour and XYZ bilinear."""
    points = frame.points() if frame.depth is not None else None
    crops = []
    for label, box in enumerate(stage_one.boxes_xyxy(), start=1):
        x1, y1, x2, y2 = padded_box(box, frame.shape)
        window = np.s_[y1:y2, x1:x2]
        color = np.asarray(cv2.resize(frame.color[window], (side, side)), np.uint8)
        xyz = np.zeros((3, side, side), np.float32)
        if points is not None:
            xyz = xyz_array(resized_points(points[window], (side, side)))
        crops.append(Crop((x1, y1, x2, y2), stage_one.labels[window] == label,
                          preprocessing.color_array(color), xyz))
    return crops


def kept_regions(
    crop: Crop, labels: npt.NDArray[np.uint8], min_area: float
) -> list[Region]:
    """Return the crop's clusters (h, w) of which half or more lies in the first stage's mask.

    Where none does the first stage's mask stays, so that zooming never loses an object.
    """
    total = np.bincount(labels.ravel(), minlength=256)
    inside = np.bincount(labels[crop.mask], minlength=256)
    kept = np.flatnonzero((inside >= MIN_OVERLAP * total) & (total >= min_area))
    masks = [labels == label for label in kept if label > 0] or [crop.mask]
    return [Region(crop.box[0], crop.box[1], mask.view(np.uint8),
                   int(mask.sum())) for mask in masks]


def far_to_near(
    regions: list[Region], depth_m: npt.NDArray[np.float32] | None
) -> list[Region]:
    """Order regions by falling mean valid depth; those without depth come first (as far)."""
    if depth_m is None:
        return regions
    return sorted(regions, key=lambda region: -_mean_depth(region, depth_m))


def _mean_depth(region: Region, depth_m: npt.NDArray[np.float32]) -> float:
    values = depth_m[region.window][region.mask > 0]
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float('inf')
