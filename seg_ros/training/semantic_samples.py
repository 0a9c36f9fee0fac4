# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Make one training sample of semantic segmentation: colour, XYZ, classes, weights of pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seg_ros.networks.preprocessing import Preprocessing, input_arrays
from seg_ros.semantic.border_weights import border_term, separated
from seg_ros.semantic.class_groups import IGNORED
from seg_ros.training.samples import (
    View,
    as_a_camera_sees,
    chosen_box,
    resampled,
    varied,
)
from seg_ros.training.semantic_options import SemanticTrainOptions

# Colour and XYZ (3, h, w) float32, classes (h, w) int64, border weights (h, w) float32.
SemanticSample = tuple[
    npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int64],
    npt.NDArray[np.float32]]
_CLASS_BITS = 8


@dataclass(frozen=True, eq=False)
class ClassView:
    """Hold a view and its classes (H, W) uint8, 255 ignored.

    ``view.labels`` are the instances where ``has_instances``, else the pixels of objects.
    """

    view: View
    classes: npt.NDArray[np.uint8]
    has_instances: bool = True


def semantic_sample(
    item: ClassView, options: SemanticTrainOptions, preprocessing: Preprocessing,
    uses_depth: bool, rng: np.random.Generator,
) -> SemanticSample:
    """Return a random variation of a view: part, scale, mirror, colours, lost inputs.

    ValueError for border weights or parting without instances.
    """
    if (options.border_weights or options.part_touching) and not item.has_instances:
        raise ValueError(
            'border_weights and part_touching need instances: NAME-labels.png, or '
            'SegmentationObject of VOC')
    size = options.width, options.height
    box = chosen_box(item.view, size, options, rng)
    cut, _ = varied(replace(item.view, labels=joint_labels(item)), box, size, rng)
    classes, instances = taken_apart(cut.labels)
    color, xyz = input_arrays(cut.color, cut.depth_m, cut.camera, preprocessing)
    drop = rng.random()
    if uses_depth and np.isfinite(cut.depth_m).any():
        if drop < options.drop_color:
            color[:] = 0
        elif drop < options.drop_color + options.drop_depth:
            xyz[:] = 0
    return color, xyz, *targets(classes, instances, options)


def targets(
    classes: npt.NDArray[np.int64], instances: npt.NDArray[np.int32],
    options: SemanticTrainOptions,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the classes to teach and what borders add to the weights of pixels, (h, w) each."""
    if options.part_touching:
        classes = np.where((instances > 0) & (separated(instances) == 0), 0, classes)
    if not options.border_weights:
        return classes, np.zeros(classes.shape, np.float32)
    return classes, border_term(
        instances, w0=options.border_w0, sigma_px=options.border_sigma_px)


def joint_labels(item: ClassView) -> npt.NDArray[np.int32]:
    """Return instances and classes in one image (H, W), so that they are cut alike."""
    return (item.view.labels << _CLASS_BITS) | item.classes.astype(np.int32)


def taken_apart(
    joint: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return the classes and the instances of ``joint_labels``."""
    return (joint & IGNORED).astype(np.int64), np.ascontiguousarray(joint >> _CLASS_BITS)


def whole_semantic_sample(
    item: ClassView, size: tuple[int, int], preprocessing: Preprocessing, seed: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return colour and XYZ (3, h, w) of a whole view; clean ones get noise by the seed."""
    view = as_a_camera_sees(item.view, seed)
    seen = resampled(view, (0, 0, view.camera.width, view.camera.height), size)
    return input_arrays(seen.color, seen.depth_m, seen.camera, preprocessing)
