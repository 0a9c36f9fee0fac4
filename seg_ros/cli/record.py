# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Record topics into a rosbag2 (mcap or sqlite3) that `ros2 bag` and Foxglove open, until Ctrl-C.

A recorder that is killed leaves what came up to a second before; seg_ros reads it.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from seg_ros.bags.writer import STORAGES

if TYPE_CHECKING:
    from seg_ros.bags.writer import BagWriter
    from seg_ros.nodes.recorder import Recorder

HELP = 'record topics into a rosbag2'
LOOK_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument('topics', nargs='*', metavar='TOPIC', help='topics to record')
    parser.add_argument('--all', action='store_true', help='record every topic that is published')
    parser.add_argument('--exclude', metavar='REGEX', default='',
                        help='with --all: leave out topics that this matches anywhere')
    parser.add_argument('--output', type=Path, required=True, metavar='OUT',
                        help='a new folder, or one file X.mcap or X.db3')
    parser.add_argument('--storage', choices=STORAGES,
                        help='of a folder (default: mcap)')
    parser.add_argument('--duration', type=float, metavar='SECONDS', help='end by itself')


def run(args: argparse.Namespace) -> int:
    """Record until the signal or the duration; 1 where a topic never had a publisher."""
    from seg_ros.bags.writer import BagWriter
    from seg_ros.nodes.process import simple_node, spin_until

    takes = _chosen(args)
    with simple_node('seg_ros_recorder') as (node, stop), BagWriter(
            args.output, args.storage) as writer:
        from seg_ros.nodes.recorder import Recorder

        recorder = Recorder(node, writer, args.topics, _say_topic, takes)
        spin_until(node, _watching(recorder, writer), stop, args.duration or float('inf'))
    return _report(args, recorder, writer)


def _chosen(args: argparse.Namespace) -> Callable[[str], bool]:
    """Return which topics are recorded besides those that are named; ValueError for none."""
    if not args.topics and not args.all:
        raise ValueError('no topics: name them, or record --all')
    if args.exclude and not args.all:
        raise ValueError('--exclude goes with --all: topics that are named are recorded')
    try:
        left_out = re.compile(args.exclude) if args.exclude else None
    except re.error as error:
        raise ValueError(f'--exclude {args.exclude!r} is no regular expression: {error}') from None
    return lambda topic: args.all and not (left_out and left_out.search(topic))


def _say_topic(topic: str, message_type: str) -> None:
    print(f'recording {topic} ({message_type})', flush=True)


def _watching(recorder: Recorder, writer: BagWriter) -> Callable[[], bool]:
    """Return what is called between messages: it finds topics and moves the bar on a terminal."""
    from seg_ros.cli._progress import progress_bar

    bar = progress_bar(unit=' messages')
    due_s = 0.0

    def look() -> bool:
        nonlocal due_s
        if time.monotonic() < due_s:
            return False
        due_s = time.monotonic() + LOOK_S
        recorder.discover()
        bar.update(sum(writer.message_counts.values()) - bar.n)
        bar.set_postfix_str(f'{writer.bytes_written / 1e6:.1f} MB', refresh=False)
        return False

    return look


def _report(args: argparse.Namespace, recorder: Recorder, writer: BagWriter) -> int:
    for topic in recorder.pending:
        print(f'{topic}: nobody published it', file=sys.stderr)
    for topic, why in recorder.left_out.items():
        print(f'{topic}: not recorded: {why}', file=sys.stderr)
    for topic, count in sorted(writer.message_counts.items()):
        print(f'{topic}: {count} messages')
    print(f'written to {args.output}')
    return 1 if recorder.pending else 0
