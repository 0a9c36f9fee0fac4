# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The plain mean shift that users of the published network pay for: a peer for measurements.

Written for comparison only; ``seg_ros.unseen.mean_shift`` is what the package uses.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def naive_mean_shift(
    pixels: Tensor,
    *,
    kappa: float = 20.0,
    num_seeds: int = 100,
    iterations: int = 10,
    connect_distance: float = 0.04,
    first: int = 0,
) -> Tensor:
    """Return the labels (N,) int64 of unit embeddings (N, D); 0 is the largest cluster.

    Farthest-point seeding takes the minimum over the distances to all earlier seeds anew for
    every seed, all seeds climb all iterations over all pixels. ``first`` is the first seed.
    """
    seeds = _farthest_points(pixels, num_seeds, first)
    for _ in range(iterations):
        weights = torch.exp(kappa * (seeds @ pixels.T))
        seeds = normalize(weights @ pixels, dim=1)
    groups = _connected(seeds, connect_distance)
    distances = 0.5 * (1.0 - pixels @ seeds.T)
    labels = groups[distances.argmin(dim=1)]
    sizes = torch.bincount(labels)
    rank = torch.empty_like(sizes)
    rank[sizes.argsort(descending=True)] = torch.arange(len(sizes))
    return rank[labels]


def _farthest_points(pixels: Tensor, count: int, first: int) -> Tensor:
    distances = torch.empty(len(pixels), count, dtype=pixels.dtype)
    seeds = pixels.new_empty(count, pixels.shape[1])
    place = first
    for number in range(count):
        seeds[number] = pixels[place]
        distances[:, number] = 0.5 * (1.0 - pixels @ seeds[number])
        place = int(distances[:, :number + 1].min(dim=1).values.argmax())
    return seeds


def _connected(seeds: Tensor, distance: float) -> Tensor:
    near = 0.5 * (1.0 - seeds @ seeds.T) <= distance
    groups = torch.full((len(seeds),), -1)
    count = 0
    for start in range(len(seeds)):
        if groups[start] >= 0:
            continue
        stack = [start]
        while stack:
            place = stack.pop()
            if groups[place] < 0:
                groups[place] = count
                stack += near[place].nonzero().ravel().tolist()
        count += 1
    return groups
