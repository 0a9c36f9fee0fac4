# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Describe the machine that figures were taken on."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ('seg_ros', 'torch', 'numpy', 'openvino', 'onnxruntime', 'opencv-python-headless',
            'opencv-python', 'numba', 'scipy', 'rclpy', 'torchvision', 'pycocotools')


def describe_machine() -> dict[str, Any]:
    """Return CPU, cores, threads, memory, load and versions, as JSON values."""
    return {
        'cpu': cpu_model(),
        'cores': len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity')
        else os.cpu_count(),
        'memory_gib': _memory_gib(),
        'load_average_1min': round(os.getloadavg()[0], 2),
        'system': f'{platform.system()} {platform.release()}',
        'python': sys.version.split()[0],
        'threads': threads(),
        'versions': versions(),
    }


def cpu_model(cpuinfo: Path = Path('/proc/cpuinfo')) -> str:
    """Return the CPU's name as the kernel has it."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return platform.processor() or 'unknown'
    names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or 'unknown'


def threads() -> dict[str, Any]:
    """Return the number of threads of every native library that computes here."""
    found: dict[str, Any] = {
        name: os.environ[name] for name in ('OMP_NUM_THREADS', 'OMP_WAIT_POLICY')
        if name in os.environ}
    if 'torch' in sys.modules:
        import torch

        found['torch'] = torch.get_num_threads()
    if 'cv2' in sys.modules:
        import cv2

        found['opencv'] = cv2.getNumThreads()
    return found


def versions() -> dict[str, str]:
    """Return the versions of the packages that matter and are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30, 1)
    except (ValueError, OSError):
        return None
