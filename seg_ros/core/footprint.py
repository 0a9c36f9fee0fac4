# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The rectangle around points seen from above: which way it is turned."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]

_COARSE_RAD = np.deg2rad(np.arange(-45.0, 45.0, 3.0))
_FINE_RAD = np.deg2rad(np.arange(-3.0, 3.01, 0.25))
# Points that decide on ties are within this share of the rectangle's shorter side of an edge.
_EDGE_SHARE = 0.06
# How much of the smallest area the points on the edges weigh.
_EDGE_WEIGHT = 0.3
# How little the costs of all turns differ, in multiples of the smallest area, for a round thing.
_ROUND = 0.2
_SAMPLE = 150
_DIRECTIONS = np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, -1.0]])


def smallest_rectangle_rad(corners: FloatArray) -> float:
    """Return the turn, 0 to pi/2, of the smallest rectangle around points (N, 2).

    One of its sides lies on a side of the convex hull. Source: Freeman and Shapira 1975.
    """
    hull = cv2.convexHull(np.ascontiguousarray(corners, np.float32))[:, 0].astype(np.float64)
    steps = np.roll(hull, -1, axis=0) - hull
    angles = np.arctan2(steps[:, 1], steps[:, 0]) % (np.pi / 2)
    return float(angles[int(_areas(hull, angles).argmin())])


def trimmed_bounds(values: FloatArray, trim: float) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and highest (K,) of values (N, K) without the ``trim`` share at each end.

    Of many values this is much faster than two quantiles.
    """
    last = len(values) - 1
    cut = int(trim * last)
    if not cut:
        return values.min(axis=0), values.max(axis=0)
    parted = np.partition(values, [cut, last - cut], axis=0)
    return parted[cut], parted[last - cut]


def low_value(values: FloatArray, share: float) -> float:
    """Return the value below which a share of values (N,) lies, one of them; N >= 1."""
    place = int(share * (len(values) - 1))
    return float(np.partition(values, place)[place])


def within_bulk(points: FloatArray, trim: float) -> FloatArray:
    """Return the points (N, 2) without the ``trim`` share at both ends of four directions."""
    along = points @ _DIRECTIONS
    low, high = trimmed_bounds(along, trim)
    kept = points[((along >= low) & (along <= high)).all(axis=1)]
    return kept if len(kept) >= 3 else points


def rectangle_rad(points: FloatArray) -> float:
    """Return the turn, about -pi/4 to pi/4, of the rectangle that fits points (N, 2) from above.

    It is small, and many points are near its edges: of a box whose top is not seen the points
    make an L, around which several rectangles are equally small. Source: Zhang et al. 2017, who
    fit vehicles so. Where all turns are alike, as for a round thing, it is 0: axes that do not
    jump from frame to frame.
    """
    hull = cv2.convexHull(np.ascontiguousarray(points, np.float32))[:, 0].astype(np.float64)
    few = points[:: max(1, len(points) // _SAMPLE)]
    costs = _costs(hull, few, _COARSE_RAD)
    if float(np.ptp(costs)) < _ROUND:
        return 0.0
    fine = _COARSE_RAD[int(costs.argmin())] + _FINE_RAD
    return float(fine[int(_costs(hull, few, fine).argmin())])


def _areas(hull: FloatArray, angles: FloatArray) -> FloatArray:
    turned = _turned(hull, angles)
    return np.asarray(np.prod(turned.max(axis=0) - turned.min(axis=0), axis=0))


def _turned(points: FloatArray, angles: FloatArray) -> FloatArray:
    """Return the coordinates (N, 2, A) of points (N, 2) along axes turned by angles (A,)."""
    cos, sin = np.cos(angles), np.sin(angles)
    turns = np.array([[cos, -sin], [sin, cos]]).reshape(2, -1)
    return (points @ turns).reshape(len(points), 2, len(angles))


def _costs(hull: FloatArray, points: FloatArray, angles: FloatArray) -> FloatArray:
    """Return (A,): the area as a multiple of the smallest, less the share of points on edges."""
    corners = _turned(hull, angles)
    low, high = corners.min(axis=0), corners.max(axis=0)
    area = np.prod(high - low, axis=0)
    turned = _turned(points, angles)
    reach = _EDGE_SHARE * (high - low).min(axis=0)
    near = (turned < low + reach) | (turned > high - reach)
    share = near.any(axis=1).mean(axis=0)
    return np.asarray(area / max(float(area.min()), 1e-12) - _EDGE_WEIGHT * share)
