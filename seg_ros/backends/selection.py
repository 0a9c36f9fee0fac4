# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Choose the backend that runs a network: the fastest installed one that agrees with torch."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seg_ros.backends.agreement import Labelling
from seg_ros.backends.base import PRECISIONS, Backend, BuildRequest
from seg_ros.backends.cache import Cache
from seg_ros.backends.device import resolve_device
from seg_ros.backends.export import OnnxExport, fingerprint
from seg_ros.backends.probe import Probe, RefusedError, build_checked, make_probe
from seg_ros.backends.registry import BACKENDS, find_backend, missing_packages
from seg_ros.backends.runner import Built, Runner
from seg_ros.backends.torch_backend import EagerEngine

LOGGER = logging.getLogger(__name__)
TIMED_ROUNDS = 5
TIMED_SECONDS = 3.0


def compile_network(
    module: nn.Module,
    example_inputs: tuple[Tensor, ...],
    *,
    backend: str = 'auto',
    precision: str = 'fp32',
    device: str | torch.device = 'cpu',
    cache_dir: Path | str | None = None,
    labelling: Labelling | None = None,
) -> Runner:
    """Make a network (in eval mode, on `device`) ready to run; returns a Runner.

    `backend` is 'auto', 'torch', 'openvino' or 'onnxruntime'. 'auto' times the installed ones on
    the examples and takes the fastest of those that agree with torch (`agreement.py`: fp32 values
    within 1e-3, bf16 the same label, as `labelling` maps outputs to labels, for 99.5 % of the
    pixels); the choice and the exported network stay in `cache_dir` (default ~/.cache/seg_ros).
    A backend that fails or disagrees falls back to torch with a warning. Other batch and image
    sizes than the examples' may follow. Native threads are `torch.get_num_threads()`.

    ValueError: a backend unknown or not installed or not for this device, precision 'bf16'
    without `labelling`, a module in training mode.
    """
    resolved = resolve_device(device)
    _check(module, example_inputs, precision, labelling)
    cache = Cache(cache_dir)
    key = fingerprint(module, example_inputs)
    request = BuildRequest(
        module, example_inputs, precision, resolved, torch.get_num_threads(),
        OnnxExport(module, example_inputs, key, cache))
    try:
        if backend == 'auto':
            return _automatic(request, labelling, cache, key)
        return _as_told(find_backend(backend), request, labelling)
    finally:
        request.onnx.release()


def _check(
    module: nn.Module, examples: tuple[Tensor, ...], precision: str, labelling: Labelling | None
) -> None:
    if module.training:
        raise ValueError('the network is in training mode: call module.eval() first')
    if not examples:
        raise ValueError('no example inputs: give a tuple of tensors like those to come')
    if precision not in PRECISIONS:
        raise ValueError(f'precision {precision!r}, accepted are {", ".join(PRECISIONS)}')
    if precision != 'fp32' and labelling is None:
        raise ValueError(
            f'precision {precision} is checked by labels: give labelling=, which maps the outputs '
            'to one label per pixel'
        )


def _as_told(backend: Backend, request: BuildRequest, labelling: Labelling | None) -> Runner:
    if request.device.type not in backend.device_types:
        raise ValueError(
            f'backend {backend.name} runs on {", ".join(backend.device_types)}, not on '
            f'{request.device}: choose backend torch or auto, or device cpu'
        )
    if request.precision not in backend.precisions:
        raise ValueError(
            f'backend {backend.name} offers precision {", ".join(backend.precisions)}, not '
            f'{request.precision}'
        )
    probe = _probe(request, labelling, both_sizes=backend.name != 'torch')
    try:
        built = build_checked(backend, request, probe)
    except RefusedError as error:
        return _torch_instead(request, f'{backend.name} {error}')
    return _runner(built, request, f'as told; {built.agreement}')


def _torch_instead(request: BuildRequest, why: str) -> Runner:
    LOGGER.warning('%s; torch runs the network', why)
    built = Built(EagerEngine(request.module), 'torch', 'fp32', '', any_size=True)
    return _runner(built, request, why)


def _runner(built: Built, request: BuildRequest, reason: str) -> Runner:
    shapes = tuple(tuple(value.shape) for value in request.examples)
    return Runner(built, EagerEngine(request.module), str(request.device), reason, shapes)


def _probe(request: BuildRequest, labelling: Labelling | None, both_sizes: bool) -> Probe:
    return make_probe(EagerEngine(request.module), request.examples, labelling, both_sizes)


def _automatic(
    request: BuildRequest, labelling: Labelling | None, cache: Cache, key: str
) -> Runner:
    candidates = _candidates(request)
    if len(candidates) == 1:
        return _as_told(candidates[0][0], request, labelling)
    probe = _probe(request, labelling, both_sizes=True)
    name = f'{key}-{_circumstances(request)}.json'
    built = _remembered(cache.read_json(name), request, probe)
    if built is not None:
        return _runner(built, request, f'fastest when last timed here; {built.agreement}')
    return _contest(candidates, request, probe, cache, name)


def _candidates(request: BuildRequest) -> list[tuple[Backend, str]]:
    """Return (backend, precision) pairs; fp32 competes too, for bf16 is slow on many CPUs."""
    precisions = dict.fromkeys((request.precision, 'fp32'))
    return [
        (backend, precision)
        for backend in BACKENDS.values()
        if request.device.type in backend.device_types and not missing_packages(backend)
        for precision in precisions
        if precision in backend.precisions
    ]


def _circumstances(request: BuildRequest) -> str:
    """Return a hash of what else decides which backend is fastest."""
    versions = [f'{name} {metadata.version(name)}' for backend in BACKENDS.values()
                if not missing_packages(backend) for name in backend.packages]
    shapes = [tuple(value.shape) for value in request.examples]
    parts = (shapes, request.threads, request.precision, versions, platform.processor(),
             platform.machine(), os.cpu_count())
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _remembered(
    choice: dict[str, Any] | None, request: BuildRequest, probe: Probe
) -> Built | None:
    """Build the backend chosen before; None where there is none or it is refused now."""
    if choice is None or choice.get('backend') not in BACKENDS:
        return None
    if choice.get('precision') not in PRECISIONS:
        return None
    for name, why in dict(choice.get('refused') or {}).items():
        LOGGER.warning('backend %s %s', name, why)
    wanted = dataclasses.replace(request, precision=choice['precision'])
    try:
        return build_checked(BACKENDS[choice['backend']], wanted, probe)
    except RefusedError as error:
        LOGGER.warning('backend %s %s; choosing anew', choice['backend'], error)
        return None


def _contest(
    candidates: list[tuple[Backend, str]], request: BuildRequest, probe: Probe, cache: Cache,
    name: str,
) -> Runner:
    """Build every candidate, drop those refused, time the rest in turns, take the fastest."""
    built: list[Built] = []
    refused: dict[str, str] = {}
    for backend, precision in candidates:
        try:
            wanted = dataclasses.replace(request, precision=precision)
            built.append(build_checked(backend, wanted, probe))
        except RefusedError as error:
            refused[f'{backend.name} ({precision})'] = str(error)
            LOGGER.warning('backend %s (%s) %s', backend.name, precision, error)
    if not built:
        return _torch_instead(request, 'every backend was refused')
    seconds = time_in_turns([entry.engine for entry in built], probe.inputs)
    winner = built[min(range(len(built)), key=seconds.__getitem__)]
    timed = {f'{entry.name} {entry.precision}': round(1e3 * took, 2)
             for entry, took in zip(built, seconds, strict=True)}
    cache.write_json(name, {'backend': winner.name, 'precision': winner.precision,
                            'milliseconds': timed, 'refused': refused})
    reason = ', '.join(f'{label} {took:.1f} ms' for label, took in timed.items())
    return _runner(winner, request, f'fastest of {reason}; {winner.agreement}')


def time_in_turns(engines: list[Any], inputs: tuple[Tensor, ...]) -> list[float]:
    """Return each engine's shortest run in seconds, taken in turns: other load only adds time."""
    best = [float('inf')] * len(engines)
    started = time.perf_counter()
    for _ in range(TIMED_ROUNDS):
        for index, engine in enumerate(engines):
            before = time.perf_counter()
            engine.run(inputs)
            best[index] = min(best[index], time.perf_counter() - before)
        if time.perf_counter() - started > TIMED_SECONDS:
            break
    return best
