# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Cut clusters where the network sees two objects meet.

An embedding says what belongs together over long distances, a contact map where things end: two
alike things that touch share a cluster, but not their insides.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.labels import nearest_label

Labels = npt.NDArray[np.int32]
FloatImage = npt.NDArray[np.float32]

# A part with fewer cells, or with a smaller share of its cluster's piece, is no object.
MIN_PART_CELLS = 8
MIN_PART_SHARE = 0.01


def split_at_contacts(labels: Labels, contact: FloatImage, threshold: float) -> Labels:
    """Return labels (h, w) with every connected piece cut that contacts part.

    ``labels`` 0 background, 1..K clusters; ``contact`` (h, w) probability of lying where objects
    meet. The parts are what remains connected below the threshold; a cell above it goes to the
    nearest part. The largest part keeps its label, others take numbers from K + 1.
    """
    parted = labels.copy()
    free = int(labels.max(initial=0)) + 1
    inside = (contact < threshold).view(np.uint8)
    for label in range(1, free):
        mask = (labels == label).view(np.uint8)
        x, y, w, h = cv2.boundingRect(mask)
        window = slice(y, y + h), slice(x, x + w)
        if cv2.countNonZero(mask[window] & (1 - inside[window])):
            free = _cut(parted[window], mask[window], inside[window], free)
    return parted


def _cut(
    parted: Labels, mask: npt.NDArray[np.uint8], inside: npt.NDArray[np.uint8], free: int
) -> int:
    """Renumber the parts of a mask within `parted`; return the next free number."""
    count, pieces = cv2.connectedComponents(mask, connectivity=4)
    for number in range(1, count):
        piece = pieces == number
        seeds = _seeds(piece.view(np.uint8) & inside, int(piece.sum()))
        if seeds is None:
            continue
        part = nearest_label(seeds)
        for seed in range(2, int(seeds.max()) + 1):
            parted[piece & (part == seed)] = free
            free += 1
    return free


def _seeds(inside: npt.NDArray[np.uint8], area: int) -> Labels | None:
    """Return the large parts (h, w), 1 the largest, 0 elsewhere; None for fewer than two."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    large = np.flatnonzero(areas >= max(MIN_PART_CELLS, MIN_PART_SHARE * area))
    if len(large) < 2:
        return None
    rank = np.zeros(len(areas), np.int32)
    rank[large[np.argsort(-areas[large], kind='stable')]] = np.arange(1, len(large) + 1)
    return rank[parts]


def similarity_of(similarity: FloatImage, regions: Labels) -> FloatImage:
    """Return a similarity map for each region (R, h, w) from those of the clusters (K, h, w).

    ``regions`` (h, w) as split_at_contacts gives them, of the clusters by greatest similarity: 0
    background, K labels or fewer of clusters, then those of parts. A region has its cluster's
    similarity; where another part of that cluster is nearer it has -1. Clusters without a cell
    have no map.
    """
    nearest = nearest_label(regions)
    best = similarity.argmax(axis=0)
    numbers = np.unique(regions[regions > 0])
    cluster_of = {int(number): int(best[regions == number][0]) for number in numbers}
    maps = np.empty((len(numbers), *regions.shape), np.float32)
    for row, number in enumerate(numbers):
        rivals = [other for other in numbers
                  if other != number and cluster_of[other] == cluster_of[number]]
        maps[row] = similarity[cluster_of[number]]
        if rivals:
            maps[row][np.isin(nearest, rivals)] = -1
    return maps
