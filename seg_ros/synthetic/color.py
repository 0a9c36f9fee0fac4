# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a colour camera makes of a scene: exposure, white balance, blur, noise, JPEG."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Float = NDArray[np.float32]
Rng = np.random.Generator


def augment_color(color: Image, rng: Rng) -> Image:
    """Draw what a camera would show of a clean picture: (H, W, 3) uint8 RGB in and out, a new
    array.
    """
    if color.ndim != 3 or color.shape[2] != 3 or color.dtype != np.uint8:
        raise ValueError(f'colour must be (H, W, 3) uint8 RGB, got {color.shape} {color.dtype}')
    image: Float = np.asarray(cv2.LUT(color, _tone_curves(rng)), np.float32)
    image = np.asarray(cv2.transform(image, _color_matrix(rng)), np.float32)
    image = _blur(image, rng)
    if rng.random() < 0.3:
        image *= _vignette(image.shape[:2], rng)[..., None]
    image = _noise(image, rng)
    out = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        out = _jpeg(out, int(rng.integers(35, 96)))
    return out


def _tone_curves(rng: Rng) -> Float:
    """Draw exposure, white balance, contrast and stray light as a table (1, 256, 3)."""
    gains = 2.0 ** (rng.normal() * 0.3 + rng.normal(size=3) * 0.1)
    gamma = np.exp(rng.normal() * 0.2) if rng.random() < 0.5 else 1.0
    curves = (np.arange(256)[:, None] / 255 * gains) ** gamma
    if rng.random() < 0.4:
        # Stray light lifts the blacks, as in cheap cameras.
        curves = curves * rng.uniform(0.75, 1.0) + rng.uniform(0, 0.12)
    return curves.astype(np.float32)[None]


def _color_matrix(rng: Rng) -> Float:
    """Draw saturation and hue as a matrix (3, 3)."""
    saturation = 0.0 if rng.random() < 0.03 else rng.uniform(0.5, 1.4)
    matrix = saturation * np.eye(3) + (1 - saturation) / 3
    if rng.random() < 0.25:
        matrix = _hue_turn(rng.normal() * 0.25) @ matrix
    return matrix.astype(np.float32)


def _hue_turn(angle_rad: float) -> Float:
    """Return the rotation (3, 3) about the grey axis."""
    c, s = np.cos(angle_rad), np.sin(angle_rad) / np.sqrt(3)
    k = (1 - c) / 3
    return np.array(
        [[c + k, k - s, k + s], [k + s, c + k, k - s], [k - s, k + s, c + k]], np.float32
    )


def _blur(image: Float, rng: Rng) -> Float:
    """Blur by defocus or motion, or sharpen as cameras do."""
    pick, scale = rng.random(), image.shape[1] / 640
    if pick < 0.35:
        sigma = max(0.3, rng.uniform(0.5, 2.5) * scale)
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)
    if pick < 0.45:
        kernel = _motion(rng, max(2.0, rng.uniform(2, 12) * scale))
        return np.asarray(cv2.filter2D(image, -1, kernel), np.float32)
    if pick < 0.65:
        soft = cv2.GaussianBlur(image, (0, 0), 2.5 * scale)
        return image + np.float32(rng.uniform(0.2, 1.0)) * (image - soft)
    return image


def _motion(rng: Rng, length: float) -> Float:
    size = int(np.ceil(length)) | 1
    kernel = np.zeros((size, size), np.float32)
    angle, middle = rng.uniform(0, np.pi), (size - 1) / 2
    offset = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = [tuple(int(round(middle + sign * value)) for value in offset) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return kernel / max(float(kernel.sum()), 1.0)


def _vignette(shape: tuple[int, int], rng: Rng) -> Float:
    rows = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, shape[1], dtype=np.float32)[None]
    return 1 - np.float32(rng.uniform(0.05, 0.3)) * (rows**2 + columns**2)


def _noise(image: Float, rng: Rng) -> Float:
    """Add shot and read noise."""
    if rng.random() < 0.4:
        return image
    level = np.float32(abs(rng.normal()) * 0.025)
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < 0.5:
        noise = cv2.blur(noise, (2, 2)) * 1.7
    return image + noise * level * np.sqrt(np.clip(image, 0.05, 1))


def _jpeg(image: Image, quality: int) -> Image:
    data = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])
