# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A camera, a listener and a node process for tests over the real middleware."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header, String
from std_srvs.srv import SetBool, Trigger
from visualization_msgs.msg import MarkerArray

from seg_ros.nodes.conversions import image_from_array, stamp_ns, time_message

HERE = Path(__file__).parent
FRAME = 'camera_color_optical_frame'
WIDTH, HEIGHT, FOCAL = 160, 120, 150.0
TYPES = {'label': Image, 'mask': Image, 'overlay': Image, 'markers': MarkerArray,
         'support_planes': MarkerArray, 'points': PointCloud2, 'poses': PoseArray,
         'confidence': Image, 'class_names': String}


def scene(shift: int = 0, objects: int = 2):
    """Return colour (H, W, 3) and depth (H, W) uint16 mm: red boxes on a grey table."""
    color = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    depth_mm = np.full((HEIGHT, WIDTH), 1000, np.uint16)
    for number in range(objects):
        x = 20 + 60 * number + shift
        color[40:70, x:x + 30] = (250, 20, 30 * number)
        depth_mm[40:70, x:x + 30] = 800 + 50 * number
    depth_mm[:5] = 0
    return color, depth_mm


def camera_info(width=WIDTH, height=HEIGHT, d=(), **changes):
    k = [FOCAL, 0.0, width / 2 - 0.5, 0.0, FOCAL, height / 2 - 0.5, 0.0, 0.0, 1.0]
    p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    info = CameraInfo(width=width, height=height, k=k, p=p, d=list(d),
                      distortion_model='plumb_bob')
    for name, value in changes.items():
        setattr(info, name, value)
    return info


def environment() -> dict[str, str]:
    """Return the environment with this repository on the path and one thread a process."""
    root = str(HERE.parents[1])
    path = os.pathsep.join([root, os.environ.get('PYTHONPATH', '')])
    return {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'}


class NodeProcess:
    """Run a node in a process of its own and end it by its id.

    Tracking is off unless it is asked for: tests of single frames expect the method's own ids.
    """

    def __init__(self, *arguments: str, name: str = 'blobs',
                 program=(str(HERE / 'trivial_methods.py'),), **parameters) -> None:
        given: list[str] = []
        for key, value in {'tracking': False, **parameters}.items():
            text = str(value).lower() if isinstance(value, bool) else value
            given += ['-p', f'{key}:={text}']
        self.name = name
        self.log = ''
        self.process = subprocess.Popen(
            [sys.executable, '-u', *program, '--ros-args',
             '-r', f'__node:={name}', *given, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment())
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.log += line

    def wait_log(self, text: str, timeout_s: float = 30.0) -> bool:
        return wait_until(lambda: text in self.log, timeout_s)

    def stop(self, timeout_s: float = 60.0) -> int:
        """Interrupt it as Ctrl-C does and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._reader.join(5)
        return self.process.wait()


def wait_until(condition, timeout_s: float = 30.0) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())


class Robot:
    """Publish a camera, listen to a node's topics and call its services, spinning in a thread."""

    def __init__(self, target: str = 'blobs', reliable: bool = True,
                 topics=('label', 'markers'), settles: bool = True, namespace: str = '') -> None:
        self.target = target
        self.reliable = reliable
        # Where an input of the node hears no publisher of this one, its QoS never settles.
        self._settled = not settles
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node(f'robot_{os.getpid()}', context=self.context,
                                      namespace=namespace)
        reliability = (QoSReliabilityPolicy.RELIABLE if reliable
                       else QoSReliabilityPolicy.BEST_EFFORT)
        profile = QoSProfile(depth=5, reliability=reliability)
        self.color = self.node.create_publisher(Image, 'rgb/image_rect_color', profile)
        self.depth = self.node.create_publisher(Image, 'depth_registered/image_rect', profile)
        self.info = self.node.create_publisher(CameraInfo, 'rgb/camera_info', profile)
        self.received = {name: deque(maxlen=500) for name in (*TYPES, 'diagnostics')}
        self._subscriptions = {}
        for topic in topics:
            self.listen(topic)
        self.node.create_subscription(
            DiagnosticArray, '/diagnostics',
            lambda m: self.received['diagnostics'].append(m), 10)
        self._clients = {}
        self._stamp = 1_000_000_000_000
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()

    def _spin(self) -> None:
        with contextlib.suppress(rclpy.executors.ExternalShutdownException):
            self.executor.spin()

    def listen(self, topic: str, latched: bool = True) -> None:
        durability = (QoSDurabilityPolicy.TRANSIENT_LOCAL
                      if latched and topic in ('label', 'mask', 'points', 'poses', 'class_names')
                      else QoSDurabilityPolicy.VOLATILE)
        self._subscriptions[topic] = self.node.create_subscription(
            TYPES[topic], f'/{self.target}/{topic}',
            lambda message: self.received[topic].append(message),
            QoSProfile(depth=10, durability=durability))

    def unlisten(self, topic: str) -> None:
        self.in_executor(self.node.destroy_subscription, self._subscriptions.pop(topic))

    def in_executor(self, function, *arguments) -> None:
        """Call a function between callbacks: rclpy's wait fails where another thread destroys."""
        assert wait_until(self.executor.create_task(function, *arguments).done)

    def next_stamp(self, step_s: float = 0.05) -> int:
        self._stamp += int(step_s * 1e9)
        return self._stamp

    def jump(self, seconds: float) -> None:
        self._stamp += int(seconds * 1e9)

    def header(self, stamp: int, frame_id: str = FRAME) -> Header:
        return Header(stamp=time_message(stamp), frame_id=frame_id)

    def send(self, color=None, depth=None, *, stamp=None, depth_encoding='16UC1',
             color_encoding='rgb8', info=None, depth_shift_s: float = 0.0) -> int:
        """Publish one frame of arrays; return its stamp in nanoseconds."""
        stamp = self.next_stamp() if stamp is None else stamp
        base_color, base_depth = scene()
        color = base_color if color is None else color
        depth = base_depth if depth is None else depth
        if depth_encoding == '32FC1' and depth.dtype == np.uint16:
            depth = np.where(depth == 0, np.nan, depth * np.float32(0.001)).astype(np.float32)
        info = info or camera_info(color.shape[1], color.shape[0])
        info.header = self.header(stamp)
        self.info.publish(info)
        self.color.publish(image_from_array(color, color_encoding, self.header(stamp)))
        self.depth.publish(image_from_array(
            depth, depth_encoding, self.header(stamp + int(depth_shift_s * 1e9))))
        return stamp

    def send_messages(self, color, depth, info=None) -> int:
        """Publish messages as they are but for their stamp."""
        stamp = self.next_stamp()
        if info is not None:
            info.header = self.header(stamp)
            self.info.publish(info)
        for message, publisher in ((color, self.color), (depth, self.depth)):
            if message is not None:
                message.header.stamp = time_message(stamp)
                publisher.publish(message)
        return stamp

    def message(self, topic: str, stamp: int, timeout_s: float = 30.0):
        """Return the message of a topic with a stamp; fails if none comes."""
        def found():
            return [m for m in list(self.received[topic]) if stamp_of(m) == stamp]
        assert wait_until(found, timeout_s), (
            f'no {topic} with stamp {stamp}: {[stamp_of(m) for m in self.received[topic]][-5:]}')
        return found()[-1]

    def until_result(self, topic: str = 'label', timeout_s: float = 60.0,
                     wait_s: float = 0.4, **frame):
        """Send frames until a result comes over settled subscriptions; return it."""
        result = self._first_result(topic, timeout_s, wait_s, frame)
        return self._first_result(topic, timeout_s, wait_s, frame) if self.settle() else result

    def settle(self) -> bool:
        """Wait once until the node subscribes as reliably as this publishes; True if it waited.

        The node does so a moment after it finds the publishers; a frame sent while a subscription
        is made anew is lost, as a camera's would be.
        """
        if self._settled or not self.reliable:
            return False
        self._settled = True
        wait_until(self._subscribed_reliably, 5.0)
        return True

    def _subscribed_reliably(self) -> bool:
        status = self.status()
        found = [] if status is None else [
            value for key, value in status[2].items() if key.endswith('_qos')]
        return bool(found) and set(found) == {'reliable'}

    def _first_result(self, topic, timeout_s, wait_s, frame):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            stamp = self.send(**frame)
            if wait_until(lambda s=stamp: any(
                    stamp_of(m) == s for m in list(self.received[topic])), wait_s):
                return self.message(topic, stamp)
        raise AssertionError(f'no result on {topic}; diagnostics: {self.status()}')

    def call(self, name: str, kind, request, timeout_s: float = 30.0):
        client = self.client(name, kind)
        return finished(client.call_async(request), timeout_s)

    def client(self, name: str, kind):
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f'/{self.target}/{name}')
        assert self._clients[name].wait_for_service(60.0), f'no service {name}'
        return self._clients[name]

    def segment(self, timeout_s: float = 30.0):
        return self.call('segment', Trigger, Trigger.Request(), timeout_s)

    def enable(self, on: bool):
        return self.call('enable', SetBool, SetBool.Request(data=on))

    def set_parameters(self, **values):
        request = SetParameters.Request(parameters=[
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()])
        return self.call('set_parameters', SetParameters, request).results

    def state(self) -> str:
        return self.call('get_state', GetState, GetState.Request()).current_state.label

    def change_state(self, transition: int) -> bool:
        request = ChangeState.Request()
        request.transition.id = transition
        return self.call('change_state', ChangeState, request).success

    def wait_state(self, label: str, timeout_s: float = 60.0) -> None:
        assert wait_until(lambda: self.state() == label, timeout_s), self.state()

    def status(self):
        """Return the last diagnostics as level, message, values."""
        own = [s for m in list(self.received['diagnostics']) for s in m.status
               if s.name.startswith(f'{self.target}:')]
        if not own:
            return None
        last = own[-1]
        return last.level, last.message, {pair.key: pair.value for pair in last.values}

    def close(self) -> None:
        self.executor.shutdown(60.0)
        self.thread.join(60.0)
        self.context.try_shutdown()


class Camera:
    """Send a robot's frames at a rate in a thread; ``frame`` are the arguments of ``send``."""

    def __init__(self, robot, rate_hz=30.0, **frame):
        self.robot, self.period_s, self.frame, self.stamps = robot, 1 / rate_hz, frame, []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._end.wait(self.period_s):
            self.stamps.append(self.robot.send(**self.frame))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(5)


def finished(future, timeout_s: float = 30.0):
    assert wait_until(future.done, timeout_s), 'no reply'
    return future.result()


def color_message():
    """Return the scene's colour image, unstamped."""
    message = image_from_array(scene()[0], 'rgb8')
    message.header.frame_id = 'camera'
    return message


def stamp_of(message) -> int | None:
    if hasattr(message, 'header'):
        return stamp_ns(message.header)
    markers = getattr(message, 'markers', None)
    return stamp_ns(markers[0].header) if markers else None
