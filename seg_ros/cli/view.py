# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Show a camera and its results in the Rerun viewer: live topics, or a recorded bag.

Colour, depth, labels, boxes, the objects' points with ids, latency. --web shows it in the browser,
--save writes a recording for `rerun FILE.rrd`. Needs rerun-sdk (pip install 'seg_ros[view]'). Live
topics need ROS 2.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seg_ros.nodes.process import StopSignal
    from seg_ros.nodes.rerun_view import RerunView

HELP = 'show topics or a bag in the Rerun viewer'
WEB_PORT = 9090
# What the viewer's server keeps of the past.
MEMORY = '1GiB'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from seg_ros.cli._inputs import add_bag_arguments

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('input', type=Path, nargs='?', metavar='BAG',
                        help='a rosbag2; without it live topics are shown')
    parser.add_argument('--results', metavar='NAME',
                        help='node whose results are shown, such as /unseen_objects (live: that; '
                             'bag: the first with a label image)')
    parser.add_argument('--save', type=Path, metavar='FILE.rrd', help='write a recording instead')
    parser.add_argument('--web', action='store_true', help='serve the viewer to a browser')
    parser.add_argument('--port', type=int, default=WEB_PORT, help='of --web (%(default)s)')
    parser.add_argument('--duration', type=float, metavar='SECONDS', help='end by itself')
    add_bag_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Show to the end of the bag or until Ctrl-C."""
    from seg_ros.nodes.rerun_view import RerunView, imported_rerun

    imported_rerun()
    if args.save and args.web:
        raise ValueError('--save and --web exclude each other')
    if args.save and args.save.exists():
        raise FileExistsError(f'{args.save} exists already: remove it or choose another name')
    if args.input is not None and not args.input.exists():
        raise FileNotFoundError(f'{args.input}: no such bag')
    if args.input is None:
        from seg_ros.cli._view_topics import view_topics

        view = view_topics(args, lambda: _recording(args), RerunView)
    else:
        view = _view_bag(args)
    return _report(view)


def _view_bag(args: argparse.Namespace) -> RerunView:
    from seg_ros.cli._view_bag import bag_items, open_bag
    from seg_ros.nodes.process import stop_signal
    from seg_ros.nodes.rerun_view import RerunView

    with open_bag(args) as (bag, kinds), _recording(args) as recording, stop_signal() as stop:
        view = RerunView(recording, has_points='points' in kinds.values())
        for kind, message, log_ns in bag_items(bag, kinds):
            if stop.is_set:
                break
            view.show(kind, message, log_ns)
        if args.web:
            print('the bag is shown to its end; Ctrl-C ends the server', flush=True)
            _wait(stop, args.duration)
    return view


def _wait(stop: StopSignal, duration_s: float | None) -> None:
    import time

    end = time.monotonic() + (duration_s or float('inf'))
    while not stop.is_set and time.monotonic() < end:
        time.sleep(0.1)


@contextmanager
def _recording(args: argparse.Namespace) -> Iterator[Any]:
    """Yield a recording that goes to a file, a browser or the viewer's window."""
    import rerun

    from seg_ros.nodes.rerun_view import layout

    recording = rerun.RecordingStream('seg_ros')
    if args.save:
        args.save.parent.mkdir(parents=True, exist_ok=True)
        recording.save(args.save, default_blueprint=layout())
    elif args.web:
        address = recording.serve_grpc(
            default_blueprint=layout(), server_memory_limit=MEMORY)
        rerun.serve_web_viewer(web_port=args.port, open_browser=False, connect_to=address)
        print(f'http://localhost:{args.port}/?url={address}', flush=True)
    else:
        recording.spawn(memory_limit=MEMORY, default_blueprint=layout())
    try:
        yield recording
    finally:
        recording.flush()
        recording.disconnect()


def _report(view: RerunView) -> int:
    """Print what was shown; 1 where nothing was."""
    for kind, text in view.bad.items():
        print(f'{kind}: some not shown: {text}')
    counts = ', '.join(f'{kind} {count}' for kind, count in sorted(view.counts.items()))
    print(f'shown: {counts or "nothing"}')
    return int(not view.counts)
