# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages to the frame a segmenter takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.nodes.camera_info import Rectifier, camera_model
from seg_ros.nodes.conversions import stamp_ns
from seg_ros.nodes.transports import color_of, depth_of, describe_pixels

if TYPE_CHECKING:
    # Types only: bags are read by this module on machines without ROS.
    from sensor_msgs.msg import CameraInfo, CompressedImage, Image
    from std_msgs.msg import Header


class BadFrame(ValueError):  # noqa: N818 - what it is, not that it is one
    """Refuse a frame; ``reason`` is the short name under which it is counted."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True)
class Prepared:
    """Hold a frame ready to segment, its input's colour image, header and way back.

    ``color`` is as it came; ``frame`` is undistorted where the camera is raw and distorted, and
    ``to_input`` brings labels of the frame to the input's pixels. ``depth_trouble`` says why depth
    that came was left out, '' where it was not.
    """

    frame: RgbdFrame
    color: npt.NDArray[np.uint8]
    header: Header
    rectifier: Rectifier | None = None
    depth_trouble: str = ''

    def to_input(self, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return labels (H, W) at the input image's pixels."""
        return labels if self.rectifier is None else self.rectifier.labels_to_raw(labels)

    def without_depth(self, trouble: str) -> Prepared:
        """Return the same for colour alone, with the reason."""
        return replace(self, frame=replace(self.frame, depth=None), depth_trouble=trouble)


class FrameBuilder:
    """Build frames from messages; keeps what depends on the camera alone.

    ``rectified`` says whether images are free of distortion; ``needs_depth`` whether a frame must
    have depth. Else it is of colour alone, unless depth is ``optional_depth``: then it has depth
    where that came and can be used. Used from one thread.
    """

    def __init__(
        self, *, needs_depth: bool, rectified: bool, optional_depth: bool = False
    ) -> None:
        self._needs_depth = needs_depth
        self.optional_depth = optional_depth
        self.camera_info_changes = 0
        self.image_size = ''
        self._rectified = rectified
        self._key: tuple[Any, ...] | None = None
        self._seen: tuple[Any, ...] | None = None
        self._camera: CameraModel | None = None
        self._rectifier: Rectifier | None = None

    def build(
        self, color: Image | CompressedImage, depth: Image | CompressedImage | None,
        info: CameraInfo | None,
    ) -> Prepared:
        """Return the frame of one set of messages; BadFrame says what is wrong and what to do."""
        rgb = _counted('color', color_of, color)
        frame = RgbdFrame(rgb, None, None, stamp_ns(color.header), color.header.frame_id)
        alone = Prepared(frame, rgb, color.header)
        self.image_size = f'{rgb.shape[1]}x{rgb.shape[0]}'
        if self._needs_depth:
            return self._with_depth(alone, depth, info)
        if not self.optional_depth or depth is None:
            return alone
        try:
            return self._with_depth(alone, depth, info)
        except BadFrame as error:
            return alone.without_depth(str(error))

    def _with_depth(
        self, alone: Prepared, depth: Image | CompressedImage | None, info: CameraInfo | None
    ) -> Prepared:
        if depth is None or info is None:
            raise BadFrame('camera_info', 'no camera_info has come yet: depth needs intrinsics')
        depth_m = self._depth(depth, alone.color)
        camera, rectifier = self._camera_of(info, alone.color)
        seen = alone.color
        if rectifier is not None:
            seen, depth_m = rectifier.color(seen), rectifier.depth(depth_m)
        frame = replace(alone.frame, color=seen, depth=depth_m, camera=camera)
        return replace(alone, frame=frame, rectifier=rectifier)

    def _depth(
        self, depth: Image | CompressedImage, color: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        depth_m = _counted('depth', depth_of, depth)
        said = describe_pixels(depth, depth_m)
        if depth_m.shape != color.shape[:2]:
            height, width = color.shape[:2]
            raise BadFrame('size', (
                f'depth image {said}, colour image {width}x{height}: use '
                "the driver's aligned depth (align_depth.enable:=true)"))
        if np.isnan(depth_m).all():
            raise BadFrame('no_depth', (
                f'depth image {said} has no measurement at all (0, NaN or Inf '
                'everywhere): check the distance, the emitter and the depth stream'))
        return depth_m

    def _camera_of(
        self, info: CameraInfo, color: npt.NDArray[np.uint8]
    ) -> tuple[CameraModel, Rectifier | None]:
        self._use(info)
        if self._camera is None:
            raise BadFrame('camera_info', 'no usable camera_info')
        height, width = color.shape[:2]
        if (self._camera.width, self._camera.height) != (width, height):
            raise BadFrame('camera_info', (
                f'camera_info is of {self._camera.width}x{self._camera.height} pixels, colour '
                f'image {width}x{height}: connect the camera_info of this colour '
                'stream'))
        return self._camera, self._rectifier

    def _use(self, info: CameraInfo) -> None:
        """Take over a camera_info; computed anew only where it differs from the last one."""
        roi = info.roi
        key = (info.width, info.height, tuple(info.k), tuple(info.p), tuple(info.d),
               info.distortion_model, info.binning_x, info.binning_y,
               roi.x_offset, roi.y_offset, roi.width, roi.height)
        if key == self._key:
            return
        self._key = self._camera = self._rectifier = None
        self.camera_info_changes += key != self._seen
        self._seen = key
        try:
            model = camera_model(info, rectified=self._rectified)
            if model.distortion is not None:
                self._rectifier = Rectifier(model, info.distortion_model)
                model = self._rectifier.camera
        except ValueError as error:
            raise BadFrame('camera_info', str(error)) from error
        self._camera, self._key = model, key


def _counted(reason: str, convert: Any, message: Image) -> npt.NDArray[Any]:
    try:
        return np.asarray(convert(message))
    except ValueError as error:
        raise BadFrame(reason, str(error)) from error
