# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What of a bag is shown."""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from seg_ros.bags.frames import topics_of
from seg_ros.bags.storage import Bag, typestore

RESULTS = ('label', 'markers', 'points')


@contextmanager
def open_bag(args: argparse.Namespace) -> Iterator[tuple[Bag, dict[str, str]]]:
    """Yield the open bag and the kind of each topic that is shown; ValueError where none is."""
    with Bag(args.input) as bag:
        camera = topics_of(bag, args.color_topic, args.depth_topic, args.camera_info_topic,
                           compressed=True)
        known = {camera.color: 'color', camera.depth: 'depth', camera.camera_info: 'camera_info',
                 '/diagnostics': 'diagnostics'}
        found = {connection.topic for connection in bag.connections if connection.msgcount}
        name = results_of(found, args.results)
        known.update({f'{name}/{kind}': kind for kind in RESULTS if name})
        yield bag, {topic: kind for topic, kind in known.items() if topic in found}


def results_of(topics: set[str], wanted: str | None) -> str | None:
    """Return the name of the node whose results a bag has; ValueError for one it has not."""
    names = sorted(topic.removesuffix('/label') for topic in topics if topic.endswith('/label'))
    if wanted is None:
        return names[0] if names else None
    name = '/' + wanted.strip('/')
    if name not in names:
        raise ValueError(f'no {name}/label in the bag: it has results of '
                         f'{", ".join(names) or "no node"}')
    return name


def bag_items(bag: Bag, kinds: dict[str, str]) -> Iterator[tuple[str, Any, int]]:
    """Yield (kind, message, log time in ns) of the topics; what is no message is left out."""
    from rosbags.serde import SerdeError

    types = typestore()
    for connection, log_ns, data in bag.messages(set(kinds)):
        try:
            message = types.deserialize_cdr(data, connection.msgtype)
        except (SerdeError, ValueError, IndexError, struct.error, UnicodeDecodeError):
            continue
        yield kinds[connection.topic], message, log_ns
