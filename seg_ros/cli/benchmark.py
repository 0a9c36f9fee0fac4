# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measure a method, its parts and its peers on this machine, or the node alone.

unseen_objects: frame to labels with its stages, the network by each backend, mean shift in its
forms against the plain one, and what the node adds to the bare call. mask_rcnn: frame to labels by
each backend, torchvision's detector beside it, the share around the network, memory. semantic:
every network by each backend, torchvision's beside them, frame to labels, the node. node: latency
and memory of the node with a method that does next to nothing. roi: accuracy of RoIPool, RoIWarp
and RoIAlign. crf: solvers of conditional random fields. dds: images between two processes, by the
middleware's default and our profile. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seg_ros.cli._benchmark_crf import add_crf_arguments
from seg_ros.cli._benchmark_detector import DETECTOR_PARTS
from seg_ros.cli._benchmark_roi import add_roi_arguments
from seg_ros.cli._benchmark_semantic import SEMANTIC_PARTS
from seg_ros.cli._method import add_network_argument, options_of

if TYPE_CHECKING:
    from seg_ros.benchmark.frames import FreshFrames
    from seg_ros.benchmark.report import Report
    from seg_ros.segmenters import Segmenter

HELP = 'measure speed, latency and memory'
SUBJECTS = ('unseen_objects', 'mask_rcnn', 'semantic', 'node', 'dds', 'roi', 'crf')
DEFAULT_ITERATIONS = 15
PARTS = ('segment', 'backends', 'mean_shift', 'node')
PARTS_OF = {'unseen_objects': PARTS, 'mask_rcnn': DETECTOR_PARTS, 'semantic': SEMANTIC_PARTS}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('subject', choices=SUBJECTS, metavar='SUBJECT',
                        help=', '.join(SUBJECTS[:-1]) + f' or {SUBJECTS[-1]}')
    parser.add_argument('--input', default='auto', metavar='FOLDER',
                        help='frames to measure on: a folder, synthetic or arc2017')
    parser.add_argument('--iterations', type=_at_least_one,
                        help=f'rounds that count (default: {DEFAULT_ITERATIONS}); roi: steps; '
                        'dds: frames a case (default: 300)')
    parser.add_argument('--warmup', type=_at_least_one, default=3, help='rounds before')
    parser.add_argument('--threads', type=_at_least_one, help='native threads (default: cores)')
    parser.add_argument('--parts', nargs='+',
                        choices=[*dict.fromkeys(sum(PARTS_OF.values(), ()))],
                        help="parts of a method's benchmark (default: all): " + '; '.join(
                            f'{name} has {", ".join(parts)}' for name, parts in PARTS_OF.items()))
    parser.add_argument('--networks', nargs='+', metavar='NAME',
                        help='semantic: networks of the part networks, such as deeplab or '
                        'fcn8s:light (default: all)')
    parser.add_argument('--zoom', action='store_true', help='measure zoom: objects as well')
    parser.add_argument('--pixels', type=_at_least_one, default=307_200, help='mean shift: pixels')
    parser.add_argument('--dimensions', type=_at_least_one, default=64,
                        help='mean shift: dimensions')
    parser.add_argument('--peer-iterations', type=_at_least_one, default=2,
                        help="mask_rcnn: rounds beside torchvision's, seconds each")
    parser.add_argument('--frames', type=_at_least_one, default=2000, help='node: frames to send')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures as JSON')
    parser.add_argument('--markdown', type=Path, metavar='FILE', help='write the tables')
    _add_method_arguments(parser)
    add_roi_arguments(parser)
    add_crf_arguments(parser)


def _add_method_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('method')
    add_network_argument(group)
    group.add_argument('--weights', default='default', help="weights file, or 'default'")
    group.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    group.add_argument('--backend', default='auto', help='auto, torch, onnxruntime or openvino')
    group.add_argument('--set', metavar='NAME=VALUE', dest='assignments', action='append',
                       default=[], help='set an option of the method; may be repeated')


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{value}: at least 1')
    return value


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables, write the files."""
    from seg_ros.benchmark.report import to_markdown, write_json, write_markdown

    if args.subject == 'roi':
        return _roi(args)
    if args.subject == 'dds':
        return _dds(args)
    args.iterations = args.iterations or DEFAULT_ITERATIONS
    report = _crf(args) if args.subject == 'crf' else _measured(args)
    print(to_markdown(report), end='')
    if args.json:
        write_json(report, args.json)
    if args.markdown:
        write_markdown(report, args.markdown)
    return 0


def _roi(args: argparse.Namespace) -> int:
    from seg_ros.cli._benchmark_roi import benchmark_roi

    _set_threads(args.threads)
    print(benchmark_roi(args, _progress), end='')
    return 0


def _crf(args: argparse.Namespace) -> Report:
    from seg_ros.cli._benchmark_crf import benchmark_crf

    _check_parts(args)
    return benchmark_crf(args, _progress)


def _dds(args: argparse.Namespace) -> int:
    from seg_ros.cli._benchmark_dds import benchmark_dds

    print(benchmark_dds(args, _progress), end='')
    return 0


def _measured(args: argparse.Namespace) -> Report:
    from seg_ros.benchmark.frames import frames_from
    from seg_ros.benchmark.report import Report

    _check_parts(args)
    _set_threads(args.threads)
    frames = frames_from(args.input)
    width, height = frames.size
    report = Report(args.subject, {
        'input': frames.name, 'size': f'{width}x{height}', 'iterations': args.iterations,
        'warmup': args.warmup, 'backend': args.backend, 'weights': str(args.weights),
        'options': ' '.join(args.assignments) or 'as they are'})
    if args.subject == 'node':
        _node_alone(report, args, frames)
    elif args.subject == 'mask_rcnn':
        _mask_rcnn(report, args, frames)
    elif args.subject == 'semantic':
        _semantic(report, args, frames)
    else:
        _unseen_objects(report, args, frames)
    return report


def _check_parts(args: argparse.Namespace) -> None:
    known = PARTS_OF.get(args.subject, ())
    wrong = [part for part in args.parts or () if part not in known]
    if wrong:
        raise ValueError(f'--parts {", ".join(wrong)}: {args.subject} has '
                         f'{", ".join(known) or "no parts"}')


def _set_threads(count: int | None) -> None:
    from seg_ros.threads import wait_passively

    wait_passively()
    import cv2
    import torch

    if count:
        torch.set_num_threads(count)
    cv2.setNumThreads(torch.get_num_threads())


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _unseen_objects(report: Report, args: argparse.Namespace, frames: FreshFrames) -> None:
    measures = {'segment': _segment, 'backends': _backends, 'mean_shift': _mean_shift,
                'node': _node}
    for part in PARTS:
        if part in (args.parts or PARTS):
            measures[part](report, args, frames)


def _mask_rcnn(report: Report, args: argparse.Namespace, frames: FreshFrames) -> None:
    from seg_ros.cli._benchmark_detector import measure_detector

    measure_detector(report, args, frames, lambda name: _load(args, name), _rounds(args))


def _semantic(report: Report, args: argparse.Namespace, frames: FreshFrames) -> None:
    from seg_ros.cli._benchmark_semantic import measure_semantic

    measure_semantic(report, args, frames, lambda name: _load(args, name), _rounds(args))


def _rounds(args: argparse.Namespace) -> dict[str, Any]:
    return {'iterations': args.iterations, 'warmup': args.warmup, 'progress': _progress}


def _segment(report: Report, args: argparse.Namespace, frames: FreshFrames) -> None:
    from seg_ros.benchmark.segmenting import measure_segmenters

    zooms = ['none', 'scene', *(['objects'] if args.zoom else [])]
    named = [(f'zoom {zoom}', _load(args, args.backend, zoom=zoom)) for zoom in zooms]
    measure_segmenters(report, named, frames, **_rounds(args))


def _backends(report: Report, args: argparse.Namespace, frames: FreshFrames) -> None:
    from seg_ros.backends import installed_backends, resolve_device
    from seg_ros.benchmark.segmenting import measure_backends

    on_cpu = resolve_device(args.device).type == 'cpu'
    names = installed_backends() if on_cpu else ('torch',)
    measure_backends(report, lambda name: _load(args, name), names, frames, **_rounds(args))


def _mean_shift(report: Report, args: argparse.Namespace, frames: FreshFrames) -> None:
    from seg_ros.benchmark.clustering import measure_mean_shift

    _progress('mean shift: exact and fast against the plain form')
    measure_mean_shift(report, pixels=args.pixels, dimensions=args.dimensions,
                       iterations=max(1, args.iterations // 5))


def _node(report: Report, args: argparse.Namespace, frames: FreshFrames) -> None:
    from seg_ros.cli._benchmark_node import node_latency

    node_latency(report, args, _load(args, args.backend), frames, _progress)


def _load(args: argparse.Namespace, backend: str, **options: str) -> Segmenter:
    from seg_ros.segmenters import load, options_type

    values = {**options_of(args, args.subject), **options}
    chosen = options_type(args.subject)().replaced(**values)
    return load(args.subject, args.weights, args.device, backend, chosen)


def _node_alone(report: Report, args: argparse.Namespace, frames: FreshFrames) -> None:
    from seg_ros.cli._benchmark_node import node_memory

    node_memory(report, args, frames, _progress)
