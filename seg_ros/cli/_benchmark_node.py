# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Start the node in a process of its own and send it frames over the middleware."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seg_ros.benchmark.process import ChildProcess, python_command
from seg_ros.benchmark.trivial import NAME as TRIVIAL

if TYPE_CHECKING:
    from seg_ros.benchmark.frames import FreshFrames
    from seg_ros.benchmark.report import Report
    from seg_ros.nodes.latency import CameraProbe
    from seg_ros.segmenters import Segmenter

START_TIMEOUT_S = 60.0
_NODE = 'seg_ros.nodes.segmentation_node'
TRIVIAL_NODE = (
    'import sys; from seg_ros.benchmark.trivial import register_trivial; register_trivial(); '
    f'from {_NODE} import main; sys.exit(main(sys.argv))')


def node_latency(
    report: Report, args: argparse.Namespace, segmenter: Segmenter, frames: FreshFrames,
    progress: Callable[[str], None],
) -> None:
    """Add the node's latency over the bare segmenter, and the time it took to start."""
    from seg_ros.benchmark.node import measure_latency
    from seg_ros.cli._method import options_of

    values = {'method': segmenter.method, 'weights': str(args.weights), 'device': args.device,
              'backend': args.backend, **options_of(args, segmenter.method)}
    command = python_command('-m', _NODE, '--ros-args', *_parameters(values))
    with _node_and_probe(command, segmenter.method, args.threads) as (_, probe, started_s):
        report.findings['node start to its topics s'] = started_s
        measure_latency(report, probe, segmenter, frames, iterations=args.iterations,
                        warmup=args.warmup, progress=progress)
        report.findings["the node's own figures"] = probe.node_figures()


def node_memory(
    report: Report, args: argparse.Namespace, frames: FreshFrames,
    progress: Callable[[str], None],
) -> None:
    """Add latency and growth of the node, all topics on, with the trivial method."""
    from seg_ros.benchmark.node import measure_memory

    command = python_command('-c', TRIVIAL_NODE, '--ros-args', *_parameters({'method': TRIVIAL}))
    with _node_and_probe(command, TRIVIAL, args.threads, all_topics=True) as (
            child, probe, started_s):
        report.findings['node start to its topics s'] = started_s
        measure_memory(report, probe, child.pid, frames, count=args.frames, progress=progress)


def _parameters(values: dict[str, object]) -> list[str]:
    # The probe publishes reliably; a subscription made anew to match it would lose frames.
    values = {'input_reliability': 'reliable', **values}
    words = (f'{name}:={str(value).lower() if isinstance(value, bool) else value}'
             for name, value in values.items())
    return [part for word in words for part in ('-p', word)]


@contextmanager
def _node_and_probe(
    command: list[str], name: str, threads: int | None, *, all_topics: bool = False
) -> Iterator[tuple[ChildProcess, CameraProbe, float]]:
    """Yield the node's process, a probe connected to it, and the seconds that took."""
    from seg_ros.nodes.latency import CameraProbe, ros_environment
    from seg_ros.resources import config_path

    environment = ros_environment(config_path('fastdds_images.xml'))
    for_node = {**environment, **({'OMP_NUM_THREADS': str(threads)} if threads else {})}
    with tempfile.TemporaryDirectory() as folder, set_for_now(environment):
        child = ChildProcess(command, for_node, Path(folder) / 'node.log')
        with child, CameraProbe(f'{name}/label', also=all_topics) as probe:
            started_s = probe.wait_for_node(START_TIMEOUT_S, child.require_alive)
            yield child, probe, started_s


@contextmanager
def set_for_now(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for a while: the probe's middleware reads them when it starts."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
