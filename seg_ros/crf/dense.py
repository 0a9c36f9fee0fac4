# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Fully connected CRF: every pixel is joined to every other by Gaussian kernels.

Kraehenbuehl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials", NeurIPS 2011: mean field, filters by the permutohedral lattice, in time linear in
pixels, labels and iterations.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.crf import dense_field
from seg_ros.crf.dense_field import Filter, Mix
from seg_ros.crf.kernels import Bilateral, Gaussian, Guide, Kernel
from seg_ros.crf.lattice import build_lattice

Costs = npt.NDArray[np.float32]
BACKENDS = ('auto', 'numba', 'numpy')
MOST_THREADS = 4
# Costs beyond this, infinity among them, forbid a label as well as this does.
HIGHEST_COST = 1e4
LEAST_PROBABILITY = 1e-5
_TILE = 16
# One number for each code that the compiled passes have: 8, 16 or 24 labels at once.
LABELS_COMPILED = (8, 16, 24)


@dataclass(frozen=True, eq=False)
class DenseResult:
    """Hold probabilities (H, W, L) float32 and how they came about.

    ``change`` is the mean KL(new || old) of the last iteration, infinite where it was not asked
    for; ``converged`` whether it fell below the tolerance.
    """

    probabilities: npt.NDArray[np.float32]
    iterations: int
    converged: bool
    change: float

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """Return the most probable label of each pixel (H, W); of equal ones the first."""
        return self.probabilities.argmax(axis=2).astype(np.int32)


class DenseCrf:
    """Join all pixels of an image by kernels.

    ``kernels`` see ``seg_ros.crf.kernels``; ``compatibility`` mu (L, L) is what label pairs cost,
    None is Potts', 1 where labels differ; a matrix that is not symmetric is symmetrised with a
    warning. ``iterations`` of the mean field at most; it stops where the mean KL between two
    falls below ``tolerance``, 0: never. ``backend`` numba or numpy, auto: numba where it is
    installed. ``threads`` 0: as many as cores, up to 4. ValueError for other values.
    """

    def __init__(
        self, kernels: Sequence[Kernel] = (Gaussian(), Bilateral()), *,
        compatibility: npt.ArrayLike | None = None, iterations: int = 10, tolerance: float = 0.0,
        backend: str = 'auto', threads: int = 0,
    ) -> None:
        """Check what is given."""
        if not kernels:
            raise ValueError('a fully connected CRF without a kernel joins nothing: give one')
        if iterations < 0 or threads < 0 or not 0 <= tolerance < np.inf:
            raise ValueError(f'iterations {iterations}, tolerance {tolerance}, threads {threads}: '
                             'finite numbers from 0 on are accepted')
        self.kernels = tuple(kernels)
        self.compatibility = _symmetric(compatibility)
        self.iterations, self.tolerance = iterations, tolerance
        self.backend = chosen_backend(backend)
        self.threads = threads or default_threads()

    def infer(
        self, costs: npt.NDArray[np.floating], color: npt.NDArray[np.generic] | None = None,
        depth_m: npt.NDArray[np.floating] | None = None,
        normals: npt.NDArray[np.floating] | None = None,
    ) -> DenseResult:
        """Return the mean field of an image.

        ``costs`` (H, W, L), minus the logarithm of a classifier's probabilities or any other, see
        ``costs_of_probabilities``; what the kernels compare: ``color`` (H, W, 3), ``depth_m``
        (H, W) metres, NaN for none, ``normals`` (H, W, 3). Raises ValueError for NaN, for sizes
        that differ, and for a part that a kernel needs and is not there.
        """
        costs = checked_costs(costs)
        rows, columns, labels = costs.shape
        guide = Guide((rows, columns), color, depth_m, normals)
        found = run_field(
            costs.reshape(-1, labels), guide, self.kernels, self._mixes(labels),
            iterations=self.iterations, tolerance=self.tolerance, backend=self.backend,
            threads=self.threads)
        return DenseResult(
            found.probabilities.reshape(costs.shape), found.iterations,
            dense_field.converged(found.change, self.tolerance), found.change)

    def free_energy(
        self, costs: npt.NDArray[np.floating], probabilities: npt.NDArray[np.floating],
        color: npt.NDArray[np.generic] | None = None,
        depth_m: npt.NDArray[np.floating] | None = None,
        normals: npt.NDArray[np.floating] | None = None,
    ) -> float:
        """Return KL(Q || P) up to log Z of probabilities (H, W, L); arguments as of ``infer``.

        It is counted as by Kraehenbuehl's implementation, each pair of pixels in both orders.
        """
        costs = checked_costs(costs)
        if probabilities.shape != costs.shape:
            raise ValueError(f'probabilities have the shape {probabilities.shape}, the costs '
                             f'{costs.shape}: they must agree')
        guide = Guide(costs.shape[:2], color, depth_m, normals)
        labels = costs.shape[2]
        return dense_field.free_energy(
            costs.reshape(-1, labels), probabilities.reshape(-1, labels).astype(np.float32),
            _filters(guide, self.kernels), self._mixes(labels))

    def _mixes(self, labels: int) -> list[Mix]:
        """Return what becomes of each kernel's filtered labels; ValueError for another L."""
        matrix = self.compatibility
        if matrix is not None and len(matrix) != labels:
            raise ValueError(f'compatibility is of {len(matrix)} labels, the costs of {labels}')
        return [Mix(_weights(kernel, labels), None if matrix is None else -matrix)
                for kernel in self.kernels]


def run_field(
    costs: Costs, guide: Guide, kernels: Sequence[Kernel], mixes: Sequence[Mix], *,
    iterations: int, tolerance: float = 0.0, backend: str = 'auto', threads: int = 0,
) -> dense_field.FieldResult:
    """Return the mean field of costs (N, L) under any mixes of labels; nothing is checked."""
    if chosen_backend(backend) == 'numpy':
        return dense_field.mean_field(
            costs, _filters(guide, kernels), mixes, iterations=iterations, tolerance=tolerance)
    from seg_ros.crf import dense_numba

    order = pixel_order(guide.shape)
    team = dense_numba.Team(threads or default_threads())
    try:
        features = team.run([partial(_ordered, kernel, guide, order) for kernel in kernels])
        joined = dense_numba.build_joined(
            features, [kernel.normalization for kernel in kernels],
            dense_numba.vertex_step(costs.shape[1]), team)
        del features
        return dense_numba.mean_field(
            costs, joined, mixes, order, team, iterations=iterations, tolerance=tolerance)
    finally:
        team.close()


def _filters(guide: Guide, kernels: Sequence[Kernel]) -> list[Filter]:
    return [Filter(build_lattice(kernel.features(guide)), kernel.normalization)
            for kernel in kernels]


def costs_of_probabilities(
    probabilities: npt.NDArray[np.floating], least: float = LEAST_PROBABILITY
) -> Costs:
    """Return -log(p) of probabilities (..., L), those below ``least`` taken as that.

    ValueError for NaN and for values outside of 0 to 1.
    """
    values = np.asarray(probabilities, np.float32)
    if not (values.min(initial=0) >= 0 and values.max(initial=0) <= 1 + 1e-3):
        raise ValueError(f'probabilities span {values.min()} to {values.max()}: 0 to 1 are '
                         'accepted, without NaN')
    return -np.log(np.clip(values, np.float32(least), np.float32(1)))


def checked_costs(costs: npt.NDArray[np.floating]) -> Costs:
    """Return costs (H, W, L) as contiguous float32 of at most 1e4; ValueError for NaN."""
    if costs.ndim != 3 or 0 in costs.shape:
        raise ValueError(f'costs have the shape {costs.shape}, (H, W, L) is accepted, each 1 or '
                         'more')
    values = np.ascontiguousarray(costs, np.float32)
    low, high = values.min(), values.max()  # NaN where there is one
    if not (low > -np.inf and high <= np.inf):
        raise ValueError(f'costs span {low} to {high}: numbers and infinity, which forbids a '
                         'label, are accepted, without NaN')
    if high > HIGHEST_COST + max(low, 0):
        values = np.minimum(values, np.float32(HIGHEST_COST + max(low, 0)))
    return values


def chosen_backend(backend: str) -> str:
    """Return numba or numpy; ValueError for an unknown one, and for numba where it is missing."""
    if backend not in BACKENDS:
        raise ValueError(f'backend is {backend!r}, choose one of {", ".join(BACKENDS)}')
    installed = find_spec('numba') is not None
    if backend == 'numba' and not installed:
        raise ValueError("backend numba is not installed: pip install 'seg_ros[crf]', or take "
                         'backend numpy, which is slower')
    return backend if backend != 'auto' else ('numba' if installed else 'numpy')


def warm_up(kernels: Sequence[Kernel] = (Gaussian(), Bilateral()), threads: int = 0) -> None:
    """Compile what kernels need, for any number of labels, so that no frame waits for it.

    It takes half a minute where nothing is in numba's cache and a second where it is.
    """
    crf = DenseCrf(kernels, iterations=1, threads=threads)
    size = 20, 20
    values: dict[str, Any] = {
        'color': np.zeros((*size, 3), np.uint8), 'depth_m': np.ones(size, np.float32),
        'normals': np.zeros((*size, 3), np.float32)}
    weights = [kernel.weight for kernel in kernels if isinstance(kernel.weight, tuple)]
    for labels in [len(weights[0])] if weights else LABELS_COMPILED:
        crf.infer(np.zeros((*size, labels), np.float32), **values)


@lru_cache(maxsize=8)
def pixel_order(shape: tuple[int, int]) -> npt.NDArray[np.uint32]:
    """Return the pixels (H * W,) in the order of square blocks, row by row in each."""
    rows, columns = shape
    numbers = np.arange(rows * columns, dtype=np.uint32).reshape(shape)
    parts = [numbers[top:top + _TILE, left:left + _TILE].ravel()
             for top in range(0, rows, _TILE) for left in range(0, columns, _TILE)]
    order = np.concatenate(parts)
    order.setflags(write=False)
    return order


def _ordered(
    kernel: Kernel, guide: Guide, order: npt.NDArray[np.uint32]
) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(np.take(kernel.features(guide), order, axis=1))


def _weights(kernel: Kernel, labels: int) -> npt.NDArray[np.float32]:
    weights = np.atleast_1d(np.asarray(kernel.weight, np.float32))
    if len(weights) not in (1, labels):
        raise ValueError(f'a kernel has {len(weights)} weights, the costs are of {labels} labels')
    return np.broadcast_to(weights, labels).astype(np.float32)


def _symmetric(compatibility: npt.ArrayLike | None) -> npt.NDArray[np.float32] | None:
    if compatibility is None:
        return None
    matrix = np.asarray(compatibility, np.float32)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
        raise ValueError(f'compatibility has the shape {matrix.shape}: finite numbers (L, L) are '
                         'accepted')
    if not np.array_equal(matrix, matrix.T):
        warnings.warn('compatibility is not symmetric: the mean of it and its transpose is taken',
                      stacklevel=3)
        matrix = (matrix + matrix.T) / 2
    return matrix


def default_threads() -> int:
    """Return the number of cores that this process may use, 4 at most."""
    affinity = getattr(os, 'sched_getaffinity', None)
    return min(len(affinity(0)) if affinity else os.cpu_count() or 1, MOST_THREADS)
