# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measure Mask R-CNN: by each backend, beside torchvision's, around its network, its memory."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seg_ros.benchmark.frames import FreshFrames
    from seg_ros.benchmark.report import Report
    from seg_ros.segmenters import Segmenter

DETECTOR_PARTS = ('backends', 'peer', 'paste', 'memory')


def measure_detector(
    report: Report, args: argparse.Namespace, frames: FreshFrames,
    load: Callable[[str], Segmenter], rounds: dict[str, Any],
) -> None:
    """Add the parts asked for; ``load`` makes a segmenter run by a backend of that name."""
    from seg_ros.benchmark import detecting

    parts = args.parts or DETECTOR_PARTS
    chosen = load(args.backend)
    if 'backends' in parts:
        measure_by_backends(report, args, frames, chosen, load, rounds)
    if 'peer' in parts:
        detecting.measure_beside(
            report, chosen, detecting.TorchvisionPeer(), frames,
            iterations=args.peer_iterations, progress=rounds['progress'])
    if 'paste' in parts:
        detecting.measure_share(report, chosen, frames, **rounds)
    if 'memory' in parts:
        _memory(report, args, frames, rounds)


def measure_by_backends(
    report: Report, args: argparse.Namespace, frames: FreshFrames, chosen: Segmenter,
    load: Callable[[str], Segmenter], rounds: dict[str, Any],
) -> None:
    """Add frame to labels by the backend asked for (auto), and by each one installed."""
    from seg_ros.backends import installed_backends, resolve_device
    from seg_ros.benchmark.segmenting import measure_segmenters

    on_cpu = resolve_device(args.device).type == 'cpu'
    names = installed_backends() if on_cpu else ('torch',)
    others = [(name, load(name)) for name in names if name != args.backend]
    measure_segmenters(report, [(args.backend, chosen), *others], frames, **rounds)


def _memory(
    report: Report, args: argparse.Namespace, frames: FreshFrames, rounds: dict[str, Any]
) -> None:
    from seg_ros.benchmark.detecting import measure_peak
    from seg_ros.cli._method import assigned

    settings = {'weights': str(args.weights), 'device': args.device, 'backend': args.backend,
                'options': assigned(args.assignments), 'threads': args.threads}
    measure_peak(report, settings, frames[0], progress=rounds['progress'])
