# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Hold an engine against torch before it is used."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seg_ros.backends.agreement import Agreement, Labelling, compare_labels, compare_values
from seg_ros.backends.base import Backend, BuildRequest, Engine, first_line
from seg_ros.backends.runner import Built
from seg_ros.backends.torch_backend import EagerEngine


class RefusedError(Exception):
    """An engine could not be built, failed, or disagreed with torch; the text says which."""


@dataclass(frozen=True)
class Probe:
    """Hold inputs and torch's outputs for them, at the example's size and at another one.

    `other_inputs` is None for a network that takes no other size (torch refused it too).
    """

    inputs: tuple[Tensor, ...]
    reference: tuple[Tensor, ...]
    other_inputs: tuple[Tensor, ...] | None
    other_reference: tuple[Tensor, ...]
    labelling: Labelling | None


def make_probe(
    eager: EagerEngine, examples: tuple[Tensor, ...], labelling: Labelling | None, both_sizes: bool
) -> Probe:
    """Run torch on the examples (on noise in place of a constant one), once or at two sizes."""
    inputs = tuple(_varied(value, seed) for seed, value in enumerate(examples))
    reference = eager.run(inputs)
    if not both_sizes:
        return Probe(inputs, reference, None, (), labelling)
    other = tuple(_other_size(value) for value in inputs)
    try:
        return Probe(inputs, reference, other, eager.run(other), labelling)
    except Exception:  # whatever a network raises for a size that it was not made for
        return Probe(inputs, reference, None, (), labelling)


def _varied(example: Tensor, seed: int) -> Tensor:
    """Return the example, or reproducible noise in [0, 1) where a constant would show nothing."""
    if not example.is_floating_point() or (example.numel() and example.min() != example.max()):
        return example
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(example.shape, generator=generator, dtype=example.dtype).to(example.device)


def _other_size(example: Tensor) -> Tensor:
    """Return one more sample than the example, images cropped to five eighths of their size."""
    if not example.ndim:
        return example
    larger = torch.cat([example, example[:1]])
    if example.ndim == 4:
        height, width = (_smaller(size) for size in example.shape[2:])
        larger = larger[:, :, :height, :width]
    return larger.contiguous()


def _smaller(size: int) -> int:
    """Return about 5/8 of a size, divisible by the powers of two (to 32) that divide the size."""
    step = min(size & -size, 32)
    return max(size * 5 // 8 // step * step, step)


def build_checked(backend: Backend, request: BuildRequest, probe: Probe) -> Built:
    """Build an engine and compare it with torch; RefusedError says why it may not be used.

    A network read from the cache is exported anew, once, where it fails or disagrees.
    """
    try:
        return _build_once(backend, request, probe)
    except RefusedError:
        if not request.onnx.renew():
            raise
        return _build_once(backend, request, probe)


def _build_once(backend: Backend, request: BuildRequest, probe: Probe) -> Built:
    try:
        engine = backend.build(request)
        outputs = engine.run(probe.inputs)
    except Exception as error:  # exporters and runtimes raise classes of their own
        raise RefusedError(f'failed to build or run: {first_line(error)}') from error
    agreement = _compare(outputs, probe.reference, request.precision, probe.labelling)
    if not agreement.agrees:
        raise RefusedError(f'disagrees with torch: {agreement.text}')
    any_size = backend.name == 'torch' or _serves_other_size(engine, request.precision, probe)
    return Built(engine, backend.name, request.precision, agreement.text, any_size)


def _serves_other_size(engine: Engine, precision: str, probe: Probe) -> bool:
    if probe.other_inputs is None:
        return False
    try:
        outputs = engine.run(probe.other_inputs)
    except Exception:  # the engine's graph is bound to its size: torch takes the others
        return False
    return _compare(outputs, probe.other_reference, precision, probe.labelling).agrees


def _compare(
    outputs: tuple[Tensor, ...], reference: tuple[Tensor, ...], precision: str,
    labelling: Labelling | None,
) -> Agreement:
    if precision == 'fp32' or labelling is None:
        return compare_values(outputs, reference)
    return compare_labels(outputs, reference, labelling)
