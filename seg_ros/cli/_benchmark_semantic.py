# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measure semantic segmentation: all networks beside torchvision's, frame to labels, the node."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seg_ros.benchmark.frames import FreshFrames
    from seg_ros.benchmark.report import Report
    from seg_ros.segmenters import Segmenter

SEMANTIC_PARTS = ('networks', 'backends', 'node')


def measure_semantic(
    report: Report, args: argparse.Namespace, frames: FreshFrames,
    load: Callable[[str], Segmenter], rounds: dict[str, Any],
) -> None:
    """Add the parts asked for; ``load`` makes a segmenter run by a backend of that name."""
    parts = args.parts or SEMANTIC_PARTS
    # first, so that weights that are not there are told before an hour of measuring
    chosen = load(args.backend) if {'backends', 'node'} & set(parts) else None
    if 'networks' in parts:
        _networks(report, args, frames, rounds)
    if chosen is not None and 'backends' in parts:
        from seg_ros.cli._benchmark_detector import measure_by_backends

        measure_by_backends(report, args, frames, chosen, load, rounds)
    if chosen is not None and 'node' in parts:
        from seg_ros.cli._benchmark_node import node_latency

        node_latency(report, args, chosen, frames, rounds['progress'])


def _networks(
    report: Report, args: argparse.Namespace, frames: FreshFrames, rounds: dict[str, Any]
) -> None:
    from seg_ros.backends import installed_backends
    from seg_ros.benchmark.semantic_networks import chosen_forms, measure_networks

    backends = [name for name in installed_backends() if name != 'torch']
    measure_networks(report, chosen_forms(args.networks), backends, frames, **rounds)
