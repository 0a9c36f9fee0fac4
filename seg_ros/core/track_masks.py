# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Masks of tracks: moved with the camera, compared with new ones, and smoothed over time."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Box = tuple[int, int, int, int]
Share = npt.NDArray[np.float32]

# The surface at a pixel is the same one where its depth is as expected.
_SAME_M, _SAME_SHARE = 0.015, 0.01
_MARGIN_PX = 4


@dataclass(frozen=True, eq=False)
class SoftMask:
    """Hold how surely each pixel is an object's: ``share`` (h, w), 0 to 1, at a box.

    ``box`` is x1, y1, x2, y2 in pixels, x2 and y2 exclusive.
    ``depth_m`` (h, w) is the depth image there, NaN unknown, or None for frames without.
    ``shape`` is that of the image (H, W).
    """

    share: Share
    box: Box
    shape: tuple[int, int]
    depth_m: Share | None = None

    def mask(self) -> npt.NDArray[np.bool_]:
        """Return where it is more likely than not (h, w)."""
        return self.share > 0.5

    def slices(self) -> tuple[slice, slice]:
        """Return where it lies in the image."""
        x1, y1, x2, y2 = self.box
        return slice(y1, y2), slice(x1, x2)


@dataclass(frozen=True)
class Shift:
    """Say how a mask moves: its centre from `start` to `end` (x, y) pixels, and its growth.

    ``depth_m`` is what is added to its depth.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    scale: float = 1.0
    depth_m: float = 0.0

    def matrix(self) -> npt.NDArray[np.float64]:
        """Return pixels now from pixels before (2, 3)."""
        shift = np.array(self.end) - self.scale * np.array(self.start)
        return np.column_stack([self.scale * np.eye(2), shift])


def cut_out(
    mask: npt.NDArray[np.bool_], box: Box, shape: tuple[int, int], depth_m: Share | None
) -> SoftMask:
    """Return a mask (h, w) at its box, with the depth there."""
    x1, y1, x2, y2 = box
    depth = None if depth_m is None else depth_m[y1:y2, x1:x2].copy()
    return SoftMask(mask.astype(np.float32), box, shape, depth)


def moved(soft: SoftMask, shift: Shift) -> SoftMask | None:
    """Return a mask where it is expected now, None where that is outside of the image."""
    matrix = shift.matrix()
    x1, y1, x2, y2 = soft.box
    corners = np.array([[x1, y1], [x2, y2]]) @ matrix[:, :2].T + matrix[:, 2]
    low = np.maximum(np.floor(corners[0]).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners[1]).astype(int) + 1, soft.shape[::-1])
    if np.any(high <= low):
        return None
    width, height = (high - low).tolist()
    inside = matrix.copy()
    inside[:, 2] += matrix[:, :2] @ (x1, y1) - low
    share = cv2.warpAffine(soft.share, inside, (width, height), flags=cv2.INTER_LINEAR)
    depth = None
    if soft.depth_m is not None:
        depth = cv2.warpAffine(
            soft.depth_m, inside, (width, height), flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT, borderValue=float('nan')) + np.float32(shift.depth_m)
    box = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    return SoftMask(np.asarray(share, np.float32), box, soft.shape, depth)


def same_surface(expected_m: Share | None, now_m: Share | None) -> npt.NDArray[np.bool_] | None:
    """Return where two depths (h, w) may be of one surface; unknown depth may. None without."""
    if expected_m is None or now_m is None:
        return None
    with np.errstate(invalid='ignore'):
        return ~(np.abs(now_m - expected_m) > _SAME_M + _SAME_SHARE * now_m)


def union(a: Box, b: Box) -> Box:
    """Return the least box around two."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def widened(box: Box, shape: tuple[int, int]) -> Box:
    """Return a box with a margin, within the image."""
    return (max(box[0] - _MARGIN_PX, 0), max(box[1] - _MARGIN_PX, 0),
            min(box[2] + _MARGIN_PX, shape[1]), min(box[3] + _MARGIN_PX, shape[0]))


def mixed(
    before: SoftMask | None, labels: npt.NDArray[np.int32], number: int, box: Box,
    depth_m: Share | None, weight: float,
) -> SoftMask:
    """Return the mask of label `number`, of which the past has a weight where nothing changed.

    share = w before + (1 - w) now, with w = 0 where another surface is seen than before: what an
    arm hides is not the object's, and what it uncovers is so at once.
    """
    shape = (labels.shape[0], labels.shape[1])
    if before is None or weight == 0:
        x1, y1, x2, y2 = box = widened(box, shape)
        return cut_out(labels[y1:y2, x1:x2] == number, box, shape, depth_m)
    x1, y1, x2, y2 = box = widened(union(box, before.box), shape)
    now = (labels[y1:y2, x1:x2] == number).astype(np.float32)
    depth = None if depth_m is None else depth_m[y1:y2, x1:x2].copy()
    inner = (slice(before.box[1] - y1, before.box[3] - y1),
             slice(before.box[0] - x1, before.box[2] - x1))
    weights = np.zeros(now.shape, np.float32)
    same = same_surface(before.depth_m, None if depth is None else depth[inner])
    weights[inner] = weight if same is None else weight * same
    past = np.zeros(now.shape, np.float32)
    past[inner] = before.share
    return SoftMask(weights * past + (1 - weights) * now, box, shape, depth)


def faded(
    before: SoftMask, depth_m: Share | None, weight: float
) -> SoftMask:
    """Return a mask that was not found in this frame: less sure, and gone where it is hidden."""
    depth = None if depth_m is None else depth_m[before.slices()].copy()
    same = same_surface(before.depth_m, depth)
    share = weight * before.share
    return SoftMask(share if same is None else share * same, before.box, before.shape, depth)


def compose(masks: list[SoftMask], shape: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Return labels (H, W): row + 1 of the surest mask at each pixel, 0 where none is sure."""
    best = np.full(shape, 0.5, np.float32)
    labels = np.zeros(shape, np.int32)
    for row, soft in enumerate(masks):
        where = soft.slices()
        wins = soft.share > best[where]
        labels[where][wins] = row + 1
        best[where][wins] = soft.share[wins]
    return labels
