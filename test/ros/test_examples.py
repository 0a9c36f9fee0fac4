# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The example nodes: their parts, and each as a process against a node of the package."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from ros_helpers import FRAME, NodeProcess, Robot, finished, wait_until
from std_srvs.srv import Trigger

from seg_ros.client import PerceivedObject, Perception
from seg_ros.core.geometry import OrientedBox
from seg_ros.nodes.conversions import stamp_ns
from seg_ros.nodes.perception import axes_of

EXAMPLES = Path(__file__).parents[2] / 'examples'


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


pick_nearest = example('pick_nearest')
collision_objects = example('collision_objects')


def turned(degrees):
    """Return a rotation about z as columns."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def thing(number, center, size=(0.05, 0.08, 0.12), axes=None):
    box = None if center is None else OrientedBox(
        np.array(center, float), np.eye(3) if axes is None else axes, np.array(size, float))
    return PerceivedObject(number, 'object', 0.9, np.ones((2, 2), bool),
                           np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8), box)


def seen(*things):
    return Perception(5_000_000_007, 'camera', 'base', np.ones((2, 2)), tuple(things))


@pytest.mark.parametrize(('center', 'size', 'axes', 'closing', 'width'), [
    # straight ahead: z is along the ray, of x and y the shorter one
    ((0, 0, 1), (0.05, 0.08, 0.02), np.eye(3), (1, 0, 0), 0.05),
    ((0, 0, 1), (0.09, 0.08, 0.02), np.eye(3), (0, 1, 0), 0.08),
    ((0, 0, 1), (0.05, 0.08, 0.02), turned(30), turned(30)[:, 0], 0.05),
    # seen along x
    ((2, 0, 0), (0.01, 0.08, 0.12), np.eye(3), (0, 1, 0), 0.08),
    # seen at 45 degrees between x and z: the part of z across the ray
    ((1, 0, 1), (0.07, 0.08, 0.02), np.eye(3), (-np.sqrt(0.5), 0, np.sqrt(0.5)), 0.02),
])
def test_a_grasp_closes_on_the_shortest_side_across_the_ray(center, size, axes, closing, width):
    box = OrientedBox(np.array(center, float), np.array(axes, float), np.array(size))
    found, width_m = pick_nearest.grasp_axes(box)
    np.testing.assert_allclose(found[:, 2], box.center / np.linalg.norm(box.center), atol=1e-12)
    assert abs(found[:, 0] @ closing) == pytest.approx(1)
    assert width_m == width
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-12)
    assert np.linalg.det(found) == pytest.approx(1)


@pytest.mark.parametrize(('things', 'number'), [
    ((thing(1, (0, 0, 1)), thing(2, (0, 0.2, 0.8))), 2),
    ((thing(1, (0, 0, 1)), thing(2, (0, 0, 0.8), size=(0.2, 0.2, 0.2))), 1),
    ((thing(1, None), thing(2, (0, 0, 3))), 2),
    ((thing(1, None),), None),
    ((), None),
])
def test_the_nearest_that_fits_is_chosen(things, number):
    chosen = pick_nearest.nearest_graspable(seen(*things), 0.1)
    assert (chosen and chosen[0].id) == number


def test_a_grasp_has_the_images_stamp_and_the_frame_of_the_boxes():
    axes = turned(30)
    message = pick_nearest.grasp_message(seen(), thing(1, (0.1, 0.2, 0.9)), axes)
    assert (stamp_ns(message.header), message.header.frame_id) == (5_000_000_007, 'base')
    position = message.pose.position
    assert (position.x, position.y, position.z) == (0.1, 0.2, 0.9)
    np.testing.assert_allclose(axes_of(message.pose.orientation), axes, atol=1e-9)


class Collision(SimpleNamespace):
    """As moveit_msgs/CollisionObject, of which there is no wheel."""

    ADD, REMOVE = b'\x00', b'\x01'

    def __init__(self, **fields):
        super().__init__(header=PoseStamped().header, **fields)


def test_boxes_seen_are_added_and_those_gone_removed():
    messages = collision_objects.collision_objects(
        seen(thing(3, (0, 0, 1), axes=turned(30)), thing(4, None)),
        {'object_2', 'object_3', 'object_4'}, 0.01, Collision)
    assert [(message.id, message.operation) for message in messages] == [
        ('object_2', Collision.REMOVE), ('object_4', Collision.REMOVE),
        ('object_3', Collision.ADD)]
    assert {(stamp_ns(m.header), m.header.frame_id) for m in messages} == {(5_000_000_007, 'base')}
    (primitive,), (pose,) = messages[2].primitives, messages[2].primitive_poses
    assert primitive.type == primitive.BOX
    np.testing.assert_allclose(primitive.dimensions, [0.07, 0.10, 0.14])
    np.testing.assert_allclose(axes_of(pose.orientation), turned(30), atol=1e-9)
    assert pose.position.z == 1.0


def test_what_was_shown_last_is_told_to_the_next_update(monkeypatch):
    made = []
    monkeypatch.setattr(collision_objects, 'collision_objects',
                        lambda found, shown, *_: made.append((len(found), set(shown))) or [])
    context = rclpy.Context()
    rclpy.init(context=context)
    # Any message will do for the topic: what MoveIt gets is tested above.
    node = collision_objects.CollisionObjects(PoseStamped, context=context)
    try:
        for found in (seen(thing(1, (0, 0, 1)), thing(2, None)), seen(), seen()):
            monkeypatch.setattr(node.perception, 'segment', lambda found=found: found)
            node.update()
    finally:
        node.close()
        context.try_shutdown()
    assert made == [(2, set()), (0, {'object_1'}), (0, set())]


def ask(robot, name):
    client = robot.node.create_client(Trigger, name)
    assert client.wait_for_service(60.0)
    return finished(client.call_async(Trigger.Request()), 60.0)


def test_pick_nearest_publishes_a_grasp_of_the_frame_segmented():
    node = NodeProcess(method='blobs', mode='on_request', max_frame_age=20.0)
    picker = NodeProcess(name='pick_nearest', program=(str(EXAMPLES / 'pick_nearest.py'),),
                         perception='blobs', max_width=0.2)
    robot = Robot(topics=())
    grasps = []
    robot.node.create_subscription(
        PoseStamped, '/pick_nearest/grasp', grasps.append,
        QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL))
    try:
        robot.wait_state('active')
        assert wait_until(lambda: robot.send() and robot.segment().success)
        robot.settle()
        assert wait_until(lambda: robot.send() and robot.segment().success)
        stamp = robot.send()
        wait_until(lambda: False, 0.3)
        reply = ask(robot, '/pick_nearest/pick')
        assert (reply.success, reply.message) == (True, 'object 2 (object)')
        assert wait_until(lambda: grasps)
        assert (stamp_ns(grasps[0].header), grasps[0].header.frame_id) == (stamp, FRAME)
        position = grasps[0].pose.position
        # The box stands on the plane behind it, a metre away.
        center = [(94.5 - 79.5) / 150 * 0.85, -5 / 150 * 0.85, 0.925]
        np.testing.assert_allclose([position.x, position.y, position.z], center, atol=0.003)
        approach = axes_of(grasps[0].pose.orientation)[:, 2]
        np.testing.assert_allclose(approach, center / np.linalg.norm(center), atol=0.01)
        robot.enable(False)
        reply = ask(robot, '/pick_nearest/pick')
        assert not reply.success
        assert 'paused: call ~/enable' in reply.message
    finally:
        robot.close()
        codes = picker.stop(), node.stop()
    assert codes == (0, 0), picker.log + node.log
    assert 'Traceback' not in picker.log, picker.log


def test_the_manager_brings_nodes_up_again_and_down_at_the_end():
    first = NodeProcess(name='first', method='blobs', autostart=False)
    second = NodeProcess(name='second', method='color_blobs', autostart=False)
    robots = [Robot(name, topics=()) for name in ('first', 'second')]
    manager = NodeProcess(name='manager', program=(str(EXAMPLES / 'lifecycle_manager.py'),),
                          nodes="['first', 'second']")
    try:
        for robot in robots:
            robot.wait_state('active')
        # As with respawn: the node that died comes back unconfigured.
        assert second.stop() == 0
        assert manager.wait_log('a node is down', 90.0)
        second = NodeProcess(name='second', method='color_blobs', autostart=False)
        robots[1].wait_state('active')
        assert manager.stop() == 0
        assert [robot.state() for robot in robots] == ['unconfigured'] * 2
    finally:
        for robot in robots:
            robot.close()
        codes = [process.stop() for process in (manager, first, second)]
    assert codes == [0, 0, 0], manager.log + first.log + second.log
    assert 'Traceback' not in manager.log, manager.log
