# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Drawings of touching discs and boxes, to train on in seconds."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 96
LEAST_RADIUS_PX, MOST_RADIUS_PX = 8.0, 15.0


@dataclass(frozen=True, eq=False)
class Drawing:
    """Hold a drawing: ``color`` (H, W, 3) uint8 RGB, ``labels`` (H, W) int32, 0 background."""

    color: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int32]


def draw_touching(rng: np.random.Generator, side: int = SIDE) -> Drawing:
    """Draw one or two clusters of objects that touch; all have nearly the same grey, and noise."""
    labels = np.zeros((side, side), np.int32)
    placed: list[tuple[npt.NDArray[np.float64], float]] = []
    for _ in range(60):
        if len(placed) == 7:
            break
        radius = rng.uniform(LEAST_RADIUS_PX, MOST_RADIUS_PX)
        centre = _place(rng, placed, radius, side)
        if all(np.hypot(*(centre - other)) > radius + reach - 3 for other, reach in placed):
            _draw(rng, labels, centre, radius, len(placed) + 1)
            placed.append((centre, radius))
    grey = np.concatenate([[70.0], 150 + rng.uniform(-12, 12, len(placed))])[labels]
    noisy = cv2.GaussianBlur(grey, (0, 0), 0.8) + rng.normal(0, 10, labels.shape)
    color = np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return Drawing(color, labels)


def _place(
    rng: np.random.Generator, placed: list[tuple[npt.NDArray[np.float64], float]],
    radius: float, side: int,
) -> npt.NDArray[np.float64]:
    """Return a centre (u, v): beside an object that is there already, mostly."""
    if not placed or rng.uniform() < 0.1:
        return rng.uniform(radius, side - radius, 2)
    other, reach = placed[rng.integers(len(placed))]
    angle = rng.uniform(0, 2 * np.pi)
    step = (radius + reach - 1.5) * np.array([np.cos(angle), np.sin(angle)])
    return np.clip(other + step, radius, side - radius)


def _draw(
    rng: np.random.Generator, labels: npt.NDArray[np.int32], centre: npt.NDArray[np.float64],
    radius: float, label: int,
) -> None:
    """Draw a disc or a turned box; what is drawn already stays in front."""
    mask = np.zeros(labels.shape, np.uint8)
    if rng.uniform() < 0.6:
        cv2.circle(mask, [round(float(value)) for value in centre], round(radius), 1, -1)
    else:
        sides = radius * rng.uniform(1.3, 1.9, 2)
        box = cv2.boxPoints((centre.tolist(), sides.tolist(), rng.uniform(0, 90)))
        cv2.fillConvexPoly(mask, np.round(box).astype(np.int32), 1)
    labels[(mask > 0) & (labels == 0)] = label
