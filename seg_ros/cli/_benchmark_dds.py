# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measure how images travel between two processes, by the middleware's default and our profile."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seg_ros.benchmark.process import python_command
from seg_ros.benchmark.transport import (
    Case,
    Travelled,
    all_cases,
    to_markdown,
    travelled,
    write_results,
)

DEFAULT_FRAMES = 300
PROFILES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
_TIMEOUT_S = 120.0


def benchmark_dds(args: argparse.Namespace, progress: Callable[[str], None]) -> str:
    """Return the table of all cases and write the files that are asked for."""
    from seg_ros.nodes.process import imported_rclpy

    imported_rclpy()
    frames = args.iterations or DEFAULT_FRAMES
    results = []
    for case in all_cases():
        progress(f'{case.width}x{case.height}, {case.reliability}, profile {case.profile}')
        results.append(measured(case, frames))
    if args.json:
        write_results(results, args.json)
    text = to_markdown(results)
    if args.markdown:
        args.markdown.parent.mkdir(parents=True, exist_ok=True)
        args.markdown.write_text(text)
    return text


def measured(case: Case, frames: int) -> Travelled:
    """Return what came of a case, measured by two processes of its own."""
    environment = _environment(case.profile)
    text = json.dumps({**asdict(case), 'frames': frames})
    receiver = _started('receive', text, environment)
    try:
        if receiver.stdout is None or receiver.stdout.readline() != 'ready\n':
            raise ValueError('the receiving process did not start: its error stands above')
        sent = _answer(_started('send', text, environment), _TIMEOUT_S + frames)
        came = _answer(receiver, _TIMEOUT_S)
    finally:
        receiver.kill()
        receiver.wait()
    arrivals = {topic: {int(stamp): at for stamp, at in times.items()}
                for topic, times in came.items()}
    return travelled(case, sent, arrivals)


def _answer(process: subprocess.Popen[str], timeout_s: float) -> Any:
    """Return what a process wrote as JSON; it does not outlive the timeout."""
    try:
        out = process.communicate(timeout=timeout_s)[0]
    finally:
        process.kill()
    if process.returncode:
        raise ValueError(f'a measuring process ended with {process.returncode}: its error stands '
                         'above')
    return json.loads(out)


def _started(role: str, text: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    command = python_command('-m', 'seg_ros.nodes.transport_probe', role, text)
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def _environment(profile: str) -> dict[str, str]:
    from seg_ros.nodes.latency import ros_environment
    from seg_ros.resources import config_path

    path: Path | None = config_path('fastdds_images.xml') if profile == 'images' else None
    plain = {name: value for name, value in os.environ.items() if name not in PROFILES}
    return {**plain, **ros_environment(path)}
