# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Segment a folder of frames, one image or a rosbag2 and write labels, overlays and objects."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from seg_ros.bags.writer import STORAGES

if TYPE_CHECKING:
    from seg_ros.cli._inputs import FrameSource, NamedFrame
    from seg_ros.cli._results import ResultWriter
    from seg_ros.core.tracking import Tracker
    from seg_ros.nodes.process import StopSignal
    from seg_ros.segmenters import Segmenter

HELP = 'segment a folder of frames, one image or a rosbag2'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from seg_ros.cli._inputs import add_input_arguments
    from seg_ros.cli._method import add_method_arguments
    from seg_ros.cli._tracking import add_tracker_arguments

    add_input_arguments(parser)
    group = parser.add_argument_group('tracking')
    group.add_argument('--track', action='store_true',
                       help='let objects keep their ids over the frames, taken in order')
    add_tracker_arguments(group)
    parser.add_argument(
        '--output', type=Path, required=True, metavar='OUT',
        help='folder for NAME-labels.png, NAME-overlay.png and objects.json (of classes '
             'NAME-classes.png and classes.json), or a bag: X.mcap, X.db3, a folder by --storage',
    )  # fmt: skip
    parser.add_argument('--storage', choices=STORAGES,
                        help='OUT is a folder that is a rosbag2 of this storage')
    parser.add_argument('--results-only', action='store_true',
                        help="leave a bag's own messages out of the bag written")
    parser.add_argument('--quiet', action='store_true', help='no line a frame, no progress bar')
    add_method_arguments(parser)
    add_marks(parser)


def add_marks(parser: argparse.ArgumentParser) -> None:
    """Add what a person marks for the method grabcut_crf: --box and --scribbles."""
    group = parser.add_argument_group('grabcut_crf', 'what to cut out')
    group.add_argument('--box', metavar='X,Y,W,H', help='pixels around one object')
    group.add_argument(
        '--scribbles', metavar='FILE',
        help='strokes, a PNG of one 8-bit channel at the size of the image: 0 not known, 255 '
             'background, 1 to 254 the object of that id',
    )  # fmt: skip


def assign_marks(args: argparse.Namespace) -> None:
    """Turn --box and --scribbles into options; ValueError with a method that takes none."""
    for name in ('box', 'scribbles'):
        value = getattr(args, name)
        if value is None:
            continue
        if args.method != 'grabcut_crf':
            raise ValueError(f'--{name} goes with --method grabcut_crf, not {args.method}')
        args.assignments.append(f'{name}={value}')


def run(args: argparse.Namespace) -> int:
    """Segment every frame; 1 where some could not be, 130 after Ctrl-C, 0 where all were."""
    from seg_ros.cli import EXIT_INTERRUPTED
    from seg_ros.cli._inputs import open_input
    from seg_ros.cli._method import load_segmenter
    from seg_ros.cli._results import open_results
    from seg_ros.cli._tracking import tracker_of
    from seg_ros.nodes.process import stop_signal

    assign_marks(args)
    with open_input(args) as source:
        segmenter = load_segmenter(args)
        tracker = tracker_of(args) if args.track else None
        writer = open_results(args.output, args.method, args.storage,
                              None if args.results_only else source)
        try:
            with stop_signal() as stop:
                done, failed = segment_all(source, segmenter, writer, stop, quiet=args.quiet,
                                           tracker=tracker)
        finally:
            writer.close()
        print(f'{done} of {len(source)} frames segmented into {args.output}')
    return EXIT_INTERRUPTED if stop.is_set else int(failed > 0)


def segment_all(
    source: FrameSource,
    segmenter: Segmenter,
    writer: ResultWriter,
    stop: StopSignal,
    *,
    quiet: bool = False,
    tracker: Tracker | None = None,
) -> tuple[int, int]:
    """Segment and write frames to the end or the signal, which ends it after a whole frame.

    Bad frames are named on stderr. Returns how many were segmented and how many were bad.
    """
    from seg_ros.cli._progress import with_progress

    done = failed = 0
    frames, says_lines = with_progress(source, quiet=quiet)
    for named in frames:
        if stop.is_set:
            break
        try:
            text = _segment_one(named, segmenter, writer, tracker)
        except ValueError as error:
            failed += 1
            print(f'{named.name}: {error}', file=sys.stderr)
            continue
        done += 1
        if says_lines:
            print(text, flush=True)
    return done, failed


def _segment_one(
    named: NamedFrame, segmenter: Segmenter, writer: ResultWriter, tracker: Tracker | None
) -> str:
    from seg_ros.cli._method import timed_segment
    from seg_ros.cli._tracking import instances
    from seg_ros.core.results import Instances

    if named.frame is None:
        raise ValueError(named.error)
    result, seconds = timed_segment(segmenter, named.frame)
    if tracker is not None:
        stamp_ns = named.frame.stamp_ns or named.log_time_ns
        result = tracker.update(instances(result), named.frame, stamp_ns=stamp_ns)
    writer.write(named, named.frame, result)
    count = f'{len(result)} objects, ' if isinstance(result, Instances) else ''
    return f'{named.name}: {count}{1e3 * seconds:.0f} ms'
