# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Von Mises-Fisher mean shift on unit embeddings, in an exact and in a fast form.

Xiang et al., "Learning RGB-D Feature Embeddings for Unseen Object Instance Segmentation", CoRL
2020 (arXiv 2007.15157), section 3.3. Distances are d(a, b) = (1 - a.b) / 2.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

# Pixels handled at once on a CPU: their embeddings and weights stay in the second-level cache.
CPU_BLOCK = 4096
# Seeds closer than this (radians) follow one path from there on and are followed as one.
SAME_PATH = 1e-5
# Fractional part of the golden ratio: its multiples fill the unit interval evenly.
GOLDEN = 0.6180339887498949


@dataclass(frozen=True, eq=False)
class Clusters:
    """Hold the clusters of one image, the largest first.

    ``labels`` (N,) int64 in 0..K-1, -1 for pixels left out by the mask; ``modes`` (K, D) unit
    vectors, the density's maxima; ``sizes`` (K,) int64 pixels, descending.
    """

    labels: Tensor
    modes: Tensor
    sizes: Tensor

    def __len__(self) -> int:
        return len(self.modes)


@dataclass(frozen=True)
class MeanShift:
    """Hold the parameters of a mean shift; ValueError for values out of range.

    ``kappa``: concentration of the kernel exp(kappa a.b); ``num_seeds`` points found by
    farthest-point sampling climb ``iterations`` steps; seeds within ``connect_distance`` of each
    other (2 alpha of the loss) form one cluster. ``num_samples``: pixels on which seeds are found
    and climb; 0 means all (the exact form).
    """

    kappa: float = 20.0
    num_seeds: int = 100
    iterations: int = 10
    connect_distance: float = 0.04
    num_samples: int = 0

    def __post_init__(self) -> None:
        if self.kappa <= 0 or self.connect_distance < 0:
            raise ValueError(
                f'kappa {self.kappa} must be positive, '
                f'connect_distance {self.connect_distance} not negative'
            )
        if self.num_seeds < 1 or self.iterations < 0 or self.num_samples < 0:
            raise ValueError(
                f'num_seeds {self.num_seeds} starts at 1, iterations {self.iterations} '
                f'and num_samples {self.num_samples} at 0'
            )

    def __call__(self, embeddings: Tensor, mask: Tensor | None = None) -> list[Clusters]:
        """Cluster a batch of images.

        ``embeddings`` (B, N, D) floating point unit vectors on any device, any strides; ``mask``
        (B, N) bool, pixels to cluster, default all. Returns one ``Clusters`` an image; an image
        without pixels has none. Deterministic. Raises ValueError for other shapes or types.
        """
        _check(embeddings, mask)
        if mask is None:
            return [self.cluster(image) for image in embeddings]
        return [self._masked(*pair) for pair in zip(embeddings, mask, strict=True)]

    def cluster(self, pixels: Tensor) -> Clusters:
        """Cluster the pixels (N, D) of one image."""
        if len(pixels) == 0:
            return Clusters(pixels.new_zeros(0, dtype=torch.long), pixels, pixels.new_zeros(
                0, dtype=torch.long))
        chosen, own_weight = pixels, 1.0
        if 0 < self.num_samples < len(pixels):
            chosen = pixels[stratified_sample(len(pixels), self.num_samples).to(pixels.device)]
            own_weight = len(chosen) / len(pixels)
        seeds = chosen[farthest_points(chosen, self.num_seeds)]
        ends, path = climb(chosen, seeds, self.kappa, self.iterations, own_weight)
        return _assigned(pixels, ends, path, self.connect_distance)

    def _masked(self, pixels: Tensor, mask: Tensor) -> Clusters:
        inside = self.cluster(pixels[mask])
        labels = torch.full((len(pixels),), -1, dtype=torch.long, device=pixels.device)
        labels[mask] = inside.labels
        return Clusters(labels, inside.modes, inside.sizes)


def mean_shift(
    embeddings: Tensor,
    mask: Tensor | None = None,
    *,
    kappa: float = 20.0,
    num_seeds: int = 100,
    iterations: int = 10,
    connect_distance: float = 0.04,
) -> list[Clusters]:
    """Cluster (B, N, D) unit embeddings with all pixels as the density (the exact form).

    Selects the seeds and follows the paths that the published form does, at a part of its cost:
    a running minimum, updated only where the farthest point may be, and one path for seeds that
    have met. See ``MeanShift`` for parameters, result and errors.
    """
    return MeanShift(kappa, num_seeds, iterations, connect_distance)(embeddings, mask)


def mean_shift_fast(
    embeddings: Tensor,
    mask: Tensor | None = None,
    *,
    kappa: float = 20.0,
    num_seeds: int = 100,
    iterations: int = 10,
    connect_distance: float = 0.04,
    num_samples: int = 8192,
) -> list[Clusters]:
    """Cluster (B, N, D) unit embeddings; seeds are found and climb on sampled pixels.

    Every pixel is assigned at the end. Clusters of fewer than about N / ``num_samples`` pixels
    may be missed. See ``MeanShift`` for parameters, result and errors.
    """
    shift = MeanShift(kappa, num_seeds, iterations, connect_distance, num_samples)
    return shift(embeddings, mask)


def stratified_sample(count: int, samples: int) -> Tensor:
    """Return ``samples`` ascending indices below ``count``, one in each stretch of equal length.

    The place within a stretch follows the multiples of the golden ratio, so that no image width
    makes the samples fall into columns.
    """
    places = torch.arange(samples, dtype=torch.float64)
    jitter = torch.remainder(places * GOLDEN, 1.0)
    return ((places + jitter) * (count / samples)).long().clamp(max=count - 1)


def farthest_points(pixels: Tensor, count: int) -> Tensor:
    """Return the indices (S,) of farthest-point samples of the unit vectors (N, D).

    The first is the pixel most aligned with the mean direction; each further one has the
    greatest distance to its nearest predecessor. Ends early where no pixel differs from a seed.
    Distances to seeds only shrink, so an old value bounds a block of pixels: only the block with
    the greatest bound is brought up to date, until that one is (lazy greedy search).
    """
    first = int((pixels @ pixels.mean(dim=0)).argmax())
    blocks = pixels.split(_block_size(pixels))
    nearest = [pixels.new_full((len(block),), -2.0) for block in blocks]
    # Entries: lowest similarity in the block to its nearest seed, block, its pixel, seeds seen.
    queue = [(-2.0, number, 0, 0) for number in range(len(blocks))]
    chosen = [first]
    while len(chosen) < min(count, len(pixels)):
        similarity, number, place, seen = queue[0]
        if seen == len(chosen):
            if similarity > 1.0 - 1e-6:
                break
            chosen.append(number * len(blocks[0]) + place)
            continue
        fresh = blocks[number] @ pixels[chosen[seen:]].T
        nearest[number] = torch.maximum(nearest[number], fresh.amax(dim=1))
        lowest, place_now = nearest[number].min(dim=0)
        heapq.heapreplace(queue, (float(lowest), number, int(place_now), len(chosen)))
    return torch.tensor(chosen, device=pixels.device)


def climb(
    pixels: Tensor, seeds: Tensor, kappa: float, iterations: int, own_weight: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Move the seeds (S, D), which are some of the pixels (N, D), up the pixels' density.

    z <- normalize(sum_x exp(kappa z.x) x). Returns the ends (P, D) of the distinct paths and
    the path (S,) of each seed. Where the pixels are a sample, ``own_weight`` is its share of all:
    a seed's own pixel then counts that little, as it does among all pixels. Else a seed at a
    border, with few samples around it, would stay on itself as a cluster of its own.
    """
    path = torch.arange(len(seeds), device=seeds.device)
    own = seeds
    for _ in range(iterations):
        moved = _shifted(pixels, seeds, kappa)
        if own_weight < 1.0:
            moved = _without_own(moved, seeds, own, kappa, 1.0 - own_weight)
        moved = normalize(moved, dim=1, eps=1e-30)
        settled = bool(((moved - seeds).square().sum(dim=1) < SAME_PATH ** 2).all())
        seeds, kept, joined = _joined(moved)
        path, own = joined[path], own[kept]
        if settled:
            break
    return seeds, path


def _shifted(pixels: Tensor, seeds: Tensor, kappa: float) -> Tensor:
    total = torch.zeros_like(seeds)
    scaled = seeds * kappa
    for block in pixels.split(_block_size(pixels)):
        # The largest exponent is then 0: nothing overflows, whatever kappa is.
        weights = (scaled @ block.T).sub_(kappa).exp_()
        total.addmm_(weights, block)
    return total


def _without_own(
    total: Tensor, seeds: Tensor, own: Tensor, kappa: float, share: float
) -> Tensor:
    weight = torch.exp(kappa * (seeds * own).sum(dim=1, keepdim=True) - kappa)
    return total - share * weight * own


def _joined(seeds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the distinct seeds, their old places, and each old one's place among them."""
    apart = (seeds[:, None] - seeds[None]).square().sum(dim=2)
    first = (apart < SAME_PATH ** 2).int().argmax(dim=1)
    kept, place = torch.unique(first, return_inverse=True)
    return seeds[kept], kept, place


def _assigned(pixels: Tensor, ends: Tensor, path: Tensor, connect_distance: float) -> Clusters:
    """Connect path ends to clusters and give each pixel its nearest end's cluster."""
    group = connected(ends, connect_distance)
    labels = group[nearest_mode(pixels, ends)]
    sizes = torch.bincount(labels, minlength=int(group.max()) + 1)
    order = torch.sort(sizes, descending=True, stable=True).indices
    order = order[sizes[order] > 0]
    rank = torch.full_like(sizes, -1)
    rank[order] = torch.arange(len(order), device=order.device)
    weight = torch.bincount(path, minlength=len(ends)).to(ends.dtype)
    modes = torch.zeros(len(sizes), ends.shape[1], dtype=ends.dtype, device=ends.device)
    modes.index_add_(0, group, ends * weight[:, None])
    modes = normalize(modes[order], dim=1, eps=1e-30)
    return Clusters(rank[labels], modes, sizes[order])


def connected(points: Tensor, distance: float) -> Tensor:
    """Return the connected group (S,) int64, 0..G-1, of unit vectors (S, D) within a distance."""
    near = (1.0 - points @ points.T) / 2 <= distance
    near.fill_diagonal_(True)
    group = torch.arange(len(points), device=points.device)
    while True:
        lowest = torch.where(near, group[None], len(points)).amin(dim=1)
        if torch.equal(lowest, group):
            return torch.unique(group, return_inverse=True)[1]
        group = lowest


def nearest_mode(pixels: Tensor, modes: Tensor) -> Tensor:
    """Return the index (N,) int64 of each pixel's (N, D) most similar mode (K, D)."""
    parts = [(block @ modes.T).max(dim=1).indices for block in pixels.split(_block_size(pixels))]
    return torch.cat(parts)


def _block_size(pixels: Tensor) -> int:
    return CPU_BLOCK if pixels.device.type == 'cpu' else max(len(pixels), 1)


def _check(embeddings: Tensor, mask: Tensor | None) -> None:
    if embeddings.ndim != 3 or not embeddings.is_floating_point():
        raise ValueError(
            'embeddings must be floating point (B, N, D), '
            f'got {tuple(embeddings.shape)} {embeddings.dtype}'
        )
    if mask is not None and (mask.shape != embeddings.shape[:2] or mask.dtype != torch.bool):
        raise ValueError(
            f'mask must be bool {tuple(embeddings.shape[:2])}, '
            f'got {tuple(mask.shape)} {mask.dtype}'
        )
