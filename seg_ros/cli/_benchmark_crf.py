# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The subject crf of seg_ros benchmark: solvers on the grid, or the fully connected CRF."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from seg_ros.benchmark.report import Report

PARTS = ('grid', 'dense')


def add_crf_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only this subject takes."""
    group = parser.add_argument_group('crf', 'Energy against time of every solver of grid CRFs, '
                                      'or speed of the fully connected one.')
    group.add_argument('--part', choices=PARTS, default='grid',
                       help='crf: which of both (default: %(default)s)')
    group.add_argument('--size', type=_size, default=(640, 480), metavar='WxH',
                       help='crf grid: pixels (default: 640x480)')
    group.add_argument('--seconds', type=float, default=20.0,
                       help='crf grid: time of each method (default: %(default)g)')
    group.add_argument('--peer-seconds', type=float, default=120.0,
                       help="crf grid: time of PyMaxflow's cuts (default: %(default)g)")
    group.add_argument('--clock', choices=('wall', 'cpu'), default='wall',
                       help='crf grid: what seconds are; cpu is for a machine with other work')
    group.add_argument('--figure', type=Path, metavar='PNG', help='crf grid: draw the curves')
    group.add_argument('--pictures', type=Path, metavar='PNG',
                       help='crf grid: draw the labellings')


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition('x')
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f'{text!r}: WxH in pixels, as 640x480')
    return int(width), int(height)


def benchmark_crf(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    """Measure the part asked for and draw the pictures of the grid's."""
    return _grid(args, progress) if args.part == 'grid' else _dense(progress)


def _grid(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from seg_ros.benchmark.crf_figure import draw_curves, draw_labellings
    from seg_ros.benchmark.crf_grid import measure
    from seg_ros.core.io import write_color

    report = measure(size=args.size, seconds=args.seconds, peer_seconds=args.peer_seconds,
                     threads=args.threads, clock=args.clock, progress=progress)
    if args.figure:
        write_color(args.figure, draw_curves(report))
    if args.pictures:
        write_color(args.pictures, draw_labellings(report, args.size))
    return report


def _dense(progress: Callable[[str], None]) -> Report:
    measure = importlib.import_module('seg_ros.benchmark.crf_dense').measure
    return cast('Report', measure(progress=progress))
