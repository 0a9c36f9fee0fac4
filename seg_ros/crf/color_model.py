# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A mixture of Gaussians over colours, as GrabCut has one for each side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# More pixels than this are sampled: the mixture is no better for them.
MOST_SAMPLES = 6_000
# Added to every variance, in squared levels of 255: one flat colour is no infinite density, and
# the rounding of a camera's levels is no distance.
LEAST_VARIANCE = 4.0
ROUNDS = 15


@dataclass(frozen=True, eq=False)
class ColorModel:
    """Hold a mixture of K Gaussians over C channels; made by ``fit_colors``.

    ``means`` (K, C), ``inverses`` (K, C, C) of the covariances, ``offsets`` (K,): log share minus
    half the log determinant of 2 pi times the covariance.
    """

    means: npt.NDArray[np.float64]
    inverses: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.float64]

    def costs(self, colors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return minus the log density (...,) float32 of colours (..., C)."""
        pixels = np.asarray(colors, np.float32).reshape(-1, self.means.shape[1])
        total = np.full(len(pixels), -np.inf, np.float32)
        # one Gaussian after the other: all at once is a large array for a large image
        for mean, inverse, offset in zip(self.means, self.inverses, self.offsets, strict=True):
            apart = pixels - mean.astype(np.float32)
            square = ((apart @ inverse.astype(np.float32)) * apart).sum(1)
            total = np.logaddexp(total, np.float32(offset) - square / 2)
        return -total.reshape(np.shape(colors)[:-1])


def fit_colors(
    colors: npt.NDArray[Any], *, components: int = 5, seed: int = 0
) -> ColorModel:
    """Fit a mixture to colours (N, C) by expectation maximisation; the same for the same seed.

    Fewer distinct colours than ``components`` make a smaller mixture. ValueError for no colour.
    """
    colors = np.asarray(colors, np.float64)
    if colors.ndim != 2 or 0 in colors.shape:
        raise ValueError(f'colors must be (N, C) with at least one pixel, got {colors.shape}')
    if components < 1:
        raise ValueError(f'components is {components}: at least 1')
    rng = np.random.default_rng(seed)
    if len(colors) > MOST_SAMPLES:
        colors = colors[rng.choice(len(colors), MOST_SAMPLES, replace=False)]
    means = _spread_seeds(colors, components, rng)
    share = _nearest(colors, means)
    model = _maximized(colors, share)
    for _ in range(ROUNDS):
        model = _maximized(colors, _responsibilities(colors, model))
    return model


def _spread_seeds(
    colors: npt.NDArray[np.float64], count: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return up to ``count`` colours far from each other (k-means++, Arthur and Vassilvitskii)."""
    chosen = [colors[rng.integers(len(colors))]]
    apart = ((colors - chosen[0]) ** 2).sum(1)
    while len(chosen) < count and apart.max() > 0:
        chosen.append(colors[rng.choice(len(colors), p=apart / apart.sum())])
        apart = np.minimum(apart, ((colors - chosen[-1]) ** 2).sum(1))
    return np.stack(chosen)


def _nearest(
    colors: npt.NDArray[np.float64], means: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    apart = ((colors[:, None] - means[None]) ** 2).sum(2)
    return np.eye(len(means))[apart.argmin(1)]


def _responsibilities(
    colors: npt.NDArray[np.float64], model: ColorModel
) -> npt.NDArray[np.float64]:
    logs = np.empty((len(colors), len(model.means)))
    for k, (mean, inverse) in enumerate(zip(model.means, model.inverses, strict=True)):
        apart = colors - mean
        logs[:, k] = model.offsets[k] - ((apart @ inverse) * apart).sum(1) / 2
    weights = np.exp(logs - logs.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def _maximized(
    colors: npt.NDArray[np.float64], share: npt.NDArray[np.float64]
) -> ColorModel:
    """Return the mixture for shares (N, K); components that have faded away are dropped."""
    share = share[:, share.sum(0) > 1e-3]
    mass = share.sum(0)
    means = (share.T @ colors) / mass[:, None]
    spreads = np.stack([
        ((colors - mean) * part[:, None]).T @ (colors - mean) / part.sum()
        for mean, part in zip(means, share.T, strict=True)])
    spreads += LEAST_VARIANCE * np.eye(colors.shape[1])
    _, logs = np.linalg.slogdet(2 * np.pi * spreads)
    return ColorModel(means, np.linalg.inv(spreads), np.log(mass / mass.sum()) - logs / 2)
