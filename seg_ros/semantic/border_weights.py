# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pixel weights that make a network learn thin borders between touching instances.

Ronneberger et al., U-Net, MICCAI 2015, equation 2:
w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2)).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

W0 = 10.0
SIGMA_PX = 5.0
# A border term below this is left out, so that an instance's distances end some way off it.
LEAST_TERM = 1e-6
# Instances with higher numbers are numbered anew, which takes longer than a look at each number.
MOST_NAMES = 65535


def border_weights(
    labels: npt.NDArray[np.integer],
    *,
    classes: npt.NDArray[np.integer] | None = None,
    class_weights: npt.ArrayLike | None = None,
    w0: float = W0,
    sigma_px: float = SIGMA_PX,
    background_only: bool = False,
) -> npt.NDArray[np.float32]:
    """Return the weight w(x) of each pixel (H, W) float32: class balance and border term.

    ``labels`` (H, W): instances, 0 background. ``classes`` (H, W) is the class each pixel is
    trained on, by default background and foreground; ``class_weights`` (L,) are w_c of the
    classes, by default those that balance this image (``class_balance``). The rest as in
    ``border_term``. Raises ValueError for other shapes and for classes without a weight.
    """
    _check_labels(labels)
    trained: npt.NDArray[np.int64] = np.asarray(
        labels > 0 if classes is None else classes).astype(np.int64)
    if trained.shape != labels.shape:
        raise ValueError(f'classes have shape {trained.shape}, labels {labels.shape}')
    balance = _balance_of(trained, class_weights)
    return balance[trained] + border_term(
        labels, w0=w0, sigma_px=sigma_px, background_only=background_only)


def _balance_of(
    classes: npt.NDArray[np.int64], class_weights: npt.ArrayLike | None
) -> npt.NDArray[np.float32]:
    """Return a weight for each class; ValueError names a class that has none."""
    if classes.min() < 0:
        raise ValueError(f'classes start at 0, got {classes.min()}')
    if class_weights is None:
        return class_balance(np.bincount(classes.ravel()))
    balance = np.asarray(class_weights, np.float32)
    if classes.max() >= len(balance):
        raise ValueError(f'class {classes.max()} has no weight: {len(balance)} were given')
    return balance


def class_balance(counts: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return weights (L,) float32 by which classes of these pixel counts weigh the same in sum.

    The mean weight of a pixel is 1; a class without pixels has weight 1.
    """
    count = np.asarray(counts, np.float64)
    present = count > 0
    weights = np.ones(len(count))
    weights[present] = count.sum() / (present.sum() * count[present])
    return weights.astype(np.float32)


def border_term(
    labels: npt.NDArray[np.integer],
    *,
    w0: float = W0,
    sigma_px: float = SIGMA_PX,
    background_only: bool = False,
) -> npt.NDArray[np.float32]:
    """Return w0 exp(-(d1 + d2)^2 / (2 sigma^2)) of each pixel, (H, W) float32.

    d1 and d2 are the distances in pixels to the nearest and second nearest instance of ``labels``
    (H, W), 0 background; within an instance d1 is 0. With fewer than two instances, and below
    1e-6, the term is 0. ``background_only`` leaves it to the background, as the paper's figure 3
    shows it. Raises ValueError for labels that are no image of integers from 0, or a sigma of 0.
    """
    _check_labels(labels)
    if sigma_px <= 0 or w0 < 0:
        raise ValueError(f'w0 {w0}, sigma {sigma_px} px: accepted are w0 from 0, sigma above 0')
    if w0 <= LEAST_TERM:
        return np.zeros(labels.shape, np.float32)
    reach = math.ceil(sigma_px * math.sqrt(2 * math.log(w0 / LEAST_TERM)))
    # float64: the last digits of NumPy's float32 exp depend on where an array lies in memory
    total = np.add(*_two_nearest(labels, reach), dtype=np.float64)
    term = w0 * np.exp(-np.square(total) / (2 * sigma_px ** 2))
    term[term < LEAST_TERM] = 0
    if background_only:
        term[labels > 0] = 0
    return np.asarray(term, np.float32)


def separated(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Return the labels (H, W) with touching instances parted by background.

    Each gives up the pixels that have another's among their eight neighbours: the border that
    the network is to learn.
    """
    _check_labels(labels)
    values = labels.astype(np.float32)  # exact up to 2^24; OpenCV has no int32 morphology
    highest = cv2.dilate(values, np.ones((3, 3), np.uint8))
    some = np.where(values > 0, values, np.float32(np.finfo(np.float32).max))
    lowest = cv2.erode(some, np.ones((3, 3), np.uint8))
    return np.where((labels > 0) & (highest == lowest), labels, 0).astype(np.int32)


def instances_of_foreground(
    probability: npt.NDArray[np.floating], threshold: float = 0.5
) -> npt.NDArray[np.int32]:
    """Return the connected components of a foreground probability (H, W) above a threshold.

    Labels (H, W) int32: 0 background, 1 to K. Pixels that meet at a corner only are not connected.
    Raises ValueError for an array that is no image.
    """
    if probability.ndim != 2:
        raise ValueError(f'probability has shape {probability.shape}, (H, W) is accepted')
    foreground = (probability > threshold).astype(np.uint8)
    _, labels = cv2.connectedComponents(foreground, connectivity=4, ltype=cv2.CV_32S)
    return np.asarray(labels, np.int32)


def _two_nearest(
    labels: npt.NDArray[np.integer], reach: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the distances to the nearest and second nearest instance, inf beyond ``reach``."""
    first = np.full(labels.shape, np.inf, np.float32)
    second = first.copy()
    names = labels
    if labels.max() > MOST_NAMES:
        _, names = np.unique(np.append(0, labels.ravel()), return_inverse=True)
        names = names[1:].reshape(labels.shape)  # background stays 0: it is the smallest
    for index, box in enumerate(find_objects(names.astype(np.int32)), start=1):
        if box is None:
            continue
        window = tuple(
            slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        outside = (names[window] != index).astype(np.uint8)
        distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        near, next_near = first[window], second[window]
        np.minimum(next_near, np.maximum(near, distance), out=next_near)
        np.minimum(near, distance, out=near)
    return first, second


def _check_labels(labels: npt.NDArray[np.integer]) -> None:
    if labels.ndim != 2 or not labels.size or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f'labels are {labels.dtype} of shape {labels.shape}, accepted are integers (H, W)')
    if labels.min() < 0:
        raise ValueError(f'labels start at 0 (background), got {labels.min()}')
