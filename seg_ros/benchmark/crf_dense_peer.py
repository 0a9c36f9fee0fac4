# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Fully connected CRFs by pydensecrf, for those who have it: what ours is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.crf.kernels import Bilateral, Gaussian

F32 = npt.NDArray[np.float32]
_NORMALIZATIONS = {'symmetric': 'NORMALIZE_SYMMETRIC', 'before': 'NORMALIZE_BEFORE',
                   'after': 'NORMALIZE_AFTER', 'none': 'NO_NORMALIZATION'}


def is_installed() -> bool:
    """Return whether pydensecrf (of PyPI's pydensecrf2, for instance) can be imported."""
    return find_spec('pydensecrf') is not None


def peer_model(
    costs: F32, color: npt.NDArray[np.uint8], kernels: Sequence[Gaussian | Bilateral],
    compatibility: F32 | None = None,
) -> Any:
    """Return pydensecrf's model of costs (H, W, L) with kernels over position and colour."""
    densecrf = import_module('pydensecrf.densecrf')
    rows, columns, labels = costs.shape
    model = densecrf.DenseCRF2D(columns, rows, labels)
    model.setUnaryEnergy(np.ascontiguousarray(costs.reshape(-1, labels).T))
    for kernel in kernels:
        told = {'compat': kernel.weight if compatibility is None else
                np.asarray(compatibility * kernel.weight, np.float32),
                'normalization': getattr(densecrf, _NORMALIZATIONS[kernel.normalization])}
        if isinstance(kernel, Gaussian):
            model.addPairwiseGaussian(sxy=kernel.sigma_px, **told)
        else:
            model.addPairwiseBilateral(
                sxy=kernel.position_px, srgb=kernel.color, rgbim=color, **told)
    return model


def by_pydensecrf(
    costs: F32, color: npt.NDArray[np.uint8], kernels: Sequence[Gaussian | Bilateral], *,
    compatibility: F32 | None = None, iterations: int = 10,
) -> F32:
    """Return pydensecrf's probabilities (H, W, L) of costs (H, W, L) and colour (H, W, 3)."""
    model = peer_model(costs, color, kernels, compatibility)
    found: F32 = np.array(model.inference(iterations), np.float32)
    return np.ascontiguousarray(found.T.reshape(costs.shape))
