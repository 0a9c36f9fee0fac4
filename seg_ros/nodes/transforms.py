# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where transforms come from: tf2_ros, the messages of /tf alone, or nowhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from rclpy.time import Time

from seg_ros.core.rigid import RigidTransform
from seg_ros.core.transform_tree import NoTransform, TransformTree

POLL_S = 0.005


class FrameTransforms(Protocol):
    """Give the transform between two frames at a stamp; called from the worker's thread."""

    def lookup(
        self, target_frame: str, source_frame: str, stamp_ns: int, timeout_s: float
    ) -> RigidTransform:
        """Return the transform from source to target; NoTransform once the time is over."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


def open_transforms(ros_node: Any) -> FrameTransforms:
    """Return the best source of transforms that is installed, listening by this node."""
    try:
        import tf2_ros
    except ImportError:
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            return NoTransforms(
                'tf2_ros is not installed: apt install ros-$ROS_DISTRO-tf2-ros-py, or leave '
                'target_frame and workspace_frame empty')
        return TopicTransforms(ros_node, TFMessage)
    return Tf2Transforms(ros_node, tf2_ros)


class NoTransforms:
    """Say why there are no transforms."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def lookup(
        self, target_frame: str, source_frame: str, stamp_ns: int, timeout_s: float
    ) -> RigidTransform:
        """Raise NoTransform with the reason, at once."""
        raise NoTransform(self._reason)

    def close(self) -> None:
        """Do nothing: there is nothing to stop."""


class Tf2Transforms:
    """Ask tf2_ros; its own waiting would be by the node's clock, which may be simulated."""

    def __init__(self, ros_node: Any, tf2_ros: Any) -> None:
        self._error = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, ros_node)

    def lookup(
        self, target_frame: str, source_frame: str, stamp_ns: int, timeout_s: float
    ) -> RigidTransform:
        """Return the transform from source to target; NoTransform once the time is over."""
        return polled(lambda: self._now(target_frame, source_frame, stamp_ns), timeout_s)

    def _now(self, target_frame: str, source_frame: str, stamp_ns: int) -> RigidTransform:
        stamp = Time(nanoseconds=stamp_ns)
        try:
            found = self._buffer.lookup_transform(target_frame, source_frame, stamp)
        except self._error as error:
            raise NoTransform(str(error)) from error
        return rigid_transform(found.transform)

    def close(self) -> None:
        """Stop listening."""
        self._listener.unregister()


class TransformBuffer:
    """Keep transforms in a tree of our own; safe to use from several threads."""

    def __init__(self) -> None:
        self._tree = TransformTree()
        self._changed = threading.Condition()

    def set(
        self, parent: str, child: str, stamp_ns: int, transform: RigidTransform, *,
        static: bool = False,
    ) -> None:
        """Take a transform from the child's coordinates to the parent's and wake who waits."""
        with self._changed:
            self._tree.set(parent, child, stamp_ns, transform, static=static)
            self._changed.notify_all()

    def take(self, message: Any, *, static: bool) -> None:
        """Take a geometry_msgs/TransformStamped; one that is no transform is left out."""
        stamp = message.header.stamp
        try:
            self.set(message.header.frame_id, message.child_frame_id,
                     stamp.sec * 10**9 + stamp.nanosec, rigid_transform(message.transform),
                     static=static)
        except ValueError:
            return

    def lookup(
        self, target_frame: str, source_frame: str, stamp_ns: int, timeout_s: float
    ) -> RigidTransform:
        """Return the transform from source to target; NoTransform once the time is over."""
        end = time.monotonic() + timeout_s
        with self._changed:
            while True:
                try:
                    return self._tree.lookup(target_frame, source_frame, stamp_ns)
                except NoTransform:
                    left = end - time.monotonic()
                    if left <= 0:
                        raise
                self._changed.wait(left)

    def close(self) -> None:
        """Do nothing: nothing is listened to."""


class TopicTransforms(TransformBuffer):
    """Listen to /tf and /tf_static, where their messages are installed but tf2_ros is not."""

    def __init__(self, ros_node: Any, message_type: Any) -> None:
        super().__init__()
        self._ros_node = ros_node
        static = QoSProfile(depth=100, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self._subscriptions = [
            ros_node.create_subscription(message_type, topic, self._taker(fixed), profile)
            for topic, profile, fixed in (
                ('/tf', QoSProfile(depth=100), False), ('/tf_static', static, True))
        ]

    def _taker(self, static: bool) -> Callable[[Any], None]:
        def take_all(message: Any) -> None:
            for one in message.transforms:
                self.take(one, static=static)
        return take_all

    def close(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._ros_node.destroy_subscription(subscription)
        self._subscriptions = []


def polled(ask: Callable[[], RigidTransform], timeout_s: float) -> RigidTransform:
    """Return what ``ask`` gives once it does not raise NoTransform; after the time it may."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            return ask()
        except NoTransform:
            left = end - time.monotonic()
            if left <= 0:
                raise
        time.sleep(min(POLL_S, left))


def rigid_transform(message: Any) -> RigidTransform:
    """Return a geometry_msgs/Transform; ValueError for one that is no rotation."""
    t, q = message.translation, message.rotation
    return RigidTransform.from_parts((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
