# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Decode the segmentations of COCO JSON: polygons, run lengths, compressed run lengths.

Everything is checked against the image's size before memory is taken for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.core.io import MAX_PIXELS
from seg_ros.evaluation.coco_tools import mask_tools

Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

_LONGEST_COUNT = 7  # characters of 5 bits: beyond any accepted image


def mask_of(segmentation: Any, height: int, width: int) -> Mask:
    """Return the mask (H, W) of an annotation's segmentation; ValueError for a bad one.

    A list is one of polygons [x1, y1, x2, y2, ...], those of less than three points cover
    nothing; a dictionary holds run lengths down the columns, a list or pycocotools' string.
    """
    if isinstance(segmentation, list):
        return _polygon_mask(segmentation, height, width)
    if isinstance(segmentation, dict):
        counts = counts_of(segmentation, height, width)
        values = np.arange(len(counts)) % 2 == 1
        return np.ascontiguousarray(np.repeat(values, counts).reshape(width, height).T)
    raise ValueError(
        f'segmentation is a {type(segmentation).__name__}: accepted are a list of polygons and '
        'run lengths {"size", "counts"}')


def counts_of(rle: dict[str, Any], height: int, width: int) -> Counts:
    """Return the checked run lengths of {'size': [H, W], 'counts': ...}, zeros first."""
    size, counts = rle.get('size'), rle.get('counts')
    if size != [height, width]:
        raise ValueError(
            f'run lengths are of size {size}, [height, width] of the image is {[height, width]}')
    if isinstance(counts, str):
        lengths = decompressed(counts)
    elif isinstance(counts, list):
        lengths = np.array(counts if counts else [-1])
    else:
        raise ValueError(f'counts are a {type(counts).__name__}: accepted are a list and a string')
    if lengths.dtype.kind != 'i' or lengths.ndim != 1:
        raise ValueError('counts must be whole numbers')
    pixels = height * width
    if lengths.min() < 0 or lengths.max() > pixels or lengths.sum() != pixels:
        raise ValueError(f'counts must be from 0 and sum up to the {pixels} pixels of the image')
    return lengths.astype(np.int64)


def decompressed(text: str) -> Counts:
    """Return the run lengths of pycocotools' string (rleFrString in its maskApi.c).

    Each number stands in characters of 5 bits from '0' on, the lowest first, with bit 6 set where
    more follow and the last one's highest bit as sign; from the fourth number on it is the
    difference to the one two before.
    """
    codes = np.frombuffer(text.encode('ascii'), np.uint8).astype(np.int64) - 48
    if not codes.size or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise ValueError('the string of counts is not one of pycocotools, or it is cut off')
    ends = np.flatnonzero(codes & 32 == 0)
    starts = np.append(0, ends[:-1] + 1)
    digits = ends - starts + 1
    if digits.max() > _LONGEST_COUNT:
        raise ValueError('the string of counts holds a number beyond any image')
    place = np.arange(codes.size) - np.repeat(starts, digits)
    numbers = np.add.reduceat((codes & 31) << (5 * place), starts)
    numbers -= np.where(codes[ends] & 16, 1 << (5 * digits), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _polygon_mask(polygons: list[Any], height: int, width: int) -> Mask:
    parts = [_checked_polygon(polygon, height, width) for polygon in polygons]
    parts = [part for part in parts if len(part) >= 6]
    if not parts:
        return np.zeros((height, width), bool)
    tools = mask_tools()
    rle = tools.merge(tools.frPyObjects(parts, height, width))
    return mask_of({**rle, 'counts': rle['counts'].decode()}, height, width)


def _checked_polygon(polygon: Any, height: int, width: int) -> list[float]:
    """Return x1, y1, x2, y2 ...; outlines are drawn point by point, so lengths are bounded."""
    try:
        points = np.array(polygon, np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(())
    if points.ndim != 1 or len(points) % 2 or not np.isfinite(points).all():
        raise ValueError('a polygon must be a list of finite numbers x1, y1, x2, y2, ...')
    pairs = points.reshape(-1, 2)
    size = np.array([width, height])
    if (pairs < -size).any() or (pairs > 2 * size).any():
        raise ValueError(f'a polygon leaves the image of {width}x{height} by more than its size')
    outline = np.abs(pairs - np.roll(pairs, 1, axis=0)).sum()
    if outline > MAX_PIXELS:
        raise ValueError(f'the outline of a polygon is longer than {MAX_PIXELS} pixels')
    return [float(value) for value in points]
