# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A segmenter's errors, drawn onto true masks: ragged rims, misses, merges, splits, ghosts."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]
Rng = np.random.Generator


@dataclass(frozen=True)
class MaskErrors:
    """Say how often each error happens to an object in a frame, and how far rims go wrong."""

    rim_px: float = 2.0
    miss: float = 0.02
    merge: float = 0.01
    split: float = 0.01
    ghost: float = 0.02
    least_px: int = 100

    def draw(self, truth: Labels, rng: Rng) -> Labels:
        """Return labels (H, W) int32 1..K, in random order, of what a segmenter would find."""
        labels = _ragged(truth, self.rim_px, rng)
        for number in np.unique(labels[labels > 0]):
            chance = rng.random(3)
            if chance[0] < self.miss:
                labels[labels == number] = 0
            if chance[1] < self.merge:
                _merge(labels, int(number))
            if chance[2] < self.split:
                _split(labels, int(number), rng)
        if rng.random() < self.ghost:
            _add_ghost(labels, rng)
        return _shuffled(labels, self.least_px, rng)


def _ragged(truth: Labels, rim_px: float, rng: Rng) -> Labels:
    """Read each pixel's label a little beside it, by a smooth random field."""
    shape = truth.shape[::-1]
    rows, columns = np.indices(truth.shape, dtype=np.float32)
    places = []
    for axis in (rows, columns):
        grid = rng.standard_normal((max(shape[1] // 12, 2), max(shape[0] // 12, 2)))
        field = cv2.resize(grid.astype(np.float32), shape, interpolation=cv2.INTER_CUBIC)
        places.append(np.asarray(axis + np.float32(rim_px) * field, np.float32))
    # OpenCV moves no 32-bit integers; 16 bits hold all labels.
    ragged = cv2.remap(truth.astype(np.uint16), places[1], places[0], cv2.INTER_NEAREST,
                       borderMode=cv2.BORDER_REPLICATE)
    return ragged.astype(np.int32)


def _merge(labels: Labels, number: int) -> None:
    """Join an object with the one that it touches most, if any."""
    mask = (labels == number).astype(np.uint8)
    rim = (cv2.dilate(mask, np.ones((7, 7), np.uint8)) > 0) & (labels > 0) & (labels != number)
    if rim.any():
        labels[labels == number] = np.bincount(labels[rim]).argmax()


def _split(labels: Labels, number: int, rng: Rng) -> None:
    """Cut an object in two by a line through its middle."""
    rows, columns = np.nonzero(labels == number)
    if not len(rows):
        return
    angle = rng.uniform(0, np.pi)
    side = np.cos(angle) * (columns - columns.mean()) + np.sin(angle) * (rows - rows.mean())
    labels[rows[side > 0], columns[side > 0]] = labels.max() + 1


def _add_ghost(labels: Labels, rng: Rng) -> None:
    """Call a patch of the background an object."""
    height, width = labels.shape
    ghost = np.zeros(labels.shape, np.uint8)
    centre = (int(rng.integers(width)), int(rng.integers(height)))
    axes = tuple(int(size) for size in rng.uniform(0.02, 0.06, 2) * width)
    cv2.ellipse(ghost, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    labels[(ghost > 0) & (labels == 0)] = labels.max() + 1


def _shuffled(labels: Labels, least_px: int, rng: Rng) -> Labels:
    """Number the objects of enough pixels 1..K in random order."""
    counts = np.bincount(labels.ravel())
    kept = [number for number in np.flatnonzero(counts >= max(least_px, 1)) if number]
    table = np.zeros(len(counts), np.int32)
    table[kept] = 1 + rng.permutation(len(kept))
    return table[labels]
