# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The arguments that choose a method, and the segmenter they make."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib.metadata
import platform
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from seg_ros.core.frame import RgbdFrame
    from seg_ros.core.options import Options
    from seg_ros.core.results import Instances, SemanticMap
    from seg_ros.segmenters import Segmenter

_PACKAGES = ('numpy', 'opencv-python-headless', 'opencv-python', 'torch', 'torchvision',
             'onnxruntime', 'openvino', 'scipy')  # fmt: skip


def add_method_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --method, --network, --weights, --device, --backend and --set."""
    group = parser.add_argument_group('method')
    group.add_argument('--method', default='unseen_objects', help='method (default: %(default)s)')
    add_network_argument(group)
    group.add_argument(
        '--weights', default='default', help="weights file, or 'default' for those that ship"
    )
    group.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    group.add_argument('--backend', default='auto', help='auto, torch, onnxruntime or openvino')
    group.add_argument(
        '--set', metavar='NAME=VALUE', dest='assignments', action='append', default=[],
        help='set an option of the method; may be repeated',
    )  # fmt: skip


def add_network_argument(group: argparse._ActionsContainer) -> None:
    """Add --network."""
    group.add_argument(
        '--network', metavar='NAME',
        help='network of the method semantic (default: that of the weights)')


def load_segmenter(args: argparse.Namespace) -> Segmenter:
    """Load the segmenter that the arguments describe; ValueError for a bad one."""
    from seg_ros.segmenters import load, options_type

    options = options_type(args.method)().replaced(**options_of(args, args.method))
    return load(args.method, args.weights, args.device, args.backend, options)


def options_of(args: argparse.Namespace, method: str) -> dict[str, str]:
    """Return the options of a method that --set and --network give, as text.

    ValueError for --network with a method that has one network, or told by --set as well.
    """
    from seg_ros.segmenters import METHODS, options_type

    values = assigned(args.assignments)
    if args.network is None:
        return values
    if 'network' not in _names(options_type(method)):
        having = [name for name in sorted(METHODS) if 'network' in _names(options_type(name))]
        raise ValueError(f'--network {args.network}: the method {method} has no choice of '
                         f'networks; {", ".join(having)} has')
    if 'network' in values:
        raise ValueError('--network and --set network=NAME say the same: give one of them')
    return {**values, 'network': args.network}


def _names(kind: type[Options]) -> list[str]:
    return [spec.name for spec in kind.specs()]


def assigned(assignments: list[str]) -> dict[str, str]:
    """Return NAME=VALUE words as a dictionary; ValueError for a word without '='."""
    values = {}
    for word in assignments:
        name, equals, value = word.partition('=')
        if not (name and equals):
            raise ValueError(f'--set takes NAME=VALUE, got {word!r}')
        values[name] = value
    return values


def timed_segment(
    segmenter: Segmenter, frame: RgbdFrame
) -> tuple[Instances | SemanticMap, float]:
    """Return the result of one frame and the seconds that it took."""
    if segmenter.needs_depth and frame.depth is None:
        raise ValueError(
            f'{segmenter.method} needs depth: NAME-depth.png with camera.json in a folder, '
            '--depth and --camera for a single image, depth and camera_info topics in a bag'
        )
    start = time.perf_counter()
    result = segmenter.segment(frame)
    return result, time.perf_counter() - start


def describe_run(args: argparse.Namespace, segmenter: Segmenter) -> dict[str, Any]:
    """Return what a result depends on, ready for JSON: method, weights, options, versions.

    A method with several networks tells which one it is.
    """
    network = getattr(segmenter, 'network', None)
    path = getattr(segmenter, 'weights_path', args.weights)
    return {
        'method': segmenter.method,
        **({} if network is None else {'network': network}),
        'weights': str(args.weights),
        'weights_sha256': _digest(path, segmenter.method),
        'device': segmenter.device,
        'backend': segmenter.backend,
        'options': dataclasses.asdict(segmenter.options),
        'versions': package_versions(),
    }


def _digest(weights: str | Path, method: str) -> str | None:
    """Return the SHA-256 of the weights file, None for a method that has none."""
    from seg_ros.weights import weights_path

    try:
        return hashlib.sha256(weights_path(weights, method).read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def package_versions() -> dict[str, str]:
    """Return the versions of Python, this package and the installed ones that matter."""
    from seg_ros import __version__

    found = {'python': platform.python_version(), 'seg_ros': __version__}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
