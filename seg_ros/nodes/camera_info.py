# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""CameraInfo to camera models, and the undistortion of raw images."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import CameraModel

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo

_POLYNOMIAL = ('plumb_bob', 'rational_polynomial', '')
_FISHEYE = 'equidistant'
_MOST_RAW_PIXELS_OFF = 2.0


def is_rectified_topic(topic: str) -> bool:
    """Return whether a topic's last part says its images are rectified, in image_proc's names."""
    return re.search(r'(^|_)rect(ified)?(_|$)', topic.rsplit('/', 1)[-1]) is not None


def camera_model(info: CameraInfo, *, rectified: bool) -> CameraModel:
    """Return the camera of the images a CameraInfo goes with.

    Rectified images: P[:3, :3] where it is not zero, else K, no distortion. Raw images: K, with
    D as ``distortion`` where it is not zero. ``roi`` and ``binning`` are applied. Raises
    ValueError for an uncalibrated camera or a size of zero. Source: sensor_msgs/CameraInfo.
    """
    if info.width < 1 or info.height < 1:
        raise ValueError(
            f'camera_info has size {info.width}x{info.height}: the camera driver must fill in the '
            'size of the full image'
        )
    matrix = _matrix(info, rectified)
    if rectified or not np.any(info.d):
        distortion = None
    else:
        distortion = tuple(float(value) for value in info.d)
    model = CameraModel(info.width, info.height, matrix[0, 0], matrix[1, 1], matrix[0, 2],
                        matrix[1, 2], distortion)
    return _binned(_cropped(model, info), info)


def _matrix(info: CameraInfo, rectified: bool) -> npt.NDArray[np.float64]:
    intrinsic = np.asarray(info.k, np.float64).reshape(3, 3)
    projection = np.asarray(info.p, np.float64).reshape(3, 4)[:, :3]
    if rectified and projection.any():
        return projection
    if not intrinsic.any():
        raise ValueError(
            'camera_info is not calibrated (K and P are zero): calibrate the camera or let its '
            'driver publish intrinsics'
            if not projection.any()
            else 'camera_info of a raw image has K zero: only P is set, use the rectified image'
        )
    return intrinsic


def _cropped(model: CameraModel, info: CameraInfo) -> CameraModel:
    roi = info.roi
    if roi.width == 0 and roi.height == 0:
        return model
    box = (roi.x_offset, roi.y_offset, roi.x_offset + roi.width, roi.y_offset + roi.height)
    try:
        return model.cropped(box)
    except ValueError as error:
        raise ValueError(f'camera_info roi: {error}') from error


def _binned(model: CameraModel, info: CameraInfo) -> CameraModel:
    """Return the camera after binning; 0 means 1 (sensor_msgs/CameraInfo)."""
    across, down = max(1, info.binning_x), max(1, info.binning_y)
    if across == 1 and down == 1:
        return model
    width, height = model.width // across, model.height // down
    if width < 1 or height < 1:
        raise ValueError(
            f'camera_info binning {across}x{down} leaves no pixel of {model.width}x{model.height}'
        )
    # Cut what does not fill a bin, so that the scale is exactly 1 / binning.
    whole = model.cropped((0, 0, width * across, height * down))
    return whole.resized(width, height)


class Rectifier:
    """Undistort the images of a raw camera, and bring labels back to its pixels.

    The undistorted camera has the raw one's intrinsics. Maps are computed once. Raises
    ValueError for a distortion model that is not plumb_bob, rational_polynomial or equidistant.
    """

    def __init__(self, camera: CameraModel, distortion_model: str) -> None:
        if camera.distortion is None:
            raise ValueError('the camera has no distortion: its images are used as they are')
        if distortion_model not in (*_POLYNOMIAL, _FISHEYE):
            raise ValueError(
                f'distortion model {distortion_model!r} is unknown: plumb_bob, '
                'rational_polynomial and equidistant are accepted; rectify the images by '
                'image_proc instead'
            )
        if distortion_model == _FISHEYE and len(camera.distortion) != 4:
            raise ValueError(
                f'equidistant distortion has {len(camera.distortion)} coefficients, 4 are needed'
            )
        if distortion_model != _FISHEYE and len(camera.distortion) not in (4, 5, 8, 12, 14):
            raise ValueError(
                f'{distortion_model or "plumb_bob"} distortion has {len(camera.distortion)} '
                'coefficients: 4, 5, 8, 12 or 14 are accepted'
            )
        self.camera = replace(camera, distortion=None)
        self._forward = _raw_positions(camera, distortion_model)
        self._back = _rectified_positions(camera, distortion_model, self._forward)

    def color(self, raw: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the undistorted colour image (H, W, 3); black where the raw one has nothing."""
        return np.asarray(cv2.remap(raw, *self._forward, cv2.INTER_LINEAR), np.uint8)

    def depth(self, raw_m: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return undistorted depth (H, W) metres by the nearest pixel; NaN where there is none."""
        seen = cv2.remap(raw_m, *self._forward, cv2.INTER_NEAREST,
                         borderMode=cv2.BORDER_CONSTANT, borderValue=float('nan'))
        return np.asarray(seen, np.float32)

    def labels_to_raw(self, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return labels (H, W) of undistorted pixels at the raw image's pixels; 0 outside."""
        columns, rows, inside = self._back
        return np.where(inside, labels[rows, columns], labels.dtype.type(0))


def _raw_positions(
    camera: CameraModel, model: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return for every undistorted pixel the position (x map, y map) in the raw image."""
    size = (camera.width, camera.height)
    matrix, distortion = camera.matrix, np.array(camera.distortion, np.float64)
    initialise = cv2.fisheye.initUndistortRectifyMap if model == _FISHEYE else (
        cv2.initUndistortRectifyMap)
    x, y = initialise(matrix, distortion, np.eye(3), matrix, size, cv2.CV_32FC1)
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def _rectified_positions(
    camera: CameraModel, model: str, forward: tuple[npt.NDArray[np.float32], ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return for every raw pixel the nearest undistorted column and row, and whether it is one.

    Where a strong distortion has no inverse, the iteration ends anywhere: such pixels are found
    by distorting the answer again.
    """
    grid = np.stack(np.meshgrid(np.arange(camera.width), np.arange(camera.height)), -1)
    points = grid.reshape(-1, 1, 2).astype(np.float64)
    matrix, distortion = camera.matrix, np.array(camera.distortion, np.float64)
    undistort = cv2.fisheye.undistortPoints if model == _FISHEYE else cv2.undistortPoints
    found = undistort(points, matrix, distortion, P=matrix).reshape(*grid.shape)
    found = np.rint(np.nan_to_num(found, nan=-1.0, posinf=-1.0, neginf=-1.0))
    limits = np.array([camera.width, camera.height])
    inside = np.all((found >= 0) & (found < limits), axis=-1, keepdims=False)
    columns, rows = np.moveaxis(np.clip(found, 0, limits - 1).astype(np.int64), -1, 0)
    for again, expected in zip(forward, np.moveaxis(grid, -1, 0), strict=True):
        inside &= np.abs(again[rows, columns] - expected) < _MOST_RAW_PIXELS_OFF
    return columns, rows, inside
