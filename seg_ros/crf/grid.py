# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conditional random fields on the pixel grid: energy, best labelling, marginals.

E(x) = sum over pixels of psi_i(x_i) + sum over neighbours of psi_ij(x_i, x_j), of 4 or 8
neighbours; P(x) = exp(-E(x)) / Z.
"""

from __future__ import annotations

import dataclasses
import importlib
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.crf.grid_problem import Problem, energy_of, make_problem
from seg_ros.crf.grid_search import GridResult, Settings
from seg_ros.crf.pairwise import Pairwise
from seg_ros.crf.unary import Unary, check_labels

_BRUTE = 'seg_ros.crf.grid_brute:brute_force'
MAP_METHODS = {
    'min_cut': 'seg_ros.crf.grid_moves:min_cut',
    'alpha_expansion': 'seg_ros.crf.grid_moves:alpha_expansion',
    'alpha_beta_swap': 'seg_ros.crf.grid_moves:alpha_beta_swap',
    'icm': 'seg_ros.crf.grid_local:icm',
    'belief_propagation': 'seg_ros.crf.grid_sweeps:min_sum',
    'mean_field': 'seg_ros.crf.grid_local:mean_field',
    'trw_s': 'seg_ros.crf.grid_sweeps:trw_s',
    'brute_force': _BRUTE,
}
MARGINAL_METHODS = {
    'belief_propagation': 'seg_ros.crf.grid_sweeps:sum_product',
    'mean_field': 'seg_ros.crf.grid_local:mean_field',
    'brute_force': _BRUTE,
}


@dataclasses.dataclass(frozen=True, eq=False)
class GridCrf:
    """Hold the energy of label images: unary costs, pairwise costs, 4 or 8 neighbours.

    ValueError for parts that do not fit each other: another image size, another number of labels.
    """

    unary: Unary
    pairwise: Pairwise
    connectivity: int = 4

    def __post_init__(self) -> None:
        if self.connectivity not in (4, 8):
            raise ValueError(f'connectivity is {self.connectivity}: 4 or 8')
        _ = self.problem

    @cached_property
    def problem(self) -> Problem:
        """Return the arrays that the solvers take."""
        return make_problem(self.unary, self.pairwise, self.connectivity)

    def energy(self, labels: npt.NDArray[np.integer]) -> float:
        """Return the energy of labels (H, W); ValueError for another shape or other labels."""
        labels = check_labels(labels, self.unary.label_count)
        if labels.shape != self.unary.shape:
            raise ValueError(f'labels {labels.shape}, unary {self.unary.shape}: (H, W) must agree')
        return energy_of(self.problem, labels)

    def map(self, method: str = 'trw_s', **settings: Any) -> GridResult:
        """Return the best labelling that a method of MAP_METHODS finds.

        ``settings`` as ``Settings`` has them. ValueError for an unknown method or a bad setting,
        and what a method refuses; ImportError names numba where it is needed and missing.
        """
        return self._solved(MAP_METHODS, method, settings)

    def marginals(self, method: str = 'belief_propagation', **settings: Any) -> GridResult:
        """Return ``probabilities`` (H, W, L) of each pixel's labels, and the likeliest of each.

        Methods of MARGINAL_METHODS; errors as ``map``.
        """
        return self._solved(MARGINAL_METHODS, method, settings)

    def _solved(
        self, methods: dict[str, str], method: str, settings: dict[str, Any]
    ) -> GridResult:
        if method not in methods:
            raise ValueError(f'unknown method {method!r}: known are {", ".join(methods)}')
        names = [field.name for field in dataclasses.fields(Settings)]
        unknown = sorted(set(settings) - set(names))
        if unknown:
            raise ValueError(f'unknown setting {", ".join(unknown)}: known are {", ".join(names)}')
        module, name = methods[method].split(':')
        solver = getattr(importlib.import_module(module), name)
        result: GridResult = solver(self.problem, Settings(**settings))
        return result
