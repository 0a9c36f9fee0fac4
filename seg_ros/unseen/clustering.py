# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""From a network's embeddings to clusters, and from those to labels at any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seg_ros.unseen.background import background_clusters
from seg_ros.unseen.contacts import similarity_of, split_at_contacts
from seg_ros.unseen.mean_shift import MeanShift, nearest_mode
from seg_ros.unseen.options import UnseenOptions

# Clusters are numbered in 8 bits at the camera's resolution; options allow 250 seeds.
MAX_CLUSTERS = 254

FloatImage = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ClusterMaps:
    """Hold what a network and the mean shift say of an image at the network's output size.

    ``similarity`` (K, h, w) float32, each pixel's cosine with each cluster's mode; ``background``
    (K,) bool; ``foreground`` (h, w) float32 probability, ones where the network has no head.
    """

    similarity: FloatImage
    background: npt.NDArray[np.bool_]
    foreground: FloatImage

    def __len__(self) -> int:
        return len(self.similarity)


def background_rule(options: UnseenOptions, has_head: bool, has_points: bool) -> str:
    """Resolve the option ``background``; ValueError for a head that the network lacks."""
    if options.background == 'auto':
        without_head = 'support_plane' if has_points else 'largest_cluster'
        return 'foreground_head' if has_head else without_head
    if options.background == 'foreground_head' and not has_head:
        raise ValueError(
            'background is foreground_head, but this network has none: choose support_plane or '
            'largest_cluster'
        )
    return options.background


@dataclass(frozen=True)
class ShiftDefaults:
    """Hold what suits a network where the options leave it open (0)."""

    kappa: float
    connect_distance: float


def mean_shift_of(options: UnseenOptions, defaults: ShiftDefaults) -> MeanShift:
    """Return the mean shift that the options describe."""
    return MeanShift(
        kappa=options.kappa or defaults.kappa,
        num_seeds=options.num_seeds,
        iterations=options.iterations,
        connect_distance=options.connect_distance or defaults.connect_distance,
        num_samples=options.num_samples if options.mean_shift == 'fast' else 0,
    )


def cluster_maps(
    embedding: Tensor,
    logits: Tensor | None,
    points: Callable[[], FloatImage] | None,
    options: UnseenOptions,
    *,
    defaults: ShiftDefaults,
    min_pixels: float = 0.0,
    contact: Tensor | None = None,
) -> ClusterMaps:
    """Cluster one image's embeddings (D, h, w), unit vectors.

    ``logits`` (h, w) are the foreground head's, None without one; ``points`` makes (h, w, 3)
    metres, NaN = none, where the rule support_plane asks for them. Clusters under ``min_pixels``
    are left to their neighbours. Where the head finds the background only foreground pixels are
    clustered, and ``contact`` (h, w), the logits of a contact head, then parts them.
    """
    rule = background_rule(options, logits is not None, points is not None)
    shift = mean_shift_of(options, defaults)
    pixels = embedding.flatten(1)
    if rule == 'foreground_head' and logits is not None:
        probability = torch.sigmoid(logits)
        chosen = (probability.flatten() > options.foreground_threshold).nonzero()[:, 0]
        clusters = shift.cluster(pixels[:, chosen].T)
        foreground = probability.float().cpu().numpy()
    else:
        clusters = shift.cluster(pixels.T)
        foreground = np.ones(embedding.shape[1:], np.float32)
    modes = clusters.modes[clusters.sizes >= min_pixels][:MAX_CLUSTERS]
    maps = (modes @ pixels).reshape(len(modes), *embedding.shape[1:]).float().cpu().numpy()
    if rule == 'foreground_head' and contact is not None and len(modes):
        maps = parted(maps, foreground, torch.sigmoid(contact).float().cpu().numpy(), options)
    if rule == 'foreground_head' or len(modes) == 0:
        return ClusterMaps(maps, np.zeros(len(maps), bool), foreground)
    labels = nearest_mode(pixels.T, modes).reshape(embedding.shape[1:]).cpu().numpy()
    known = points() if points is not None and rule == 'support_plane' else None
    background = background_clusters(labels, len(modes), known, rule, options.max_distance)
    return ClusterMaps(maps, background, foreground)


def parted(
    similarity: FloatImage, foreground: FloatImage, contact: FloatImage, options: UnseenOptions
) -> FloatImage:
    """Return the similarity maps (K', h, w) of what contacts make of K clusters (K, h, w).

    ``foreground`` and ``contact`` (h, w) are probabilities. At most 254 regions, the first ones.
    """
    inside = foreground > options.foreground_threshold
    clusters = np.where(inside, similarity.argmax(axis=0) + 1, 0).astype(np.int32)
    regions = split_at_contacts(clusters, contact, options.contact_split)
    if np.array_equal(regions, clusters):
        return similarity
    return similarity_of(similarity, regions)[:MAX_CLUSTERS]


def labels_of(
    maps: ClusterMaps, size: tuple[int, int], foreground_threshold: float
) -> npt.NDArray[np.uint8]:
    """Return cluster labels (H, W) uint8 at size (W, H): 0 background, k for map k-1.

    The maps are resized bilinearly before each pixel takes the greatest: borders come out
    sharper than resized labels would be. At most 254 clusters.
    """
    if len(maps) == 0:
        return np.zeros((size[1], size[0]), np.uint8)
    best = _resized(maps.similarity[0], size)
    labels = np.ones(best.shape, np.uint8)
    for number in range(1, len(maps)):
        rival = _resized(maps.similarity[number], size)
        wins = cv2.compare(rival, best, cv2.CMP_GT)
        # Numbers rise, so that a maximum of labels is an assignment; both run on all lanes.
        labels = np.maximum(labels, wins & np.uint8(number + 1))
        best = np.maximum(best, rival)
    labels *= _resized(maps.foreground, size) > foreground_threshold
    if maps.background.any():
        table = np.arange(256, dtype=np.uint8)
        table[1:len(maps) + 1][maps.background] = 0
        labels = table[labels]
    return labels


def confidence_of(maps: ClusterMaps, size: tuple[int, int]) -> FloatImage:
    """Return (H, W) float32 in [0, 1] at size (W, H): how sure a pixel is of its cluster.

    The foreground probability times the cosine with the nearest cluster's mode.
    """
    if len(maps) == 0:
        return np.zeros((size[1], size[0]), np.float32)
    sure = maps.foreground * np.clip(maps.similarity.max(axis=0), 0.0, 1.0)
    return _resized(sure, size)


def _resized(image: FloatImage, size: tuple[int, int]) -> FloatImage:
    if (image.shape[1], image.shape[0]) == size:
        return image
    resized: FloatImage = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return resized
