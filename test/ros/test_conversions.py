# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import array
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sensor_msgs.msg import Image

from seg_ros.nodes import conversions
from seg_ros.nodes.conversions import (
    ENCODINGS,
    array_from_image,
    color_from_image,
    depth_from_image,
    image_from_array,
    stamp_ns,
    time_message,
)


def image(encoding, width, height, data, step=None, big=False):
    dtype, channels = ENCODINGS.get(encoding, (np.dtype(np.uint8), 1))
    step = width * dtype.itemsize * channels if step is None else step
    return Image(width=width, height=height, encoding=encoding, step=step,
                 is_bigendian=int(big), data=array.array('B', data))


@st.composite
def pixels_and_layout(draw):
    encoding = draw(st.sampled_from(sorted(ENCODINGS)))
    dtype, channels = ENCODINGS[encoding]
    height, width = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    shape = (height, width) if channels == 1 else (height, width, channels)
    pixels = draw(hnp.arrays(dtype, shape))
    return encoding, pixels, draw(st.integers(0, 13)), draw(st.booleans())


@settings(max_examples=150, deadline=None)
@given(pixels_and_layout())
def test_round_trip_of_every_encoding_size_padding_and_byte_order(case):
    encoding, pixels, padding, big = case
    step = pixels.itemsize * pixels[0].size + padding
    message = image_from_array(pixels, encoding, step=step, is_bigendian=big)
    assert (message.height, message.width) == pixels.shape[:2]
    assert (message.step, message.is_bigendian, message.encoding) == (step, int(big), encoding)
    back = array_from_image(message)
    assert back.dtype == pixels.dtype
    assert back.dtype.isnative
    np.testing.assert_array_equal(back, pixels)


@settings(max_examples=60, deadline=None)
@given(pixels_and_layout())
def test_bytes_are_what_the_message_definition_says(case):
    encoding, pixels, padding, big = case
    step = pixels.itemsize * pixels[0].size + padding
    message = image_from_array(pixels, encoding, step=step, is_bigendian=big)
    order = 'big' if big else 'little'
    row = pixels.shape[0] - 1
    last = np.atleast_1d(pixels[row, -1])[-1]
    bits = int(last.view(f'u{last.itemsize}'))
    end = row * step + pixels[0].nbytes
    assert bytes(message.data[end - last.itemsize:end]) == bits.to_bytes(last.itemsize, order)
    assert bytes(message.data[end:end + padding]) == bytes(padding)


RED_GREEN = {
    'rgb8': [255, 0, 0, 0, 200, 0],
    'bgr8': [0, 0, 255, 0, 200, 0],
    '8UC3': [0, 0, 255, 0, 200, 0],
    'rgba8': [255, 0, 0, 9, 0, 200, 0, 9],
    'bgra8': [0, 0, 255, 9, 0, 200, 0, 9],
}


@pytest.mark.parametrize('encoding', RED_GREEN)
@pytest.mark.parametrize('padding', [0, 5])
def test_color_order_by_hand(encoding, padding):
    data = [*RED_GREEN[encoding], *[77] * padding]
    rgb = color_from_image(image(encoding, 2, 1, data, step=len(data)))
    assert rgb.tolist() == [[[255, 0, 0], [0, 200, 0]]]
    assert rgb.flags.c_contiguous


@pytest.mark.parametrize(('encoding', 'data', 'big', 'grey'), [
    ('mono8', [7, 250], False, [7, 250]),
    ('8UC1', [7, 250], False, [7, 250]),
    ('mono16', [1, 7, 2, 250], False, [7, 250]),
    ('mono16', [7, 1, 250, 2], True, [7, 250]),
])
def test_grey_as_color(encoding, data, big, grey):
    rgb = color_from_image(image(encoding, 2, 1, data, big=big))
    assert rgb.tolist() == [[[v, v, v] for v in grey]]


def test_rgb8_is_a_view_of_the_data():
    message = image('rgb8', 2, 2, range(12))
    message.data[0] = 99
    assert np.shares_memory(color_from_image(message), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
@pytest.mark.parametrize('big', [False, True])
def test_millimetre_depth(encoding, big):
    mm = np.array([[0, 1, 1234], [65535, 500, 0]], np.uint16)
    depth = depth_from_image(image_from_array(mm, encoding, step=9, is_bigendian=big))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(
        depth, [[np.nan, 0.001, 1.234], [65.535, 0.5, np.nan]], rtol=1e-6)


@pytest.mark.parametrize('big', [False, True])
def test_metre_depth_with_every_sign_of_no_measurement(big):
    metres = np.array([[np.nan, np.inf, -np.inf], [0.0, -1.0, 1.5]], np.float32)
    depth = depth_from_image(image_from_array(metres, '32FC1', is_bigendian=big))
    np.testing.assert_array_equal(depth, np.float32([[np.nan] * 3, [np.nan, np.nan, 1.5]]))


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.uint16, (4, 5)))
def test_both_depth_encodings_say_the_same(mm):
    metres = np.where(mm == 0, np.nan, mm / 1000).astype(np.float32)
    by_mm = depth_from_image(image_from_array(mm, '16UC1'))
    by_m = depth_from_image(image_from_array(metres, '32FC1'))
    np.testing.assert_allclose(by_mm, by_m, rtol=1e-6)


@pytest.mark.parametrize(('message', 'text'), [
    (image('rgb8', 0, 0, []), 'is empty: sizes start at 1x1'),
    (image('rgb8', 4, 0, []), 'rgb8 4x0 is empty'),
    (image('rgb8', 2, 2, range(11)),
     '11 bytes of data, step 6 x height 2 = 12 are expected: the message is truncated'),
    (image('rgb8', 2, 2, range(13)), '13 bytes of data'),
    (image('rgb8', 2, 2, range(10), step=5), 'step 5: a row takes at least 6 bytes'),
    (image('rgb8', 2, 2, [], step=0), 'step 0'),
    (image('16UC1', 2, 2, range(8)), 'is the depth topic connected to the colour input'),
    (image('32FC1', 2, 2, range(16)), 'colour image has encoding 32FC1'),
    (image('bayer_rggb8', 2, 2, range(4)),
     "'bayer_rggb8' needs the ROS package cv_bridge, which is not installed"),
    (image('nonsense', 2, 2, range(4)), "'nonsense' needs the ROS package cv_bridge"),
])
def test_bad_color_is_refused(message, text):
    if 'cv_bridge' in text and has_cv_bridge():
        pytest.skip('cv_bridge is installed here')
    with pytest.raises(ValueError, match='(?s)' + text.replace('(', r'\(')):
        color_from_image(message)


def has_cv_bridge():
    try:
        import cv_bridge  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.mark.parametrize(('message', 'text'), [
    (image('rgb8', 2, 2, range(12)), "depth image has encoding 'rgb8': 16UC1 or mono16"),
    (image('8UC1', 2, 2, range(4)), 'is the colour topic connected to the depth input'),
    (image('16UC1', 2, 2, range(7)), '7 bytes of data, step 4 x height 2 = 8 are expected'),
    (image('32FC1', 2, 2, range(16), step=7), 'step 7: a row takes at least 8 bytes'),
    (image('16UC1', 0, 2, []), '16UC1 0x2 is empty'),
])
def test_bad_depth_is_refused(message, text):
    with pytest.raises(ValueError, match=text):
        depth_from_image(message)


@pytest.mark.parametrize(('pixels', 'encoding', 'step', 'text'), [
    (np.zeros((2, 2), np.uint8), 'mono16', None, 'mono16 takes uint16 pixels with 1 channels'),
    (np.zeros((2, 2, 3), np.uint8), 'mono8', None, 'got uint8'),
    (np.zeros((0, 2), np.uint8), 'mono8', None, 'at least 1x1'),
    (np.zeros((2, 2), np.uint8), 'yuv422', None, "'yuv422' is unknown"),
    (np.zeros((2, 3), np.uint16), '16UC1', 5, 'step 5 is short'),
])
def test_bad_pixels_are_refused(pixels, encoding, step, text):
    with pytest.raises(ValueError, match=text):
        image_from_array(pixels, encoding, step=step)


class FakeBridgeModule:
    """Stand for cv_bridge where it is not installed."""

    CvBridgeError = TypeError

    class CvBridge:
        def imgmsg_to_cv2(self, message, encoding):
            if message.encoding == 'nonsense':
                raise TypeError('Unrecognized image encoding')
            return np.full((message.height, message.width, 3), 5, np.uint8)


def test_other_encodings_go_to_cv_bridge(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', FakeBridgeModule)
    rgb = color_from_image(image('bayer_rggb8', 2, 2, range(4)))
    assert rgb.tolist() == np.full((2, 2, 3), 5).tolist()
    with pytest.raises(ValueError, match='cv_bridge cannot convert image nonsense 2x2 to rgb8'):
        color_from_image(image('nonsense', 2, 2, range(4)))


def test_data_is_an_array_that_rclpy_takes_by_reference():
    message = image_from_array(np.zeros((3, 4), np.uint8), 'mono8')
    assert isinstance(message.data, array.array)
    assert message.data.typecode == 'B'


@pytest.mark.parametrize('nanoseconds', [
    0, 1, 999_999_999, 1_000_000_000, 1_700_000_000_000_000_009])
def test_stamps_round_trip(nanoseconds):
    message = Image()
    message.header.stamp = time_message(nanoseconds)
    assert stamp_ns(message.header) == nanoseconds
    assert conversions.describe(message) == ' 0x0'
