# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The subscriptions of the node: what they found, what they chose, what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.qos import QoSReliabilityPolicy

from seg_ros.nodes import qos


class Input:
    """Subscribe to one topic with the reliability that suits its publishers.

    ``match`` is called now and then: where other publishers have appeared, the subscription is
    made anew. ``silence_s()`` is the time since the last message or since the start.
    """

    def __init__(
        self,
        ros_node: Any,
        kind: type,
        name: str,
        callback: Callable[[Any], None],
        wanted: str = 'auto',
    ) -> None:
        self._ros_node = ros_node
        self._kind = kind
        self._name = name
        self._callback = callback
        self._wanted = wanted
        self.topic: str = ros_node.resolve_topic_name(name)
        self._overridden = qos.reliability_override(ros_node, self.topic)
        self.count = 0
        self._since_s = time.monotonic()
        self.reliability = self._choice()
        self._subscription = self._subscribe()

    @property
    def publishers(self) -> int:
        """Return how many publishers the topic has."""
        return int(self._ros_node.count_publishers(self.topic))

    def match(self) -> bool:
        """Subscribe anew if the publishers found ask for another reliability; True if so.

        Publishers that went away change nothing: a camera that restarts finds all as it was.
        """
        if self._overridden or self._wanted != 'auto' or not self.publishers:
            return False
        choice = self._choice()
        if choice == self.reliability:
            return False
        self._ros_node.destroy_subscription(self._subscription)
        self.reliability = choice
        self._subscription = self._subscribe()
        return True

    def silence_s(self) -> float:
        """Return the seconds since the last message, or since the start if there was none."""
        return time.monotonic() - self._since_s

    def trouble(self) -> str:
        """Return why nothing comes, as far as it can be told."""
        seen = 'no message' if not self.count else f'no message for {self.silence_s():.1f} s'
        found = self.publishers
        if not found:
            return f'{seen} on {self.topic}: no publisher; check the remapping and the driver'
        text = f'{seen} on {self.topic}: {found} publisher(s), {self.reliability_name} QoS'
        if self.reliability_name == 'reliable' and self._choice('auto') != self.reliability:
            text += '; a publisher is best effort: set input_reliability to auto'
        return text

    @property
    def reliability_name(self) -> str:
        """Return 'reliable' or 'best_effort'."""
        best = self.reliability == QoSReliabilityPolicy.BEST_EFFORT
        return 'best_effort' if best else 'reliable'

    def destroy(self) -> None:
        """End the subscription."""
        self._ros_node.destroy_subscription(self._subscription)

    def _choice(self, wanted: str = '') -> QoSReliabilityPolicy:
        found = self._ros_node.get_publishers_info_by_topic(self.topic)
        return qos.chosen_reliability(wanted or self._wanted, found)

    def _subscribe(self) -> Any:
        subscription = self._ros_node.create_subscription(
            self._kind, self._name, self._received, qos.input_profile(self.reliability),
            qos_overriding_options=qos.overridable(
                reliability=self._overridden or self._wanted != 'auto'))
        if self._overridden:
            self.reliability = subscription.qos_profile.reliability
        return subscription

    def _received(self, message: Any) -> None:
        self.count += 1
        self._since_s = time.monotonic()
        self._callback(message)
