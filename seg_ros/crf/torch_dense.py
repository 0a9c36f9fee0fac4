# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mean field of a fully connected CRF in torch, for any device, with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seg_ros.crf.kernels import Guide, Kernel
from seg_ros.crf.torch_lattice import TorchLattice, build_torch_lattice

_TINY = 1e-20


@dataclass(frozen=True, eq=False)
class TorchFilter:
    """Filter by a lattice under a normalisation: scales (N, 1) before and after."""

    lattice: TorchLattice
    before: Tensor
    after: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        """Return values (N, C) filtered; differentiable."""
        before, after = (scale.to(values.dtype) for scale in (self.before, self.after))
        return self.lattice.filter(values * before) * after


def torch_filters(
    guide: Guide, kernels: Sequence[Kernel], device: torch.device | str = 'cpu'
) -> list[TorchFilter]:
    """Return the filters of kernels on an image."""
    return [filter_of(torch.from_numpy(kernel.features(guide)).to(device), kernel.normalization)
            for kernel in kernels]


@torch.no_grad()
def filter_of(features: Tensor, normalization: str = 'symmetric') -> TorchFilter:
    """Return the filter over features (d, N) on their device."""
    lattice = build_torch_lattice(features)
    ones = features.new_ones(features.shape[1], 1, dtype=torch.float32)
    norm = lattice.filter(ones)
    root, whole = (norm + _TINY).rsqrt(), 1 / (norm + _TINY)
    before, after = {'symmetric': (root, root), 'before': (whole, ones),
                     'after': (ones, whole), 'none': (ones, ones)}[normalization]
    return TorchFilter(lattice, before, after)


def mean_field(
    costs: Tensor, filters: Sequence[TorchFilter], weights: Sequence[Tensor],
    compatibility: Tensor, iterations: int,
) -> Tensor:
    """Return the logits (N, L) of the mean field of costs (N, L); their softmax is the field.

    logits = -costs - mu sum_m w_m K_m Q; ``weights`` (L,) or () of each filter, ``compatibility``
    mu (L, L). All of them may ask for gradients.
    """
    logits = -costs
    for _ in range(iterations):
        field = torch.softmax(logits, dim=1)
        summed = torch.stack([weight * each(field) for each, weight
                              in zip(filters, weights, strict=True)]).sum(dim=0)
        logits = -costs - summed @ compatibility.T
    return logits
