# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Read the FCN checkpoints whose layers have Caffe's names: conv1_1, ..., fc7, score_fr, ..."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from seg_ros.semantic.architectures import CAFFE
from seg_ros.semantic.fcn import UPSCORES
from seg_ros.semantic.foreign import ForeignModel, numbered_classes

_MARKS = ('conv1_1.weight', 'fc6.weight', 'score_fr.weight')


def foreign_fcn(state: Mapping[str, Tensor], at_once: bool = False) -> ForeignModel | None:
    """Return a VGG16 FCN of this layout as one of ours; None where the keys are of another.

    The layout does not tell FCN-8s trained at once from the staged one, whose skips are scaled
    otherwise: say ``at_once``. Keys and shapes are checked where the state is loaded; ValueError
    for weights that are no convolutions at all.
    """
    strides = [stride for stride, names in UPSCORES.items() if f'{names[-1]}.weight' in state]
    if len(strides) != 1 or not all(mark in state for mark in _MARKS):
        return None
    wrong = [mark for mark in _MARKS if state[mark].ndim != 4]
    if wrong:
        raise ValueError(f'{wrong[0]} has the shape {tuple(state[wrong[0]].shape)}: FCN '
                         'checkpoints hold convolutions (outputs, inputs, rows, columns)')
    config = _config(state)
    if strides[0] == 8:
        config['at_once'] = at_once
    return ForeignModel(
        f'fcn{strides[0]}s', numbered_classes(len(state['score_fr.weight'])),
        {_own_key(key): value for key, value in state.items()}, CAFFE, config)


def _config(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the config of the network with the file's widths."""
    config: dict[str, Any] = {'backbone': 'vgg16', 'fc_width': len(state['fc6.weight'])}
    firsts = [f'conv{stage}_1.weight' for stage in range(1, 6)]
    if all(first in state for first in firsts):  # else the loader names what is missing
        config['widths'] = [len(state[first]) for first in firsts]
    return config


def _own_key(key: str) -> str:
    return f'trunk.{key}' if key.startswith(('conv', 'fc')) else key
