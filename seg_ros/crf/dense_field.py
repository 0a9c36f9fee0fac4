# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the mean field of a fully connected CRF is told and gives, in any form; and one by numpy.

Q <- softmax(-costs + sum over kernels m of mix_m(K_m Q)), from Q = softmax(-costs) on
(Kraehenbuehl and Koltun 2011, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seg_ros.crf.lattice import Lattice

F32 = npt.NDArray[np.float32]
_TINY = np.float32(1e-20)


@dataclass(frozen=True, eq=False)
class Mix:
    """Say what becomes of a kernel's filtered labels: times ``gains`` (L,), then by ``matrix``.

    ``matrix`` (L, L) or None, which is the identity: labels that agree attract each other.
    """

    gains: F32
    matrix: npt.NDArray[np.float32] | None = None

    def of(self, filtered: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Return the message (N, L) of filtered labels (N, L)."""
        scaled = filtered * self.gains
        return scaled if self.matrix is None else scaled @ self.matrix.T


@dataclass(frozen=True, eq=False)
class FieldResult:
    """Hold probabilities (N, L), the iterations made and the last mean KL of a change."""

    probabilities: F32
    iterations: int
    change: float


def converged(change: float, tolerance: float) -> bool:
    """Return whether the mean KL between iterations fell below the tolerance, 0: never."""
    return tolerance > 0 and change < tolerance


def scales_of(kind: str, norm: F32) -> tuple[F32, F32]:
    """Return what a normalisation multiplies values with before and after the filter, (N,).

    ``norm`` is what the filter makes of ones.
    """
    ones = np.ones_like(norm)
    if kind == 'symmetric':
        root = (1 / np.sqrt(norm + _TINY)).astype(np.float32)
        return root, root
    whole = 1 / (norm + _TINY)
    return {'before': (whole, ones), 'after': (ones, whole), 'none': (ones, ones)}[kind]


@dataclass(frozen=True, eq=False)
class Filter:
    """Filter by a lattice under a normalisation."""

    lattice: Lattice
    normalization: str

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Return values (N, C) filtered."""
        before, after = scales_of(self.normalization, self.lattice.norm)
        return self.lattice.filter(values * before[:, None]) * after[:, None]


def softmax(logits: F32) -> F32:
    """Return the softmax of the last axis."""
    values = np.exp(logits - logits.max(axis=-1, keepdims=True))
    values /= values.sum(axis=-1, keepdims=True)
    return values


def messages_of(
    probabilities: F32, filters: Sequence[Filter], mixes: Sequence[Mix]
) -> F32:
    """Return the sum of all kernels' messages (N, L) that probabilities (N, L) send."""
    total = np.zeros_like(probabilities)
    for each, mix in zip(filters, mixes, strict=True):
        total += mix.of(each(probabilities))
    return total


def mean_field(
    costs: F32, filters: Sequence[Filter], mixes: Sequence[Mix], *, iterations: int,
    tolerance: float,
) -> FieldResult:
    """Return the mean field of costs (N, L) after at most these iterations."""
    field = softmax(-costs)
    change, done = np.inf, 0
    while done < iterations and not converged(change, tolerance):
        before, done = field, done + 1
        field = softmax(messages_of(field, filters, mixes) - costs)
        if tolerance > 0:
            change = mean_divergence(field, before)
    return FieldResult(field, done, change)


def mean_divergence(probabilities: F32, other: F32) -> float:
    """Return the mean over pixels of KL(probabilities || other), both (N, L)."""
    ratio = np.maximum(probabilities, _TINY) / np.maximum(other, _TINY)
    return float((probabilities * np.log(ratio)).sum(axis=1, dtype=np.float64).mean())


def free_energy(
    costs: F32, probabilities: F32, filters: Sequence[Filter], mixes: Sequence[Mix]
) -> float:
    """Return KL(Q || P) without log Z, as Kraehenbuehl's implementation counts it.

    Sum of Q log Q + costs Q - Q mix(K Q), each pair of pixels in both orders and with itself.
    """
    entropy = probabilities * np.log(np.maximum(probabilities, _TINY))
    pairs = probabilities * messages_of(probabilities, filters, mixes)
    return float((entropy + costs * probabilities - pairs).sum(dtype=np.float64))
