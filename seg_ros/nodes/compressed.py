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
_PNG, _JPEG = b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff'
# What a whole file ends with; drivers pad behind it.
_ENDS = {_PNG: b'IEND', _JPEG: b'\xff\xd9'}
_PADDING_BYTES = 4096
# JPEG's frame headers, which hold the size: SOF0 to SOF15 without DHT, JPG and DAC.
_SOF = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def color_from_compressed(message: CompressedImage) -> npt.NDArray[np.uint8]:
    """Return a jpeg or png message as (H, W, 3) uint8 RGB; ValueError where it is neither.

    Pixels stay as the camera has them: an orientation noted in the file is not applied. A format
    '...compressed rgb8' says that red and blue are exchanged in the file, as image_transport
    reads it.
    """
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    picture = _decoded(bytes(message.data), flags, message.format)
    if 'compressed rgb' in message.format:
        return np.asarray(picture, np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def depth_from_compressed(message: CompressedImage) -> npt.NDArray[np.float32]:
    """Return a compressed depth message as (H, W) float32 metres, NaN where nothing was measured.

    The format names the encoding: '16UC1; compressedDepth' holds millimetres, '32FC1; ...' holds
    inverse depth d = A / (stored - B) with A, B in the header (compressed_depth_image_transport),
    '16UC1; png compressed' millimetres without a header. Raises ValueError for others.
    """
    encoding = message.format.split(';')[0].strip()
    if 'compressedDepth' not in message.format:
        return metres_from_millimetres(_plain_png(message, encoding))
    if 'rvl' in message.format.lower():
        raise _unknown_depth(message.format)
    data = bytes(message.data)
    if len(data) <= _HEADER_BYTES:
        raise ValueError(f'compressed depth has {len(data)} bytes: its header alone takes 12')
    stored = _grey_of_16_bits(data[_HEADER_BYTES:], message.format)
    if encoding == '16UC1':
        return metres_from_millimetres(stored)
    if encoding == '32FC1':
        return _from_inverse(stored, *struct.unpack('<ff', data[4:_HEADER_BYTES]))
    raise ValueError(f'compressed depth has encoding {encoding!r}: 16UC1 and 32FC1 are accepted')


def _plain_png(message: CompressedImage, encoding: str) -> npt.NDArray[np.uint16]:
    """Return the png that the transport 'compressed' makes of a 16UC1 image."""
    if encoding not in ('16UC1', 'mono16') or 'png' not in message.format:
        raise _unknown_depth(message.format)
    return _grey_of_16_bits(bytes(message.data), message.format)


def _unknown_depth(kind: str) -> ValueError:
    return ValueError(
        f'compressed depth has format {kind!r}: "16UC1; compressedDepth" and "32FC1; '
        'compressedDepth" with png, and "16UC1; png compressed" are accepted; set the '
        "publisher's format to png, for jpeg loses depth")


def _grey_of_16_bits(data: bytes, kind: str) -> npt.NDArray[np.uint16]:
    stored = _decoded(data, cv2.IMREAD_UNCHANGED, kind)
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise ValueError(f'compressed depth holds {stored.dtype} {stored.shape}, not 16-bit grey')
    return stored


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
    _check_file(data, kind)
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ValueError(f'compressed image ({kind!r}) cannot be decoded: {error}') from error
    if picture is None:
        raise _unreadable(data, kind)
    return np.asarray(picture)


def _check_file(data: bytes, kind: str) -> None:
    """Refuse what is neither jpeg nor png, larger than any camera, or cut off.

    OpenCV fills the missing part of a truncated file with grey and says nothing.
    """
    magic = next((magic for magic in _ENDS if data.startswith(magic)), None)
    if magic is None:
        raise _unreadable(data, kind)
    width, height = _png_size(data) if magic == _PNG else _jpeg_size(data)
    if width * height > _MAX_PIXELS:
        raise ValueError(f'compressed image claims {width}x{height} pixels: too large')
    if _ENDS[magic] not in data[-_PADDING_BYTES:]:
        raise ValueError(
            f'compressed image ({kind!r}) of {len(data)} bytes has no end: the message is '
            'truncated')


def _unreadable(data: bytes, kind: str) -> ValueError:
    return ValueError(
        f'compressed image ({kind!r}) of {len(data)} bytes is no readable jpeg or png: the '
        'message is damaged or of another format')


def _png_size(data: bytes) -> tuple[int, int]:
    if len(data) < 24:
        return 0, 0
    width, height = struct.unpack('>II', data[16:24])
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Return width and height of the first frame header, (0, 0) where none is found."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        if data[at + 1] in _SOF:
            height, width = struct.unpack('>HH', data[at + 5:at + 9])
            return width, height
        at += 2 + int(struct.unpack('>H', data[at + 2:at + 4])[0])
    return 0, 0
