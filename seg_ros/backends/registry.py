# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The table of backends and which of them are installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from importlib import import_module

from seg_ros.backends.base import Backend, BuildRequest, Engine


def _lazily(module: str) -> Callable[[BuildRequest], Engine]:
    def build(request: BuildRequest) -> Engine:
        return import_module(f'seg_ros.backends.{module}').build(request)

    return build


BACKENDS: dict[str, Backend] = {}


def register(backend: Backend) -> None:
    """Add a backend; ValueError where the name is taken."""
    if backend.name in BACKENDS or backend.name == 'auto':
        raise ValueError(f'a backend named {backend.name!r} exists already: choose another name')
    BACKENDS[backend.name] = backend


register(Backend('torch', ('torch',), ('cpu', 'cuda', 'mps', 'xpu'), ('fp32', 'bf16'),
                 _lazily('torch_backend')))
register(Backend('openvino', ('openvino', 'onnx'), ('cpu',), ('fp32', 'bf16'),
                 _lazily('openvino_backend')))
register(Backend('onnxruntime', ('onnxruntime', 'onnx'), ('cpu',), ('fp32',),
                 _lazily('onnxruntime_backend')))


def missing_packages(backend: Backend) -> tuple[str, ...]:
    """Return the packages that a backend needs and that are not importable."""
    return tuple(name for name in backend.packages if importlib.util.find_spec(name) is None)


def installed_backends() -> tuple[str, ...]:
    """Return the names of the backends whose packages are installed; 'torch' comes first."""
    return tuple(name for name, backend in BACKENDS.items() if not missing_packages(backend))


def find_backend(name: str) -> Backend:
    """Return a backend by name; ValueError for an unknown one and for one not installed."""
    if name not in BACKENDS:
        raise ValueError(f'backend {name!r} is unknown; accepted: auto, {", ".join(BACKENDS)}')
    backend = BACKENDS[name]
    missing = missing_packages(backend)
    if missing:
        raise ValueError(
            f'backend {name!r} needs {" and ".join(missing)}, not installed here: '
            f'pip install {" ".join(missing)}, or choose backend torch or auto'
        )
    return backend
