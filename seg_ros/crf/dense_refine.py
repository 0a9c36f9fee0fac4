# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sharpen results by a CRF over their image: classes of pixels, and masks of objects."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.results import Instances, SemanticMap
from seg_ros.crf.dense import DenseCrf, costs_of_probabilities
from seg_ros.crf.dense_options import InstanceCrfOptions, SemanticCrfOptions
from seg_ros.crf.kernels import Bilateral, Gaussian

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
Window = tuple[slice, slice]
# An object that would lose more of its pixels than this keeps its mask.
MOST_LOST = 0.5
# An object's probability deep inside of its mask, and what it falls to at the mask's edge.
INSIDE, EDGE = 0.97, 0.55


def refine_semantic(
    frame: RgbdFrame, semantic_map: SemanticMap, options: SemanticCrfOptions
) -> SemanticMap:
    """Return the map refined by the CRF of the options, or as it is with crf none.

    ValueError for a map without the probabilities of all classes.
    """
    if options.crf == 'none':
        return semantic_map
    if semantic_map.probabilities is None:
        raise ValueError('the map has no probabilities of all classes: a CRF needs them')
    found = refine_probabilities(semantic_map.probabilities, frame, options)
    labels = found.argmax(axis=0).astype(semantic_map.labels.dtype)
    labels[found.max(axis=0) < semantic_map.threshold] = 0
    return replace(semantic_map, labels=labels, probabilities=found, confidence=None)


def refine_probabilities(
    probabilities: F32, frame: RgbdFrame, options: SemanticCrfOptions
) -> F32:
    """Return probabilities (L, H, W) of the frame refined by the CRF of the options."""
    costs = costs_of_probabilities(np.ascontiguousarray(probabilities.transpose(1, 2, 0)))
    found = _by_grid(costs, frame, options) if options.crf == 'grid' else semantic_crf(
        options, frame.depth is not None).infer(costs, frame.color, frame.depth).probabilities
    return np.ascontiguousarray(found.transpose(2, 0, 1), np.float32)


def semantic_crf(options: SemanticCrfOptions, has_depth: bool) -> DenseCrf:
    """Return the fully connected CRF of the options; without depth it compares none."""
    kernels = (
        Gaussian(options.crf_gaussian_px, options.crf_gaussian_weight),
        Bilateral(options.crf_bilateral_px, options.crf_bilateral_color,
                  depth_m=options.crf_depth_m if has_depth and options.crf_depth_m > 0 else None,
                  weight=options.crf_bilateral_weight))
    return DenseCrf(kernels, iterations=options.crf_iterations)


def _by_grid(
    costs: F32, frame: RgbdFrame, options: SemanticCrfOptions
) -> npt.NDArray[np.floating]:
    """Return probabilities (H, W, L) of a CRF on the pixel grid, sensitive to contrast."""
    crf = import_module('seg_ros.crf.grid').GridCrf(
        import_module('seg_ros.crf.unary').Unary(costs),
        import_module('seg_ros.crf.pairwise').Pairwise.contrast_sensitive(
            frame.color, 0.0, options.crf_contrast_weight), 8)
    found: npt.NDArray[np.floating] = crf.marginals(
        'mean_field', iterations=options.crf_iterations).probabilities
    return found


def refine_instances(
    frame: RgbdFrame, instances: Instances, options: InstanceCrfOptions
) -> Instances:
    """Return the objects with the borders that colour and depth suggest, or as they are.

    A fully connected CRF over the background and the objects runs on the part of the image that
    holds all of them or, where that is less work, on a crop around each. Rows, scores and ids
    stay; an object that would lose half of its pixels keeps its mask.
    """
    if options.refine == 'none' or not len(instances):
        return instances
    labels = instances.labels.copy()
    crf = instance_crf(options, frame.depth is not None)
    for window, row in windows(instances, _margin(options)):
        found = _relabelled(labels[window], frame, window, crf, options.refine_edge_px)
        if row is not None:  # a crop is one object's: what others do there is theirs to say
            old = labels[window]
            found = np.where((old == row) | (found == row), found, old)
        labels[window] = found
    return replace(instances, labels=_kept(instances.labels, labels, len(instances)))


def instance_crf(options: InstanceCrfOptions, has_depth: bool) -> DenseCrf:
    """Return the CRF over objects; without depth it compares none."""
    kernel = Bilateral(
        options.refine_px, options.refine_color,
        depth_m=options.refine_depth_m if has_depth and options.refine_depth_m > 0 else None,
        weight=options.refine_weight)
    return DenseCrf([kernel], iterations=5)


def _margin(options: InstanceCrfOptions) -> int:
    return int(np.ceil(2 * options.refine_edge_px)) + 2


def windows(instances: Instances, margin: int) -> list[tuple[Window, int | None]]:
    """Return the windows that cost least: one with all objects, or one around each row's.

    The work is about the area times the labels, which are taken eight at a time.
    """
    boxes = instances.boxes_xyxy().astype(int)
    rows = np.flatnonzero(instances.areas())
    if not len(rows):
        return []
    shape = instances.labels.shape
    single = [(_window(boxes[row], margin, shape), int(row) + 1) for row in rows]
    low, high = boxes[rows, :2].min(axis=0), boxes[rows, 2:].max(axis=0)
    whole = _window(np.concatenate([low, high]), margin, shape)
    alone = sum(_work(instances.labels[window]) for window, _ in single)
    return [*single] if alone < _work(instances.labels[whole]) else [(whole, None)]


def _work(labels: I32) -> int:
    return labels.size * -(-(len(np.unique(labels)) + 1) // 8)


def _window(box: npt.NDArray[np.integer], margin: int, shape: tuple[int, ...]) -> Window:
    x1, y1, x2, y2 = (int(side) for side in box)
    return (slice(max(0, y1 - margin), min(shape[0], y2 + margin)),
            slice(max(0, x1 - margin), min(shape[1], x2 + margin)))


def _relabelled(
    labels: I32, frame: RgbdFrame, window: Window, crf: DenseCrf, edge_px: float
) -> I32:
    """Return the labels of a window after its CRF; only those near a border can change."""
    present, compact = np.unique(labels, return_inverse=True)
    if len(present) < 2:
        return labels
    compact = compact.reshape(labels.shape)
    distance = border_distance(compact)
    costs = edge_costs(compact, len(present), distance, edge_px)
    depth = None if frame.depth is None else frame.depth[window]
    found = crf.infer(costs, frame.color[window], depth).labels
    return np.where(distance <= 2 * edge_px, present[found], labels).astype(np.int32)


def border_distance(labels: npt.NDArray[np.integer]) -> F32:
    """Return each pixel's distance in pixels to the nearest one of another label, (H, W)."""
    blocks = np.pad(labels, 1, mode='edge')
    inner = np.ones(labels.shape, np.uint8)
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        inner &= (blocks[dy:dy + labels.shape[0], dx:dx + labels.shape[1]] == labels)
    return cv2.distanceTransform(inner, cv2.DIST_L2, 3).astype(np.float32) + np.float32(0.5)


def edge_costs(
    labels: npt.NDArray[np.integer], count: int, distance: F32, edge_px: float
) -> F32:
    """Return costs (H, W, count) of labels whose borders are uncertain by ``edge_px`` pixels.

    A pixel's own label has probability 0.55 at a border and 0.97 far from it.
    """
    own = np.float32(INSIDE) - np.float32(INSIDE - EDGE) * np.exp(
        -distance / np.float32(edge_px))
    costs = np.repeat(-np.log((1 - own) / (count - 1))[..., None], count, axis=2)
    np.put_along_axis(costs, labels[..., None].astype(np.intp), -np.log(own)[..., None], axis=2)
    return costs


def _kept(before: I32, after: I32, count: int) -> I32:
    """Return the labels after, but the masks before of objects that lost too much."""
    sizes = np.bincount(before.ravel(), minlength=count + 1)
    left = np.bincount(after[before == after], minlength=count + 1)
    for row in np.flatnonzero(left < (1 - MOST_LOST) * sizes):
        if row:
            after[before == row] = row
    return after
