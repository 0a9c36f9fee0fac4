# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Write a network as a file for other runtimes, and read it back to compare it with torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seg_ros.backends.agreement import compare_values
from seg_ros.backends.base import Engine, outputs_as_tuple
from seg_ros.backends.export import export_onnx, quiet
from seg_ros.backends.probe import make_probe
from seg_ros.backends.torch_backend import EagerEngine

SUFFIXES = {'onnx': '.onnx', 'openvino': '.xml', 'torchscript': '.pt'}
# What writes a form and what reads it back.
PACKAGES = {'onnx': ('onnx', 'onnxruntime'), 'openvino': ('onnx', 'openvino'), 'torchscript': ()}


def export_file(
    module: nn.Module, examples: tuple[Tensor, ...], path: Path | str, form: str
) -> list[Path]:
    """Write a network (eval mode, CPU) as 'onnx', 'openvino' or 'torchscript'.

    Batch and image size stay free. The file is read back and compared with torch at the examples'
    size and at another (fp32, 1e-3); returns the files written. ValueError for an unknown form or
    a path with another suffix, ImportError for packages not installed; RuntimeError, and no file,
    where the numbers differ.
    """
    path = Path(path)
    if form not in SUFFIXES:
        raise ValueError(f'format {form!r} is unknown; accepted: {", ".join(SUFFIXES)}')
    if path.suffix != SUFFIXES[form]:
        raise ValueError(f'{path}: a file of format {form} ends in {SUFFIXES[form]}')
    missing = [name for name in PACKAGES[form] if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f'format {form} needs {" and ".join(missing)}, not installed here: '
            f'pip install {" ".join(missing)}')
    path.parent.mkdir(parents=True, exist_ok=True)
    written = _WRITERS[form](module, examples, path)
    try:
        _check(module, examples, _READERS[form](path))
    except Exception:
        for file in written:
            file.unlink(missing_ok=True)
        raise
    return written


def _check(module: nn.Module, examples: tuple[Tensor, ...], engine: Engine) -> None:
    probe = make_probe(EagerEngine(module), examples, None, both_sizes=True)
    sizes = [(probe.inputs, probe.reference)]
    if probe.other_inputs is not None:
        sizes.append((probe.other_inputs, probe.other_reference))
    for inputs, reference in sizes:
        agreement = compare_values(engine.run(inputs), reference)
        if not agreement.agrees:
            shapes = [tuple(value.shape) for value in inputs]
            raise RuntimeError(
                f'the exported network disagrees with torch at {shapes}: {agreement.text}')


def _write_onnx(module: nn.Module, examples: tuple[Tensor, ...], path: Path) -> list[Path]:
    path.write_bytes(export_onnx(module, examples))
    return [path]


def _write_openvino(module: nn.Module, examples: tuple[Tensor, ...], path: Path) -> list[Path]:
    import openvino

    model = openvino.Core().read_model(export_onnx(module, examples))
    openvino.save_model(model, path, compress_to_fp16=False)
    return [path, path.with_suffix('.bin')]


def _write_torchscript(
    module: nn.Module, examples: tuple[Tensor, ...], path: Path
) -> list[Path]:
    with torch.no_grad(), quiet():
        torch.jit.trace(module, examples, check_trace=False).save(str(path))
    return [path]


def _read_onnx(path: Path) -> Engine:
    from seg_ros.backends.onnxruntime_backend import OnnxRuntimeEngine

    return OnnxRuntimeEngine(path.read_bytes(), torch.get_num_threads())


def _read_openvino(path: Path) -> Engine:
    from seg_ros.backends.openvino_backend import OpenVinoEngine

    return OpenVinoEngine(path, torch.get_num_threads(), 'fp32')


def _read_torchscript(path: Path) -> Engine:
    class Traced:
        def __init__(self, module: Any) -> None:
            self._module = module

        def run(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            with torch.no_grad():
                return outputs_as_tuple(self._module(*tensors))

    with quiet():
        return Traced(torch.jit.load(str(path)))


_WRITERS: dict[str, Callable[[nn.Module, tuple[Tensor, ...], Path], list[Path]]] = {
    'onnx': _write_onnx, 'openvino': _write_openvino, 'torchscript': _write_torchscript}
_READERS: dict[str, Callable[[Path], Engine]] = {
    'onnx': _read_onnx, 'openvino': _read_openvino, 'torchscript': _read_torchscript}
