# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Record topics into a rosbag2 (mcap) that `ros2 bag` and Foxglove open, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = 'record topics into a rosbag2'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument('topics', nargs='+', metavar='TOPIC', help='topics to record')
    parser.add_argument('--output', type=Path, required=True, metavar='OUT',
                        help='a new folder, or one file X.mcap')
    parser.add_argument('--duration', type=float, metavar='SECONDS', help='end by itself')


def run(args: argparse.Namespace) -> int:
    """Record until the signal or the duration; 1 where a topic never had a publisher."""
    from seg_ros.bags.writer import BagWriter
    from seg_ros.nodes.process import simple_node, spin_until

    with simple_node('seg_ros_recorder') as (node, stop), BagWriter(args.output) as writer:
        from seg_ros.nodes.recorder import Recorder

        recorder = Recorder(
            node, writer, args.topics, lambda topic, kind: print(f'recording {topic} ({kind})',
                                                                 flush=True)
        )

        def discover() -> bool:
            recorder.discover()
            return False

        spin_until(node, discover, stop, args.duration or float('inf'))
    for topic in recorder.pending:
        print(f'{topic}: nobody published it', file=sys.stderr)
    for topic, count in sorted(writer.message_counts.items()):
        print(f'{topic}: {count} messages')
    print(f'written to {args.output}')
    return 1 if recorder.pending else 0
