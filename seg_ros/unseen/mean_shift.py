# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Von Mises-Fisher mean shift on unit embeddings, in an exact and in a fast form.

Xiang et al., "Learning RGB-D Feature Embeddings for Unseen Object Instance Segmentation", CoRL
2020 (arXiv 2007.15157), section 3.3. Distances are d(a, b) = (1 - a.b) / 2.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import normalize

# Pixels handled at once on a CPU: their embeddings and weights stay in the second-level cache.
CPU_BLOCK = 4096
# Seeds closer than this (radians) are followed as one from there on, and seeds that all move by
# less have arrived: in the exact and in the fast form.
SAME_PATH = 1e-5
SAME_PATH_SAMPLED = 1e-3
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
        same_path = SAME_PATH_SAMPLED if self.num_samples else SAME_PATH
        ends, path = climb(
            chosen, seeds, self.kappa, self.iterations, own_weight=own_weight,
            same_path=same_path)
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
    """
    first = int((pixels @ pixels.mean(dim=0)).argmax())
    if pixels.device.type == 'cpu':
        exact = pixels if pixels.dtype == torch.float64 else pixels.float()
        return torch.tensor(_farthest_on_cpu(exact.detach().numpy(), count, first))
    return _farthest_on_device(pixels, min(count, len(pixels)), first)


def _farthest_on_cpu(pixels: npt.NDArray[np.floating], count: int, first: int) -> list[int]:
    """Return the seeds by lazy greedy search.

    Distances to seeds only shrink, so an old value bounds a block of pixels: only the block with
    the greatest bound is brought up to date, until that one is.
    """
    starts = range(0, len(pixels), CPU_BLOCK)
    blocks = [pixels[start:start + CPU_BLOCK] for start in starts]
    nearest = [np.full(len(block), -2.0, pixels.dtype) for block in blocks]
    # Entries: lowest similarity in the block to its nearest seed, block, its pixel, seeds seen.
    queue = [(-2.0, number, 0, 0) for number in range(len(blocks))]
    chosen = [first]
    while len(chosen) < min(count, len(pixels)):
        similarity, number, place, seen = queue[0]
        if seen == len(chosen):
            if similarity > 1.0 - 1e-6:
                break
            chosen.append(starts[number] + place)
            continue
        for seed in chosen[seen:]:
            np.maximum(nearest[number], blocks[number] @ pixels[seed], out=nearest[number])
        lowest = int(nearest[number].argmin())
        entry = (float(nearest[number][lowest]), number, lowest, len(chosen))
        heapq.heapreplace(queue, entry)
    return chosen


def _farthest_on_device(pixels: Tensor, count: int, first: int) -> Tensor:
    """Return the seeds by a running minimum that never waits for the device."""
    chosen = torch.full((count,), first, device=pixels.device)
    nearest = pixels @ pixels[first]
    for number in range(1, count):
        place = nearest.argmin()
        chosen[number] = place
        nearest = torch.maximum(nearest, pixels @ pixels[place])
    return chosen


def climb(
    pixels: Tensor, seeds: Tensor, kappa: float, iterations: int, *,
    own_weight: float = 1.0, same_path: float = SAME_PATH,
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
        settled = bool(((moved - seeds).square().sum(dim=1) < same_path ** 2).all())
        seeds, kept, joined = _joined(moved, same_path)
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


def _joined(seeds: Tensor, same_path: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the distinct seeds, their old places, and each old one's place among them."""
    vectors = seeds.detach().cpu().double().numpy()
    # In float64, for these distances are squared and far below float32's rounding.
    products = vectors @ vectors.T
    squares = np.diagonal(products)
    near = squares[:, None] + squares[None] - 2 * products < same_path ** 2
    np.fill_diagonal(near, True)
    kept, place = np.unique(near.argmax(axis=1), return_inverse=True)
    rows = torch.from_numpy(kept).to(seeds.device)
    return seeds[rows], rows, torch.from_numpy(place.ravel()).to(seeds.device)


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
