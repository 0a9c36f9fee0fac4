# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The camera and the frame that every method takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seg_ros.core.geometry import points_from_depth


@dataclass(frozen=True)
class CameraModel:
    """Describe a pinhole camera: size and intrinsics in pixels, integer pixel centres.

    ``distortion`` is what the images still contain; None means rectified images. Raises
    ValueError for a size below one pixel and for focal lengths that are not positive.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f'camera of {self.width}x{self.height} pixels: sizes start at 1x1')
        values = (self.fx, self.fy, self.cx, self.cy, *(self.distortion or ()))
        if not np.isfinite(values).all():
            raise ValueError(f'camera intrinsics must be finite, got {values}')
        if self.fx <= 0 or self.fy <= 0:
            raise ValueError(
                f'focal lengths must be positive, got fx={self.fx} fy={self.fy}: '
                'the camera is not calibrated'
            )

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """Return the 3x3 intrinsic matrix K."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)

    def resized(self, width: int, height: int) -> CameraModel:
        """Return the camera of the image resized to (width, height) pixels.

        Pixel centres are integers, so cx' = (cx + 0.5) * s - 0.5, as ``cv2.resize`` samples.
        """
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
        )

    def cropped(self, box_xyxy: tuple[int, int, int, int]) -> CameraModel:
        """Return the camera of the crop (x1, y1, x2, y2), pixels, x2 and y2 exclusive."""
        x1, y1, x2, y2 = box_xyxy
        if not (0 <= x1 < x2 <= self.width and 0 <= y1 < y2 <= self.height):
            raise ValueError(f'crop {box_xyxy} is not inside {self.width}x{self.height}')
        return replace(self, width=x2 - x1, height=y2 - y1, cx=self.cx - x1, cy=self.cy - y1)


@dataclass(frozen=True, eq=False)
class RgbdFrame:
    """Hold one camera frame: what a segmenter takes.

    ``color`` (H, W, 3) uint8 RGB; ``depth`` (H, W) float32 metres, NaN where there is no
    measurement, or None; ``camera`` of the same size (needed with depth). Infinite and
    non-positive depths become NaN here. Raises ValueError for other shapes, dtypes or sizes.
    """

    color: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32] | None = None
    camera: CameraModel | None = None
    stamp_ns: int = 0
    frame_id: str = ''

    def __post_init__(self) -> None:
        _check_color(self.color)
        if self.camera is not None:
            _check_size('camera', (self.camera.height, self.camera.width), self.color)
        if self.depth is not None:
            _check_depth(self.depth, self.color, self.camera)
            object.__setattr__(self, 'depth', without_false_depth(self.depth))

    @property
    def shape(self) -> tuple[int, int]:
        """Return (height, width) in pixels."""
        return self.color.shape[0], self.color.shape[1]

    def points(self) -> npt.NDArray[np.float32]:
        """Return (H, W, 3) float32 points in metres in the optical frame (REP 103), NaN for none.

        Raises ValueError for a frame without depth.
        """
        if self.depth is None or self.camera is None:
            raise ValueError('this frame has no depth: points need depth and a camera')
        return points_from_depth(
            self.depth, self.camera.fx, self.camera.fy, self.camera.cx, self.camera.cy
        )


def without_false_depth(depth_m: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the depth with NaN for whatever is infinite, zero or negative (H, W), metres."""
    with np.errstate(invalid='ignore'):
        false = ~((depth_m > 0) & (depth_m < np.inf))
    if not (false & ~np.isnan(depth_m)).any():
        return depth_m
    return np.where(false, np.float32(np.nan), depth_m)


def _check_color(color: npt.NDArray[np.uint8]) -> None:
    if not isinstance(color, np.ndarray) or color.dtype != np.uint8:
        came = getattr(color, 'dtype', type(color))
        raise ValueError(f'color must be a uint8 array, got {came}')
    if color.ndim != 3 or color.shape[2] != 3 or 0 in color.shape:
        raise ValueError(f'color must be (H, W, 3) RGB with H, W >= 1, got {color.shape}')


def _check_depth(
    depth: npt.NDArray[np.float32], color: npt.NDArray[np.uint8], camera: CameraModel | None
) -> None:
    if not isinstance(depth, np.ndarray) or depth.dtype != np.float32:
        came = getattr(depth, 'dtype', type(depth))
        raise ValueError(f'depth must be float32 metres with NaN for no measurement, got {came}')
    if depth.ndim != 2:
        raise ValueError(f'depth must be (H, W), got {depth.shape}')
    _check_size('depth', (depth.shape[0], depth.shape[1]), color)
    if camera is None:
        raise ValueError('depth came without a camera: pass its CameraModel')


def _check_size(what: str, shape: tuple[int, int], color: npt.NDArray[np.uint8]) -> None:
    height, width = color.shape[:2]
    if shape != (height, width):
        raise ValueError(
            f'{what} {shape[1]}x{shape[0]}, colour image {width}x{height}: they must agree; '
            "use the driver's depth aligned to colour (align_depth.enable:=true)"
        )
