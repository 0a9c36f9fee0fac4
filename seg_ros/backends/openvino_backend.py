# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Run a network by OpenVINO on the CPU."""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import numpy as np
import openvino
import torch
from torch import Tensor

from seg_ros.backends.base import BuildRequest, input_index, is_input_name


@functools.cache
def shared_core() -> openvino.Core:
    """Return the one core of this process; it is never let go of.

    The CPU plugin of every core sets a signal stack on the thread that loads it and puts the one
    before back when it goes. Of two cores, the first to be made and to go leaves freed memory
    there: the next Ctrl-C, whose handler runs on that stack, crashes Python.
    """
    return openvino.Core()


class OpenVinoEngine:
    """Hold one compiled model and one inference request, guarded by a lock."""

    def __init__(self, data: bytes | Path, threads: int, precision: str) -> None:
        core = shared_core()
        if precision == 'bf16' and 'BF16' not in core.get_property(
            'CPU', 'OPTIMIZATION_CAPABILITIES'
        ):
            raise RuntimeError('this CPU has no bfloat16 instructions')
        settings = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_NUM_THREADS': threads,
            # Its default would be bfloat16 wherever the CPU has it.
            'INFERENCE_PRECISION_HINT': {'fp32': 'f32', 'bf16': 'bf16'}[precision],
            # Two pinned processes of one thread each would share the first core.
            'ENABLE_CPU_PINNING': False,
        }
        compiled = core.compile_model(core.read_model(data), 'CPU', settings)
        self._request = compiled.create_infer_request()
        # Where a graph reshapes an input first, the tensor bears the reshaped one's name as well.
        self._inputs = [min(map(input_index, filter(is_input_name, value.get_names())))
                        for value in compiled.inputs]
        self._outputs = len(compiled.outputs)
        self._lock = threading.Lock()

    def run(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the outputs as CPU tensors of their own (the request reuses its memory)."""
        arrays = [np.ascontiguousarray(tensors[index].detach().numpy()) for index in self._inputs]
        with self._lock:
            results = self._request.infer(arrays, share_inputs=True, share_outputs=False)
        return tuple(torch.from_numpy(results[index]) for index in range(self._outputs))


def build(request: BuildRequest) -> OpenVinoEngine:
    """Build a compiled model of the exported network."""
    return OpenVinoEngine(request.onnx.data(), request.threads, request.precision)
