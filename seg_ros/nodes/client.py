# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The caller's side of a node: ask for a frame's objects and get them as numpy."""

from __future__ import annotations

import atexit
import contextlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from seg_ros.nodes.conversions import stamp_ns
from seg_ros.nodes.perception import Perception, perception_of
from seg_ros.nodes.process import imported_rclpy

# Images on their way under the default middleware profile may take a while.
_MESSAGES_TIMEOUT_S = 2.0
# A node answers within its segment_timeout, 10 s by default: later it is another node.
_ASK_AGAIN_S = 10.5
_KEPT_FRAMES = 5
_LOOK_S = 0.2


class PerceptionError(RuntimeError):
    """Tell that the node could not segment; the text is the node's own."""


class PerceptionClient:
    """Call a node's ``~/segment`` and collect the answered frame from its topics.

    ``name`` is the node's name, with a namespace where it has one (``left/unseen_objects``); it
    is resolved as the names of ``node`` are, remappings included. Without ``node`` a context of
    its own is made, for scripts.

    ``segment`` blocks and may be called from any thread and from any callback of ``node``,
    whatever executor spins it, or none: the client has a node of its own, in the same
    context, that is spun in a thread of its own. In mode ``continuous`` its subscriptions make
    the node segment every frame; ``on_request`` is meant for callers. ``close`` it, or use
    ``with``. Raises ImportError without ROS 2.
    """

    def __init__(self, node: Any = None, name: str = 'unseen_objects') -> None:
        rclpy = imported_rclpy()
        self.name = name
        self._owns_context = node is None
        if node is None:
            self._context = rclpy.Context()
            rclpy.init(args=[], context=self._context)
        else:
            self._context = node.context
        self._condition = threading.Condition()
        self._kept: dict[str, OrderedDict[int, Any]] = {}
        self._closed = False
        self._calls = 0
        self._node = _own_node(rclpy, self._context, node, name)
        resolving = self._node if node is None else node
        self._connect(resolving.resolve_topic_name, resolving.resolve_service_name)
        self._executor = rclpy.executors.SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name='perception_client', daemon=True)
        self._thread.start()
        # A thread in the middleware while the interpreter ends would abort the process.
        atexit.register(self.close)

    def segment(self, timeout_s: float = 15.0) -> Perception:
        """Segment the newest frame and return its objects.

        Raises PerceptionError where the node says why it cannot, TimeoutError where the node or
        its messages stay away, RuntimeError after ``close`` or rclpy's shutdown.
        """
        with self._condition:
            self._check_open()
            self._calls += 1
        try:
            return self._segmented(timeout_s)
        finally:
            with self._condition:
                self._calls -= 1
                self._condition.notify_all()

    def close(self) -> None:
        """End the thread and the topics; calls that wait end with RuntimeError."""
        if self._closed:
            return
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            # What they use must outlive them.
            self._condition.wait_for(lambda: not self._calls, 5.0)
        atexit.unregister(self.close)
        self._executor.shutdown(5.0)
        self._thread.join(5.0)
        self._node.destroy_node()
        if self._owns_context:
            self._context.try_shutdown()

    def __enter__(self) -> PerceptionClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _segmented(self, timeout_s: float) -> Perception:
        end_s = time.monotonic() + timeout_s
        self._wait_for_service(end_s, timeout_s)
        while True:
            reply = self._answer(end_s, timeout_s)
            stamp = reply['stamp']['sec'] * 1_000_000_000 + reply['stamp']['nanosec']
            wanted = [topic for topic in self._kept if topic in reply['topics']]
            messages = self._messages(stamp, wanted, end_s)
            missing = [topic for topic in wanted if topic not in messages]
            if not missing:
                return perception_of(reply, messages)
            # A frame that was overtaken on its way (the topics hold one): ask anew.
            if time.monotonic() >= end_s:
                raise TimeoutError(
                    f'{self._service} answered for the frame of {stamp / 1e9:.3f} s, but '
                    f'{", ".join(missing)} with that stamp did not come within {timeout_s:g} s: '
                    'give both processes the Fast DDS profile for images '
                    '(config/fastdds_images.xml), and set the node to mode on_request')

    def _connect(
        self, topic_name: Callable[[str], str], service_name: Callable[[str], str]
    ) -> None:
        from geometry_msgs.msg import PoseArray
        from rclpy.qos import QoSDurabilityPolicy, QoSProfile
        from sensor_msgs.msg import Image, PointCloud2
        from std_srvs.srv import Trigger

        profile = QoSProfile(
            depth=_KEPT_FRAMES, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        for topic, kind in (('label', Image), ('points', PointCloud2), ('poses', PoseArray)):
            self._kept[topic] = OrderedDict()
            self._node.create_subscription(
                kind, topic_name(f'{self.name}/{topic}'), self._keeper(topic), profile)
        self._request = Trigger.Request
        self._service = service_name(f'{self.name}/segment')
        self._client = self._node.create_client(Trigger, self._service)

    def _keeper(self, topic: str) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            with self._condition:
                kept = self._kept[topic]
                kept[stamp_ns(message.header)] = message
                kept.move_to_end(stamp_ns(message.header))
                while len(kept) > _KEPT_FRAMES:
                    kept.popitem(last=False)
                self._condition.notify_all()
        return keep

    def _spin(self) -> None:
        from rclpy.executors import ExternalShutdownException, ShutdownException

        with contextlib.suppress(ExternalShutdownException, ShutdownException):
            self._executor.spin()

    def _wait_for_service(self, end_s: float, timeout_s: float) -> None:
        while not self._is_ready():
            if time.monotonic() >= end_s:
                raise TimeoutError(
                    f'no service {self._service} within {timeout_s:g} s: check that the node runs '
                    '(ros2 node list), its name and namespace, and ROS_DOMAIN_ID')
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        self._check_open()
        try:
            return bool(self._client.service_is_ready())
        except RuntimeError:  # rclpy's own, where it was shut down in between
            self._check_open()
            raise

    def _answer(self, end_s: float, timeout_s: float) -> dict[str, Any]:
        asked: list[Any] = []
        while not (done := [future for future in asked if future.done()]):
            if time.monotonic() >= end_s:
                self._forget(asked)
                raise TimeoutError(
                    f'{self._service} did not answer within {timeout_s:g} s: the node is busy or '
                    'has ended; its own limit is the parameter segment_timeout')
            # A node that was killed is known to the middleware for seconds more.
            asked.append(self._client.call_async(self._request()))
            asked[-1].add_done_callback(lambda _: self._notify())
            self._wait(lambda: any(future.done() for future in asked),
                       min(end_s, time.monotonic() + _ASK_AGAIN_S))
        self._forget(asked)
        response = done[0].result()
        if not response.success:
            raise PerceptionError(f'{self._service}: {response.message}')
        reply: dict[str, Any] = json.loads(response.message)
        return reply

    def _forget(self, asked: list[Any]) -> None:
        for future in asked:
            self._client.remove_pending_request(future)

    def _messages(self, stamp: int, topics: list[str], end_s: float) -> dict[str, Any]:
        """Return the messages of a stamp by topic, those that have come in time."""
        end_s = min(end_s, time.monotonic() + _MESSAGES_TIMEOUT_S)
        self._wait(lambda: all(stamp in self._kept[topic] for topic in topics), end_s)
        with self._condition:
            return {topic: self._kept[topic][stamp] for topic in topics
                    if stamp in self._kept[topic]}

    def _wait(self, is_done: Callable[[], bool], end_s: float) -> bool:
        with self._condition:
            while not is_done():
                self._check_open()
                left_s = end_s - time.monotonic()
                if left_s <= 0:
                    return False
                # rclpy's shutdown notifies nobody: looked for now and then.
                self._condition.wait(min(left_s, _LOOK_S))
        return True

    def _notify(self) -> None:
        with self._condition:
            self._condition.notify_all()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError('this PerceptionClient was closed')
        if not self._context.ok():
            raise RuntimeError('rclpy was shut down: nothing can be asked any more')


def _own_node(rclpy: Any, context: Any, node: Any, name: str) -> Any:
    """Return the client's node; global arguments are the caller's: they would rename it."""
    base = 'perception' if node is None else node.get_name()
    return rclpy.create_node(
        f'{base}_{name.strip("/").replace("/", "_")}_client', context=context,
        namespace='' if node is None else node.get_namespace(), use_global_arguments=False,
        enable_rosout=False, start_parameter_services=False)
