# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""From probabilities at the network's size to classes at the frame's."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt


def enlarged(
    probabilities: npt.NDArray[np.float32], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Return probabilities (L, h, w) at (H, W), bilinearly, pixel centres at halves."""
    if probabilities.shape[1:] == tuple(shape):
        return probabilities
    planes = np.empty((len(probabilities), *shape), np.float32)
    for plane, small in zip(planes, probabilities, strict=True):
        cv2.resize(small, shape[::-1], dst=plane, interpolation=cv2.INTER_LINEAR)
    return planes


def winning_classes(
    probabilities: npt.NDArray[np.float32], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return the most probable class (H, W) uint8 and its probability (H, W) float32.

    ``probabilities`` (L, h, w), L at most 256, sum to one over L; they are enlarged bilinearly to
    (H, W), and of equal ones the first class wins. A plane is enlarged only where its class can
    win, and dropped at once: all of them together would not stay in the processor's cache.
    """
    labels, best = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    room, wins = np.empty(shape, np.float32), np.empty(shape, np.uint8)
    same = probabilities.shape[1:] == tuple(shape)
    for number in _possible(probabilities):
        plane: Any = probabilities[number] if same else cv2.resize(
            probabilities[number], shape[::-1], dst=room, interpolation=cv2.INTER_LINEAR)
        cv2.compare(plane, best, cv2.CMP_GT, dst=wins)
        cv2.max(plane, best, dst=best)
        # numbers ascend, so that the larger one is the later winner
        np.bitwise_and(wins, np.uint8(number), out=wins)
        cv2.max(labels, wins, dst=labels)
    return labels, best


def _possible(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the classes that reach 1 / L somewhere, as the winner of every pixel does.

    Bilinear values are means of their neighbours and cannot exceed them.
    """
    peaks = np.array([cv2.minMaxLoc(plane)[1] for plane in probabilities])
    return np.flatnonzero(peaks * len(peaks) > 0.999)  # less than 1 for rounding
