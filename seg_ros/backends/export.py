# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Export a network to ONNX with free batch and image sizes, quietly, and keep the file."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seg_ros.backends.base import input_name, outputs_as_tuple
from seg_ros.backends.cache import Cache

LOGGER = logging.getLogger(__name__)
OPSET = 17
_PLAIN = (int, float, str, bool, tuple, list, type(None))


def fingerprint(module: nn.Module, examples: tuple[Tensor, ...]) -> str:
    """Return a hash of what the network computes: code, settings, weights, input kinds, torch.

    A hash that misses a change cannot mislead: every engine is compared with torch before use.
    """
    digest = hashlib.sha256(f'{torch.__version__} opset {OPSET}\n{module}\n'.encode())
    for name, part in module.named_modules():
        plain = {key: value for key, value in vars(part).items() if isinstance(value, _PLAIN)}
        digest.update(f'{name} {sorted(plain.items(), key=str)}\n'.encode())
    for path in sorted({_source(type(part)) for part in module.modules()}):
        digest.update(Path(path).read_bytes() if path else b'')
    for name, value in module.state_dict().items():
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}\n'.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    for value in examples:
        digest.update(f'{value.dtype} {value.ndim} {value.shape[1:2]}\n'.encode())
    return digest.hexdigest()[:32]


def _source(kind: type) -> str:
    if kind.__module__.split('.')[0] == 'torch':
        return ''
    try:
        return inspect.getsourcefile(kind) or ''
    except (TypeError, OSError):
        return ''


def dynamic_axes(
    tensors: tuple[Tensor, ...], names: tuple[str, ...]
) -> dict[str, dict[int, str]]:
    """Name the free axes: the batch, and height and width of images; equal sizes share a name."""
    return {
        name: {
            axis: f'axis{axis}_{tensor.shape[axis]}'
            for axis in ((0, 2, 3) if tensor.ndim == 4 else (0,))
        }
        for name, tensor in zip(names, tensors, strict=True)
        if tensor.ndim
    }


def export_onnx(module: nn.Module, examples: tuple[Tensor, ...]) -> bytes:
    """Return the network as an ONNX file (float32, opset 17), batch and image size free.

    Inputs are named input0, input1, ..., outputs output0, ... The exporter that traces is used
    (the only one before torch 2.5): it is quick and needs `onnx` alone.
    """
    inputs = tuple(input_name(index) for index in range(len(examples)))
    with torch.no_grad(), quiet():
        values = outputs_as_tuple(module(*examples))
        outputs = tuple(f'output{index}' for index in range(len(values)))
        axes = {**dynamic_axes(examples, inputs), **dynamic_axes(values, outputs)}
        buffer: Any = io.BytesIO()
        choosable = 'dynamo' in inspect.signature(torch.onnx.export).parameters
        exporter: dict[str, Any] = {'dynamo': False} if choosable else {}
        torch.onnx.export(
            module, examples, buffer, opset_version=OPSET, input_names=list(inputs),
            output_names=list(outputs), dynamic_axes=axes, **exporter,
        )
    return buffer.getvalue()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporters: tracer and deprecation warnings, progress and notes."""
    exporter = logging.getLogger('torch.onnx')
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        exporter.setLevel(level)


class OnnxExport:
    """The ONNX form of one network, exported when first asked for and kept in the cache."""

    def __init__(
        self, module: nn.Module, examples: tuple[Tensor, ...], key: str, cache: Cache
    ) -> None:
        self._module, self._examples = module, examples
        self._name, self._cache = f'{key}.onnx', cache
        self._data: bytes | None = None
        self.from_cache = False

    def data(self) -> bytes:
        """Return the ONNX file; whatever the exporter raises comes through."""
        if self._data is None:
            self._data = self._cache.read_bytes(self._name)
            self.from_cache = self._data is not None
        if self._data is None:
            self._data = export_onnx(self._module, self._examples)
            self._cache.write_bytes(self._name, self._data)
        return self._data

    def renew(self) -> bool:
        """Drop a file that came from the cache; False where it was made by this process."""
        if not self.from_cache:
            return False
        self._cache.discard(self._name)
        self._data, self.from_cache = None, False
        return True

    def release(self) -> None:
        """Free the bytes once the engines are built."""
        self._data = None
