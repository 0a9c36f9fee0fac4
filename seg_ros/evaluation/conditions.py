# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What goes wrong with a camera, as functions of a frame: lost depth, noise, darkness, blur.

Lengths in pixels are those of a 640 pixel wide image and scale with the width. Every function
returns a new frame of the same stamp; depth is metres, NaN where there is none.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import CameraModel, RgbdFrame

Depth = npt.NDArray[np.float32]
Color = npt.NDArray[np.uint8]
Rng = np.random.Generator

# Photons that a full 8-bit value stands for; few, as in a small camera at night.
PHOTONS = 1000.0


def without_depth(depth_m: Depth, share: float, rng: Rng) -> Depth:
    """Lose a share of the measured pixels: half of them in blobs, half one by one."""
    lost = depth_m.copy()
    known = np.isfinite(depth_m)
    wanted = share * float(known.sum())
    field = cv2.GaussianBlur(
        rng.standard_normal(depth_m.shape, dtype=np.float32), (0, 0), depth_m.shape[1] / 64)
    order = np.where(known, np.asarray(field), np.inf)
    blobs = np.argsort(order, axis=None)[:round(wanted / 2)]
    lost.flat[blobs] = np.nan
    left = np.flatnonzero(np.isfinite(lost))
    lost.flat[rng.choice(left, round(wanted - len(blobs)), replace=False)] = np.nan
    return lost


def with_more_noise(clean_m: Depth, measured_m: Depth, factor: float) -> Depth:
    """Enlarge by a factor what a sensor added to the clean depth; what it lost stays lost."""
    noisy = clean_m + np.float32(factor) * (measured_m - clean_m)
    return np.where(np.isfinite(noisy) & (noisy > 0), noisy, measured_m).astype(np.float32)


def shifted_depth(depth_m: Depth, pixels: float) -> Depth:
    """Move depth to the right against colour; nothing is measured where it came from."""
    step = round(pixels * depth_m.shape[1] / 640)
    moved = np.full_like(depth_m, np.nan)
    moved[:, step:] = depth_m[:, :depth_m.shape[1] - step]
    return moved


def darkened(color: Color, factor: float, rng: Rng) -> Color:
    """Show the scene in a `factor` of its light: darker, with the noise of fewer photons."""
    photons = color.astype(np.float32) / 255 * np.float32(factor * PHOTONS)
    noisy = photons + np.sqrt(photons) * rng.standard_normal(color.shape, dtype=np.float32)
    return np.clip(noisy / np.float32(PHOTONS) * 255 + 0.5, 0, 255).astype(np.uint8)


def defocused(color: Color, sigma_px: float) -> Color:
    """Blur by a Gaussian."""
    sigma = sigma_px * color.shape[1] / 640
    return np.asarray(cv2.GaussianBlur(color, (0, 0), sigma), np.uint8)


def moved_while_exposed(color: Color, length_px: float) -> Color:
    """Blur along the rows, as a camera that turns does."""
    length = max(1, round(length_px * color.shape[1] / 640))
    kernel = np.full((1, length), 1 / length, np.float32)
    return np.asarray(cv2.filter2D(color, -1, kernel), np.uint8)


def resized_frame(frame: RgbdFrame, factor: float) -> RgbdFrame:
    """Return the frame at another resolution; intrinsics follow, depth is never blended."""
    size = (round(frame.shape[1] * factor), round(frame.shape[0] * factor))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    depth = frame.depth
    if depth is not None:
        depth = np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT))
    camera: CameraModel | None = None if frame.camera is None else frame.camera.resized(*size)
    color = np.asarray(cv2.resize(frame.color, size, interpolation=way), np.uint8)
    return replace(frame, color=color, depth=depth, camera=camera)


def resized_labels(labels: npt.NDArray[np.int32], shape: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Return labels (H, W) at another shape, by the nearest pixel."""
    resized = cv2.resize(
        labels.astype(np.uint16), shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, np.int32)
