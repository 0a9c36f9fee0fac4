# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One picture of many frames: colour, depth, labels side by side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seg_ros.core.drawing import draw_depth, instance_colors
from seg_ros.core.io import write_color
from seg_ros.synthetic.dataset import list_frames, read_frame

TILE = (160, 120)


def _label_picture(color: NDArray[np.uint8], labels: NDArray[np.int32]) -> NDArray[np.uint8]:
    ids = np.arange(1, int(labels.max(initial=0)) + 1)
    palette = np.concatenate([np.zeros((1, 3), np.uint8), instance_colors(ids)])
    mixed = (0.3 * color + 0.7 * palette[labels]).astype(np.uint8)
    return np.where(labels[..., None] > 0, mixed, color)


def write_contact_sheet(
    folder: str | Path, path: str | Path, *, frames: int = 24, columns: int = 4
) -> None:
    """Write a PNG of frames spread evenly over a folder; each shows colour, depth, labels."""
    names = list_frames(folder)
    chosen = [
        names[i] for i in np.linspace(0, len(names) - 1, min(frames, len(names))).astype(int)
    ]
    cells = []
    for name in chosen:
        frame, labels = read_frame(folder, name)
        depth = (
            frame.depth if frame.depth is not None else np.full(frame.shape, np.nan, np.float32)
        )
        pictures = (frame.color, draw_depth(depth), _label_picture(frame.color, labels))
        cells.append(
            np.hstack([cv2.resize(one, TILE, interpolation=cv2.INTER_AREA) for one in pictures])
        )
    blank = np.zeros_like(cells[0])
    cells += [blank] * (-len(cells) % columns)
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    write_color(path, np.vstack(rows))
