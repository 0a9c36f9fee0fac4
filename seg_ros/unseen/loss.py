# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train embeddings to cluster: the loss of Xiang et al., CoRL 2020, over a whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -1


@dataclass(frozen=True)
class LossOptions:
    """Weigh the terms; the values are the paper's."""

    alpha: float = 0.02
    delta: float = 0.5
    intra_weight: float = 10.0
    inter_weight: float = 10.0


@dataclass(frozen=True, eq=False)
class ClusteringLoss:
    """Hold the scalar terms, means over the batch; ``total`` has the weights applied."""

    intra: Tensor
    inter: Tensor
    total: Tensor


def clustering_loss(
    embedding: Tensor, labels: Tensor, options: LossOptions | None = None
) -> ClusteringLoss:
    """Pull the pixels of a cluster to their mean direction, push the means apart.

    ``embedding`` (B, D, h, w) unit vectors; ``labels`` (B, h, w) integers, one cluster per value,
    -1 ignored. With d(a, b) = (1 - a.b) / 2: intra is the mean of d^2 over a cluster's pixels
    with d >= alpha, averaged over clusters; inter is the mean over pairs of clusters of
    max(delta - d, 0)^2, 0 for fewer than two. An image without labels counts as 0. Raises
    ValueError for other shapes or dtypes.
    """
    _check(embedding, labels)
    options = options or LossOptions()
    pixels = embedding.movedim(1, -1).flatten(1, 2)  # (B, N, D)
    members = _memberships(labels.flatten(1), pixels.dtype)
    counts = members.sum(dim=1)
    means = functional.normalize(members.transpose(1, 2) @ pixels, dim=-1, eps=1e-12)
    intra = _intra(pixels, members, means, counts > 0, options.alpha)
    inter = _inter(means, counts > 0, options.delta)
    total = options.intra_weight * intra + options.inter_weight * inter
    return ClusteringLoss(intra, inter, total)


def _check(embedding: Tensor, labels: Tensor) -> None:
    if embedding.dim() != 4 or labels.shape != (embedding.shape[0], *embedding.shape[2:]):
        raise ValueError(
            f'embedding {tuple(embedding.shape)} and labels {tuple(labels.shape)} do not fit: '
            'give (B, D, h, w) and (B, h, w)'
        )
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f'labels are {labels.dtype}: give integers, -1 for ignored pixels')


def _memberships(ids: Tensor, dtype: torch.dtype) -> Tensor:
    """Return (B, N, K) ones where a pixel belongs to a cluster: sums become matrix products."""
    clusters = torch.arange(int(ids.max().clamp(min=0)) + 1, device=ids.device)
    return (ids[..., None] == clusters).to(dtype)


def _intra(
    pixels: Tensor, members: Tensor, means: Tensor, present: Tensor, alpha: float
) -> Tensor:
    distance = (1 - pixels @ means.transpose(1, 2)) / 2  # (B, N, K), to every cluster
    far = members * (distance.detach() >= alpha)
    per_cluster = (distance.square() * far).sum(dim=1) / far.sum(dim=1).clamp(min=1)
    clusters = present.sum(dim=1).clamp(min=1)
    return (per_cluster.sum(dim=1) / clusters).mean()


def _inter(means: Tensor, present: Tensor, delta: float) -> Tensor:
    distance = (1 - means @ means.transpose(1, 2)) / 2
    pairs = (present[:, :, None] & present[:, None, :]).triu(diagonal=1)
    penalty = (delta - distance).clamp(min=0).square() * pairs
    return (penalty.sum(dim=(1, 2)) / pairs.sum(dim=(1, 2)).clamp(min=1)).mean()


def border_loss(
    embedding: Tensor, labels: Tensor, reach: int = 2, delta: float = 0.5
) -> Tensor:
    """Push apart pixels `reach` to the right or below that lie in different clusters.

    Shapes as in clustering_loss. Returns the mean of max(delta - d, 0)^2 over those pairs of an
    image, 0 if none, averaged over images. Not in the paper: its mean over all pairs of clusters
    says little about those that touch.
    """
    _check(embedding, labels)
    pixels = embedding.movedim(1, -1).flatten(0, 2)
    index = torch.arange(labels.numel(), device=labels.device).view(labels.shape)
    total, pairs = embedding.new_zeros(len(labels)), embedding.new_zeros(len(labels))
    for dim in (1, 2):
        start = min(reach, labels.shape[dim])
        length = labels.shape[dim] - start
        first, second = labels.narrow(dim, 0, length), labels.narrow(dim, start, length)
        differ = (first >= 0) & (second >= 0) & (first != second)
        near = index.narrow(dim, 0, length)[differ]
        far = index.narrow(dim, start, length)[differ]
        distance = (1 - (pixels[near] * pixels[far]).sum(dim=1)) / 2
        image = differ.nonzero()[:, 0]
        total = total.index_add(0, image, (delta - distance).clamp(min=0).square())
        pairs = pairs.index_add(0, image, torch.ones_like(distance))
    return (total / pairs.clamp(min=1)).mean()


def contact_cells(labels: Tensor) -> Tensor:
    """Return (B, h, w) bool: the cells whose 3x3 neighbourhood holds two objects or more."""
    objects = labels.to(torch.float32)[:, None]
    highest = functional.max_pool2d(objects, 3, 1, 1)
    beyond = objects.new_tensor(torch.finfo(torch.float32).max)
    lowest = -functional.max_pool2d(-torch.where(objects > 0, objects, beyond), 3, 1, 1)
    return (lowest < highest)[:, 0]


def contact_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return binary cross-entropy plus Dice loss of logits (B, 1, h, w) against contact_cells.

    ``labels`` (B, h, w); -1 is ignored.
    """
    return _mask_loss(logits, contact_cells(labels), labels >= 0)


def foreground_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return binary cross-entropy plus Dice loss of logits (B, 1, h, w) against labels > 0.

    ``labels`` (B, h, w); -1 is ignored.
    """
    return _mask_loss(logits, labels > 0, labels >= 0)


def _mask_loss(logits: Tensor, mask: Tensor, counted: Tensor) -> Tensor:
    """Take the loss of each image where `counted` holds, Dice smoothed by a pixel; their mean."""
    if logits.shape != (mask.shape[0], 1, *mask.shape[1:]):
        raise ValueError(
            f'logits {tuple(logits.shape)} and labels {tuple(mask.shape)} do not fit: '
            'give (B, 1, h, w) and (B, h, w)'
        )
    known, target = counted.to(logits.dtype), (mask & counted).to(logits.dtype)
    flat = logits[:, 0]
    entropy = functional.binary_cross_entropy_with_logits(flat, target, reduction='none')
    entropy = (entropy * known).sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp(min=1)
    probability = flat.sigmoid() * known
    overlap = (probability * target).sum(dim=(1, 2))
    size = probability.sum(dim=(1, 2)) + target.sum(dim=(1, 2))
    return (entropy + 1 - (2 * overlap + 1) / (size + 1)).mean()
