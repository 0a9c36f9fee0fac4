# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Turn a device's name into a torch device that exists."""

from __future__ import annotations

import torch


def resolve_device(name: str | torch.device = 'auto') -> torch.device:
    """Return the device for 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'.

    'auto' takes CUDA where there is one, else the CPU. ValueError for a name that torch does not
    know and for a device that this machine lacks; nothing falls back silently.
    """
    if str(name) == 'auto':
        return torch.device('cuda', 0) if torch.cuda.is_available() else torch.device('cpu')
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise ValueError(
            f'device {name!r} is unknown; accepted: auto, cpu, cuda, cuda:N, mps'
        ) from None
    if device.type == 'cuda':
        return _checked_cuda(device)
    if device.type == 'mps' and not torch.backends.mps.is_available():
        raise ValueError('device mps: this machine has no Metal device; use device cpu or auto')
    if device.type not in ('cpu', 'mps', 'xpu'):
        raise ValueError(f'device {name!r} runs no network here; accepted: auto, cpu, cuda, mps')
    return device


def _checked_cuda(device: torch.device) -> torch.device:
    if not torch.cuda.is_available():
        why = 'sees no CUDA device' if torch.version.cuda else 'is a build without CUDA'
        raise ValueError(
            f'device {device}: torch {torch.__version__} {why}; install the NVIDIA driver and a '
            'CUDA build of torch, or use device cpu or auto'
        )
    index = device.index or 0
    if index >= torch.cuda.device_count():
        raise ValueError(
            f'device {device}: this machine has {torch.cuda.device_count()} CUDA device(s), '
            'counted from cuda:0'
        )
    return torch.device('cuda', index)
