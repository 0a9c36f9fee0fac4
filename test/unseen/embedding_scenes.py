# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Embedding images like a trained network's: coherent clusters, noise, mixed borders."""

from __future__ import annotations

import cv2
import numpy as np
import torch


def scene_labels(rng: np.random.Generator, width: int, height: int, objects: int) -> np.ndarray:
    """Draw overlapping ellipses and turned boxes of unequal size; (H, W) int32, 0 background."""
    labels = np.zeros((height, width), np.int32)
    for label in range(1, objects + 1):
        radius = width * float(rng.uniform(0.03, 0.12))
        centre = rng.uniform((0.1 * width, 0.1 * height), (0.9 * width, 0.9 * height))
        axes = radius * rng.uniform(0.5, 1.0, 2)
        angle = float(rng.uniform(0, 180))
        if rng.random() < 0.5:
            centre_px, axes_px = centre.astype(int).tolist(), axes.astype(int).tolist()
            cv2.ellipse(labels, centre_px, axes_px, angle, 0, 360, label, -1)
        else:
            box = cv2.boxPoints((centre.tolist(), (2 * axes).tolist(), angle))
            cv2.fillPoly(labels, [box.astype(np.int32)], label)
    return labels


def separated_directions(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    """Return (count, D) unit vectors whose distances (1 - cos) / 2 are about 0.3 or more."""
    kept: list[np.ndarray] = []
    while len(kept) < count:
        vector = rng.normal(size=dim)
        vector /= np.linalg.norm(vector)
        if all(vector @ other < 0.4 for other in kept):
            kept.append(vector)
    return np.array(kept)


def embedding_scene(
    seed: int, width: int = 320, height: int = 240, dim: int = 64, noise: float = 0.25,
    objects: int | None = None,
) -> tuple[torch.Tensor, np.ndarray]:
    """Return unit embeddings (H * W, D) float32 and their true labels (H, W).

    ``noise``: length of the noise vector that is added to a unit vector, half of it smooth in
    space. Pixels at borders are interpolated between both sides, as a network's are.
    """
    rng = np.random.default_rng(seed)
    labels = scene_labels(rng, width, height, objects or int(rng.integers(4, 18)))
    directions = separated_directions(rng, int(labels.max()) + 1, dim)
    image = directions[labels].astype(np.float32)
    image = cv2.blur(image.reshape(height, width, dim), (5, 5)) if dim <= 4 else np.dstack(
        [cv2.blur(image[..., k], (5, 5)) for k in range(dim)])
    scale = noise / np.sqrt(2 * dim)
    image += rng.normal(scale=scale, size=image.shape).astype(np.float32)
    coarse = rng.normal(scale=1.5 * scale, size=(height // 16 + 1, width // 16 + 1, dim))
    for k in range(dim):
        image[..., k] += cv2.resize(coarse[..., k].astype(np.float32), (width, height))
    image /= np.linalg.norm(image, axis=2, keepdims=True)
    return torch.from_numpy(image.reshape(-1, dim)), labels
