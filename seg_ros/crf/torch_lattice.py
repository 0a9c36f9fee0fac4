# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The permutohedral lattice by torch's operations, on any device, with its exact adjoint.

The lattice is that of ``seg_ros.crf.lattice``, vertex for vertex. Gradients flow through the
filtered values, not through the features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seg_ros.crf.lattice import axis_steps, blur_factor, feature_scales, multipliers


@dataclass(frozen=True, eq=False)
class TorchLattice:
    """Hold the lattice of N points with d features.

    ``index`` (N, d + 1) int64, vertices from 1 to M; ``weight`` (N, d + 1), barycentric;
    ``neighbours`` (d + 1, 2, M + 1) int64, 0 for none.
    """

    index: Tensor
    weight: Tensor
    neighbours: Tensor

    @property
    def vertices(self) -> int:
        """Return M."""
        return self.neighbours.shape[2] - 1

    def filter(self, values: Tensor) -> Tensor:
        """Return values (N, C) filtered, each point itself included; differentiable."""
        found: Tensor = _Filter.apply(values, self, False)
        return found

    def run(self, values: Tensor, reverse: bool) -> Tensor:
        """Splat, blur and slice values (N, C); ``reverse`` is the adjoint."""
        corners = self.index.shape[1]
        weight = self.weight.to(values.dtype)
        shape = self.vertices + 1, values.shape[1]
        held = torch.zeros(shape, dtype=values.dtype, device=values.device)
        for corner in range(corners):
            held.index_add_(0, self.index[:, corner], values * weight[:, corner, None])
        held = self._blurred(held, reverse)
        sliced = torch.zeros_like(values)
        for corner in range(corners):
            sliced.addcmul_(held[self.index[:, corner]], weight[:, corner, None])
        return sliced.mul_(blur_factor(corners - 1))

    def _blurred(self, held: Tensor, reverse: bool) -> Tensor:
        axes = list(self.neighbours)
        for before, after in axes[::-1] if reverse else axes:
            held = held + (held[before] + held[after]) * 0.5
            held[0] = 0
        return held


class _Filter(torch.autograd.Function):
    """Filter by a lattice; the gradient is the filter with its axes in reverse."""

    @staticmethod
    def forward(context: Any, values: Tensor, lattice: TorchLattice, reverse: bool) -> Tensor:
        """Return the filtered values."""
        context.lattice, context.reverse = lattice, reverse
        return lattice.run(values, reverse)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the values."""
        found: Tensor = _Filter.apply(gradients[0].contiguous(), context.lattice,
                                      not context.reverse)
        return found, None, None


@torch.no_grad()
def build_torch_lattice(features: Tensor) -> TorchLattice:
    """Return the lattice of points with features (d, N), each divided by its width."""
    features = features.float()
    device, d = features.device, features.shape[0]
    rounded, rank, weight = _embedded(features)
    factors, steps = (_signed(values).to(device) for values in (multipliers(d), axis_steps(d)))
    base = (rounded[:-1].long() * factors[:, None]).sum(dim=0)
    turns = torch.empty_like(rank).scatter_(0, d - rank, steps[:, None].expand_as(rank))
    ids = torch.cat([base[:, None], base[:, None] + turns[:-1].T.cumsum(dim=1)], dim=1)
    known, index = torch.unique(ids, return_inverse=True)
    return TorchLattice(index + 1, weight, _neighbours(known, steps))


def _signed(values: np.ndarray) -> Tensor:
    """Return numbers modulo 2^64 as int64, whose arithmetic wraps in the same way."""
    return torch.from_numpy(values.view(np.int64).copy())


def _embedded(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return vertices, ranks and weights as ``seg_ros.crf.lattice`` has them."""
    d, points = features.shape
    scaled = features * torch.from_numpy(feature_scales(d)).to(features.device)[:, None]
    elevated = features.new_empty(d + 1, points)
    total = features.new_zeros(points)
    for j in range(d, 0, -1):
        elevated[j] = total - j * scaled[j - 1]
        total = total + scaled[j - 1]
    elevated[0] = total
    rounded = torch.floor(elevated / (d + 1) + 0.5)
    excess = rounded.sum(dim=0).long()
    rounded *= d + 1
    order = torch.argsort(rounded - elevated, dim=0, stable=True)
    places = torch.arange(d + 1, device=features.device)[:, None].expand_as(order)
    rank = torch.empty_like(order).scatter_(0, order, places) + excess
    turn = (d + 1) * ((rank < 0).long() - (rank > d).long())
    rank, rounded = rank + turn, rounded + turn
    distance = torch.empty_like(elevated).scatter_(0, rank, (elevated - rounded) / (d + 1))
    weight = torch.cat([(1 + distance[d] - distance[0])[None],
                        distance[:d].flip(0) - distance[1:].flip(0)])
    return rounded, rank, weight.T.contiguous()


def _neighbours(known: Tensor, steps: Tensor) -> Tensor:
    found = known.new_zeros(len(steps), 2, len(known) + 1)
    for axis, step in enumerate(steps):
        for side, wanted in enumerate((known - step, known + step)):
            place = torch.searchsorted(known, wanted).clamp(max=len(known) - 1)
            found[axis, side, 1:] = torch.where(known[place] == wanted, place + 1, 0)
    return found
