# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Segment a folder of frames, one image or a rosbag2 and write labels, overlays and objects."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seg_ros.cli._inputs import FrameSource
    from seg_ros.cli._results import ResultWriter
    from seg_ros.segmenters import Segmenter

HELP = 'segment a folder of frames, one image or a rosbag2'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from seg_ros.cli._inputs import add_input_arguments
    from seg_ros.cli._method import add_method_arguments

    add_input_arguments(parser)
    parser.add_argument(
        '--output', type=Path, required=True, metavar='OUT',
        help='folder for NAME-labels.png, NAME-overlay.png and objects.json, or X.mcap for a bag',
    )  # fmt: skip
    parser.add_argument('--quiet', action='store_true', help='no line a frame')
    add_method_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Segment every frame; 1 where some could not be, 0 where all were."""
    from seg_ros.cli._inputs import open_input
    from seg_ros.cli._method import load_segmenter
    from seg_ros.cli._results import open_results

    with open_input(args) as source:
        segmenter = load_segmenter(args)
        writer = open_results(args.output, args.method)
        try:
            failed = segment_all(source, segmenter, writer, quiet=args.quiet)
        finally:
            writer.close()
        print(f'{len(source) - failed} of {len(source)} frames segmented into {args.output}')
    return 1 if failed else 0


def segment_all(
    source: FrameSource, segmenter: Segmenter, writer: ResultWriter, *, quiet: bool = False
) -> int:
    """Segment and write all frames; name the bad ones on stderr and return how many there were."""
    from seg_ros.cli._method import timed_segment

    failed = 0
    for named in source:
        try:
            if named.frame is None:
                raise ValueError(named.error)
            result, seconds = timed_segment(segmenter, named.frame)
            writer.write(named, named.frame, result)
        except ValueError as error:
            failed += 1
            print(f'{named.name}: {error}', file=sys.stderr)
            continue
        if not quiet:
            count = len(result) if hasattr(result, '__len__') else 'classes'
            print(f'{named.name}: {count} objects, {1e3 * seconds:.0f} ms', flush=True)
    return failed
