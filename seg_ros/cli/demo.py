# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Run the real thing: a player, the node and a recorder as processes over the middleware.

Frames are played as camera topics, each as soon as the last one was answered (at most at the
camera's rate); the node segments them; the recorder keeps all topics. Then a table is
printed, and OUTPUT holds overlays, label images, objects.json, summary.json, the logs and a
rosbag2 for Foxglove and `ros2 bag`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seg_ros.bags.topics import CameraTopics
    from seg_ros.cli._children import Child, Children

HELP = 'player, node and recorder as processes, on frames that come along or your own'

RESULTS = ('label', 'mask', 'overlay', 'markers', 'points', 'poses')
READY_SECONDS = 300.0
ANSWER_SECONDS = 30.0
# the node reports its counts once a second
LAST_DIAGNOSTICS_SECONDS = 1.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from seg_ros.cli._inputs import add_bag_arguments
    from seg_ros.cli._method import add_method_arguments

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('--input', type=Path, metavar='FOLDER|BAG',
                        help='your own frames (default: a real frame and a synthetic sequence)')
    parser.add_argument('--output', type=Path, default=Path('demo_output'), metavar='OUTPUT',
                        help='folder for what comes out (default: %(default)s)')
    parser.add_argument('--frames', type=int, default=30, metavar='N',
                        help='frames of the synthetic sequence (default: %(default)s)')
    parser.add_argument('--fps', type=float, default=10.0,
                        help="the camera's rate for a folder (default: %(default)s)")
    parser.add_argument('--domain-id', type=int, help='ROS_DOMAIN_ID (default: one of its own)')
    add_method_arguments(parser)
    add_bag_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the demo; 1 where a frame was not answered or a result did not come."""
    from seg_ros.cli._children import Children, ros_environment
    from seg_ros.cli._demo_report import Run, report
    from seg_ros.cli._method import options_of
    from seg_ros.resources import config_path
    from seg_ros.segmenters import method_named, options_type

    options_type(args.method)().replaced(**options_of(args, args.method))
    if method_named(args.method).result != 'instances':
        raise ValueError(f'the demo shows methods that find objects, {args.method} finds classes')
    if args.frames < 1:
        raise ValueError(f'--frames is {args.frames}: at least one frame is needed')
    _clear(args.output)
    source = args.input or _built_in(args)
    domain_id = 1 + os.getpid() % 100 if args.domain_id is None else args.domain_id
    env = ros_environment(config_path('fastdds_images.xml'), domain_id)
    camera = _camera_topics(args, source)
    with Children(args.output / 'logs', env) as children:
        codes = _play_through(args, source, camera, children)
    results = {name: f'/{args.method}/{name}' for name in RESULTS}
    return report(
        args, Run(source, args.output, camera.color, results, codes, args.input is not None)
    )


def _clear(output: Path) -> None:
    """Remove what an earlier demo left; ValueError for a folder that is something else."""
    if output.exists() and any(output.iterdir()):
        if not (output / 'logs').is_dir():
            raise ValueError(f'{output} holds something else: choose another --output')
        shutil.rmtree(output)
    output.mkdir(parents=True, exist_ok=True)
    (output / 'logs').mkdir(exist_ok=True)


def _built_in(args: argparse.Namespace) -> Path:
    from seg_ros.cli._demo_input import write_demo_input

    print(f'making the input: a real frame and {args.frames} synthetic ones', flush=True)
    folder: Path = args.output / 'input'
    write_demo_input(folder, args.frames)
    return folder


def _play_through(
    args: argparse.Namespace, source: Path, camera: CameraTopics, children: Children
) -> dict[str, int]:
    """Run node, recorder and player to the end and return their exit codes."""
    node = children.start('node', *_node_words(args, camera))
    results = [f'/{args.method}/{name}' for name in RESULTS]
    recorder = children.start(
        'recorder', '-m', 'seg_ros', 'record', *camera.names(), *results, '/diagnostics',
        '--output', str(args.output / 'bag'),
    )  # fmt: skip
    print('waiting for the node to load its model', flush=True)
    children.wait_for(
        'the node does not publish its topics',
        lambda: all(any(f'recording {t} ' in line for line in recorder.lines()) for t in results),
        READY_SECONDS,
        failed=lambda: any('configure failed' in line for line in node.lines()),
    )
    player = children.start('player', *_player_words(args, source))
    _show_progress(player, [node, recorder])
    time.sleep(LAST_DIAGNOSTICS_SECONDS)
    return {child.name: child.stop() for child in (player, node, recorder)}


def _show_progress(player: Child, others: list[Child]) -> None:
    shown = 0
    while True:
        code, lines = player.returncode, player.lines()
        for line in lines[shown:]:
            # warnings of the middleware stay in the log
            if not line.startswith('['):
                print(f'  {line}', flush=True)
        shown = len(lines)
        if code is not None:
            return
        for other in others:
            if other.returncode is not None:
                raise ValueError(f'{other.name} ended too early\n{other.tail()}')
        time.sleep(0.1)


def _camera_topics(args: argparse.Namespace, source: Path) -> CameraTopics:
    from seg_ros.bags.frames import topics_of
    from seg_ros.bags.storage import Bag, is_bag
    from seg_ros.bags.topics import CameraTopics
    from seg_ros.cli._inputs import camera_topics_of
    from seg_ros.core.io import FrameFolder

    if is_bag(source):
        with Bag(source) as bag:
            return topics_of(bag, args.color_topic, args.depth_topic, args.camera_info_topic)
    names = camera_topics_of(FrameFolder(source))
    absolute = [name and f'/{name}' for name in (names.color, names.depth, names.camera_info)]
    return CameraTopics(str(absolute[0]), *absolute[1:])


def _node_words(args: argparse.Namespace, camera: CameraTopics) -> list[str]:
    parameters = {
        'method': args.method, 'weights': args.weights, 'device': args.device,
        'backend': args.backend, 'input_reliability': 'reliable', 'sync_slop': args.slop,
        **dict(word.partition('=')[::2] for word in args.assignments),
    }  # fmt: skip
    remaps = {
        'rgb/image_rect_color': camera.color,
        'depth_registered/image_rect': camera.depth,
        'rgb/camera_info': camera.camera_info,
    }
    words = ['-m', 'seg_ros.nodes.segmentation_node', '--ros-args']
    for name, value in parameters.items():
        words += ['-p', f'{name}:={value}']
    for name, topic in remaps.items():
        words += ['-r', f'{name}:={topic}'] if topic else []
    return words


def _player_words(args: argparse.Namespace, source: Path) -> list[str]:
    words = ['-m', 'seg_ros', 'play', str(source), '--fps', str(args.fps), '--subscribers', '2',
             '--await', f'/{args.method}/label', '--await-timeout', str(ANSWER_SECONDS),
             '--stamps', str(args.output / 'logs' / 'stamps.json'), '--slop', str(args.slop)]
    for option in ('color_topic', 'depth_topic', 'camera_info_topic'):
        if getattr(args, option):
            words += ['--' + option.replace('_', '-'), getattr(args, option)]
    return words
