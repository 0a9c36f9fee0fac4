# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How the camera moved, from its images: corners followed by optical flow, posed by PnP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import CameraModel, RgbdFrame

Matrix = npt.NDArray[np.float64]
Array = npt.NDArray[np.float64]

_MOST_POINTS = 300
_FEW_POINTS = 150
# Fewer agreeing corners do not make a pose.
LEAST_INLIERS = 12
_LEAST_SHARE = 0.3
_SPACING_PX = 10
_REPROJECTION_PX = 1.5
# A corner at an edge of depth is on the near side in one frame and on the far one in the next.
_FLAT_M = 0.02
_FLOW: dict[str, Any] = {'winSize': (21, 21), 'maxLevel': 3,
         'criteria': (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01)}


@dataclass
class _Followed:
    """Hold the corners that are followed: places in the last image and in the world."""

    gray: npt.NDArray[np.uint8]
    pixels: npt.NDArray[np.float32]
    points_world: Array


class CameraMotion:
    """Estimate the camera's pose in the frame of its first image (or of the first pose given).

    Corners (Shi and Tomasi 1994) are followed by pyramidal optical flow (Lucas and Kanade 1981);
    each has a place in the world from the depth of the frame that it was found in. The pose is
    that which projects them onto where they are found (RANSAC, then least squares), so that an
    arm or a moved thing counts for nothing while most of the image stands still. Corners are kept
    while they are seen: a still camera does not drift.
    """

    def __init__(self) -> None:
        self.world_from_camera: Matrix = np.eye(4)
        self._followed: _Followed | None = None

    def update(self, frame: RgbdFrame) -> bool:
        """Follow the camera to a frame with depth; False where its motion could not be told.

        ``world_from_camera`` (4, 4) stays as it was then. ValueError for a frame without depth.
        """
        if frame.depth is None or frame.camera is None:
            raise ValueError('the camera is followed by frames with depth')
        gray = np.asarray(cv2.cvtColor(frame.color, cv2.COLOR_RGB2GRAY), np.uint8)
        old = self._followed
        known = old is not None and old.gray.shape == gray.shape
        pixels, points = _no_corners()
        if old is not None and known and len(old.pixels):
            pixels, points, known = self._moved(old, gray, frame.camera)
        if len(pixels) < _FEW_POINTS:
            pixels, points = self._with_new(gray, frame, pixels, points)
        self._followed = _Followed(gray, pixels, points)
        return known

    def use(self, world_from_camera: Matrix) -> None:
        """Take a pose that is known; corners are looked for anew when it is not."""
        self.world_from_camera = np.array(world_from_camera, np.float64)
        self._followed = None

    def _moved(
        self, old: _Followed, gray: npt.NDArray[np.uint8], camera: CameraModel
    ) -> tuple[npt.NDArray[np.float32], Array, bool]:
        """Follow the corners and pose the camera; return those that agree with the pose."""
        pixels, kept = follow(old.gray, gray, old.pixels)
        pixels, points = pixels[kept], old.points_world[kept]
        found = pose_from_points(points, pixels, camera, inverse(self.world_from_camera))
        if found is None:
            return *_no_corners(), False
        camera_from_world, inliers = found
        self.world_from_camera = inverse(camera_from_world)
        return pixels[inliers], points[inliers], True

    def _with_new(
        self, gray: npt.NDArray[np.uint8], frame: RgbdFrame, pixels: npt.NDArray[np.float32],
        points: Array,
    ) -> tuple[npt.NDArray[np.float32], Array]:
        """Return the corners with new ones beside them, where depth is smooth."""
        fresh = new_corners(gray, frame, pixels)
        if not len(fresh) or frame.depth is None or frame.camera is None:
            return pixels, points
        at = fresh.round().astype(int)
        z = frame.depth[at[:, 1], at[:, 0]].astype(np.float64)
        camera = frame.camera
        cam = np.stack([(fresh[:, 0] - camera.cx) / camera.fx * z,
                        (fresh[:, 1] - camera.cy) / camera.fy * z, z], axis=1)
        world = cam @ self.world_from_camera[:3, :3].T + self.world_from_camera[:3, 3]
        return np.concatenate([pixels, fresh]), np.concatenate([points, world])


def inverse(pose: Matrix) -> Matrix:
    """Return the inverse of a pose (4, 4)."""
    return np.asarray(np.linalg.inv(pose), np.float64)


def _no_corners() -> tuple[npt.NDArray[np.float32], Array]:
    return np.zeros((0, 2), np.float32), np.zeros((0, 3))


def new_corners(
    gray: npt.NDArray[np.uint8], frame: RgbdFrame, taken: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return corners (N, 2) column, row that lie on smooth depth and not beside those taken."""
    if frame.depth is None:
        allowed = np.full(gray.shape, 255, np.uint8)
    else:
        filled = np.nan_to_num(frame.depth, nan=0.0)
        kernel = np.ones((5, 5), np.uint8)
        smooth = cv2.dilate(filled, kernel) - cv2.erode(filled, kernel) < _FLAT_M
        allowed = (smooth & (filled > 0)).astype(np.uint8) * np.uint8(255)
    for x, y in taken.round().astype(int).tolist():
        cv2.circle(allowed, (x, y), _SPACING_PX, 0, -1)
    found = cv2.goodFeaturesToTrack(
        gray, max(_MOST_POINTS - len(taken), 1), 0.01, _SPACING_PX, mask=allowed)
    return (np.zeros((0, 2), np.float32) if found is None
            else np.asarray(found, np.float32).reshape(-1, 2))


def follow(
    before: npt.NDArray[np.uint8], now: npt.NDArray[np.uint8], pixels: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return where corners went and which are sure: followed back they return within a pixel."""
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, now, pixels, pixels.copy(), **_FLOW)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(now, before, there, pixels.copy(), **_FLOW)
    height, width = now.shape
    inside = (there >= 0).all(axis=1) & (there[:, 0] < width) & (there[:, 1] < height)
    sure = inside & (np.linalg.norm(back - pixels, axis=1) < 1.0)
    both = (found.ravel() == 1) & (found_back.ravel() == 1)
    return np.asarray(there, np.float32), both & sure


def pose_from_points(
    points_world: Array, pixels: npt.NDArray[np.float32], camera: CameraModel, guess: Matrix
) -> tuple[Matrix, npt.NDArray[np.intp]] | None:
    """Return camera from world (4, 4) and the rows that agree with it, None where too few do."""
    if len(pixels) < LEAST_INLIERS:
        return None
    turn, shift = cv2.Rodrigues(guess[:3, :3])[0], guess[:3, 3].reshape(3, 1).copy()
    where = pixels.astype(np.float64)
    cv2.setRNGSeed(0)  # the same frames give the same pose
    done, turn, shift, inliers = cv2.solvePnPRansac(
        points_world, where, camera.matrix, None, turn, shift, useExtrinsicGuess=True,
        iterationsCount=100, reprojectionError=_REPROJECTION_PX, flags=cv2.SOLVEPNP_ITERATIVE)
    if not done or inliers is None:
        return None
    rows = np.asarray(inliers.ravel(), np.intp)
    if len(rows) < max(LEAST_INLIERS, _LEAST_SHARE * len(pixels)):
        return None
    turn, shift = cv2.solvePnPRefineLM(
        points_world[rows], where[rows], camera.matrix, None, turn, shift)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(turn)[0], shift.ravel()
    return pose, rows


class ImageMotion:
    """Estimate how the image moved where there is no depth: a similarity of the plane."""

    def __init__(self) -> None:
        self._gray: npt.NDArray[np.uint8] | None = None

    def update(self, color: npt.NDArray[np.uint8]) -> Matrix:
        """Return pixels now from pixels before (2, 3); the identity where it cannot be told."""
        gray = np.asarray(cv2.cvtColor(color, cv2.COLOR_RGB2GRAY), np.uint8)
        before, self._gray = self._gray, gray
        still = np.eye(3)[:2]
        if before is None or before.shape != gray.shape:
            return still
        found = cv2.goodFeaturesToTrack(before, _MOST_POINTS, 0.01, _SPACING_PX)
        if found is None:
            return still
        pixels = np.asarray(found, np.float32).reshape(-1, 2)
        there, kept = follow(before, gray, pixels)
        if kept.sum() < LEAST_INLIERS:
            return still
        cv2.setRNGSeed(0)
        moved, inliers = cv2.estimateAffinePartial2D(
            pixels[kept], there[kept], ransacReprojThreshold=2.0)
        if moved is None or inliers.sum() < LEAST_INLIERS:
            return still
        return np.asarray(moved, np.float64)
