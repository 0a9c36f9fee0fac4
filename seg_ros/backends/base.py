# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a backend is: a name, the packages it needs, and a function that builds an engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from seg_ros.backends.export import OnnxExport

PRECISIONS = ('fp32', 'bf16')


class Engine(Protocol):
    """A network ready to run: tensors in, tensors out, on the device it was built for."""

    def run(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the network's outputs in its own order, float32, newly allocated."""
        ...


@dataclass(frozen=True)
class BuildRequest:
    """Say what to build: the network in eval mode, inputs like those to come, and how."""

    module: nn.Module
    examples: tuple[Tensor, ...]
    precision: str
    device: torch.device
    threads: int
    onnx: OnnxExport


@dataclass(frozen=True)
class Backend:
    """Describe a backend: `packages` must be importable, `build` imports them when called.

    `build` raises any exception for a network it cannot run; the caller then takes torch.
    """

    name: str
    packages: tuple[str, ...]
    device_types: tuple[str, ...]
    precisions: tuple[str, ...]
    build: Callable[[BuildRequest], Engine]


def input_name(index: int) -> str:
    """Return the name of a network's input in exported graphs."""
    return f'input{index}'


def is_input_name(name: str) -> bool:
    """Return whether a name in an exported graph is one of its inputs'."""
    return name.startswith('input') and name.removeprefix('input').isdecimal()


def input_index(name: str) -> int:
    """Return which input has that name: a graph keeps only those that its network uses."""
    return int(name.removeprefix('input'))


def outputs_as_tuple(outputs: Tensor | tuple[Tensor, ...] | list[Tensor]) -> tuple[Tensor, ...]:
    """Return what a module gave as a tuple of tensors; ValueError for anything else."""
    import torch

    found = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    wrong = [type(value).__name__ for value in found if not isinstance(value, torch.Tensor)]
    if wrong:
        raise ValueError(
            f'the network returned {", ".join(wrong)}: a tensor or a tuple of tensors is accepted'
        )
    return tuple(found)


def first_line(error: Exception) -> str:
    """Return an error's class and the first line of its text."""
    text = str(error).strip().splitlines()
    return f'{type(error).__name__}: {text[0] if text else "no message"}'
