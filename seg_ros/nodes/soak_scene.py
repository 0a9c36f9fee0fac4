# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The scene of a soak: its picture follows from the stamp, so that a wrong stamp shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.benchmark.soak import FRAME_NUMBERS

NEAR_MM, FAR_MM = 500, 1200


def stamp_of_frame(time_ns: int, number: int) -> int:
    """Return a stamp near a time, in ns, whose last three digits are the frame's number."""
    return time_ns // FRAME_NUMBERS * FRAME_NUMBERS + number % FRAME_NUMBERS


def square_of(stamp_ns: int, width: int, height: int) -> tuple[int, int, int]:
    """Return column, row and side in pixels of the near square that a stamp's frame shows."""
    number, side = stamp_ns % FRAME_NUMBERS, height // 4
    column = number * 373 % FRAME_NUMBERS * (width - side) // FRAME_NUMBERS
    row = number * 619 % FRAME_NUMBERS * (height - side) // FRAME_NUMBERS
    return column, row, side


def draw(stamp_ns: int, width: int, height: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return colour (H, W, 3) uint8 and depth (H, W) uint16 mm of a stamp's frame."""
    column, row, side = square_of(stamp_ns, width, height)
    color = np.full((height, width, 3), 90, np.uint8)
    depth_mm = np.full((height, width), FAR_MM, np.uint16)
    color[row:row + side, column:column + side] = (200, 30, 40)
    depth_mm[row:row + side, column:column + side] = NEAR_MM
    return color, depth_mm


def mistake_in(label: npt.NDArray[Any], stamp_ns: int) -> str:
    """Return how a label image differs from its stamp's frame, '' where it does not."""
    height, width = label.shape
    column, row, side = square_of(stamp_ns, width, height)
    expected = np.zeros(label.shape, bool)
    expected[row:row + side, column:column + side] = True
    wrong = int(((label > 0) != expected).sum())
    return f'{wrong} of {label.size} pixels are not of stamp {stamp_ns}' if wrong else ''
