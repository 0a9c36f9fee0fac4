# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Look again at the part of a view that holds the objects: what to cut out, and when it pays.

A robot's camera sees the whole table, things on it fill a part. There the second look gives the
network more pixels of each thing for the price of one more run.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from seg_ros.unseen.options import UnseenOptions
from seg_ros.unseen.refinement import min_area_px

Box = tuple[int, int, int, int]

PADDING = 0.12
# Sides of the smallest part, as shares of the image's: a smaller one would show the network more
# interpolated pixels than measured ones.
LEAST_SHARE = 0.3
# A part with sides of more than this share of the image's shows little more than the image.
MOST_SHARE = 0.9
# What the first look counts beside the second: with 0, 0.15, 0.3 and 0.4 the share of objects
# found in 150 validation frames was .797, .798, .802 and .800.
FIRST_LOOK = 0.3


def box_of(labels: npt.NDArray) -> Box | None:
    """Return the box (x1, y1, x2, y2) around all labels (H, W) above 0, None without any."""
    columns = np.flatnonzero((labels > 0).any(axis=0))
    rows = np.flatnonzero((labels > 0).any(axis=1))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def framed_box(
    box: Box, shape: tuple[int, int], padding: float = PADDING, least: float = LEAST_SHARE
) -> Box:
    """Return the part (x1, y1, x2, y2) of an image (H, W) that shows a box (pixels) with a margin.

    It has the image's aspect ratio, as far as whole pixels allow, so that the network sees every
    part at one size; its sides are ``least`` of the image's or more. It lies inside the image.
    """
    height, width = shape
    x1, y1, x2, y2 = box
    share = max((1 + 2 * padding) * (x2 - x1) / width, (1 + 2 * padding) * (y2 - y1) / height,
                least)
    if share >= 1:
        return 0, 0, width, height
    w, h = max(round(share * width), 1), max(round(share * height), 1)
    x = min(max(round((x1 + x2 - w) / 2), 0), width - w)
    y = min(max(round((y1 + y2 - h) / 2), 0), height - h)
    return x, y, x + w, y + h


def scene_box(
    foreground: npt.NDArray[np.float32], shape: tuple[int, int], options: UnseenOptions
) -> Box:
    """Return the part (x1, y1, x2, y2) of an image (H, W) to look at again, the whole if none.

    ``foreground`` (h, w) is what the first look gives as each cell's probability of belonging to
    an object; pieces of less than half the smallest object's area are taken for noise.
    """
    height, width = shape
    whole = (0, 0, width, height)
    inside = (foreground > options.foreground_threshold).view(np.uint8)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    cells = 0.5 * min_area_px(options.min_area, shape) * foreground.size / (height * width)
    kept = stats[:, cv2.CC_STAT_AREA] >= cells
    kept[0] = False
    box = box_of(kept[pieces])
    if box is None:
        return whole
    scale = np.tile([width / foreground.shape[1], height / foreground.shape[0]], 2)
    x1, y1, x2, y2 = (round(value) for value in np.array(box) * scale)
    part = framed_box((x1, y1, x2, y2), shape)
    return part if part[2] - part[0] <= MOST_SHARE * width else whole


def placed(image: npt.NDArray, box: Box, shape: tuple[int, int]) -> npt.NDArray:
    """Return an image (H, W) of zeros with `image` at the box; the image itself if it fills it."""
    if image.shape == shape:
        return image
    x1, y1, x2, y2 = box
    full = np.zeros(shape, image.dtype)
    full[y1:y2, x1:x2] = image
    return full


def both_looks(
    first: Sequence[Tensor], second: Sequence[Tensor], box: Box, shape: tuple[int, int],
    share: float = FIRST_LOOK,
) -> tuple[Tensor, ...]:
    """Join what the network made of an image (H, W) and of a part (x1, y1, x2, y2) of it.

    Both are embeddings (1, D, h, w), unit vectors, and logits (1, 1, h, w); the result, of the
    part, has embeddings (1, 2D, h, w): a cosine is the mean of both looks' cosines, weighed by
    ``share`` of the first, and so are the logits.
    """
    size = (int(second[0].shape[2]), int(second[0].shape[3]))
    before = [window_of(maps, box, shape, size) for maps in first]
    embedding = torch.cat([second[0] * (1 - share) ** 0.5,
                           functional.normalize(before[0], dim=1) * share ** 0.5], dim=1)
    logits = (new * (1 - share) + old * share
              for new, old in zip(second[1:], before[1:], strict=True))
    return embedding, *logits


def window_of(maps: Tensor, box: Box, shape: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Return the part (x1, y1, x2, y2) of maps (1, C, h, w) of an image (H, W) at size (h', w').

    Bilinear between the centres of cells.
    """
    places = []
    for low, high, extent, count in ((box[1], box[3], shape[0], size[0]),
                                     (box[0], box[2], shape[1], size[1])):
        steps = (torch.arange(count, device=maps.device, dtype=maps.dtype) + 0.5) / count
        places.append((low + steps * (high - low)) / extent * 2 - 1)
    rows, columns = torch.meshgrid(*places, indexing='ij')
    grid = torch.stack([columns, rows], dim=-1)[None]
    return functional.grid_sample(maps, grid, padding_mode='border', align_corners=False)
