# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Target frame and regions of interest over the real middleware, with a buffer of our own."""

import json

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from ros_helpers import FRAME, HERE, NodeProcess, Robot, scene, wait_until
from visualization_msgs.msg import Marker

from seg_ros.core.rigid import RigidTransform
from seg_ros.nodes.conversions import array_from_image, time_message
from seg_ros.nodes.pointcloud import POINT

IN_IMAGE = ('label', 'mask', 'overlay')
IN_SPACE = ('markers', 'points', 'poses', 'support_planes')
BASE = 'base_link'
# The camera is 0.5 m above the base and looks along its x axis.
TO_BASE = RigidTransform.from_parts((0.1, 0.2, 0.5), (-0.5, 0.5, -0.5, 0.5))


class Arm(Robot):
    """A robot that also tells where its camera is."""

    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)
        self.transforms = self.node.create_publisher(TransformStamped, '/transforms', 50)

    def tell(self, stamp, x=0.1, child=FRAME):
        t, q = [x, *TO_BASE.translation[1:]], TO_BASE.quaternion_xyzw()
        message = TransformStamped(child_frame_id=child)
        message.header.stamp, message.header.frame_id = time_message(stamp), BASE
        for part, names, values in ((message.transform.translation, 'xyz', t),
                                    (message.transform.rotation, 'xyzw', q)):
            for name, value in zip(names, values, strict=True):
                setattr(part, name, float(value))
        self.transforms.publish(message)

    def send_placed(self, x=0.1, **frame):
        """Tell the transform of 10 ms before and after a frame, then send the frame."""
        stamp = self.next_stamp()
        self.tell(stamp - 10_000_000, x)
        self.tell(stamp + 10_000_000, x)
        return self.send(stamp=stamp, **frame)


@pytest.fixture(scope='module')
def node():
    process = NodeProcess(program=(str(HERE / 'frames_node.py'),), method='blobs',
                          max_frame_age=20.0, target_frame=BASE, tf_timeout=0.3)
    yield process
    assert process.stop() == 0, process.log


@pytest.fixture(scope='module')
def robot(node):
    robot = Arm(topics=(*IN_IMAGE, *IN_SPACE))
    robot.wait_state('active')
    assert wait_until(lambda: robot.transforms.get_subscription_count() == 1)
    robot.until_result()
    yield robot
    robot.close()


@pytest.fixture(autouse=True)
def as_before(robot):
    yield
    done = robot.set_parameters(
        target_frame=BASE, tf_fallback='camera', roi_image=[0, 0, 0, 0], roi_mode='mask',
        workspace=[0.0] * 6, workspace_frame='', max_depth=0.0)
    assert all(result.successful for result in done), done


def frames_of(robot, stamp):
    """Return the frames of all outputs of a stamp by topic."""
    found = {}
    for topic in (*IN_IMAGE, *IN_SPACE):
        message = robot.message(topic, stamp)
        headers = [m.header for m in message.markers] if hasattr(message, 'markers') else [
            message.header]
        found[topic] = {h.frame_id for h in headers}
    return found


def test_outputs_in_space_are_in_the_target_frame_and_images_stay(robot):
    stamp = robot.send_placed()
    frames = frames_of(robot, stamp)
    assert {topic: frames[topic] for topic in IN_IMAGE} == dict.fromkeys(IN_IMAGE, {FRAME})
    assert {topic: frames[topic] for topic in IN_SPACE} == dict.fromkeys(IN_SPACE, {BASE})
    points = np.frombuffer(robot.message('points', stamp).data, POINT)
    first = points[points['label'] == 1]
    # Its front is 0.8 m ahead of the camera, 0.1 m ahead of the base.
    assert first['x'] == pytest.approx(0.9, abs=1e-5)
    left_m = 0.2 - (np.arange(20, 50) - 79.5) / 150 * 0.8
    assert first['y'].max() == pytest.approx(left_m[0]) and first['y'].min() == pytest.approx(
        left_m[-1])
    cubes = [m for m in robot.message('markers', stamp).markers
             if m.ns == 'boxes' and m.action == Marker.ADD]
    assert [m.pose for m in cubes] == robot.message('poses', stamp).poses
    place = cubes[0].pose.position
    # Seen from its front alone it is taken to reach to the wall, 1 m ahead of the camera.
    assert (place.x, place.y) == pytest.approx((1.0, left_m.mean()), abs=0.005)
    assert cubes[0].scale.z == pytest.approx(0.2, abs=0.005)
    text = next(m for m in robot.message('markers', stamp).markers if m.ns == 'text')
    assert text.pose.position.z > place.z and text.pose.position.x == pytest.approx(place.x)


def test_the_transform_is_that_of_the_images_stamp(robot):
    stamp = robot.next_stamp(0.2)
    robot.tell(stamp - 100_000_000, 1.0)
    robot.tell(stamp + 100_000_000, 2.0)
    robot.tell(stamp + 300_000_000, 7.0)
    robot.send(stamp=stamp)
    points = np.frombuffer(robot.message('points', stamp).data, POINT)
    assert points['x'][points['label'] == 1] == pytest.approx(0.8 + 1.5, abs=1e-4)
    robot.next_stamp(0.4)


def test_a_transform_that_comes_a_little_late_is_waited_for(robot):
    stamp = robot.next_stamp()
    robot.tell(stamp - 10_000_000)
    robot.send(stamp=stamp)
    wait_until(lambda: False, 0.1)
    robot.tell(stamp + 10_000_000)
    assert frames_of(robot, stamp)['points'] == {BASE}


def test_without_a_transform_all_outputs_are_in_the_cameras_frame_and_it_is_counted(robot):
    before = int(robot.status()[2]['tf_missing'])
    stamp = robot.send(stamp=robot.next_stamp(20.0))
    frames = frames_of(robot, stamp)
    assert frames == dict.fromkeys(frames, {FRAME})
    assert wait_until(lambda: int(robot.status()[2]['tf_missing']) > before, 5)
    assert wait_until(lambda: 'no transform to' in robot.status()[1], 5), robot.status()
    assert "published in 'camera_color_optical_frame'" in robot.status()[1]
    assert 'later' in robot.status()[1]


def test_without_a_transform_outputs_in_space_are_skipped_if_so_wished(robot):
    robot.message('markers', robot.send_placed())
    assert robot.set_parameters(tf_fallback='skip')[0].successful
    stamp = robot.send(stamp=robot.next_stamp(20.0))
    robot.message('label', stamp)
    markers = robot.message('markers', stamp).markers
    assert markers and all(m.action == Marker.DELETE for m in markers)
    planes = robot.message('support_planes', stamp).markers
    assert all(m.action == Marker.DELETE for m in planes)
    reply = robot.segment()
    found = json.loads(reply.message)
    assert reply.success and found['ids'] == [1, 2] and found['pose_ids'] == []
    last = robot.send_placed()
    robot.message('points', last)
    stamps = {m.header.stamp.sec * 10**9 + m.header.stamp.nanosec
              for topic in ('points', 'poses') for m in robot.received[topic]}
    assert stamp not in stamps and last in stamps


def test_the_reply_names_the_frame_of_the_poses(robot):
    robot.message('label', robot.send_placed())
    found = json.loads(robot.segment().message)
    assert (found['frame_id'], found['pose_frame_id'], found['pose_ids']) == (FRAME, BASE, [1, 2])


def test_support_planes_are_markers_and_coefficients(robot):
    stamp = robot.send_placed()
    markers = robot.message('support_planes', stamp).markers
    assert [(m.ns, m.id, m.type, m.action) for m in markers] == [
        ('support_planes', 0, Marker.CUBE, Marker.ADD)]
    # The wall behind the boxes: 1 m before the camera.
    assert markers[0].pose.position.x == pytest.approx(1.1, abs=2e-3)
    assert wait_until(lambda: robot.status()[2].get('support_planes_frame') == BASE, 5)
    numbers = [float(word) for word in robot.status()[2]['support_plane_0'].split()]
    assert numbers == pytest.approx([-1, 0, 0, -1.1], abs=5e-3)


def ids_in(robot, stamp):
    return sorted(set(np.unique(array_from_image(robot.message('label', stamp)))) - {0})


@pytest.mark.parametrize(('parameters', 'ids'), [
    ({'roi_image': [0, 0, 60, 120]}, [1]),
    ({'roi_image': [60, 0, 500, 500]}, [2]),
    ({'workspace': [0.0, 0.92, -1.0, 1.0, 0.0, 1.0]}, [1]),
    ({'workspace': [0.92, 2.0, -1.0, 1.0, 0.0, 1.0]}, [2]),
    ({'workspace': [-1.0, 1.0, -1.0, 1.0, 0.0, 0.82], 'workspace_frame': FRAME}, [1]),
    ({'max_depth': 0.82}, [1]),
    ({'max_depth': 0.82, 'roi_image': [60, 0, 500, 500]}, []),
], ids=str)
def test_regions_of_interest_change_live(robot, parameters, ids):
    assert ids_in(robot, robot.send_placed()) == [1, 2]
    assert all(result.successful for result in robot.set_parameters(**parameters))
    stamp = robot.send_placed()
    assert ids_in(robot, stamp) == ids
    points = np.frombuffer(robot.message('points', stamp).data, POINT)
    assert sorted(set(points['label'])) == ids
    assert len(robot.message('poses', stamp).poses) == len(ids)


def test_a_part_of_the_image_alone_may_be_segmented(robot):
    assert all(r.successful for r in robot.set_parameters(
        roi_image=[70, 30, 90, 90], roi_mode='crop'))
    stamp = robot.send_placed()
    label = array_from_image(robot.message('label', stamp))
    # The method saw one object: its own number is 1.
    assert label.shape == (120, 160)
    np.testing.assert_array_equal(np.argwhere(label == 1).min(axis=0), [40, 80])
    assert (label > 0).sum() == 900
    points = np.frombuffer(robot.message('points', stamp).data, POINT)
    assert points['x'] == pytest.approx(0.95, abs=1e-5)


@pytest.mark.parametrize(('parameters', 'text'), [
    ({'roi_image': [1, 2, 3]}, 'roi_image is [1, 2, 3], a list of 4 whole numbers is accepted'),
    ({'roi_image': [0, 0, 0, 5]}, 'width and height from 1'),
    ({'roi_image': [-1, 0, 5, 5]}, 'roi_image is -1, accepted are 0 to 100000'),
    ({'workspace': [0.0, 1.0]}, 'a list of 6 numbers is accepted'),
    ({'workspace': [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]}, 'each min below its max'),
    ({'max_depth': -1.0}, 'max_depth out of range'),
    ({'tf_fallback': 'guess'}, 'choose one of camera, skip'),
])
def test_bad_regions_are_refused_with_the_reason(robot, parameters, text):
    results = robot.set_parameters(**parameters)
    assert not results[0].successful and text in results[0].reason, results[0].reason


def test_a_region_beyond_the_image_drops_the_frame_and_says_so(robot):
    assert robot.set_parameters(roi_image=[160, 0, 10, 10])[0].successful
    robot.send_placed()
    assert wait_until(lambda: 'lies outside the image of 160x120' in robot.status()[1], 5)
    assert int(robot.status()[2]['dropped_roi_image']) >= 1


def test_a_workspace_that_cannot_be_placed_drops_the_frame(robot):
    assert all(r.successful for r in robot.set_parameters(
        workspace=[0.0, 2.0, -1.0, 1.0, 0.0, 1.0], workspace_frame='kitchen'))
    robot.send_placed()
    text = "the workspace in 'kitchen' cannot be placed: frame 'kitchen' is not in TF"
    assert wait_until(lambda: text in robot.status()[1], 5), robot.status()
    assert int(robot.status()[2]['dropped_workspace']) >= 1


def test_the_cameras_own_frame_needs_no_tf(robot):
    assert robot.set_parameters(target_frame=FRAME)[0].successful
    before = int(robot.status()[2]['tf_missing'])
    stamp = robot.send(*scene(), stamp=robot.next_stamp(20.0))
    assert frames_of(robot, stamp)['points'] == {FRAME}
    wait_until(lambda: False, 1.2)
    assert int(robot.status()[2]['tf_missing']) == before
