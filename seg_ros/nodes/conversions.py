# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""ROS images to numpy and back, and REP 118 depth: the one place that knows encodings."""

from __future__ import annotations

import array
import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    # Imported where messages are made: what reads them also serves bags on machines without ROS.
    from builtin_interfaces.msg import Time
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header


class PixelType(NamedTuple):
    """Describe an encoding: numpy type of one channel and the number of channels."""

    dtype: np.dtype[Any]
    channels: int


ENCODINGS: dict[str, PixelType] = {
    'rgb8': PixelType(np.dtype(np.uint8), 3),
    'bgr8': PixelType(np.dtype(np.uint8), 3),
    'rgba8': PixelType(np.dtype(np.uint8), 4),
    'bgra8': PixelType(np.dtype(np.uint8), 4),
    'mono8': PixelType(np.dtype(np.uint8), 1),
    'mono16': PixelType(np.dtype(np.uint16), 1),
    '8UC1': PixelType(np.dtype(np.uint8), 1),
    '8UC3': PixelType(np.dtype(np.uint8), 3),
    '16UC1': PixelType(np.dtype(np.uint16), 1),
    '32FC1': PixelType(np.dtype(np.float32), 1),
    '32SC1': PixelType(np.dtype(np.int32), 1),
}
DEPTH_MM_ENCODINGS = ('16UC1', 'mono16')
DEPTH_M_ENCODINGS = ('32FC1',)
_NOT_COLOR = ('16UC1', '32FC1', '32SC1')
_TO_RGB = {
    'bgr8': cv2.COLOR_BGR2RGB,
    '8UC3': cv2.COLOR_BGR2RGB,
    'rgba8': cv2.COLOR_RGBA2RGB,
    'bgra8': cv2.COLOR_BGRA2RGB,
    'mono8': cv2.COLOR_GRAY2RGB,
    '8UC1': cv2.COLOR_GRAY2RGB,
}


def stamp_ns(header: Header) -> int:
    """Return a header's stamp in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def time_message(nanoseconds: int) -> Time:
    """Return nanoseconds as a ``builtin_interfaces/Time``."""
    from builtin_interfaces.msg import Time

    seconds, rest = divmod(int(nanoseconds), 1_000_000_000)
    return Time(sec=seconds, nanosec=rest)


def describe(message: Image) -> str:
    """Return '16UC1 640x480' for an image message, as error texts name it."""
    return f'{message.encoding} {message.width}x{message.height}'


def array_from_image(message: Image) -> npt.NDArray[Any]:
    """Return the pixels (H, W) or (H, W, C) in the encoding's type, native byte order.

    A view of the message's data where its bytes allow; rows keep the padding out. Raises
    ValueError for an empty image, an unknown encoding, a wrong ``step`` or truncated data.
    """
    if message.encoding not in ENCODINGS:
        raise ValueError(
            f'image encoding {message.encoding!r} is unknown here: known are '
            f'{", ".join(ENCODINGS)}'
        )
    dtype, channels = ENCODINGS[message.encoding]
    _check_layout(message, dtype.itemsize * channels)
    stored = dtype.newbyteorder('>' if message.is_bigendian else '<')
    size = dtype.itemsize
    pixels: npt.NDArray[Any] = np.ndarray(
        (message.height, message.width, channels),
        stored,
        buffer=message.data,
        strides=(message.step, size * channels, size),
    )
    if channels == 1:
        pixels = pixels[..., 0]
    return pixels if stored.isnative else pixels.astype(dtype)


def _check_layout(message: Image, pixel_bytes: int) -> None:
    if message.width < 1 or message.height < 1:
        raise ValueError(
            f'image {describe(message)} is empty: sizes start at 1x1, check the camera driver'
        )
    row_bytes = message.width * pixel_bytes
    if message.step < row_bytes:
        raise ValueError(
            f'image {describe(message)} has step {message.step}: a row takes at least '
            f'{row_bytes} bytes, the driver fills in step wrongly'
        )
    if len(message.data) != message.step * message.height:
        raise ValueError(
            f'image {describe(message)} has {len(message.data)} bytes of data, step '
            f'{message.step} x height {message.height} = {message.step * message.height} are '
            'expected: the message is truncated or its step is wrong'
        )


def color_from_image(message: Image) -> npt.NDArray[np.uint8]:
    """Return an image message as (H, W, 3) uint8 RGB, contiguous; rgb8 is not copied.

    8UC3 has OpenCV's channel order, BGR; grey is repeated in three channels, of mono16 its high
    byte. Encodings that are not ours (Bayer, YUV) go to cv_bridge where it is installed.
    Raises ValueError for an encoding that is no colour and for a malformed message.
    """
    encoding = message.encoding
    if encoding in _NOT_COLOR:
        raise ValueError(
            f'colour image has encoding {encoding}: rgb8, bgr8, rgba8, bgra8, mono8 and the like '
            'are accepted; is the depth topic connected to the colour input?'
        )
    if encoding not in ENCODINGS:
        return _by_cv_bridge(message, 'rgb8')
    pixels = array_from_image(message)
    if encoding == 'mono16':
        pixels, encoding = (pixels >> 8).astype(np.uint8), 'mono8'
    pixels = np.ascontiguousarray(pixels)
    return pixels if encoding == 'rgb8' else np.asarray(cv2.cvtColor(pixels, _TO_RGB[encoding]))


def depth_from_image(message: Image) -> npt.NDArray[np.float32]:
    """Return a depth message as (H, W) float32 metres, NaN where nothing was measured (REP 118).

    32FC1 is metres, where NaN, +-Inf and zero mark no measurement; 16UC1 is millimetres with 0
    for none, and mono16 is what some drivers call 16UC1. Raises ValueError for anything else.
    """
    if message.encoding in DEPTH_MM_ENCODINGS:
        return metres_from_millimetres(array_from_image(message))
    if message.encoding in DEPTH_M_ENCODINGS:
        return clean_metres(array_from_image(message))
    raise ValueError(
        f'depth image has encoding {message.encoding!r}: 16UC1 or mono16 (millimetres) and 32FC1 '
        '(metres) are accepted; is the colour topic connected to the depth input?'
    )


def metres_from_millimetres(depth_mm: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Return (H, W) uint16 millimetres as float32 metres, NaN for 0."""
    depth_m = np.multiply(depth_mm, np.float32(0.001), dtype=np.float32)
    depth_m[depth_mm == 0] = np.nan
    return depth_m


def clean_metres(depth_m: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return float32 metres with NaN for infinite, zero and negative depth; a copy if any."""
    with np.errstate(invalid='ignore'):
        measured = (depth_m > 0) & (depth_m < np.inf)
    return np.where(measured, depth_m, np.float32(np.nan))


def _by_cv_bridge(message: Image, encoding: str) -> npt.NDArray[np.uint8]:
    """Convert what this module leaves out by the distribution's cv_bridge."""
    try:
        cv_bridge = importlib.import_module('cv_bridge')
    except ImportError:
        raise ValueError(
            f'image encoding {message.encoding!r} needs the ROS package cv_bridge, which is not '
            'installed (apt install ros-$ROS_DISTRO-cv-bridge); without it accepted are '
            f'{", ".join(name for name in ENCODINGS if name not in _NOT_COLOR)}'
        ) from None
    if message.width < 1 or message.height < 1:
        raise ValueError(f'image {describe(message)} is empty: sizes start at 1x1')
    try:
        return np.asarray(cv_bridge.CvBridge().imgmsg_to_cv2(message, encoding))
    except (cv_bridge.CvBridgeError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f'cv_bridge cannot convert image {describe(message)} to {encoding}: {error}'
        ) from error


def image_from_array(
    pixels: npt.NDArray[Any],
    encoding: str,
    header: Header | None = None,
    *,
    step: int | None = None,
    is_bigendian: bool = False,
) -> Image:
    """Return pixels (H, W) or (H, W, C) as an image message in an encoding.

    ``step`` bytes a row may exceed the row's pixels (padding, zeros). Values are not scaled or
    reordered. Raises ValueError for a type or shape that is not the encoding's.
    """
    from sensor_msgs.msg import Image

    stored = _stored(pixels, encoding, is_bigendian)
    row_bytes = stored.strides[0]
    step = row_bytes if step is None else step
    if step < row_bytes:
        raise ValueError(f'step {step} is short: a row of {encoding} takes {row_bytes} bytes')
    message = Image(height=stored.shape[0], width=stored.shape[1], encoding=encoding, step=step,
                    is_bigendian=int(is_bigendian))
    if header is not None:
        message.header = header
    message.data = _data(stored, step)
    return message


def _stored(pixels: npt.NDArray[Any], encoding: str, is_bigendian: bool) -> npt.NDArray[Any]:
    if encoding not in ENCODINGS:
        raise ValueError(f'encoding {encoding!r} is unknown: known are {", ".join(ENCODINGS)}')
    dtype, channels = ENCODINGS[encoding]
    depth = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.dtype != dtype or pixels.ndim not in (2, 3) or depth != channels or not pixels.size:
        raise ValueError(
            f'{encoding} takes {dtype} pixels with {channels} channels and at least 1x1 of them, '
            f'got {pixels.dtype} {pixels.shape}'
        )
    return np.ascontiguousarray(pixels, dtype.newbyteorder('>' if is_bigendian else '<'))


def _data(stored: npt.NDArray[Any], step: int) -> array.array[int]:
    """Return bytes by array.array: rclpy takes it by reference (a list or bytes is far slower)."""
    rows = stored.reshape(stored.shape[0], -1).view(np.uint8)
    if step > rows.shape[1]:
        rows = np.pad(rows, ((0, 0), (0, step - rows.shape[1])))
    data = array.array('B')
    data.frombytes(rows.tobytes())
    return data
