# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which clusters are background: the published rule, or the plane that carries the objects."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.geometry import Plane, fit_plane

LOGGER = logging.getLogger(__name__)

FloatImage = npt.NDArray[np.float32]
Labels = npt.NDArray[np.integer]

# A plane that carries fewer of the points than this is no support.
MIN_PLANE_SHARE = 0.05
# Width of the ring around objects, as a share of the image's diagonal.
RING = 0.02
# Planes tried, the strongest first: a wall or the floor may be stronger than the table.
PLANES = 3


def background_clusters(
    labels: Labels,
    count: int,
    points_cam: FloatImage | None,
    rule: str,
    max_distance_m: float,
) -> npt.NDArray[np.bool_]:
    """Return which of ``count`` clusters are background, (K,) bool.

    ``labels`` (h, w) 0..K-1, cluster 0 the largest; ``points_cam`` (h, w, 3) metres, NaN = none.
    ``rule``: 'largest_cluster' (Xiang et al. 2020) or 'support_plane': the cluster that holds
    most of the plane's points, and those mostly on or behind it. ValueError for the plane
    without points. Where no plane is found the largest cluster is taken, with a warning.
    """
    if rule == 'largest_cluster':
        return np.arange(count) == 0
    if points_cam is None:
        raise ValueError(
            'background is support_plane, which needs depth: choose largest_cluster for frames '
            'without depth'
        )
    plane = support_plane(labels, points_cam, max_distance_m)
    if plane is None:
        LOGGER.warning('no support plane in this frame: the largest cluster is background')
        return np.arange(count) == 0
    return _clusters_on(plane, labels, count, points_cam, max_distance_m)


def support_plane(
    labels: Labels, points_cam: FloatImage, max_distance_m: float
) -> Plane | None:
    """Return the plane that objects stand on, or None.

    Of the strongest planes the one that most of the image's border band lies on comes first; the
    clusters not on it are then taken for objects, and the plane is fitted anew to the ring around
    those, so that a table wins over a larger floor.
    """
    plane = _plane_of_border(points_cam, max_distance_m)
    if plane is None:
        return None
    count = int(labels.max(initial=0)) + 1
    background = _clusters_on(plane, labels, count, points_cam, max_distance_m)
    again = ring_plane(~background[labels], points_cam, max_distance_m)
    return plane if again is None else again


def ring_plane(
    objects: npt.NDArray[np.bool_], points_cam: FloatImage, max_distance_m: float
) -> Plane | None:
    """Fit a plane to the points (h, w, 3) in a ring around the objects (h, w) bool.

    None where the ring has fewer than 50 points or half of them fit no plane.
    """
    ring = ring_around(objects)
    around = points_cam[ring]
    around = around[np.isfinite(around[:, 2])]
    if len(around) < 50:
        return None
    tolerance_m = _tolerance(max_distance_m, float(np.median(around[:, 2])))
    found = fit_plane(around, tolerance_m=tolerance_m, sample_size=1000)
    return found[0] if found is not None and found[1] >= 0.5 else None


def ring_around(objects: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the ring (h, w) bool around objects: RING of the diagonal wide, with a small gap."""
    width = max(2, round(RING * float(np.hypot(*objects.shape))))
    mask = objects.view(np.uint8)
    outer = cv2.dilate(mask, np.ones((2 * width + 1, 2 * width + 1), np.uint8))
    gap = max(1, width // 4)
    inner = cv2.dilate(mask, np.ones((2 * gap + 1, 2 * gap + 1), np.uint8))
    return outer > inner


def tolerance_at(max_distance_m: float, z_m: FloatImage) -> FloatImage:
    """Return the distance (metres) within which a point at range z is on a plane.

    The noise of depth cameras grows with z squared; nearer than 0.5 m it is taken as constant.
    """
    return np.float32(max_distance_m) * np.square(np.maximum(z_m, np.float32(0.5)))


def _tolerance(max_distance_m: float, z_m: float) -> float:
    return max(max_distance_m, 1e-3) * max(z_m, 0.5) ** 2


def _plane_of_border(points_cam: FloatImage, max_distance_m: float) -> Plane | None:
    """Return the plane with the most points in a band along the image's border."""
    band = np.ones(points_cam.shape[:2], bool)
    margin = max(1, min(band.shape) // 8)
    band[margin:-margin, margin:-margin] = False
    known = np.isfinite(points_cam[..., 2])
    points, in_band = points_cam[known], band[known]
    total = len(points)
    best, most = None, 0
    for _ in range(PLANES):
        if len(points) < max(50, MIN_PLANE_SHARE * total):
            break
        tolerance_m = _tolerance(max_distance_m, float(np.median(points[:, 2])))
        found = fit_plane(points, tolerance_m=tolerance_m, sample_size=1500)
        if found is None or found[1] * len(points) < MIN_PLANE_SHARE * total:
            break
        on = np.abs(found[0].heights(points)) < 2 * tolerance_m
        if int(in_band[on].sum()) > most:
            best, most = found[0], int(in_band[on].sum())
        points, in_band = points[~on], in_band[~on]
    return best


def _clusters_on(
    plane: Plane, labels: Labels, count: int, points_cam: FloatImage, max_distance_m: float
) -> npt.NDArray[np.bool_]:
    known = np.isfinite(points_cam[..., 2])
    height = plane.heights(points_cam[known])
    tolerance = 2 * tolerance_at(max_distance_m, points_cam[known][:, 2])
    of = labels[known]
    total = np.bincount(of, minlength=count)
    on = np.bincount(of[np.abs(height) < tolerance], minlength=count)
    under = np.bincount(of[height < tolerance], minlength=count)
    background = under > 0.5 * np.maximum(total, 1)
    background[int(on.argmax())] = True
    return background
