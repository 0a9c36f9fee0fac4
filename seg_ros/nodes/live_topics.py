# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Topics that are subscribed to once somebody publishes them, as their publishers are."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from seg_ros.nodes.recorder import matching_profile, message_class

_LOOK_S = 0.2
_DEPTH = 5


class LiveTopics:
    """Hand the messages of topics on as (kind, message); ``discover()`` is called now and then.

    ``topics`` names a topic by kind. Raw and compressed images are told apart by their type.
    """

    def __init__(
        self, node: Any, topics: dict[str, str], take: Callable[[str, Any], None]
    ) -> None:
        self._node = node
        self._take = take
        self._pending = {kind: node.resolve_topic_name(name) for kind, name in topics.items()}
        self._subscriptions: list[Any] = []
        self._due_s = 0.0

    def discover(self) -> None:
        """Subscribe to the pending topics that have publishers."""
        if not self._pending or time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + _LOOK_S
        for kind, topic in list(self._pending.items()):
            publishers = self._node.get_publishers_info_by_topic(topic)
            if publishers:
                del self._pending[kind]
                self._subscribe(kind, topic, publishers)

    def missing(self) -> list[str]:
        """Return the topics that nobody has published."""
        return list(self._pending.values())

    def _subscribe(self, kind: str, topic: str, publishers: list[Any]) -> None:
        profile = matching_profile([info.qos_profile for info in publishers])
        profile.depth = _DEPTH
        self._subscriptions.append(self._node.create_subscription(
            message_class(publishers[0].topic_type), topic,
            lambda message: self._take(kind, message), profile))
