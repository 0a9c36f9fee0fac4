# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A picture of how far a training is: colour, depth, truth, prediction, embedding."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seg_ros.core.drawing import draw_depth, draw_overlay, instance_colors
from seg_ros.core.io import write_color
from seg_ros.core.results import Instances
from seg_ros.networks.preprocessing import Preprocessing
from seg_ros.semantic.class_groups import IGNORED
from seg_ros.training.validation import clustered

Picture = npt.NDArray[np.uint8]


def picture_row(
    color: Tensor, xyz: Tensor, labels: Tensor, embedding: Tensor, logits: Tensor | None,
    preprocessing: Preprocessing,
) -> Picture:
    """Return colour, depth, truth, prediction and embedding of one image side by side.

    ``color``, ``xyz`` (3, H, W) network inputs, ``labels`` (h, w) with -1 ignored, ``embedding``
    (D, h, w), ``logits`` (1, h, w) or None. The result is (H, 5 W, 3) RGB.
    """
    found = clustered(embedding, logits).cpu().numpy()
    z_m = xyz[2].cpu().numpy()
    depth_m = np.where(z_m > 0, z_m, np.nan)
    cells = [
        preprocessing.picture(color.cpu().numpy()), draw_depth(depth_m),
        label_picture(labels.cpu().numpy()), label_picture(found),
        embedding_picture(embedding)]
    size = (color.shape[2], color.shape[1])
    return np.hstack([cv2.resize(cell, size, interpolation=cv2.INTER_NEAREST) for cell in cells])


def overlays(frames: list[tuple[Picture, Instances]], width: int = 480) -> list[Picture]:
    """Return the objects drawn over each image (H, W, 3), all as wide."""
    drawn = [draw_overlay(color, found) for color, found in frames]
    sizes = [(width, round(width * picture.shape[0] / picture.shape[1])) for picture in drawn]
    return [np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
            for picture, size in zip(drawn, sizes, strict=True)]


def class_row(
    color: Picture, truth: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer],
    size: tuple[int, int],
) -> Picture:
    """Return colour, true and predicted classes of a view (H, W), each at (w, h), side by side.

    Class 0 is black, what is ignored grey.
    """
    shown = np.where(truth == IGNORED, -1, truth.astype(np.int32))
    cells = [color, label_picture(shown), label_picture(predicted)]
    return np.hstack([cv2.resize(cell, size, interpolation=cv2.INTER_NEAREST) for cell in cells])


def write_rows(path: Path, rows: list[Picture]) -> None:
    """Write the rows as one PNG."""
    write_color(path, np.vstack(rows))


def label_picture(labels: npt.NDArray[np.integer]) -> Picture:
    """Colour labels (h, w): 0 black, -1 grey."""
    count = int(labels.max(initial=0))
    palette = np.concatenate([
        np.zeros((1, 3), np.uint8), instance_colors(np.arange(1, count + 1)).reshape(-1, 3)])
    picture = palette[np.maximum(labels, 0)]
    picture[labels < 0] = 128
    return picture


def embedding_picture(embedding: Tensor) -> Picture:
    """Show the three strongest directions of unit embeddings (D, h, w) as red, green, blue."""
    pixels = embedding.detach().flatten(1).T.float().cpu()
    centred = pixels - pixels.mean(dim=0)
    strongest = torch.linalg.eigh(centred.T @ centred)[1][:, -3:].flip(1)
    shown = centred @ strongest
    low, high = shown.amin(dim=0), shown.amax(dim=0)
    scaled = (shown - low) / (high - low).clamp(min=1e-6) * 255
    return scaled.byte().view(*embedding.shape[1:], -1).numpy()
