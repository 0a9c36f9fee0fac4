# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of results for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.results import Instances

_GOLDEN_RATIO = 0.618033988749895
# A region of a class needs this share of the picture to bear its name: 307 pixels of 640x480.
LEAST_NAMED_SHARE = 1e-3
# Regions are looked for in labels of about so many rows: where a name stands needs no more.
NAMING_ROWS = 160


def instance_colors(ids: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Return (K, 3) uint8 RGB colours, one an id, the same for the same id in every frame.

    Hues walk by the golden ratio so that neighbouring ids differ clearly.
    """
    ids = np.asarray(ids, np.int64)
    if not len(ids):
        return np.zeros((0, 3), np.uint8)
    hue = (ids * _GOLDEN_RATIO % 1.0) * 180
    saturation = np.where(ids % 2 == 0, 255, 190)
    hsv = np.stack([hue, saturation, np.full(len(ids), 255)], axis=-1).astype(np.uint8)
    return cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0]


def draw_overlay(
    color: npt.NDArray[np.uint8],
    instances: Instances,
    *,
    opacity: float = 0.45,
    names: bool = True,
) -> npt.NDArray[np.uint8]:
    """Return the (H, W, 3) RGB image with tinted masks, outlines and ids drawn over it."""
    picture = _painted(color, instances.labels, instances.ids, opacity)
    if names:
        _draw_ids(picture, instances)
    return picture


def draw_classes(
    color: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer],
    class_names: Sequence[str],
    *,
    opacity: float = 0.45,
) -> npt.NDArray[np.uint8]:
    """Return the (H, W, 3) RGB image with classes tinted, outlined and named over it.

    ``labels`` (H, W) are indices of ``class_names``; 0, the background, stays as it is. A class
    has the same colour in every frame; each region of it that is large enough bears its name.
    """
    numbers = np.arange(1, len(class_names), dtype=np.int32)
    picture = _painted(color, labels.astype(np.int32), numbers, opacity)
    step = max(1, labels.shape[0] // NAMING_ROWS)
    coarse = labels[::step, ::step]
    for number in np.flatnonzero(np.bincount(coarse.ravel())):
        if number:
            for x, y in _region_centers(coarse == number):
                _draw_text(picture, class_names[int(number)], step * x, step * y)
    return picture


def _region_centers(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the inmost pixel of each connected region that is not too small for a name."""
    _, regions, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    found = []
    for region, (x, y, width, height, area) in enumerate(stats):
        if region and area >= LEAST_NAMED_SHARE * mask.size:
            box = np.array([x, y, x + width, y + height])
            found.append(_inmost_point(np.asarray(regions, np.int32), region, box))
    return found


def _painted(
    color: npt.NDArray[np.uint8], labels: npt.NDArray[np.int32], ids: npt.NDArray[np.int32],
    opacity: float,
) -> npt.NDArray[np.uint8]:
    """Return the image with labels 1..K tinted and outlined in the colours of their ids."""
    tint = _tinted(labels, ids)
    blend = cv2.addWeighted(color, 1 - opacity, tint, opacity, 0)
    picture = color.copy()
    cv2.copyTo(blend, (labels > 0).view(np.uint8), picture)
    cv2.copyTo(tint, label_edges(labels).view(np.uint8), picture)
    return picture


def _tinted(
    labels: npt.NDArray[np.int32], ids: npt.NDArray[np.int32]
) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3) RGB with each label in its id's colour, black elsewhere."""
    palette = np.vstack([np.zeros((1, 3), np.uint8), instance_colors(ids)])
    if len(palette) > 256:
        return palette[labels]
    table = np.zeros((1, 256, 3), np.uint8)
    table[0, : len(palette)] = palette
    return np.asarray(cv2.LUT(cv2.merge([labels.astype(np.uint8)] * 3), table), np.uint8)


def label_edges(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Return (H, W) bool: object pixels that touch another label (2 px wide outlines)."""
    narrow: npt.NDArray[Any] = labels.astype(
        np.uint8 if labels.max(initial=0) < 256 else np.float32)
    low = cv2.erode(narrow, np.ones((3, 3), np.uint8))
    high = cv2.dilate(narrow, np.ones((3, 3), np.uint8))
    return (low != high) & (labels > 0)


def _draw_ids(picture: npt.NDArray[np.uint8], instances: Instances) -> None:
    for row, box in enumerate(instances.boxes_xyxy().astype(int)):
        if box[2] > box[0]:
            x, y = _inmost_point(instances.labels, row + 1, box)
            _draw_text(picture, caption(instances, row), x, y)


def _draw_text(picture: npt.NDArray[np.uint8], text: str, x: int, y: int) -> None:
    """Write white on black with the middle at (x, y), moved into the picture if need be."""
    scale = max(0.4, picture.shape[0] / 800)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x = int(np.clip(x - width // 2, 0, max(0, picture.shape[1] - width)))
    y = int(np.clip(y + height // 2, height, picture.shape[0] - 1))
    for thickness, shade in ((3, (0, 0, 0)), (1, (255, 255, 255))):
        cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, shade, thickness,
                    cv2.LINE_AA)


def _inmost_point(
    labels: npt.NDArray[np.int32], label: int, box_xyxy: npt.NDArray[np.int64]
) -> tuple[int, int]:
    """Return the x and y of the object's pixel that is farthest from its edge.

    The middle of the box may lie on another object that covers this one.
    """
    x1, y1, x2, y2 = box_xyxy
    mask = (labels[y1:y2, x1:x2] == label).astype(np.uint8)
    depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(x) - 1 + int(x1), int(y) - 1 + int(y1)


def caption(instances: Instances, row: int) -> str:
    """Return '3 mug 0.93': an object's id, class and score; of the one class 'object' its id.

    A score that is NaN is left out.
    """
    number = str(int(instances.ids[row]))
    if tuple(instances.class_names) == ('object',):
        return number
    text = f'{number} {instances.class_names[int(instances.class_ids[row])]}'
    score = float(instances.scores[row])
    return text if math.isnan(score) else f'{text} {score:.2f}'


def draw_depth(depth_m: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return depth (H, W) metres as an (H, W, 3) RGB picture: near red, far blue, none black."""
    valid = np.isfinite(depth_m)
    if not valid.any():
        return np.zeros((*depth_m.shape, 3), np.uint8)
    low, high = np.quantile(depth_m[valid], [0.02, 0.98])
    scaled = np.clip((high - np.where(valid, depth_m, high)) / max(high - low, 1e-6), 0, 1)
    picture = cv2.applyColorMap((scaled * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    picture[~valid] = 0
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
