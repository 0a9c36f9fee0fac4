# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Reading a demo's bag: its label and overlay images as files, its times and counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seg_ros.bags.frames import stamp_ns_of
from seg_ros.bags.storage import Bag, typestore
from seg_ros.core.io import write_color, write_labels

DIAGNOSTICS = '/diagnostics'


@dataclass
class Recording:
    """Hold arrival times by topic and stamp, message counts, and the node's last report."""

    arrived_ns: dict[str, dict[int, int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    diagnostics: dict[str, str] = field(default_factory=dict)


def read_recording(
    bag_path: Path, output: Path, names: dict[int, str], label: str, overlay: str
) -> Recording:
    """Read a bag once, in constant memory.

    ``names`` gives the NAME of a stamp in ns: messages on the topics label and overlay become
    NAME-labels.png (16-bit) and NAME-overlay.png in the folder output.
    """
    found = Recording()
    for topic, log_ns, message in _messages(bag_path):
        found.counts[topic] = found.counts.get(topic, 0) + 1
        if topic == DIAGNOSTICS:
            _take_report(found, message)
        elif hasattr(message, 'header'):
            stamp_ns = stamp_ns_of(message)
            found.arrived_ns.setdefault(topic, {}).setdefault(stamp_ns, log_ns)
            if stamp_ns in names and topic in (label, overlay):
                _write_picture(output, names[stamp_ns], message, is_label=topic == label)
    return found


def _messages(bag_path: Path) -> Iterator[tuple[str, int, Any]]:
    types = typestore()
    with Bag(bag_path) as bag:
        for connection, log_ns, data in bag.messages():
            yield connection.topic, log_ns, types.deserialize_cdr(data, connection.msgtype)


def _take_report(found: Recording, message: Any) -> None:
    for status in message.status:
        found.diagnostics = {value.key: value.value for value in status.values}


def _write_picture(output: Path, name: str, message: Any, *, is_label: bool) -> None:
    from seg_ros.nodes.conversions import array_from_image, color_from_image

    if is_label:
        write_labels(output / f'{name}-labels.png', array_from_image(message))
    else:
        write_color(output / f'{name}-overlay.png', color_from_image(message))
