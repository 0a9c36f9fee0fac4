# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Gaussian filters in any dimension on the permutohedral lattice, by numpy alone.

Adams, Baek and Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice", 2010:
values are splatted on the corners of the simplex that encloses a point's features, blurred along
each of the d + 1 axes of the lattice, and sliced again at the points.

A vertex is known by a hash of 64 bits that is linear in its coordinates, so that its neighbours'
follow by one addition; that two of M vertices share one has a probability of about M^2 / 2^65.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.float32]
MOST_FEATURES = 64
_MULTIPLIERS = np.random.default_rng(7).integers(1, 2**63, MOST_FEATURES, np.uint64) * np.uint64(
    2) + np.uint64(1)


def multipliers(features: int) -> npt.NDArray[np.uint64]:
    """Return the factors of the coordinates in a vertex's hash; ValueError for too many."""
    if not 1 <= features <= MOST_FEATURES:
        raise ValueError(f'{features} features a pixel: 1 to {MOST_FEATURES} are accepted')
    return _MULTIPLIERS[:features]


def axis_steps(features: int) -> npt.NDArray[np.uint64]:
    """Return what one step back along each of the d + 1 axes adds to a vertex's hash."""
    factors = multipliers(features)
    steps = np.full(features + 1, factors.sum(dtype=np.uint64), np.uint64)
    steps[:-1] -= np.uint64(features + 1) * factors
    return steps


def feature_scales(features: int) -> npt.NDArray[np.float32]:
    """Return the factors (d,) by which features are stretched before they are embedded.

    The blur along all axes is then a Gaussian of width 1: sqrt(2/3) (d+1) / sqrt((i+1)(i+2)).
    """
    i = np.arange(features, dtype=np.float64)
    scales = np.sqrt(2 / 3) * (features + 1) / np.sqrt((i + 1) * (i + 2))
    return scales.astype(np.float32)


def blur_factor(features: int) -> float:
    """Return the factor 1 / (1 + 2^-d) that makes up for the blur's gain."""
    return 1 / (1 + 2.0**-features)


@dataclass(frozen=True, eq=False)
class Lattice:
    """Hold the lattice of N points with d features, and filter by it.

    ``index`` (N, d + 1) unsigned, vertices from 1 to M; ``weight`` (N, d + 1), barycentric;
    ``neighbours`` (d + 1, M + 1, 2): the vertices one step to either side, 0 for none.
    """

    index: npt.NDArray[np.unsignedinteger]
    weight: npt.NDArray[np.float32]
    neighbours: npt.NDArray[np.unsignedinteger]

    @property
    def features(self) -> int:
        """Return d."""
        return self.weight.shape[1] - 1

    @property
    def vertices(self) -> int:
        """Return M."""
        return self.neighbours.shape[1] - 1

    @cached_property
    def slicing(self) -> Any:
        """Return the sparse matrix (N, M + 1) of the barycentric weights."""
        from scipy.sparse import csr_matrix

        points, corners = self.index.shape
        return csr_matrix(
            (self.weight.ravel(), self.index.ravel().astype(np.int32),
             np.arange(0, points * corners + 1, corners)), (points, self.vertices + 1))

    def filter(
        self, values: npt.NDArray[np.floating], reverse: bool = False
    ) -> npt.NDArray[np.floating]:
        """Return values (N, C) filtered; each pixel itself is included.

        ``reverse`` blurs in the opposite order of axes: the exact adjoint of the filter, which
        differs from it where neighbours are missing.
        """
        blurred = self.blurred(self.slicing.T @ values, reverse)
        return self.slicing @ blurred

    def blurred(
        self, values: npt.NDArray[np.floating], reverse: bool = False
    ) -> npt.NDArray[np.floating]:
        """Return values (M + 1, C) of the vertices blurred along all axes; row 0 must be 0."""
        order = range(self.features, -1, -1) if reverse else range(self.features + 1)
        for axis in order:
            before, after = self.neighbours[axis].T
            values = values + values.dtype.type(0.5) * (values[before] + values[after])
            values[0] = 0
        return values * values.dtype.type(blur_factor(self.features))

    @cached_property
    def norm(self) -> npt.NDArray[np.float32]:
        """Return what the filter makes of ones (N,)."""
        ones = np.ones((len(self.index), 1), np.float32)
        norm: npt.NDArray[np.float32] = self.filter(ones)[:, 0].astype(np.float32)
        return norm


def build_lattice(features: Planes) -> Lattice:
    """Return the lattice of points with features (d, N) float32, each divided by its width."""
    count = features.shape[0]
    rounded, rank, weight = _embedded(features)
    ids = _corner_ids(rounded, rank)
    known, index = np.unique(ids, return_inverse=True)
    index = index.reshape(ids.shape).astype(np.uint32) + np.uint32(1)
    return Lattice(index, weight, _neighbours(known, axis_steps(count)))


def _embedded(features: Planes) -> tuple[Planes, npt.NDArray[np.int64], Planes]:
    """Return the nearest vertex of remainder 0 (d + 1, N), the ranks of the distances to it along
    each coordinate (d + 1, N), and the barycentric weights (N, d + 1).
    """
    d, points = features.shape
    scaled = features * feature_scales(d)[:, None]
    elevated = np.empty((d + 1, points), np.float32)
    total = np.zeros(points, np.float32)
    for j in range(d, 0, -1):
        elevated[j] = total - np.float32(j) * scaled[j - 1]
        total += scaled[j - 1]
    elevated[0] = total
    rounded = np.floor(elevated / np.float32(d + 1) + np.float32(0.5))
    excess = rounded.sum(axis=0).astype(np.int64)
    rounded *= d + 1
    # stable: of equal distances the first coordinate ranks first, as in the compiled form
    order = np.argsort(-(elevated - rounded), axis=0, kind='stable')
    rank = np.empty((d + 1, points), np.int64)
    np.put_along_axis(rank, order, np.arange(d + 1)[:, None], axis=0)
    rank += excess
    turn = (d + 1) * ((rank < 0).astype(np.int64) - (rank > d))
    rank += turn
    rounded += turn
    distance = np.empty((d + 1, points), np.float32)
    np.put_along_axis(distance, rank, (elevated - rounded) / np.float32(d + 1), axis=0)
    weight = np.empty((points, d + 1), np.float32)
    weight[:, 0] = 1 + distance[d] - distance[0]
    weight[:, 1:] = (distance[d - 1::-1] - distance[:0:-1]).T
    return rounded, rank, weight


def _corner_ids(rounded: Planes, rank: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return the hashes (N, d + 1) of the corners of each point's simplex."""
    d = rounded.shape[0] - 1
    factors = multipliers(d)
    base = (rounded[:-1].astype(np.int64).astype(np.uint64) * factors[:, None]).sum(
        axis=0, dtype=np.uint64)
    steps = np.empty_like(rank, dtype=np.uint64)
    np.put_along_axis(steps, d - rank, axis_steps(d)[:, None], axis=0)
    ids = np.empty((rank.shape[1], d + 1), np.uint64)
    ids[:, 0] = base
    ids[:, 1:] = base[:, None] + np.cumsum(steps[:-1].T, axis=1, dtype=np.uint64)
    return ids


def _neighbours(
    known: npt.NDArray[np.uint64], steps: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint32]:
    found = np.zeros((len(steps), len(known) + 1, 2), np.uint32)
    for axis, step in enumerate(steps):
        for side, wanted in enumerate((known - step, known + step)):
            place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
            found[axis, 1:, side] = np.where(known[place] == wanted, place + 1, 0)
    return found
