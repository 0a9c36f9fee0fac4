# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bad input: a message that says what to do, the frame dropped and counted, the node goes on."""

import array
import time

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from ros_helpers import (
    HEIGHT,
    WIDTH,
    NodeProcess,
    Robot,
    camera_info,
    scene,
    stamp_of,
    wait_until,
)

from seg_ros.nodes.conversions import array_from_image, image_from_array

COLOR, DEPTH_MM = scene()


@pytest.fixture(scope='module')
def node():
    process = NodeProcess(method='blobs', max_frame_age=20.0)
    yield process
    assert process.stop() == 0, process.log
    assert 'Traceback' not in process.log


@pytest.fixture(scope='module')
def robot(node):
    robot = Robot(topics=('label',))
    robot.wait_state('active')
    robot.until_result()
    yield robot
    robot.close()


def color(**changes):
    return changed(image_from_array(COLOR, 'rgb8'), changes)


def depth(pixels=DEPTH_MM, encoding='16UC1', **changes):
    return changed(image_from_array(pixels, encoding), changes)


def changed(message, changes):
    message.header.frame_id = changes.pop('frame_id', 'camera_color_optical_frame')
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def empty():
    return color(width=0, height=0, step=0, data=array.array('B'))


NAN = np.full(DEPTH_MM.shape, np.nan, np.float32)
FAULTS = {
    'sizes differ': (color(), depth(np.full((240, 320), 800, np.uint16)), camera_info(),
                     'dropped_size', "use the driver's aligned depth (align_depth.enable:=true)"),
    'unknown encoding': (changed(color(), {'encoding': 'nonsense'}), depth(), camera_info(),
                         'dropped_color', "'nonsense' needs the ROS package cv_bridge"),
    'truncated color': (color(data=color().data[:-7]), depth(), camera_info(), 'dropped_color',
                        'the message is truncated'),
    'truncated depth': (color(), depth(data=depth().data[:-7]), camera_info(), 'dropped_depth',
                        'the message is truncated'),
    'wrong step': (color(step=WIDTH), depth(), camera_info(), 'dropped_color',
                   'step 160: a row takes at least 480 bytes'),
    'invalid depth': (color(), depth(np.zeros_like(DEPTH_MM)), camera_info(), 'dropped_no_depth',
                      'has no measurement at all'),
    'NaN depth': (color(), depth(NAN, '32FC1'), camera_info(), 'dropped_no_depth',
                  'depth image 32FC1 160x120 has no measurement at all'),
    'Inf depth': (color(), depth(np.full_like(NAN, np.inf), '32FC1'), camera_info(),
                  'dropped_no_depth', 'has no measurement at all'),
    '0x0 image': (empty(), depth(), camera_info(), 'dropped_color',
                  'rgb8 0x0 is empty: sizes start at 1x1'),
    'topics swapped': (depth(), color(), camera_info(), 'dropped_color',
                       'is the depth topic connected to the colour input?'),
    'not calibrated': (color(), depth(), camera_info(k=[0.0] * 9, p=[0.0] * 12),
                       'dropped_camera_info', 'not calibrated (K and P are zero)'),
    'camera_info of another size': (color(), depth(), camera_info(320, 240),
                                    'dropped_camera_info', 'camera_info is of 320x240 pixels'),
}


def dropped(robot, key):
    status = robot.status()
    return int(status[2].get(key, 0)) if status else 0


@pytest.mark.parametrize('fault', FAULTS)
def test_a_bad_frame_is_dropped_counted_and_named(robot, node, fault):
    rgb, d, info, key, text = FAULTS[fault]
    before = dropped(robot, key)
    bad = robot.send_messages(rgb, d, info)
    assert wait_until(lambda: dropped(robot, key) > before and text in robot.status()[1]), (
        robot.status())
    assert robot.status()[0] == b'\x01'
    good = robot.send(depth_encoding='32FC1')
    assert array_from_image(robot.message('label', good)).max() == 2
    assert bad not in [stamp_of(m) for m in robot.received['label']]


@pytest.mark.slow
def test_the_log_is_throttled(robot, node):
    text = 'has no measurement at all'
    wait_until(lambda: False, 5.1)
    before = node.log.count(text)
    for _ in range(20):
        robot.send(COLOR, np.zeros_like(DEPTH_MM))
        time.sleep(0.02)
    robot.until_result()
    assert node.log.count(text) == before + 1


def test_big_endian_and_padded_images_are_no_fault(robot):
    rgb = image_from_array(COLOR, 'rgb8', step=WIDTH * 3 + 11)
    d = image_from_array(DEPTH_MM, '16UC1', step=WIDTH * 2 + 3, is_bigendian=True)
    for message in (rgb, d):
        message.header.frame_id = 'camera_color_optical_frame'
    stamp = robot.send_messages(rgb, d, camera_info())
    assert np.unique(array_from_image(robot.message('label', stamp))).tolist() == [0, 1, 2]


def test_depth_with_holes_is_no_fault(robot):
    depth_m = np.where(DEPTH_MM == 0, np.nan, DEPTH_MM / 1000).astype(np.float32)
    depth_m[50:55] = np.inf
    stamp = robot.send(COLOR, depth_m, depth_encoding='32FC1')
    label = array_from_image(robot.message('label', stamp))
    assert label[50:55].max() == 0
    assert label.max() == 4


@pytest.mark.parametrize(('changes', 'text'), [
    ({'frame_id': ''}, 'colour image has an empty frame_id'),
    ({'frame_id': 'other'}, "depth is in frame 'camera_color_optical_frame', colour in 'other'"),
])
def test_doubtful_frame_ids_are_warned_of_and_used(robot, changes, text):
    stamp = robot.send_messages(color(**changes), depth(), camera_info())
    message = robot.message('label', stamp)
    assert message.header.frame_id == changes['frame_id']
    assert wait_until(lambda: text in robot.status()[1]), robot.status()


def test_the_resolution_may_change(robot):
    big = np.zeros((HEIGHT * 2, WIDTH * 2, 3), np.uint8)
    big[50:90, 50:90, 0] = 255
    stamp = robot.send(big, np.full(big.shape[:2], 900, np.uint16))
    assert array_from_image(robot.message('label', stamp)).shape == big.shape[:2]
    assert array_from_image(robot.message('label', robot.send())).shape == (HEIGHT, WIDTH)


def test_a_clock_that_jumps_back_starts_anew(robot):
    robot.message('label', robot.send())
    robot.jump(-100.0)
    assert array_from_image(robot.message('label', robot.send())).max() == 2
    assert wait_until(lambda: int(robot.status()[2]['clock_resets']) >= 1)


def test_a_segmenter_that_fails_costs_its_frame_alone(robot, node):
    try:
        for fail, key, level, text in (
            ('value', 'dropped_segmenter', b'\x01', 'this frame is not accepted'),
            ('runtime', 'dropped_segmenter', b'\x02', 'RuntimeError: out of memory'),
            ('memory', 'dropped_device', b'\x02', 'the device failed: MemoryError'),
            ('cuda', 'dropped_device', b'\x02', 'RuntimeError: CUDA error: an illegal memory'),
        ):
            robot.set_parameters(fail=fail)
            before = dropped(robot, key)
            robot.send()
            assert wait_until(
                lambda k=key, b=before, t=text: dropped(robot, k) > b and t in robot.status()[1])
            assert robot.status()[0] == level
            reply = robot.segment()
            assert (reply.success, text.split(': ')[-1] in reply.message) == (False, True)
    finally:
        robot.set_parameters(fail='no', max_frame_age=20.0)
    robot.until_result()
    robot.received['diagnostics'].clear()
    assert wait_until(lambda: robot.status() and 'device failed' not in robot.status()[1])
    # Once at least; far fewer times than frames failed.
    assert int(robot.status()[2]['model_rebuilds']) == 1


def test_missing_depth_is_named(robot):
    end = time.monotonic() + 30
    while time.monotonic() < end and 'depth_registered' not in robot.status()[1]:
        robot.send_messages(color(), None, camera_info())
        time.sleep(0.1)
    level, text, _ = robot.status()
    assert level != b'\x00'
    assert 'on /depth_registered/image_rect: 1 publisher(s), reliable QoS' in text
    robot.set_parameters(max_frame_age=0.2)
    reply = robot.segment()
    robot.set_parameters(max_frame_age=20.0)
    assert not reply.success
    assert 'no frame newer than max_frame_age' in reply.message
    assert '/depth_registered/image_rect' in reply.message
    robot.until_result()


def test_stamps_that_never_meet_are_warned_of_with_the_gap(robot, node):
    end = time.monotonic() + 30
    while time.monotonic() < end and 'never meet' not in robot.status()[1]:
        robot.send(depth_shift_s=5.025)
        time.sleep(0.05)
    level, text, _ = robot.status()
    assert level == b'\x01'
    assert 'colour and depth stamps never meet: the smallest gap is' in text
    assert 'sync_slop is 20 ms' in text
    assert node.wait_log('stamps never meet')
    robot.jump(6.0)
    robot.until_result()


def test_counts_are_kept_over_the_lifecycle(robot):
    robot.send_messages(color(), None)
    robot.message('label', robot.send())
    assert wait_until(lambda: dropped(robot, 'dropped_unpaired') > 0)
    before = dropped(robot, 'dropped_unpaired')
    assert robot.change_state(Transition.TRANSITION_DEACTIVATE)
    robot.received['diagnostics'].clear()
    assert wait_until(lambda: robot.status() is not None and robot.status()[1] == 'inactive')
    assert dropped(robot, 'dropped_unpaired') >= before
    assert robot.change_state(Transition.TRANSITION_ACTIVATE)
    robot.until_result()
    assert dropped(robot, 'dropped_unpaired') >= before


@pytest.mark.slow
def test_no_camera_info_is_warned_of_once_with_the_topic():
    node = NodeProcess('-r', 'rgb/camera_info:=/wrong/camera_info', name='lonely', method='blobs')
    robot = Robot('lonely', topics=('label',))
    try:
        robot.wait_state('active')
        text = 'no camera_info on /wrong/camera_info for 5 s'
        end = time.monotonic() + 60
        while time.monotonic() < end and text not in node.log:
            robot.send()
            time.sleep(0.1)
        wait_until(lambda: robot.send() and False, 1.5)
        assert node.log.count(text) == 1, node.log
        assert text in robot.status()[1]
        assert robot.received['label'] == type(robot.received['label'])(maxlen=500)
    finally:
        robot.close()
        assert node.stop() == 0
