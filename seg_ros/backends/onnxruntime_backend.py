# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Run a network by ONNX Runtime on the CPU."""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from seg_ros.backends.base import BuildRequest, input_index

_ERRORS_ONLY = 3


class OnnxRuntimeEngine:
    """Hold one session; sessions may be called from several threads."""

    def __init__(self, data: bytes, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Its threads would otherwise spin after each run, on the cores torch clusters on next.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        self._session = onnxruntime.InferenceSession(
            data, options, providers=['CPUExecutionProvider']
        )
        self._inputs = [value.name for value in self._session.get_inputs()]

    def run(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the outputs as CPU tensors."""
        arrays = {name: np.ascontiguousarray(tensors[input_index(name)].detach().numpy())
                  for name in self._inputs}
        outputs = self._session.run(None, arrays)
        return tuple(torch.from_numpy(value) for value in outputs)


def build(request: BuildRequest) -> OnnxRuntimeEngine:
    """Build a session of the exported network."""
    return OnnxRuntimeEngine(request.onnx.data(), request.threads)
