# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Problems to compare solvers of grid CRFs on: many labels, little or much noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.crf.grid import GridCrf
from seg_ros.crf.pairwise import Pairwise
from seg_ros.crf.unary import Unary

LABELS = 21


@dataclass(frozen=True, eq=False)
class GridProblem:
    """Hold a CRF with the image and the true labels (H, W) that it was drawn from."""

    crf: GridCrf
    image: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.int64]


def draw_regions(
    rng: np.random.Generator, size: tuple[int, int], label_count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return labels (H, W) of smooth regions and a noisy image (H, W, 3) of their colours."""
    width, height = size
    fields = [cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0),
                               max(2.0, height / 20)) for _ in range(label_count)]
    truth = np.stack(fields).argmax(axis=0)
    colors = rng.integers(0, 256, (label_count, 3))
    image = colors[truth] + rng.normal(0, 12, (height, width, 3))
    return truth, np.clip(image, 0, 255).astype(np.uint8)


def noisy_problem(
    size: tuple[int, int] = (640, 480), label_count: int = LABELS, *, l1: float = 0.05,
    l2: float = 0.2, signal: float = 0.0, seed: int = 0,
) -> GridProblem:
    """Draw a contrast-sensitive problem whose costs are independent noise.

    Each pixel's cost of each label is uniform in [0, 1), of its true label less by ``signal``; the
    least of every pixel is made 0. ``numpy.random.default_rng(seed)`` draws it all. Costs float32.
    """
    rng = np.random.default_rng(seed)
    truth, image = draw_regions(rng, size, label_count)
    costs = rng.random((*truth.shape, label_count))
    costs -= signal * (np.arange(label_count) == truth[..., None])
    costs -= costs.min(axis=2, keepdims=True)
    pairwise = Pairwise.contrast_sensitive(image, l1, l2)
    return GridProblem(GridCrf(Unary(costs.astype(np.float32)), pairwise), image, truth)


def easy_problem(
    size: tuple[int, int] = (640, 480), label_count: int = LABELS, *, weight: float = 0.3,
    seed: int = 0,
) -> GridProblem:
    """Draw a Potts problem that the costs nearly solve: right labels by 1, with normal noise."""
    rng = np.random.default_rng(seed)
    truth, image = draw_regions(rng, size, label_count)
    costs = rng.normal(0, 0.3, (*truth.shape, label_count))
    costs += np.arange(label_count) != truth[..., None]
    costs -= costs.min(axis=2, keepdims=True)
    return GridProblem(GridCrf(Unary(costs.astype(np.float32)), Pairwise.potts(weight)), image,
                       truth)


def right_share(problem: GridProblem, labels: npt.NDArray[Any]) -> float:
    """Return the share of pixels with their true label."""
    return float((labels == problem.truth).mean())
