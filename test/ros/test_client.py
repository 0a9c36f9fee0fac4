# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""PerceptionClient against a node in another process, over the real middleware."""

import contextlib
import json
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseArray
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from ros_helpers import FRAME, NodeProcess, Robot, color_message, finished, scene, wait_until
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from seg_ros.client import PerceptionClient, PerceptionError
from seg_ros.nodes import client as client_module
from seg_ros.nodes import qos
from seg_ros.nodes.conversions import image_from_array, time_message


@pytest.fixture(scope='module')
def node():
    process = NodeProcess(method='blobs', mode='on_request', max_frame_age=20.0)
    yield process
    assert process.stop() == 0, process.log
    assert 'Traceback' not in process.log


@pytest.fixture(scope='module')
def robot(node):
    robot = Robot(topics=('label',))
    robot.wait_state('active')
    assert wait_until(lambda: robot.send() and robot.segment().success)
    robot.settle()
    assert wait_until(lambda: robot.send() and robot.segment().success)
    yield robot
    robot.close()


@pytest.fixture(scope='module')
def client(robot):
    with PerceptionClient(name='blobs') as client:
        yield client


class Caller:
    """A node of a robot's own, spun by an executor of some kind in a thread."""

    def __init__(self, make_executor=SingleThreadedExecutor, **arguments):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('caller', context=self.context, **arguments)
        self.executor = make_executor(context=self.context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self._spin, daemon=True)

    def _spin(self):
        with contextlib.suppress(rclpy.executors.ExternalShutdownException,
                                 rclpy.executors.ShutdownException):
            self.executor.spin()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.executor.shutdown(30.0)
        self.thread.join(30.0)
        self.context.try_shutdown()


def sent(robot, **frame):
    """Send a frame and give it time to arrive as the newest."""
    stamp = robot.send(**frame)
    wait_until(lambda: False, 0.2)
    return stamp


def test_a_script_gets_the_objects_of_the_newest_frame(robot, client):
    color, depth_mm = scene(shift=7)
    stamp = sent(robot, color=color, depth=depth_mm)
    found = client.segment()
    assert (found.stamp_ns, found.frame_id, found.space_frame_id) == (stamp, FRAME, FRAME)
    assert [(thing.id, thing.class_name) for thing in found] == [(1, 'object'), (2, 'object')]
    for thing, x, z in zip(found, (27, 87), (0.8, 0.85), strict=True):
        mask = np.zeros(color.shape[:2], bool)
        mask[40:70, x:x + 30] = True
        np.testing.assert_array_equal(thing.mask, mask)
        np.testing.assert_array_equal(thing.colors, color[mask])
        np.testing.assert_allclose(thing.points[:, 2], z, atol=1e-6)
        # The box stands on the plane behind it, a metre away.
        np.testing.assert_allclose(
            thing.box.center, [(x + 14.5 - 79.5) / 150 * z, -5 / 150 * z, (z + 1) / 2],
            atol=0.003)
        np.testing.assert_allclose(
            sorted(thing.box.size), sorted([30 / 150 * z, 30 / 150 * z, 1 - z]), atol=0.004)
        assert thing.crop(color).shape == (30, 30, 3)
    assert found.nearest().id == 1


@pytest.mark.parametrize('make_executor', [SingleThreadedExecutor, MultiThreadedExecutor])
def test_it_may_be_called_from_a_callback_of_the_callers_node(robot, make_executor):
    """With one thread a client on the caller's own executor would wait for itself."""
    stamp = sent(robot)
    with Caller(make_executor) as caller, PerceptionClient(caller.node, 'blobs') as client:
        results = []

        def pick(request, response):
            results.append(client.segment())
            response.success = True
            return response

        caller.node.create_service(Trigger, 'pick', pick)
        timer = caller.node.create_timer(
            0.0, lambda: (timer.cancel(), results.append(client.segment())))
        asking = robot.node.create_client(Trigger, '/pick')
        assert asking.wait_for_service(30.0)
        assert finished(asking.call_async(Trigger.Request())).success
        assert wait_until(lambda: len(results) == 2)
        assert [(found.stamp_ns, len(found)) for found in results] == [(stamp, 2)] * 2


def test_it_works_while_nobody_spins_the_callers_node(robot):
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('unspun', context=context)
    stamp = sent(robot)
    with PerceptionClient(node, '/blobs') as client:
        assert client.segment().stamp_ns == stamp
    assert context.ok(), "the caller's context is the caller's"
    node.destroy_node()
    context.try_shutdown()


def test_calls_from_several_threads_get_the_same_frame(robot, client):
    robot.set_parameters(delay=0.3)
    try:
        stamp = sent(robot)
        found = []
        threads = [threading.Thread(target=lambda: found.append(client.segment()))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    finally:
        robot.set_parameters(delay=0.0)
    assert [(each.stamp_ns, len(each)) for each in found] == [(stamp, 2)] * 4


def test_every_answer_in_continuous_mode_is_of_its_own_frame(robot, client):
    """The scene's shift tells which frame a mask is of."""
    shifts, end = {}, threading.Event()

    def film():
        number = 0
        while not end.wait(1 / 30):
            number = (number + 1) % 40
            color, depth_mm = scene(shift=number)
            stamp = robot.next_stamp()
            shifts[stamp] = number
            robot.send(color, depth_mm, stamp=stamp)

    assert robot.set_parameters(mode='continuous', max_frame_age=0.5)[0].successful
    camera = threading.Thread(target=film)
    camera.start()
    try:
        found = [client.segment() for _ in range(25)]
    finally:
        end.set()
        camera.join(5)
        robot.set_parameters(mode='on_request', max_frame_age=20.0)
    for each in found:
        assert each.objects[0].box_xyxy[0] == 20 + shifts[each.stamp_ns]
        assert len(each.objects[0].points) == 900
        assert each.objects[0].box.center[0] == pytest.approx(
            (34.5 + shifts[each.stamp_ns] - 79.5) / 150 * 0.8, abs=0.004)
    stamps = [each.stamp_ns for each in found]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) > 1


def test_a_node_that_cannot_says_why(robot, client):
    sent(robot)
    robot.enable(False)
    try:
        with pytest.raises(PerceptionError, match=r'^/blobs/segment: paused: call ~/enable'):
            client.segment()
    finally:
        robot.enable(True)


def test_a_slow_node_is_a_timeout_and_the_client_goes_on(robot, client):
    robot.set_parameters(delay=2.0)
    try:
        sent(robot)
        with pytest.raises(TimeoutError, match=r'/blobs/segment did not answer within 0\.5 s'):
            client.segment(timeout_s=0.5)
    finally:
        robot.set_parameters(delay=0.0)
    wait_until(lambda: False, 2.0)
    stamp = sent(robot)
    assert client.segment().stamp_ns == stamp


def test_no_node_is_a_timeout_that_names_the_service():
    with PerceptionClient(name='left/nobody') as client, pytest.raises(
            TimeoutError, match=r'no service /left/nobody/segment within 0\.3 s: check that the'):
        client.segment(timeout_s=0.3)


@pytest.mark.parametrize('ending', ['close', 'shutdown'])
def test_a_call_that_waits_ends_with_the_client(robot, ending):
    robot.set_parameters(delay=2.0)
    sent(robot)
    caller = Caller()
    errors = []
    client = PerceptionClient(caller.node, 'blobs')

    def ask():
        try:
            client.segment(60.0)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        wait_until(lambda: False, 0.5)
        client.close() if ending == 'close' else caller.context.shutdown()
        thread.join(20)
    finally:
        robot.set_parameters(delay=0.0)
        client.close()
        caller.context.try_shutdown()
    assert errors == [{'close': 'this PerceptionClient was closed', 'shutdown':
                       'rclpy was shut down: nothing can be asked any more'}[ending]]
    wait_until(lambda: False, 1.5)


def test_a_closed_client_asks_nothing(robot):
    client = PerceptionClient(name='blobs')
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match='was closed'):
        client.segment()


def test_colour_alone_gives_masks_without_space():
    node = NodeProcess(name='flat', method='color_blobs', mode='on_request', depth='ignored',
                       max_frame_age=20.0)
    robot = Robot('flat', topics=(), settles=False)
    try:
        robot.wait_state('active')
        with PerceptionClient(name='flat') as client:
            assert wait_until(lambda: robot.send() and robot.segment().success)
            found = client.segment()
            assert [(thing.mask.sum(), thing.box, len(thing.points)) for thing in found] == [
                (900, None, 0)] * 2
    finally:
        robot.close()
        assert node.stop() == 0, node.log


def test_names_are_the_callers_with_its_namespace_and_remappings(robot):
    """The node is /blobs: a caller in /arm reaches it by remapping its relative names."""
    rules = [word for end in ('segment', 'label', 'points', 'poses')
             for word in ('-r', f'eyes/{end}:=/blobs/{end}')]
    stamp = sent(robot)
    with Caller(namespace='arm', cli_args=['--ros-args', *rules]) as caller:
        with PerceptionClient(caller.node, 'eyes') as client:
            assert client.segment().stamp_ns == stamp
        with PerceptionClient(caller.node, 'blobs') as client, pytest.raises(
                TimeoutError, match='no service /arm/blobs/segment'):
            client.segment(0.2)


class Careless:
    """Answer like a node, but lose the label of the first frames."""

    def __init__(self, losses, first_takes_s=0.0):
        self.losses, self.first_takes_s, self.calls = losses, first_takes_s, 0
        self.caller = Caller(MultiThreadedExecutor)
        node = self.caller.node
        self.label = node.create_publisher(type(color_message()), '/careless/label', qos.latched())
        self.poses = node.create_publisher(PoseArray, '/careless/poses', qos.latched())
        node.create_service(Trigger, '/careless/segment', self.answer,
                            callback_group=ReentrantCallbackGroup())

    def answer(self, request, response):
        self.calls += 1
        number = self.calls
        if number == 1:
            time.sleep(self.first_takes_s)
        header = Header(stamp=time_message(number * 10**9), frame_id='eye')
        if number > self.losses:
            self.label.publish(image_from_array(np.ones((4, 6), np.uint16), 'mono16', header))
        self.poses.publish(PoseArray(header=header))
        response.success = True
        response.message = json.dumps({
            'stamp': {'sec': number, 'nanosec': 0}, 'ids': [1], 'classes': ['object'],
            'scores': [0.5], 'pose_ids': [], 'pose_sizes_m': [], 'topics': ['label', 'poses']})
        return response


def test_a_frame_that_was_lost_on_its_way_is_asked_for_anew(monkeypatch):
    monkeypatch.setattr(client_module, '_MESSAGES_TIMEOUT_S', 0.3)
    careless = Careless(losses=2)
    with careless.caller, PerceptionClient(name='careless') as client:
        found = client.segment(20.0)
        assert (found.stamp_ns, careless.calls) == (3 * 10**9, 3)
        assert found.objects[0].mask.all()


def test_a_node_that_was_killed_is_asked_again_when_it_is_back(monkeypatch):
    """The first call is lost as with a killed node: nothing comes for a long time."""
    monkeypatch.setattr(client_module, '_ASK_AGAIN_S', 0.5)
    careless = Careless(losses=0, first_takes_s=4.0)
    with careless.caller, PerceptionClient(name='careless') as client:
        assert client.segment(20.0).stamp_ns == 2 * 10**9


def test_messages_that_never_come_are_named(monkeypatch):
    monkeypatch.setattr(client_module, '_MESSAGES_TIMEOUT_S', 0.3)
    careless = Careless(losses=1000)
    with careless.caller, PerceptionClient(name='careless') as client, pytest.raises(
            TimeoutError, match=r'but label with that stamp did not come within 1 s: give both'):
        client.segment(1.0)


@pytest.mark.parametrize('ending', ['', 'raise SystemExit(0)'])
def test_a_script_that_forgets_to_close_it_ends_cleanly(ending):
    code = ('import rclpy\nfrom seg_ros.client import PerceptionClient\nrclpy.init()\n'
            f"client = PerceptionClient(rclpy.create_node('script'))\n{ending}")
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, '')


def test_without_ros_the_error_says_how_to_get_it():
    code = ('import sys; sys.modules["rclpy"] = None\n'
            'from seg_ros.client import PerceptionClient\nPerceptionClient()')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          check=False)
    assert 'ImportError: this needs ROS 2 (rclpy): source /opt/ros' in done.stderr


def test_waiting_costs_no_core(robot, client):
    robot.set_parameters(delay=2.0)
    try:
        sent(robot)
        before, began = time.process_time(), time.monotonic()
        client.segment()
        used = (time.process_time() - before) / (time.monotonic() - began)
    finally:
        robot.set_parameters(delay=0.0)
    assert used < 0.5, f'{used:.2f} of a core while waiting'
