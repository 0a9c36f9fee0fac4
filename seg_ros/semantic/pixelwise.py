# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The naive method: each pixel classified by itself, without its neighbours.

From its colour, depth and position, by scikit-learn's multi-layer perceptron. What it has learned
becomes 1x1 convolutions, which run as every other network does and need no scikit-learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from seg_ros.networks.small_trunk import coordinates
from seg_ros.semantic.class_groups import IGNORED
from seg_ros.semantic.model import SemanticNetwork

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier

# Three colours as preprocessed; depth in metres, 0 for none; whether there is depth; u, v.
FEATURES = ('color0', 'color1', 'color2', 'depth_m', 'has_depth', 'u', 'v')
_DEPTH, _HAS_DEPTH = FEATURES.index('depth_m'), FEATURES.index('has_depth')
HIDDEN = (32, 32)
MOST_HIDDEN = 4096  # what a file may ask for
_NEVER = -1e4  # the logit of a class that no sample has


def pixel_features(color: Tensor, xyz: Tensor) -> Tensor:
    """Map colour and xyz (B, 3, h, w), metres, 0 = none, to features (B, 7, h, w).

    They are FEATURES: u and v run from -1 to 1 over the image.
    """
    depth = xyz[:, 2:3]
    return torch.cat([color, depth, (depth > 0).to(depth.dtype), coordinates(color)], dim=1)


class PixelwiseNetwork(SemanticNetwork):
    """A perceptron over each pixel's features, as 1x1 convolutions."""

    uses_depth = True

    def __init__(self, num_classes: int, hidden: Sequence[int] = HIDDEN) -> None:
        """Build it with random weights; ValueError for hidden layers that cannot be built."""
        super().__init__()
        if not all(1 <= width <= MOST_HIDDEN for width in hidden):
            raise ValueError(f'hidden {list(hidden)}: accepted are widths of 1 to {MOST_HIDDEN}')
        widths = (len(FEATURES), *hidden, num_classes)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 1)
            for before, after in zip(widths[:-1], widths[1:], strict=True))

    def forward(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Map colour and xyz (B, 3, h, w) to logits (B, L, h, w)."""
        features = pixel_features(color, xyz)
        *hidden, last = self.layers
        for layer in hidden:
            features = functional.relu(layer(features))
        return last(features)


def build(num_classes: int, hidden: Sequence[int] = HIDDEN) -> SemanticNetwork:
    """Build the network with random weights; ValueError as its constructor says."""
    return PixelwiseNetwork(num_classes, hidden)


@dataclass(frozen=True, eq=False)
class PixelSamples:
    """Hold pixels to train on: ``features`` (N, 7) float32, ``classes`` (N,) int64."""

    features: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse arrays that don't belong together, with a ValueError."""
        if self.features.shape != (len(self.classes), len(FEATURES)) or self.classes.ndim != 1:
            raise ValueError(
                f'features have shape {self.features.shape}, classes {self.classes.shape}: '
                f'accepted are (N, {len(FEATURES)}) and (N,)')

    @classmethod
    def joined(cls, parts: Sequence[PixelSamples]) -> PixelSamples:
        """Return the samples of several images as one."""
        return cls(np.concatenate([part.features for part in parts]),
                   np.concatenate([part.classes for part in parts]))


def sample_pixels(
    color: Tensor, xyz: Tensor, classes: Tensor, count: int, rng: np.random.Generator
) -> PixelSamples:
    """Draw pixels of an image at random, at most ``count``, none twice, none ignored (255).

    ``color`` and ``xyz`` (3, h, w) as networks take them, ``classes`` (h, w) integers.
    """
    features = pixel_features(color[None], xyz[None])[0].flatten(1).T.numpy()
    truth = classes.flatten().numpy().astype(np.int64)
    known = np.flatnonzero(truth != IGNORED)
    chosen = rng.choice(known, min(count, len(known)), replace=False)
    return PixelSamples(features[chosen], truth[chosen])


@dataclass(frozen=True, eq=False)
class Standardisation:
    """Describe the affine map that classifiers are trained behind: features @ matrix + shift.

    Depth is standardised by the pixels that have it; where there is none it becomes 0.
    """

    matrix: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]

    @classmethod
    def of(cls, features: npt.NDArray[np.floating]) -> Standardisation:
        """Measure features (N, 7)."""
        values = features.astype(np.float64)
        mean, std = values.mean(axis=0), values.std(axis=0)
        depth = values[values[:, _HAS_DEPTH] > 0, _DEPTH]
        mean[_DEPTH], std[_DEPTH] = (depth.mean(), depth.std()) if len(depth) else (0.0, 1.0)
        mean[_HAS_DEPTH], std[_HAS_DEPTH] = 0.0, 1.0
        std[std < 1e-6] = 1.0  # a constant feature stays constant
        matrix, shift = np.diag(1 / std), -mean / std
        matrix[_HAS_DEPTH, _DEPTH], shift[_DEPTH] = shift[_DEPTH], 0.0
        return cls(matrix, shift)

    def __call__(self, features: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Map features (N, 7) to standardised ones."""
        return features @ self.matrix + self.shift


def fit_pixelwise(
    samples: PixelSamples, num_classes: int, seed: int, *,
    hidden: Sequence[int] = HIDDEN, rounds: int = 30,
) -> SemanticNetwork:
    """Train a perceptron on pixels and return it as a network that takes unscaled features.

    ``rounds`` is how often each sample is seen at most. Needs scikit-learn. Raises ValueError for
    samples of one class alone, and classes outside 0..num_classes-1.
    """
    found = np.unique(samples.classes)
    if len(found) < 2:
        raise ValueError(f'the samples have classes {found.tolist()}: a classifier needs two')
    if found[0] < 0 or found[-1] >= num_classes:
        raise ValueError(f'the samples have classes {found.tolist()}, accepted are 0 to '
                         f'{num_classes - 1}')
    scaled = Standardisation.of(samples.features)
    classifier = fit_perceptron(scaled(samples.features), samples.classes, seed, hidden, rounds)
    return network_of(classifier, scaled, num_classes)


def fit_perceptron(
    features: npt.NDArray[np.float64], classes: npt.NDArray[np.int64], seed: int,
    hidden: Sequence[int] = HIDDEN, rounds: int = 30,
) -> MLPClassifier:
    """Train scikit-learn's perceptron on standardised features (N, 7)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    classifier = MLPClassifier(
        hidden_layer_sizes=tuple(hidden), batch_size=min(1024, len(features)),
        learning_rate_init=3e-3, max_iter=rounds, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ConvergenceWarning)  # rounds are bounded on purpose
        return classifier.fit(features, classes)


def network_of(
    classifier: MLPClassifier, scaled: Standardisation, num_classes: int
) -> PixelwiseNetwork:
    """Return a perceptron of scikit-learn as a network; the standardisation becomes part of it.

    Classes that the perceptron never saw get a probability of 0.
    """
    weights = [np.asarray(array, np.float64) for array in classifier.coefs_]
    biases = [np.asarray(array, np.float64) for array in classifier.intercepts_]
    weights[0], biases[0] = scaled.matrix @ weights[0], biases[0] + scaled.shift @ weights[0]
    weights[-1], biases[-1] = _all_classes(
        weights[-1], biases[-1], classifier.classes_, num_classes)
    network = PixelwiseNetwork(num_classes, [len(bias) for bias in biases[:-1]])
    with torch.no_grad():
        for layer, weight, bias in zip(network.layers, weights, biases, strict=True):
            parameters: Any = layer
            parameters.weight.copy_(torch.from_numpy(weight.T.copy())[:, :, None, None])
            parameters.bias.copy_(torch.from_numpy(bias))
    return network


def _all_classes(
    weight: npt.NDArray[np.float64], bias: npt.NDArray[np.float64],
    found: npt.NDArray[np.int64], num_classes: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Spread the last layer (hidden, found) over all classes.

    Of two classes scikit-learn keeps one logistic output: softmax over (0, x) is the same.
    """
    if len(found) == 2:
        weight = np.concatenate([np.zeros_like(weight), weight], axis=1)
        bias = np.concatenate([np.zeros_like(bias), bias])
    every_weight = np.zeros((len(weight), num_classes))
    every_bias = np.full(num_classes, _NEVER)
    every_weight[:, found], every_bias[found] = weight, bias
    return every_weight, every_bias
