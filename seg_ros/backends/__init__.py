# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Run a network by torch, ONNX Runtime or OpenVINO behind one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seg_ros.backends.device import resolve_device
    from seg_ros.backends.registry import installed_backends
    from seg_ros.backends.runner import Runner
    from seg_ros.backends.selection import compile_network

__all__ = ['Runner', 'compile_network', 'installed_backends', 'resolve_device']

_HOME = {
    'Runner': 'runner',
    'compile_network': 'selection',
    'installed_backends': 'registry',
    'resolve_device': 'device',
}


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used: importing the package imports no torch."""
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    import importlib

    return getattr(importlib.import_module(f'{__name__}.{_HOME[name]}'), name)
