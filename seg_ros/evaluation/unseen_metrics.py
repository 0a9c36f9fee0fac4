# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Overlap and boundary measures of unseen object segmentation (Xie et al., CoRL 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer]

BOUNDARY_TOLERANCE = 0.003  # of the image diagonal
DETECTED_F = 0.75
MEASURES = (
    'overlap_precision', 'overlap_recall', 'overlap_f',
    'boundary_precision', 'boundary_recall', 'boundary_f', 'share_above_75',
)  # fmt: skip
_LARGEST_LABEL = 2**16 - 1


@dataclass(frozen=True)
class FrameScore:
    """Hold the measures of one frame, each in [0, 1].

    ``object_f`` has the pixel F of every true object in ascending order of its label, 0 where
    no prediction is matched to it; ``share_above_75`` is the share of those above 0.75.
    """

    overlap_precision: float
    overlap_recall: float
    overlap_f: float
    boundary_precision: float
    boundary_recall: float
    boundary_f: float
    share_above_75: float
    objects: int
    predictions: int
    object_f: tuple[float, ...]


@dataclass(frozen=True)
class MeanScore:
    """Hold the plain mean of each measure over ``frames`` frames, and the sums of objects."""

    overlap_precision: float
    overlap_recall: float
    overlap_f: float
    boundary_precision: float
    boundary_recall: float
    boundary_f: float
    share_above_75: float
    objects: int
    predictions: int
    frames: int


def evaluate_frame(truth_labels: Labels, predicted_labels: Labels) -> FrameScore:
    """Score predicted instances against the true ones.

    Both are (H, W) integer images, 0 background, any positive values for objects. Objects and
    predictions are matched one to one so that the sum of their pixel F is largest; pairs that
    share no pixel are not matched. Boundary pixels agree within ceil(0.003 * diagonal) pixels.
    Raises ValueError for other shapes, dtypes or values.
    """
    truth, truth_count = _compact(truth_labels, 'true')
    predicted, predicted_count = _compact(predicted_labels, 'predicted')
    if truth.shape != predicted.shape:
        raise ValueError(
            f'true labels are {truth.shape[1]}x{truth.shape[0]}, predicted ones '
            f'{predicted.shape[1]}x{predicted.shape[0]}: they must be of the same size'
        )
    shared = _contingency(truth, predicted, truth_count, predicted_count)
    pairs, f_scores = _matched(shared)
    hits = sum(int(shared[i, j]) for i, j in pairs)
    overlap = _precision_recall_f(
        (hits, int(np.count_nonzero(predicted))), (hits, int(np.count_nonzero(truth)))
    )
    object_f = np.zeros(truth_count)
    for i, j in pairs:
        object_f[i] = f_scores[i, j]
    return FrameScore(
        *overlap,
        *_boundary(truth, predicted, pairs),
        share_above_75=_share(object_f, predicted_count),
        objects=truth_count,
        predictions=predicted_count,
        object_f=tuple(object_f.tolist()),
    )


def mean_score(scores: Sequence[FrameScore]) -> MeanScore:
    """Return the plain mean over frames; ValueError without a frame."""
    if not scores:
        raise ValueError('no frame to average: at least one scored frame is needed')
    means = {name: float(np.mean([getattr(score, name) for score in scores])) for name in MEASURES}
    return MeanScore(
        **means,
        objects=sum(score.objects for score in scores),
        predictions=sum(score.predictions for score in scores),
        frames=len(scores),
    )


def contingency_of(truth_labels: Labels, predicted_labels: Labels) -> npt.NDArray[np.int64]:
    """Return the pixels (T + 1, P + 1) that true and predicted objects share.

    Rows and columns by ascending label, the background last. Raises ValueError for labels that
    evaluate_frame refuses.
    """
    truth, rows = _compact(truth_labels, 'true')
    predicted, columns = _compact(predicted_labels, 'predicted')
    return _contingency(truth, predicted, rows, columns)


def boundary_radius(height: int, width: int) -> int:
    """Return the boundary tolerance in pixels: ceil(0.003 * diagonal)."""
    return math.ceil(BOUNDARY_TOLERANCE * math.hypot(height, width))


def _compact(labels: Labels, what: str) -> tuple[npt.NDArray[np.int32], int]:
    """Return the labels as 0..K in ascending order, and K."""
    labels = np.asarray(labels)
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer) or not labels.size:
        raise ValueError(
            f'{what} labels must be (H, W) integers, got {labels.shape} {labels.dtype}'
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > _LARGEST_LABEL:
        raise ValueError(f'{what} labels span {low}..{high}, accepted are 0..{_LARGEST_LABEL}')
    present = np.bincount(labels.ravel(), minlength=high + 1) > 0
    present[0] = False
    table = np.where(present, np.cumsum(present), 0).astype(np.int32)
    return table[labels], int(present.sum())


def _contingency(
    truth: npt.NDArray[np.int32], predicted: npt.NDArray[np.int32], rows: int, columns: int
) -> npt.NDArray[np.int64]:
    """Return (rows + 1, columns + 1) pixel counts with the background last in both axes."""
    pairs = truth.astype(np.int64) * (columns + 1) + predicted
    counts = np.bincount(pairs.ravel(), minlength=(rows + 1) * (columns + 1))
    return np.roll(counts.reshape(rows + 1, columns + 1), -1, axis=(0, 1))


def _matched(
    shared: npt.NDArray[np.int64],
) -> tuple[list[tuple[int, int]], npt.NDArray[np.float64]]:
    """Return the matched (true, predicted) rows and the pixel F of every pair."""
    from scipy.optimize import linear_sum_assignment

    areas = shared.sum(1)[:-1, None] + shared.sum(0)[None, :-1]
    f_scores = 2.0 * shared[:-1, :-1] / areas
    rows, columns = linear_sum_assignment(f_scores, maximize=True)
    pairs = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if shared[i, j]]
    return pairs, f_scores


def _share(object_f: npt.NDArray[np.float64], predictions: int) -> float:
    if len(object_f):
        return float(np.mean(object_f > DETECTED_F))
    return 0.0 if predictions else 1.0


def _precision_recall_f(
    precision: tuple[int, int], recall: tuple[int, int]
) -> tuple[float, float, float]:
    """Return P, R and their harmonic mean from (hits, total) pairs; nothing of nothing is 1."""
    p, r = (hits / total if total else 1.0 for hits, total in (precision, recall))
    return p, r, (2 * p * r / (p + r) if p + r else 0.0)


def _boundary(
    truth: npt.NDArray[np.int32],
    predicted: npt.NDArray[np.int32],
    pairs: list[tuple[int, int]],
) -> tuple[float, float, float]:
    true_pixels, predicted_pixels = _boundary_pixels(truth), _boundary_pixels(predicted)
    radius = boundary_radius(*truth.shape)
    precise = recalled = 0
    for i, j in pairs:
        here, there = true_pixels.get(i + 1), predicted_pixels.get(j + 1)
        if here is not None and there is not None:
            precise += _count_near(there, here, radius)
            recalled += _count_near(here, there, radius)
    predicted_total, true_total = (
        sum(len(pixels) for pixels in found.values()) for found in (predicted_pixels, true_pixels)
    )
    return _precision_recall_f((precise, predicted_total), (recalled, true_total))


def _boundary_pixels(labels: npt.NDArray[np.int32]) -> dict[int, npt.NDArray[np.int64]]:
    """Return for every object the (N, 2) row and column of its boundary pixels.

    A pixel is on the boundary of a mask where the mask differs at its east, south or south-east
    neighbour. So a block of 2x2 pixels that holds more than one label puts its first pixel on
    the boundary of every label in it; the image border is none.
    """
    padded = np.pad(labels, ((0, 1), (0, 1)), mode='edge')
    block = np.stack([padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]])
    mixed = (block[1:] != block[0]).any(0)
    rows, columns = np.nonzero(mixed)
    values = np.sort(block[:, rows, columns], axis=0)
    keep = values > 0
    keep[1:] &= values[1:] != values[:-1]
    slots, pixels = np.nonzero(keep)
    owners = values[slots, pixels]
    order = np.argsort(owners, kind='stable')
    found, starts = np.unique(owners[order], return_index=True)
    places = np.stack([rows[pixels], columns[pixels]], 1)[order]
    parts = np.split(places, starts[1:])
    return {int(label): part for label, part in zip(found, parts, strict=False)}


def _count_near(
    pixels: npt.NDArray[np.int64], others: npt.NDArray[np.int64], radius: int
) -> int:
    """Return how many of the pixels have one of the others within the disk of that radius."""
    import cv2

    span = np.arange(-radius, radius + 1)
    disk = (span[:, None] ** 2 + span**2 <= radius**2).astype(np.uint8)
    low = np.minimum(pixels.min(0), others.min(0))
    high = np.maximum(pixels.max(0), others.max(0))
    canvas = np.zeros(tuple(high - low + 1), np.uint8)
    canvas[tuple((others - low).T)] = 1
    # the default border value of cv2.dilate adds nothing at the canvas' edge
    near = cv2.dilate(canvas, disk)
    return int(near[tuple((pixels - low).T)].sum())
