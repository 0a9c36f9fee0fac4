# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Make one training sample of Mask R-CNN: an image of colour and XYZ, boxes, masks, classes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seg_ros.core.frame import CameraModel
from seg_ros.networks.preprocessing import Preprocessing, input_arrays
from seg_ros.training.detection_options import DetectionTrainOptions
from seg_ros.training.samples import (
    View,
    as_a_camera_sees,
    chosen_box,
    resampled,
    varied,
)
from seg_ros.unseen.focus import box_of

# (6, h, w) colour and XYZ as the network takes them; boxes, labels, masks as torchvision does.
DetectionSample = tuple[Tensor, dict[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Objects:
    """Hold a view with its objects: ``masks`` (K, H, W) bool, ``class_ids`` (K,) from 1.

    ``view.labels`` says where objects are when a part of the view is chosen.
    """

    view: View
    masks: npt.NDArray[np.bool_]
    class_ids: npt.NDArray[np.int64]


def objects_of(view: View, class_ids: npt.ArrayLike | None = None) -> Objects:
    """Return the objects of a label image; ``class_ids`` by ascending label, else all are 1."""
    found = np.unique(view.labels)
    found = found[found > 0]
    masks = view.labels[None] == found[:, None, None]
    ids = np.ones(len(found)) if class_ids is None else np.asarray(class_ids)
    return Objects(view, masks, ids.astype(np.int64))


def camera_or_any(camera: CameraModel | None, shape: tuple[int, int]) -> CameraModel:
    """Return the camera, or one that only carries the size: without depth none is needed."""
    height, width = shape
    return camera or CameraModel(width, height, width, width, (width - 1) / 2, (height - 1) / 2)


def cut_masks(
    masks: npt.NDArray[np.bool_], box: tuple[int, int, int, int], size: tuple[int, int],
    mirrored: bool,
) -> npt.NDArray[np.uint8]:
    """Cut the box out of masks (K, H, W), resize them to (w, h) and mirror them if asked."""
    x1, y1, x2, y2 = box
    cut = masks[:, y1:y2, x1:x2].view(np.uint8)
    resized = np.empty((len(cut), size[1], size[0]), np.uint8)
    for mask, target in zip(cut, resized, strict=True):
        cv2.resize(mask, size, dst=target, interpolation=cv2.INTER_NEAREST_EXACT)
    return resized[:, :, ::-1] if mirrored else resized


def targets_of(
    masks: npt.NDArray[np.uint8], class_ids: npt.NDArray[np.int64], smallest: int
) -> dict[str, Tensor]:
    """Return torchvision's targets of masks (K, h, w), those of fewer pixels left out.

    Boxes (K, 4) float32 end after the last pixel, labels are int64, masks uint8.
    """
    kept = masks.sum(axis=(1, 2), dtype=np.int64) >= smallest
    masks = np.ascontiguousarray(masks[kept])
    boxes = np.array([box_of(mask) for mask in masks], np.float32).reshape(-1, 4)
    return {'boxes': torch.from_numpy(boxes), 'labels': torch.from_numpy(class_ids[kept]),
            'masks': torch.from_numpy(masks)}


def detection_sample(
    objects: Objects, options: DetectionTrainOptions, preprocessing: Preprocessing,
    rng: np.random.Generator,
) -> DetectionSample:
    """Return a random variation of a view: part, scale, mirror, colours, lost inputs."""
    size = options.width, options.height
    box = chosen_box(objects.view, size, options, rng)
    cut, mirrored = varied(objects.view, box, size, rng)
    masks = cut_masks(objects.masks, box, size, mirrored)
    color, depth = shown_inputs(options, rng.random(), bool(np.isfinite(cut.depth_m).any()))
    image = stacked_input(cut, preprocessing, color=color, depth=depth)
    return image, targets_of(masks, objects.class_ids, options.smallest_object)


def shown_inputs(
    options: DetectionTrainOptions, drop: float, has_depth: bool
) -> tuple[bool, bool]:
    """Return whether colour and depth are shown where ``drop``, 0 to 1, was drawn.

    What is the only input stays: objects cannot be taught of an empty one.
    """
    if options.fusion in ('color', 'depth') or not has_depth:
        return True, True
    return (drop >= options.drop_color,
            not 0 <= drop - options.drop_color < options.drop_depth)


def whole_sample(
    objects: Objects, options: DetectionTrainOptions, preprocessing: Preprocessing, seed: int
) -> DetectionSample:
    """Return a whole view as a sample; a clean one with noise, the same for the same seed."""
    view = as_a_camera_sees(objects.view, seed)
    box, size = (0, 0, view.camera.width, view.camera.height), (options.width, options.height)
    masks = cut_masks(objects.masks, box, size, False)
    image = stacked_input(resampled(view, box, size), preprocessing)
    return image, targets_of(masks, objects.class_ids, 1)


def stacked_input(
    view: View, preprocessing: Preprocessing, *, color: bool = True, depth: bool = True
) -> Tensor:
    """Return colour and XYZ (6, h, w) float32 of a view; what is left out is zero."""
    planes = input_arrays(view.color, view.depth_m, view.camera, preprocessing)
    for array, shown in zip(planes, (color, depth), strict=True):
        if not shown:
            array[:] = 0
    return torch.from_numpy(np.concatenate(planes))
