# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Run a network by torch itself: convolutions and batch normalisations folded, no gradients."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from seg_ros.backends.base import BuildRequest, outputs_as_tuple


class EagerEngine:
    """Call a module as it stands; the reference for every other engine."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def run(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the module's outputs without gradients."""
        # no_grad, not inference_mode: the outputs may be changed in place, as other engines' may.
        with torch.no_grad():
            return outputs_as_tuple(self._module(*tensors))


class AutocastEngine(EagerEngine):
    """Call a module under bfloat16 autocast; the outputs are float32 again."""

    def __init__(self, module: nn.Module, device_type: str) -> None:
        super().__init__(module)
        self._device_type = device_type

    def run(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the module's outputs as float32."""
        with torch.autocast(self._device_type, dtype=torch.bfloat16):
            outputs = super().run(tensors)
        return tuple(value.float() if value.is_floating_point() else value for value in outputs)


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Return a copy with every Conv2d + BatchNorm2d pair of a Sequential made one convolution."""
    folded = copy.deepcopy(module).eval()
    for part in folded.modules():
        if isinstance(part, nn.Sequential):
            _fold_sequential(part)
    return folded


def _fold_sequential(sequence: nn.Sequential) -> None:
    names = list(sequence._modules)
    for first, second in zip(names, names[1:], strict=False):
        conv, norm = sequence._modules[first], sequence._modules[second]
        if type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.track_running_stats:
            sequence._modules[first] = fuse_conv_bn_eval(conv, norm)
            sequence._modules[second] = nn.Identity()


def build(request: BuildRequest) -> EagerEngine:
    """Build the torch engine; folding is for CPUs, where it saves passes over memory."""
    module = request.module
    if request.device.type == 'cpu':
        module = fold_batch_norms(module)
    if request.precision == 'bf16':
        return AutocastEngine(module, request.device.type)
    return EagerEngine(module)
