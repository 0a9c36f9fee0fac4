# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node over the real middleware, in a process of its own."""

import json

import numpy as np
import pytest
import trivial_methods
from lifecycle_msgs.msg import Transition
from ros_helpers import FRAME, NodeProcess, Robot, camera_info, scene, stamp_of, wait_until
from visualization_msgs.msg import Marker

from seg_ros.nodes.conversions import array_from_image
from seg_ros.nodes.frames import FrameBuilder
from seg_ros.nodes.pointcloud import POINT

TOPICS = ('label', 'mask', 'overlay', 'markers', 'points', 'poses')


@pytest.fixture(scope='module')
def node():
    process = NodeProcess(method='blobs', max_frame_age=20.0)
    yield process
    assert process.stop() == 0, process.log


@pytest.fixture(scope='module')
def robot(node):
    robot = Robot(topics=TOPICS)
    robot.wait_state('active')
    robot.until_result()
    yield robot
    robot.close()


def bare_ids(color, depth_message, options=None):
    """Return what the bare segmenter gives, on the frame as the command line would read it."""
    depth_m = np.where(depth_message == 0, np.nan, depth_message / 1000).astype(np.float32)
    camera = FrameBuilder(needs_depth=True, rectified=True)
    camera._use(camera_info())
    frame = trivial_methods.RgbdFrame(color, depth_m, camera._camera)
    segmenter = trivial_methods.BlobSegmenter(
        'blobs', options or trivial_methods.BlobOptions(), True, 'auto')
    return segmenter.segment(frame).id_image()


@pytest.mark.parametrize('depth_encoding', ['16UC1', 'mono16', '32FC1'])
@pytest.mark.parametrize('objects', [0, 1, 2])
def test_the_label_image_is_the_bare_segmenters(robot, depth_encoding, objects):
    color, depth = scene(shift=3 * objects, objects=objects)
    stamp = robot.send(color, depth, depth_encoding=depth_encoding)
    message = robot.message('label', stamp)
    assert (message.encoding, message.width, message.height) == ('mono16', 160, 120)
    np.testing.assert_array_equal(array_from_image(message), bare_ids(color, depth))
    assert array_from_image(message).max() == objects


def test_every_output_has_the_header_of_the_colour_image(robot):
    stamp = robot.send(depth_shift_s=0.01)
    for topic in TOPICS:
        message = robot.message(topic, stamp)
        headers = [m.header for m in message.markers] if topic == 'markers' else [message.header]
        assert headers
        assert all(h == robot.header(stamp) for h in headers), topic


def test_outputs_agree_with_each_other(robot):
    stamp = robot.send()
    label = array_from_image(robot.message('label', stamp))
    mask = array_from_image(robot.message('mask', stamp))
    np.testing.assert_array_equal(mask == 255, label > 0)
    overlay = array_from_image(robot.message('overlay', stamp))
    assert overlay.shape == (120, 160, 3)
    changed = (overlay != scene()[0]).any(axis=-1)
    assert changed[label > 0].mean() > 0.95
    points = np.frombuffer(robot.message('points', stamp).data, POINT)
    assert np.bincount(points['label']).tolist() == [0, *np.bincount(label.ravel())[1:]]
    cubes = [m for m in robot.message('markers', stamp).markers
             if m.ns == 'boxes' and m.action == Marker.ADD]
    poses = robot.message('poses', stamp).poses
    assert [m.id for m in cubes] == [1, 2]
    assert [m.pose for m in cubes] == poses
    for cube in cubes:
        own = points[points['label'] == cube.id]
        center = [np.ptp(own[a]) / 2 + own[a].min() for a in 'xyz']
        center[2] = (own['z'].mean() + 1.0) / 2  # down to the table, 1 m away
        found = [cube.pose.position.x, cube.pose.position.y, cube.pose.position.z]
        np.testing.assert_allclose(found, center, atol=0.005)


def test_markers_of_lost_objects_are_deleted(robot):
    robot.message('markers', robot.send())
    markers = robot.message('markers', robot.send(*scene(objects=1))).markers
    assert {(m.ns, m.id) for m in markers if m.action == Marker.DELETE} == {
        ('boxes', 2), ('text', 2)}


def test_segment_answers_with_the_newest_frame(robot):
    stamp = robot.send(*scene(objects=2))
    robot.message('label', stamp)
    reply = robot.segment()
    assert reply.success, reply.message
    found = json.loads(reply.message)
    assert found['stamp']['sec'] * 10**9 + found['stamp']['nanosec'] == stamp
    assert (found['frame_id'], found['ids'], found['count'], found['pose_ids']) == (
        FRAME, [1, 2], 2, [1, 2])


def test_segment_fails_where_the_newest_frame_is_old(robot):
    robot.message('label', robot.send())
    assert robot.set_parameters(max_frame_age=0.05)[0].successful
    try:
        wait_until(lambda: False, 0.2)
        reply = robot.segment()
    finally:
        robot.set_parameters(max_frame_age=20.0)
    assert not reply.success
    assert 'no frame newer than max_frame_age of 0.05 s' in reply.message


def test_parameters_change_live_and_are_checked(robot):
    try:
        assert robot.set_parameters(threshold=251)[0].successful
        assert array_from_image(robot.message('label', robot.send())).max() == 0
    finally:
        robot.set_parameters(threshold=128)
    assert array_from_image(robot.message('label', robot.send())).max() == 2
    high = robot.set_parameters(threshold=256)[0]
    assert (high.successful, '255' in high.reason) == (False, True)
    fixed = robot.set_parameters(device='cpu')[0]
    assert not fixed.successful
    assert fixed.reason.startswith('device is fixed after configure')


def test_mask_of_one_object_and_organized_points(robot):
    try:
        robot.set_parameters(mask_id=2, organized=True)
        stamp = robot.send()
        label = array_from_image(robot.message('label', stamp))
        mask = array_from_image(robot.message('mask', stamp))
        np.testing.assert_array_equal(mask == 255, label == 2)
        cloud = robot.message('points', stamp)
        assert (cloud.height, cloud.width) == (120, 160)
        points = np.frombuffer(cloud.data, POINT).reshape(120, 160)
        np.testing.assert_array_equal(points['label'], label)
    finally:
        robot.set_parameters(mask_id=0, organized=False)


def test_enable_pauses_and_resumes(robot):
    assert robot.enable(False).message == 'paused'
    refused = robot.segment()
    assert (refused.success, 'call ~/enable' in refused.message) == (False, True)
    before = len(robot.received['label'])
    for _ in range(3):
        robot.send()
    wait_until(lambda: False, 0.5)
    assert len(robot.received['label']) == before
    assert robot.enable(True).message == 'running'
    assert array_from_image(robot.message('label', robot.send())).max() == 2
    assert len(robot.received['label']) == before + 1


def test_reset_tracks_says_what_it_did(robot):
    from std_srvs.srv import Trigger
    reply = robot.call('reset_tracks', Trigger, Trigger.Request())
    assert reply.success
    assert 'no tracks to forget' in reply.message


def test_lifecycle_goes_round(robot):
    assert robot.state() == 'active'
    assert robot.change_state(Transition.TRANSITION_DEACTIVATE)
    assert robot.state() == 'inactive'
    before = len(robot.received['label'])
    robot.send()
    reply = robot.segment()
    assert (reply.success, reply.message) == (
        False, 'the node is inactive: activate it to segment')
    assert not robot.enable(True).success
    assert robot.set_parameters(levels=2)[0].reason.startswith('levels is fixed after configure')
    assert robot.change_state(Transition.TRANSITION_CLEANUP)
    assert robot.state() == 'unconfigured'
    assert len(robot.received['label']) == before
    assert robot.set_parameters(levels=2)[0].successful
    assert robot.change_state(Transition.TRANSITION_CONFIGURE)
    assert robot.change_state(Transition.TRANSITION_ACTIVATE)
    assert array_from_image(robot.until_result()).max() == 2


def test_configure_fails_with_the_reason_and_can_be_repeated(robot, node):
    robot.change_state(Transition.TRANSITION_DEACTIVATE)
    robot.change_state(Transition.TRANSITION_CLEANUP)
    try:
        for name, value, text in (
            ('device', 'cuda', 'device cuda: this machine has no CUDA, use cpu or auto'),
            ('weights', '/no/such.safetensors', '/no/such.safetensors is not there: see where'),
        ):
            assert robot.set_parameters(**{name: value})[0].successful
            assert not robot.change_state(Transition.TRANSITION_CONFIGURE)
            assert robot.state() == 'unconfigured'
            assert node.wait_log(text), node.log
            assert wait_until(lambda t=text: t in robot.status()[1]), robot.status()
            assert robot.status()[0] == b'\x02'
            robot.set_parameters(device='auto', weights='default')
    finally:
        robot.set_parameters(device='auto', weights='default')
        assert robot.change_state(Transition.TRANSITION_CONFIGURE)
        assert robot.change_state(Transition.TRANSITION_ACTIVATE)
    robot.until_result()


def test_diagnostics_tell_rate_latency_and_drops(robot):
    robot.until_result()
    robot.received['diagnostics'].clear()
    assert wait_until(lambda: robot.status() is not None)
    level, message, values = robot.status()
    assert (values['state'], values['method'], values['device']) == ('active', 'blobs', 'cpu')
    assert float(values['rate_hz']) > 0
    assert 0 < float(values['latency_p50_ms']) <= float(values['latency_p95_ms']) < 5000
    assert float(values['segment_p50_ms']) <= float(values['latency_p50_ms'])
    assert float(values['memory_mb']) > 10
    assert values['color_qos'] == 'reliable'
    assert abs(float(values['sync_gap_ms'])) <= 20
    assert int(values['segmented']) >= 1
    assert stamp_of(robot.received['diagnostics'][-1]) > 0
