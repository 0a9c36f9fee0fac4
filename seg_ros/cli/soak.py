# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Run the node for long with a camera of 30 Hz that misbehaves at random, and report.

The camera stops and returns, its clock jumps back, its size and calibration change, depth is
unplugged, frames are corrupted, 2 % of the messages are lost, its process is killed and started
anew; parameters change, the lifecycle is cycled, subscribers come and go. Passed is a soak without
a crash, without growth over 20 MiB, without a result of a wrong stamp, with every fault visible in
/diagnostics and recovery within a second. The method does next to nothing: it is the node that is
tried. Ctrl-C ends it early; the report is of what came until then.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seg_ros.benchmark.soak import SoakOutcome

HELP = 'run the node for long under random faults'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('--minutes', type=float, default=30.0,
                        help='how long; each fault comes once at least (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of the faults (default: %(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write what came as JSON')
    parser.add_argument('--markdown', type=Path, metavar='FILE', help='write the report')
    parser.add_argument('--log', type=Path, metavar='FILE', help="keep the node's output")


def run(args: argparse.Namespace) -> int:
    """Soak, print the report; 1 where the node failed."""
    from seg_ros.benchmark.soak import to_markdown, write_report
    from seg_ros.nodes.process import imported_rclpy

    if args.minutes < 0:
        raise ValueError(f'--minutes is {args.minutes}: 0 or more')
    imported_rclpy()
    with tempfile.TemporaryDirectory() as folder, _interruptible():
        outcome = _soaked(args, args.log or Path(folder) / 'node.log')
    print(to_markdown(outcome), end='')
    write_report(outcome, args.json, args.markdown)
    return int(bool(outcome.failures()))


@contextmanager
def _interruptible() -> Iterator[None]:
    """End the soak in order, with its processes, whichever signal comes."""
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt)
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _soaked(args: argparse.Namespace, log: Path) -> SoakOutcome:
    from seg_ros.benchmark.process import python_command
    from seg_ros.cli._benchmark_node import TRIVIAL, TRIVIAL_NODE, set_for_now
    from seg_ros.nodes.latency import ros_environment
    from seg_ros.resources import config_path

    environment = ros_environment(config_path('fastdds_images.xml'))
    command = python_command('-c', TRIVIAL_NODE, '--ros-args', '-p', f'method:={TRIVIAL}')
    with set_for_now(environment):
        from seg_ros.nodes.soak import run_soak

        return run_soak(command, TRIVIAL, log, minutes=args.minutes, seed=args.seed,
                        environment={'OMP_NUM_THREADS': '1'},
                        progress=_progress)


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
