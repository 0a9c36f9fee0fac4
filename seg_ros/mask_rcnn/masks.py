# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Paste the masks of boxes into an image; overlapping masks share its pixels."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

# An object of which others leave less than this share of its mask is a second view of theirs.
MIN_VISIBLE = 0.5


def expanded_boxes(
    boxes: npt.NDArray[np.floating], mask_size: int
) -> npt.NDArray[np.int64]:
    """Grow boxes (K, 4) by the border of one cell that masks get, and round as torchvision does.

    Returns (K, 4) x1, y1, x2, y2, the last ones inclusive.
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * ((mask_size + 2) / mask_size)
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.int64)


def pasted_masks(
    boxes: npt.NDArray[np.floating],
    masks: npt.NDArray[np.float32],
    shape: tuple[int, int],
) -> Iterator[tuple[tuple[slice, slice], npt.NDArray[np.float32]]]:
    """Yield for each box the window (rows, columns) of an image (H, W) and its probabilities.

    ``boxes`` (K, 4) x1, y1, x2, y2 in pixels of that image, ``masks`` (K, m, m) probabilities
    inside them. The same numbers as torchvision's ``paste_masks_in_image`` gives, without an
    image for each object.
    """
    height, width = shape
    padded = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    for (x1, y1, x2, y2), mask in zip(
            expanded_boxes(boxes, masks.shape[-1]), padded, strict=True):
        size = max(int(x2 - x1) + 1, 1), max(int(y2 - y1) + 1, 1)
        left, top = max(int(x1), 0), max(int(y1), 0)
        right, bottom = min(int(x2) + 1, width), min(int(y2) + 1, height)
        if right <= left or bottom <= top:
            yield (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.float32)
            continue
        resized = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)
        yield ((slice(top, bottom), slice(left, right)),
               resized[top - y1:bottom - y1, left - x1:right - x1])


def full_masks(
    boxes: npt.NDArray[np.floating], masks: npt.NDArray[np.float32], shape: tuple[int, int],
    threshold: float = 0.5,
) -> npt.NDArray[np.bool_]:
    """Return (K, H, W) bool: where the probability of each box's mask reaches ``threshold``."""
    full = np.zeros((len(boxes), *shape), bool)
    for image, (window, probability) in zip(
            full, pasted_masks(boxes, masks, shape), strict=True):
        image[window] = probability >= threshold
    return full


def label_image(
    boxes: npt.NDArray[np.floating],
    masks: npt.NDArray[np.float32],
    scores: npt.NDArray[np.floating],
    shape: tuple[int, int],
    *,
    threshold: float = 0.5,
    min_visible: float = MIN_VISIBLE,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return labels (H, W), 0 background, and which rows the labels 1, 2, ... are.

    Rows are taken by falling score; a pixel is of the first whose probability reaches
    ``threshold``. A row that keeps less than ``min_visible`` of its pixels is left out: what it
    shows is taken.
    """
    labels = np.zeros(shape, np.int32)
    order = np.argsort(-scores, kind='stable')
    kept: list[int] = []
    for row, (window, probability) in zip(
            order, pasted_masks(boxes[order], masks[order], shape), strict=True):
        mask = probability >= threshold
        free = mask & (labels[window] == 0)
        seen = int(np.count_nonzero(free))
        if seen == 0 or seen < min_visible * np.count_nonzero(mask):
            continue
        kept.append(int(row))
        labels[window][free] = len(kept)
    return labels, np.array(kept, np.int64)
