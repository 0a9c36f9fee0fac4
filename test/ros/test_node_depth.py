# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A method that can do without depth, with depth that comes, stays away, returns and is bad."""

import json

import numpy as np
import pytest
from ros_helpers import (
    NodeProcess,
    Robot,
    camera_info,
    finished,
    scene,
    stamp_of,
    wait_until,
)
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from visualization_msgs.msg import Marker

from seg_ros.nodes.conversions import array_from_image, image_from_array
from seg_ros.nodes.pointcloud import POINT

COLOR, DEPTH_MM = scene()
IN_SPACE = ('markers', 'points', 'poses')
ALONE = 'colour alone is segmented'


@pytest.fixture(scope='module')
def node():
    process = NodeProcess(name='color_blobs', method='color_blobs', max_frame_age=20.0)
    yield process
    assert process.stop() == 0, process.log
    assert 'Traceback' not in process.log


@pytest.fixture(scope='module')
def robot(node):
    robot = Robot('color_blobs', topics=('label', *IN_SPACE))
    robot.wait_state('active')
    robot.until_result('points')
    yield robot
    robot.close()


def color_message(pixels=COLOR, encoding='rgb8'):
    return framed(image_from_array(pixels, encoding))


def depth_message(pixels=DEPTH_MM, encoding='16UC1'):
    return framed(image_from_array(pixels, encoding))


def framed(message):
    message.header.frame_id = 'camera_color_optical_frame'
    return message


def came(robot, topic, stamp):
    return stamp in [stamp_of(m) for m in list(robot.received[topic])]


def without_depth(robot):
    """Return the count that fresh diagnostics give."""
    robot.received['diagnostics'].clear()
    assert wait_until(lambda: robot.status() is not None)
    return int(robot.status()[2]['segmented_without_depth'])


def test_with_depth_there_are_boxes_points_and_poses(robot):
    stamp = robot.send()
    assert array_from_image(robot.message('label', stamp)).max() == 2
    points = np.frombuffer(robot.message('points', stamp).data, POINT)
    assert np.bincount(points['label']).tolist() == [0, 900, 900]
    assert len(robot.message('poses', stamp).poses) == 2
    assert {m.ns for m in robot.message('markers', stamp).markers} == {'boxes', 'text'}
    assert json.loads(robot.segment().message)['pose_ids'] == [1, 2]
    assert wait_until(lambda: robot.status()[2]['waits_for_depth'] == 'True')
    assert robot.status()[2]['depth'] == 'optional'


def test_depth_that_stops_is_not_waited_for_and_taken_up_again(robot, node):
    robot.message('markers', robot.send())
    stamp = robot.send_messages(color_message(), None, camera_info())
    assert array_from_image(robot.message('label', stamp)).max() == 2
    deleted = robot.message('markers', stamp).markers
    assert {(m.ns, m.id, m.action) for m in deleted} == {
        (space, number, Marker.DELETE) for space in ('boxes', 'text') for number in (1, 2)}
    # Colour goes at once now; boxes and points are silent.
    silent = robot.send_messages(color_message(), None, camera_info())
    robot.message('label', silent)
    reply = json.loads(robot.segment().message)
    assert (reply['stamp']['sec'] * 10**9 + reply['stamp']['nanosec'], reply['pose_ids']) == (
        silent, [])
    wait_until(lambda: False, 0.3)
    assert not any(came(robot, topic, silent) for topic in IN_SPACE)
    text = f'{ALONE}, without boxes, points and poses: no message for'
    assert wait_until(lambda: robot.status()[0] == b'\x01' and text in robot.status()[1])
    assert 'on /depth_registered/image_rect: 1 publisher(s)' in robot.status()[1]
    assert text in node.log
    # The first colour image may go before its depth comes; that of the second is waited for.
    robot.message('label', robot.send())
    stamp = robot.send()
    for topic in IN_SPACE:
        robot.message(topic, stamp)
    assert wait_until(lambda: robot.status()[0] == b'\x00'), robot.status()


@pytest.mark.parametrize(('depth', 'info', 'text'), [
    (lambda: depth_message(np.full((240, 320), 800, np.uint16)), camera_info(),
     "use the driver's aligned depth (align_depth.enable:=true)"),
    (lambda: color_message(), camera_info(), "depth image has encoding 'rgb8'"),
    (lambda: depth_message(np.zeros_like(DEPTH_MM)), camera_info(), 'no measurement at all'),
    (lambda: depth_message(), camera_info(k=[0.0] * 9, p=[0.0] * 12), 'not calibrated'),
    (lambda: depth_message(), camera_info(320, 240), 'camera_info is of 320x240 pixels'),
])
def test_bad_depth_costs_the_boxes_alone(robot, depth, info, text):
    robot.message('points', robot.send())
    before = without_depth(robot)
    stamp = robot.send_messages(color_message(), depth(), info)
    assert array_from_image(robot.message('label', stamp)).max() == 2
    assert wait_until(lambda: text in robot.status()[1]), robot.status()
    assert robot.status()[0] == b'\x01'
    assert f'depth is left out, {ALONE}' in robot.status()[1]
    assert without_depth(robot) == before + 1
    assert not any(came(robot, topic, stamp) for topic in ('points', 'poses'))
    robot.message('points', robot.send())


def test_depth_that_the_method_refuses_is_left_out(robot):
    robot.set_parameters(fail='depth')
    try:
        stamp = robot.send()
        assert array_from_image(robot.message('label', stamp)).max() == 2
        assert wait_until(lambda: f'{ALONE}: this depth is in miles' in robot.status()[1])
        assert not came(robot, 'points', stamp)
    finally:
        robot.set_parameters(fail='no')
    robot.message('points', robot.send())


@pytest.mark.parametrize(('encoding', 'pixels'), [
    ('mono8', COLOR[..., 0].copy()), ('mono16', COLOR[..., 0].astype(np.uint16) << 8),
    ('bgr8', COLOR[..., ::-1].copy()), ('8UC1', COLOR[..., 0].copy())])
def test_other_colour_encodings(robot, encoding, pixels):
    stamp = robot.send_messages(color_message(pixels, encoding), depth_message(), camera_info())
    assert array_from_image(robot.message('label', stamp)).max() == 2
    robot.message('points', stamp)


@pytest.mark.parametrize('call_is_first', [True, False])
def test_a_call_while_depth_stays_away_is_answered_by_colour(robot, call_is_first):
    robot.until_result('points')
    robot.set_parameters(max_frame_age=0.5, depth_timeout=0.8)
    client = robot.client('segment', Trigger)
    try:
        wait_until(lambda: False, 0.6)
        if call_is_first:
            future = client.call_async(Trigger.Request())
            wait_until(lambda: False, 0.1)
        stamp = robot.send_messages(color_message(), None, camera_info())
        if not call_is_first:
            wait_until(lambda: False, 0.2)
            future = client.call_async(Trigger.Request())
        reply = finished(future)
    finally:
        robot.set_parameters(max_frame_age=20.0, depth_timeout=0.4)
    assert reply.success, reply.message
    found = json.loads(reply.message)
    assert (found['stamp']['sec'] * 10**9 + found['stamp']['nanosec'], found['count']) == (
        stamp, 2)


def test_without_a_depth_publisher_all_is_well(robot):
    robot.in_executor(robot.node.destroy_publisher, robot.depth)
    try:
        assert wait_until(lambda: robot.status()[2]['waits_for_depth'] == 'False')
        stamp = robot.send_messages(color_message(), None)
        assert array_from_image(robot.message('label', stamp)).max() == 2
        assert robot.segment().success
        # It did publish before: that is worth a warning.
        assert wait_until(lambda: f'{ALONE}, without boxes' in robot.status()[1])
        assert 'no publisher; check the remapping' in robot.status()[1]
    finally:
        robot.depth = robot.node.create_publisher(Image, 'depth_registered/image_rect', 5)
    robot.until_result('points')


def test_a_camera_without_depth_is_no_trouble():
    node = NodeProcess('-r', 'depth_registered/image_rect:=/nowhere/depth', name='flat',
                       method='color_blobs')
    robot = Robot('flat', topics=('label', 'points', 'poses'), settles=False)
    try:
        robot.wait_state('active')
        robot.until_result()
        assert wait_until(lambda: robot.send() and robot.status() is not None and (
            int(robot.status()[2]['segmented']) > 5)), robot.status()
        assert robot.status()[0] == b'\x00'
        assert robot.status()[1] == 'segmenting'
        assert not robot.received['points'] and not robot.received['poses']
        topics = dict(robot.node.get_topic_names_and_types())
        assert {'/flat/points', '/flat/poses', '/flat/markers'} <= set(topics)
    finally:
        robot.close()
        assert node.stop() == 0, node.log


def test_depth_without_camera_info_is_left_out():
    node = NodeProcess('-r', 'rgb/camera_info:=/wrong/camera_info', name='uncalibrated',
                       method='color_blobs')
    robot = Robot('uncalibrated', topics=('label',), settles=False)
    try:
        robot.wait_state('active')
        assert array_from_image(robot.until_result()).max() == 2
        text = f'depth is left out, {ALONE}: no camera_info has come yet'
        assert wait_until(lambda: robot.send() and text in (robot.status() or ('', ''))[1]), (
            robot.status())
    finally:
        robot.close()
        assert node.stop() == 0, node.log


@pytest.mark.parametrize(('name', 'method', 'wanted', 'with_depth', 'alone'), [
    ('strict', 'color_blobs', 'required', True, False),
    ('blind', 'color_blobs', 'ignored', True, True),
])
def test_depth_may_be_required_or_ignored(name, method, wanted, with_depth, alone):
    node = NodeProcess(name=name, method=method, depth=wanted)
    robot = Robot(name, topics=('label',))
    try:
        robot.wait_state('active')
        assert array_from_image(robot.until_result()).max() == 2
        stamp = robot.send_messages(color_message(), None, camera_info())
        assert wait_until(lambda: came(robot, 'label', stamp), 1.5) is alone
        topics = dict(robot.node.get_topic_names_and_types())
        assert (f'/{name}/points' in topics) is not alone
        assert wait_until(lambda: robot.status() is not None)
        assert robot.status()[2]['depth'] == wanted
    finally:
        robot.close()
        assert node.stop() == 0, node.log


def test_depth_that_is_needed_cannot_be_ignored():
    node = NodeProcess(name='needy', method='blobs', depth='ignored')
    try:
        assert node.wait_log('configure failed: depth is ignored, but this method needs it')
    finally:
        assert node.stop() == 0, node.log
