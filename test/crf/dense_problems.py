# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Problems of fully connected CRFs, and their kernels by definition."""

import numpy as np

from seg_ros.crf.kernels import Bilateral, Gaussian

# name: (rows, columns, labels), kernels, compatibility's seed or None
CASES = {
    'potts_2': ((24, 32, 2), (Gaussian(3.0, 3.0), Bilateral(80.0, 13.0, weight=10.0)), None),
    'potts_5': ((24, 32, 5), (Gaussian((2.0, 4.0), 2.0), Bilateral(20.0, 30.0, weight=4.0)), None),
    'matrix_5': ((17, 29, 5), (Bilateral(10.0, 20.0, weight=3.0),), 1),
    'gaussian_9': ((31, 16, 9), (Gaussian(5.0, 6.0),), None),
}


def problem(rows, columns, labels, seed=0):
    """Return costs (H, W, L) and a colour image with some edges, the same on every machine."""
    rng = np.random.Generator(np.random.PCG64(seed))
    coarse = rng.random((rows // 8 + 1, columns // 8 + 1, labels + 3))
    blocks = np.repeat(np.repeat(coarse, 8, 0), 8, 1)[:rows, :columns]
    color = blocks[..., labels:] * 200 + rng.random((rows, columns, 3)) * 20
    costs = 3 * blocks[..., :labels] + rng.random((rows, columns, labels))
    return costs.astype(np.float32), color.astype(np.uint8)


def compatibility(labels, seed):
    """Return a symmetric matrix (L, L), or None without a seed."""
    if seed is None:
        return None
    values = np.random.Generator(np.random.PCG64(seed)).random((labels, labels))
    return (values + values.T).astype(np.float32)


def exact_filter(features, values):
    """Return sum_j exp(-|f_i - f_j|^2 / 2) v_j by its definition, in float64."""
    features = features.astype(np.float64)
    squared = (features ** 2).sum(0)
    distance = squared[:, None] + squared - 2 * features.T @ features
    return np.exp(-np.maximum(distance, 0) / 2) @ values
