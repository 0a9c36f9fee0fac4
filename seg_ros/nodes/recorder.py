# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recording topics, serialized as they come, into a rosbag2."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)

if TYPE_CHECKING:
    from rosbags.interfaces import Qos

    from seg_ros.bags.writer import BagWriter

QUEUE_DEPTH = 100


class Recorder:
    """Write the messages of topics to a bag as soon as somebody publishes them.

    ``discover()`` is to be called now and then: it subscribes to the topics that have publishers
    by now, with a QoS that matches them; with ``takes(topic)`` also to every other topic for which
    that is true. Messages carry the time of their arrival. ``left_out`` holds the reasons why
    topics that were not named are not recorded.
    """

    def __init__(
        self,
        node: Any,
        writer: BagWriter,
        topics: Iterable[str],
        report: Callable[[str, str], None] = lambda topic, message_type: None,
        takes: Callable[[str], bool] = lambda topic: False,
    ) -> None:
        self._node = node
        self._writer = writer
        self._report = report
        self._takes = takes
        self._known: set[str] = set()
        self.left_out: dict[str, str] = {}
        self.pending = [node.resolve_topic_name(topic) for topic in dict.fromkeys(topics)]
        self._subscriptions: list[Any] = []

    def discover(self) -> None:
        """Subscribe to the pending topics that have publishers."""
        for topic in list(self.pending):
            publishers = self._node.get_publishers_info_by_topic(topic)
            if publishers:
                self.pending.remove(topic)
                self._subscribe(topic, publishers)
        for topic, _ in self._node.get_topic_names_and_types():
            if topic not in self._known and topic not in self.pending and self._takes(topic):
                self._try(topic)

    def _try(self, topic: str) -> None:
        """Record a topic that was not named, or note why it cannot be."""
        publishers = self._node.get_publishers_info_by_topic(topic)
        if not publishers:
            return
        try:
            self._subscribe(topic, publishers)
        except ValueError as error:
            self.left_out[topic] = str(error)

    def _subscribe(self, topic: str, publishers: list[Any]) -> None:
        self._known.add(topic)
        message_type = publishers[0].topic_type
        kind = message_class(message_type)
        offered = [rosbag_qos(info.qos_profile) for info in publishers]
        self._writer.add_topic(topic, message_type, offered)
        self._subscriptions.append(
            self._node.create_subscription(
                kind,
                topic,
                lambda data: self._writer.write(topic, time.time_ns(), data),
                matching_profile([info.qos_profile for info in publishers]),
                raw=True,
            )
        )
        self._report(topic, message_type)


def message_class(message_type: str) -> type:
    """Return the class of a type such as 'sensor_msgs/msg/Image'; ValueError without one."""
    package, kind, name = message_type.split('/')
    try:
        return getattr(importlib.import_module(f'{package}.{kind}'), name)
    except (ImportError, AttributeError):
        raise ValueError(
            f'no Python class for {message_type}: install the package {package}'
        ) from None


def matching_profile(offered: list[QoSProfile]) -> QoSProfile:
    """Return the strongest profile that every one of the publishers can serve."""
    every_reliable = all(q.reliability == QoSReliabilityPolicy.RELIABLE for q in offered)
    every_latched = all(q.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL for q in offered)
    reliability, durability = QoSReliabilityPolicy, QoSDurabilityPolicy
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=QUEUE_DEPTH,
        reliability=reliability.RELIABLE if every_reliable else reliability.BEST_EFFORT,
        durability=durability.TRANSIENT_LOCAL if every_latched else durability.VOLATILE,
    )


def rosbag_qos(profile: QoSProfile) -> Qos:
    """Return a profile as the rosbags library writes it into the bag's metadata."""
    from rosbags import interfaces as bags

    def policy(kind: Any, value: Any) -> Any:
        return kind.__members__.get(value.name, kind.UNKNOWN)

    return bags.Qos(
        history=policy(bags.QosHistory, profile.history),
        depth=profile.depth,
        reliability=policy(bags.QosReliability, profile.reliability),
        durability=policy(bags.QosDurability, profile.durability),
        deadline=_seconds(profile.deadline),
        lifespan=_seconds(profile.lifespan),
        liveliness=policy(bags.QosLiveliness, profile.liveliness),
        liveliness_lease_duration=_seconds(profile.liveliness_lease_duration),
        avoid_ros_namespace_conventions=profile.avoid_ros_namespace_conventions,
    )


def _seconds(duration: Any) -> Any:
    from rosbags.interfaces import QosTime

    return QosTime(*divmod(int(duration.nanoseconds), 10**9))
