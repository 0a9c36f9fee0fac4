# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import contextlib
import re

import numpy as np
import pytest
from ros_helpers import FOCAL, HEIGHT, WIDTH, camera_info, scene
from std_msgs.msg import Header

from seg_ros.nodes.conversions import image_from_array, time_message
from seg_ros.nodes.frames import BadFrame, FrameBuilder

COLOR, DEPTH_MM = scene()
HEADER = Header(stamp=time_message(1_234_567_890), frame_id='camera')


def color(pixels=COLOR, **changes):
    return changed(image_from_array(pixels, 'rgb8', HEADER), changes)


def depth(pixels=DEPTH_MM, encoding='16UC1', **changes):
    return changed(image_from_array(pixels, encoding, HEADER), changes)


def changed(message, changes):
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def builder(rectified=True, needs_depth=True, optional_depth=False):
    return FrameBuilder(
        needs_depth=needs_depth, rectified=rectified, optional_depth=optional_depth)


def test_a_frame_has_what_the_messages_say():
    prepared = builder().build(color(), depth(), camera_info())
    frame = prepared.frame
    np.testing.assert_array_equal(frame.color, COLOR)
    np.testing.assert_allclose(
        frame.depth, np.where(DEPTH_MM == 0, np.nan, DEPTH_MM / 1000), rtol=1e-6)
    assert (frame.camera.fx, frame.camera.cx) == (FOCAL, WIDTH / 2 - 0.5)
    assert (frame.stamp_ns, frame.frame_id) == (1_234_567_890, 'camera')
    assert prepared.header == HEADER
    labels = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    assert prepared.to_input(labels) is labels


def test_a_colour_only_method_needs_neither_depth_nor_camera():
    frame = builder(needs_depth=False).build(color(), None, None).frame
    assert frame.depth is None
    assert frame.camera is None


def test_changes_of_the_camera_are_told():
    made = builder()
    assert (made.image_size, made.camera_info_changes) == ('', 0)
    other = camera_info(k=[2 * value for value in camera_info().k], p=[0.0] * 12)
    bad = camera_info(k=[0.0] * 9, p=[0.0] * 12)
    counts = []
    for info in (camera_info(), camera_info(), other, other, bad, bad, camera_info()):
        with contextlib.suppress(BadFrame):
            made.build(color(), depth(), info)
        counts.append(made.camera_info_changes)
    assert counts == [1, 1, 2, 2, 3, 3, 4]
    assert made.image_size == f'{WIDTH}x{HEIGHT}'


DISTORTED = {'d': [0.8, 0.0, 0.0, 0.0, 0.0]}
BAD = [
    ('size', color(), depth(np.ones((240, 320), np.uint16)), camera_info(),
     r'depth image 16UC1 320x240, colour image 160x120: use the driver\'s aligned depth '
     r'\(align_depth.enable:=true\)'),
    ('color', color(width=0, height=0), depth(), camera_info(), 'image rgb8 0x0 is empty'),
    ('color', color(data=color().data[:-1]), depth(), camera_info(),
     '57599 bytes of data, step 480 x height 120 = 57600 are expected'),
    ('color', color(step=479), depth(), camera_info(), 'step 479: a row takes at least 480'),
    ('color', color(step=481), depth(), camera_info(), 'step 481 x height 120'),
    ('color', color(encoding='yuv422_odd'), depth(), camera_info(), 'needs the ROS package cv_br'),
    ('color', depth(), depth(), camera_info(), 'colour image has encoding 16UC1'),
    ('depth', color(), color(), camera_info(), "depth image has encoding 'rgb8'"),
    ('depth', color(), depth(data=depth().data[:100]), camera_info(), '100 bytes of data'),
    ('no_depth', color(), depth(np.zeros_like(DEPTH_MM)), camera_info(),
     'depth image 16UC1 160x120 has no measurement at all'),
    ('no_depth', color(), depth(np.full(DEPTH_MM.shape, np.nan, np.float32), '32FC1'),
     camera_info(), 'has no measurement at all'),
    ('no_depth', color(), depth(np.full(DEPTH_MM.shape, np.inf, np.float32), '32FC1'),
     camera_info(), 'has no measurement at all'),
    ('camera_info', color(), depth(), None, 'no camera_info has come yet'),
    ('camera_info', color(), depth(), camera_info(k=[0.0] * 9, p=[0.0] * 12), 'not calibrated'),
    ('camera_info', color(), depth(), camera_info(320, 240),
     'camera_info is of 320x240 pixels, colour image 160x120: connect the camera_info of this'),
    ('camera_info', color(), depth(), camera_info(**DISTORTED, distortion_model='odd'),
     "distortion model 'odd' is unknown"),
]


@pytest.mark.parametrize(('reason', 'rgb', 'd', 'info', 'text'), BAD)
def test_bad_messages_are_refused_by_name(reason, rgb, d, info, text):
    with pytest.raises(BadFrame, match=text) as caught:
        builder(rectified=False).build(rgb, d, info)
    assert caught.value.reason == reason


@pytest.mark.parametrize(('reason', 'rgb', 'd', 'info', 'text'), BAD)
def test_depth_that_is_optional_is_left_out_where_it_is_bad(reason, rgb, d, info, text):
    build = builder(rectified=False, needs_depth=False, optional_depth=True).build
    if reason == 'color':
        with pytest.raises(BadFrame, match=text):
            build(rgb, d, info)
        return
    prepared = build(rgb, d, info)
    assert (prepared.frame.depth, prepared.rectifier) == (None, None)
    np.testing.assert_array_equal(prepared.frame.color, COLOR)
    assert re.search(text, prepared.depth_trouble)


def test_depth_that_is_optional_is_taken_where_it_is_good():
    build = builder(rectified=False, needs_depth=False, optional_depth=True).build
    prepared, needed = (b(color(), depth(), camera_info(**DISTORTED))
                        for b in (build, builder(rectified=False).build))
    np.testing.assert_array_equal(prepared.frame.depth, needed.frame.depth)
    np.testing.assert_array_equal(prepared.frame.color, needed.frame.color)
    assert (prepared.frame.camera, prepared.depth_trouble) == (needed.frame.camera, '')
    alone = build(color(), None, None)
    assert (alone.frame.depth, alone.depth_trouble) == (None, '')


def test_depth_is_left_out_of_a_prepared_frame():
    prepared = builder(rectified=False).build(color(), depth(), camera_info(**DISTORTED))
    without = prepared.without_depth('in miles')
    assert (without.frame.depth, without.depth_trouble) == (None, 'in miles')
    np.testing.assert_array_equal(without.frame.color, prepared.frame.color)
    assert without.rectifier is prepared.rectifier


def test_grey_colour_serves_in_three_channels():
    grey = COLOR[..., 0].copy()
    message = image_from_array(grey, 'mono8', HEADER)
    prepared = builder(needs_depth=False).build(message, None, None)
    np.testing.assert_array_equal(prepared.frame.color, np.repeat(grey[..., None], 3, axis=2))


def test_a_bad_camera_info_does_not_stay():
    build = builder()
    good = build.build(color(), depth(), camera_info()).frame.camera
    with pytest.raises(BadFrame):
        build.build(color(), depth(), camera_info(k=[0.0] * 9, p=[0.0] * 12))
    with pytest.raises(BadFrame):
        build.build(color(), depth(), camera_info(k=[0.0] * 9, p=[0.0] * 12))
    assert build.build(color(), depth(), camera_info()).frame.camera == good


def test_a_changed_camera_info_is_taken_over():
    build = builder()
    build.build(color(), depth(), camera_info())
    p = camera_info().p.tolist()
    p[0] = 99.0
    assert build.build(color(), depth(), camera_info(p=p)).frame.camera.fx == 99.0


def test_a_raw_distorted_camera_is_undistorted_and_labels_return_to_its_pixels():
    prepared = builder(rectified=False).build(color(), depth(), camera_info(**DISTORTED))
    assert prepared.frame.camera.distortion is None
    np.testing.assert_array_equal(prepared.color, COLOR)
    assert (prepared.frame.color != COLOR).any()
    red = (prepared.frame.color[..., 0] > 150).astype(np.int32)
    back = prepared.to_input(red) > 0
    truth = COLOR[..., 0] > 150
    assert (back & truth).sum() / (back | truth).sum() > 0.93
    assert (red & truth).sum() / (red | truth).sum() < 0.93


def test_distortion_is_ignored_for_rectified_images():
    prepared = builder().build(color(), depth(), camera_info(**DISTORTED))
    np.testing.assert_array_equal(prepared.frame.color, COLOR)
