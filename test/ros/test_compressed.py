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


def huge_png():
    return b'\x89PNG\r\n\x1a\n' + struct.pack('>I4sII', 13, b'IHDR', 100_000, 100_000)


@pytest.mark.parametrize(('decode', 'kind', 'data', 'text'), [
    (color_from_compressed, 'jpeg', b'', 'has no data'),
    (color_from_compressed, 'jpeg', b'no picture', 'is no readable jpeg or png'),
    (color_from_compressed, 'png', huge_png(), 'claims 100000x100000 pixels'),
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
