# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Cut clusters where the network sees two objects meet, and join those where it sees none.

An embedding says what belongs together over long distances, a contact map where things end: two
alike things that touch share a cluster, but not their insides.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int32]
FloatImage = npt.NDArray[np.float32]

# A part with fewer cells, or with a smaller share of its cluster's piece, is no object.
MIN_PART_CELLS = 8
MIN_PART_SHARE = 0.04
# Fewer neighbouring cells than this say nothing about a border.
MIN_BORDER_CELLS = 3


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
        part = _spread(seeds)
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


def _spread(labels: Labels) -> Labels:
    """Give every cell (h, w) the label of the nearest one that has a label; there is one."""
    known = labels > 0
    _, nearest = cv2.distanceTransformWithLabels(
        (~known).view(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    of = np.zeros(int(nearest.max()) + 1, np.int32)
    of[nearest[known]] = labels[known]
    return of[nearest]


def join_without_contact(labels: Labels, contact: FloatImage, threshold: float) -> Labels:
    """Return labels (h, w) with neighbours joined whose border shows little contact.

    The mean of ``contact`` (h, w) along the border decides; the lower number stays.
    """
    count = int(labels.max(initial=0)) + 1
    total, cells = np.zeros(count * count), np.zeros(count * count)
    for first, second, value in _borders(labels, contact):
        places = np.minimum(first, second) * count + np.maximum(first, second)
        total += np.bincount(places, value, minlength=count * count)
        cells += np.bincount(places, minlength=count * count)
    weak = np.flatnonzero((cells >= MIN_BORDER_CELLS) & (total < threshold * cells))
    target = np.arange(count, dtype=np.int32)
    for pair in weak:
        low, high = sorted(target[[pair // count, pair % count]].tolist())
        target[target == high] = low
    return target[labels]


def _borders(labels: Labels, contact: FloatImage) -> list[tuple[Labels, Labels, FloatImage]]:
    """Return the labels on both sides of each border between objects, and the contact there."""
    found = []
    for near, far in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        first, second = labels[near], labels[far]
        border = (first != second) & (first > 0) & (second > 0)
        value = np.maximum(contact[near][border], contact[far][border])
        found.append((first[border], second[border], value))
    return found


def similarity_of(similarity: FloatImage, clusters: Labels, regions: Labels) -> FloatImage:
    """Return a similarity map for each region (R, h, w) from those of the clusters (K, h, w).

    ``clusters`` (h, w) 1..K and ``regions`` (h, w) 1..R, both 0 in the background. A region has
    the greatest similarity with its clusters; where another region with one of these is nearer
    it has -1. Regions are numbered in ascending order of their labels, without gaps.
    """
    numbers, compact = np.unique(regions, return_inverse=True)
    if numbers[0] > 0:
        compact = compact + 1
    regions = compact.reshape(regions.shape).astype(np.int32)
    count = int(regions.max(initial=0))
    shares = np.zeros((count + 1, len(similarity) + 1), bool)
    shares[regions, clusters] = True
    shares[0] = False
    rivals = (shares.astype(np.int32) @ shares.T.astype(np.int32)) > 0
    np.fill_diagonal(rivals, False)
    nearest = _spread(regions) if count else regions
    maps = np.empty((count, *regions.shape), np.float32)
    for region in range(1, count + 1):
        best = similarity[shares[region, 1:]].max(axis=0)
        maps[region - 1] = np.where(rivals[region][nearest], np.float32(-1), best)
    return maps
