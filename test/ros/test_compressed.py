# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import struct

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage

from seg_ros.nodes.compressed import color_from_compressed, depth_from_compressed

COLOR = np.zeros((16, 24, 3), np.uint8)
COLOR[:, :12] = (255, 0, 0)
COLOR[:, 12:] = (0, 40, 250)
DEPTH_MM = np.arange(16 * 24, dtype=np.uint16).reshape(16, 24) * 10


def encoded(extension, picture):
    return cv2.imencode(extension, picture)[1].tobytes()


def message(kind, data):
    return CompressedImage(format=kind, data=data)


@pytest.mark.parametrize(('kind', 'extension', 'off'), [
    ('rgb8; png compressed bgr8', '.png', 0), ('rgb8; jpeg compressed bgr8', '.jpg', 6)])
def test_color(kind, extension, off):
    bgr = cv2.cvtColor(COLOR, cv2.COLOR_RGB2BGR)
    rgb = color_from_compressed(message(kind, encoded(extension, bgr)))
    inner = np.abs(rgb.astype(int) - COLOR)[:, [0, 5, 18, 23]]
    assert inner.max() <= off


def test_millimetre_depth():
    data = bytes(12) + encoded('.png', DEPTH_MM)
    depth = depth_from_compressed(message('16UC1; compressedDepth png', data))
    np.testing.assert_allclose(depth, np.where(DEPTH_MM == 0, np.nan, DEPTH_MM / 1000), rtol=1e-6)


def test_inverse_depth():
    stored = np.array([[0, 1000, 5000]], np.uint16)
    data = struct.pack('<iff', 1, 4000.0, -100.0) + encoded('.png', stored)
    depth = depth_from_compressed(message('32FC1; compressedDepth', data))
    np.testing.assert_allclose(depth, [[np.nan, 4000 / 1100, 4000 / 5100]], rtol=1e-6)


@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
def test_plain_png_depth(encoding):
    data = encoded('.png', DEPTH_MM)
    depth = depth_from_compressed(message(f'{encoding}; png compressed ', data))
    np.testing.assert_allclose(depth, np.where(DEPTH_MM == 0, np.nan, DEPTH_MM / 1000), rtol=1e-6)


def test_inverse_depth_comes_back_within_its_quantisation():
    """Encode as compressed_depth_image_transport does: A = q (q + 1), B = 1 - A / max_depth."""
    depth_m = np.linspace(0.3, 9.0, 16 * 24, dtype=np.float32).reshape(16, 24)
    a = 100.0 * 101.0
    b = 1.0 - a / 10.0
    stored = np.rint(a / depth_m + b).astype(np.uint16)
    data = struct.pack('<iff', 0, a, b) + encoded('.png', stored)
    found = depth_from_compressed(message('32FC1; compressedDepth png', data))
    # half a step of the inverse: d^2 / (2 A)
    assert (np.abs(found - depth_m) <= depth_m ** 2 / (2 * a) * 1.01 + 1e-6).all()


def test_a_file_of_exchanged_channels_is_read_as_its_format_says():
    rgb = color_from_compressed(message('rgb8; png compressed rgb8', encoded('.png', COLOR)))
    np.testing.assert_array_equal(rgb, COLOR)


def test_grey_becomes_three_channels():
    grey = np.arange(16 * 24, dtype=np.uint8).reshape(16, 24)
    rgb = color_from_compressed(message('mono8; png compressed ', encoded('.png', grey)))
    np.testing.assert_array_equal(rgb, np.repeat(grey[..., None], 3, axis=2))


def with_orientation(jpeg):
    """Return a jpeg that notes, as EXIF, that the picture is to be turned by 90 degrees."""
    tiff = b'II*\0' + struct.pack('<IHHHIHHI', 8, 1, 0x0112, 3, 1, 6, 0, 0)
    body = b'Exif\0\0' + tiff
    return jpeg[:2] + b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body + jpeg[2:]


def test_an_orientation_in_the_file_is_not_applied():
    data = with_orientation(encoded('.jpg', COLOR))
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (24, 16, 3)
    assert color_from_compressed(message('jpeg', data)).shape == (16, 24, 3)


def huge_jpeg():
    return b'\xff\xd8\xff\xc0' + struct.pack('>HBHHB', 11, 8, 60000, 60000, 1) + bytes(9)


def huge_png():
    return b'\x89PNG\r\n\x1a\n' + struct.pack('>I4sII', 13, b'IHDR', 100_000, 100_000)


@pytest.mark.parametrize(('decode', 'kind', 'data', 'text'), [
    (color_from_compressed, 'jpeg', b'', 'has no data'),
    (color_from_compressed, 'jpeg', b'no picture', 'is no readable jpeg or png'),
    (color_from_compressed, 'png', huge_png(), 'claims 100000x100000 pixels'),
    (color_from_compressed, 'jpeg', huge_jpeg(), 'claims 60000x60000 pixels'),
    (color_from_compressed, 'jpeg', encoded('.jpg', COLOR)[:-40], 'the message is truncated'),
    (color_from_compressed, 'png', encoded('.png', COLOR)[:-20], 'the message is truncated'),
    (color_from_compressed, 'png', encoded('.bmp', COLOR), 'is no readable jpeg or png'),
    (color_from_compressed, 'png', b'\x89PNG\r\n\x1a\n' + b'IEND', 'is no readable jpeg or png'),
    (depth_from_compressed, '16UC1; jpeg compressed ', encoded('.jpg', COLOR), 'jpeg loses depth'),
    (depth_from_compressed, '16UC1; compressedDepth', bytes(12), 'has 12 bytes'),
    (depth_from_compressed, '16UC1; compressedDepth rvl', bytes(99), 'are accepted'),
    (depth_from_compressed, 'jpeg', bytes(99), 'compressed depth has format'),
    (depth_from_compressed, '16UC1; compressedDepth', bytes(12) + encoded('.png', COLOR),
     'not 16-bit grey'),
    (depth_from_compressed, '8UC1; compressedDepth', bytes(12) + encoded('.png', DEPTH_MM),
     "encoding '8UC1'"),
])
def test_what_cannot_be_decoded_is_refused(decode, kind, data, text):
    with pytest.raises(ValueError, match=text):
        decode(message(kind, data))
