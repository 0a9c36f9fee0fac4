# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Compressed images to numpy: jpeg and png colour, png depth with its 12-byte header."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.nodes.conversions import clean_metres, metres_from_millimetres

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage

_HEADER_BYTES = 12
_MAX_PIXELS = 1 << 26


def color_from_compressed(message: CompressedImage) -> npt.NDArray[np.uint8]:
    """Return a jpeg or png message as (H, W, 3) uint8 RGB; ValueError where it is neither."""
    picture = _decoded(bytes(message.data), cv2.IMREAD_COLOR, message.format)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def depth_from_compressed(message: CompressedImage) -> npt.NDArray[np.float32]:
    """Return a compressedDepth message as (H, W) float32 metres, NaN where nothing was measured.

    The format names the encoding: '16UC1; compressedDepth' holds millimetres, '32FC1; ...' holds
    inverse depth d = A / (stored - B) with A, B in the header. Raises ValueError for others.
    """
    data = bytes(message.data)
    encoding = message.format.split(';')[0].strip()
    if 'compressedDepth' not in message.format or 'rvl' in message.format.lower():
        raise ValueError(
            f'compressed depth has format {message.format!r}: "16UC1; compressedDepth" and '
            '"32FC1; compressedDepth" with png are accepted'
        )
    if len(data) <= _HEADER_BYTES:
        raise ValueError(f'compressed depth has {len(data)} bytes: its header alone takes 12')
    stored = _decoded(data[_HEADER_BYTES:], cv2.IMREAD_UNCHANGED, message.format)
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise ValueError(f'compressed depth holds {stored.dtype} {stored.shape}, not 16-bit grey')
    if encoding == '16UC1':
        return metres_from_millimetres(stored)
    if encoding == '32FC1':
        return _from_inverse(stored, *struct.unpack('<ff', data[4:_HEADER_BYTES]))
    raise ValueError(f'compressed depth has encoding {encoding!r}: 16UC1 and 32FC1 are accepted')


def _from_inverse(
    stored: npt.NDArray[np.uint16], scale: float, offset: float
) -> npt.NDArray[np.float32]:
    with np.errstate(divide='ignore', invalid='ignore'):
        depth_m = (scale / (stored.astype(np.float32) - offset)).astype(np.float32)
    depth_m[stored == 0] = np.nan
    return clean_metres(depth_m)


def _decoded(data: bytes, flags: int, kind: str) -> npt.NDArray[Any]:
    if not data:
        raise ValueError(f'compressed image ({kind!r}) has no data')
    _check_png_size(data)
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ValueError(f'compressed image ({kind!r}) cannot be decoded: {error}') from error
    if picture is None:
        raise ValueError(
            f'compressed image ({kind!r}) of {len(data)} bytes is no readable jpeg or png: '
            'the message is truncated or of another format'
        )
    return np.asarray(picture)


def _check_png_size(data: bytes) -> None:
    """Refuse a png that claims more pixels than any camera has, before memory is taken."""
    if data[:8] == b'\x89PNG\r\n\x1a\n' and len(data) >= 24:
        width, height = struct.unpack('>II', data[16:24])
        if width * height > _MAX_PIXELS:
            raise ValueError(f'compressed image claims {width}x{height} pixels: too large')
