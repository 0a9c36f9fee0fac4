# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Play a folder of frames or the camera's topics of a rosbag2 as a camera would publish them.

A folder becomes rgb/image_rect_color, depth_registered/image_rect and rgb/camera_info; a bag's
camera keeps its topic names. Messages are stamped with the time at which they are sent.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seg_ros.bags.topics import CameraTopics
    from seg_ros.core.io import FrameFolder
    from seg_ros.nodes.player import CameraMessages, Player

HELP = 'publish a folder or a bag as camera topics'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from seg_ros.cli._inputs import add_bag_arguments

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('input', type=Path, metavar='FOLDER|BAG')
    parser.add_argument('--rate', type=float, default=1.0, metavar='FACTOR',
                        help='speed, 2 plays twice as fast (default: %(default)s)')
    parser.add_argument('--fps', type=float, default=10.0,
                        help='frames a second of a folder (default: %(default)s)')
    parser.add_argument('--loop', action='store_true', help='start again at the end')
    parser.add_argument('--namespace', default='', help='namespace of the topics of a folder')
    parser.add_argument('--encoding', default='16UC1', choices=('16UC1', '32FC1'),
                        help="a folder's depth in millimetres or metres (default: %(default)s)")
    parser.add_argument('--frame-id', default='camera_color_optical_frame',
                        help='frame_id of a folder (default: %(default)s)')
    parser.add_argument('--keep-stamps', action='store_true',
                        help="keep a bag's stamps instead of the time of sending")
    parser.add_argument('--quiet', action='store_true', help='no line a frame')
    _add_waiting(parser)
    add_bag_arguments(parser)


def _add_waiting(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('waiting')
    group.add_argument('--subscribers', type=int, default=1, metavar='N',
                       help='subscribers to wait for on every topic (default: %(default)s)')
    group.add_argument('--timeout', type=float, default=30.0, metavar='SECONDS',
                       help='how long to wait for them (default: %(default)s)')
    group.add_argument('--await', dest='await_topic', metavar='TOPIC',
                       help='send a frame only after the last one came out of this image topic')
    group.add_argument('--await-timeout', type=float, default=10.0, metavar='SECONDS',
                       help='longest wait for one answer (default: %(default)s)')
    group.add_argument('--stamps', type=Path, metavar='FILE',
                       help='write [[NAME, stamp in ns], ...] of what was sent as JSON')


def run(args: argparse.Namespace) -> int:
    """Play to the end or the signal; 1 where frames got no answer that was waited for."""
    from seg_ros.nodes.process import simple_node

    if args.fps <= 0:
        raise ValueError(f'--fps is {args.fps}: frames a second are above 0')
    with simple_node('seg_ros_player', args.namespace) as (node, stop):
        from seg_ros.nodes.player import Player, Playing

        setting = Playing(args.rate, args.subscribers, args.await_topic, args.await_timeout,
                          args.frame_id, args.keep_stamps)
        with _opened(args) as (topics, messages):
            player = Player(node, topics, stop, setting, report=_quiet if args.quiet else print)
            player.wait_for_subscribers(args.timeout)
            player.play(messages)
            player.flush()
    return _report(args, player)


def _quiet(text: str) -> None:
    """Say nothing."""


def _report(args: argparse.Namespace, player: Player) -> int:
    from seg_ros.core.io import write_atomically

    if args.stamps:
        write_atomically(args.stamps, json.dumps(player.stamps).encode())
    print(f'{len(player.stamps)} frames sent')
    return 1 if player.unanswered else 0


@contextmanager
def _opened(
    args: argparse.Namespace,
) -> Iterator[tuple[CameraTopics, Iterator[CameraMessages]]]:
    from seg_ros.bags.frames import topics_of
    from seg_ros.bags.storage import Bag, is_bag
    from seg_ros.cli._inputs import camera_topics_of
    from seg_ros.core.io import FrameFolder

    if is_bag(args.input):
        from seg_ros.cli._replay import bag_messages

        with Bag(args.input) as bag:
            topics = topics_of(bag, args.color_topic, args.depth_topic, args.camera_info_topic)
            yield topics, _repeated(args.loop, lambda: bag_messages(bag, topics, args.slop))
        return
    folder = FrameFolder(args.input)
    yield camera_topics_of(folder), _repeated(args.loop, lambda: _folder_messages(folder, args))


def _folder_messages(folder: FrameFolder, args: argparse.Namespace) -> Iterator[CameraMessages]:
    from seg_ros.nodes.player import messages_from_frame

    for index, name in enumerate(folder.names):
        try:
            frame = folder.frame(name)
        except (ValueError, OSError) as error:
            print(f'{name}: {error}', file=sys.stderr)
            continue
        yield messages_from_frame(name, index / args.fps, frame, args.encoding)


def _repeated(
    loop: bool, once: Callable[[], Iterator[CameraMessages]]
) -> Iterator[CameraMessages]:
    """Yield the messages, again and again if asked, with times that go on."""
    start_s = 0.0
    while True:
        last_s = step_s = 0.0
        for item in once():
            step_s, last_s = item.time_s - last_s or step_s, item.time_s
            yield replace(item, time_s=start_s + item.time_s)
        if not loop:
            return
        start_s += last_s + max(step_s, 1e-3)
