# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""When do two runs of a network agree?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

FP32_TOLERANCE = 1e-3
LABEL_SHARE = 0.995

Labelling = Callable[[tuple[Tensor, ...]], Tensor]


@dataclass(frozen=True)
class Agreement:
    """Say whether outputs agree with torch's, and the figure that decided."""

    agrees: bool
    text: str


def compare_values(outputs: tuple[Tensor, ...], reference: tuple[Tensor, ...]) -> Agreement:
    """Compare fp32 outputs: |a - b| <= 1e-3 * max(1, max |b|) for every value of every output.

    The scale is that of each reference output, one at least: unit embeddings are held to 1e-3 as
    they stand, logits of 20 to 0.02. NaN or infinity on one side alone disagrees, and so does
    another number, shape or dtype of outputs.
    """
    wrong = _shapes_differ(outputs, reference)
    if wrong:
        return Agreement(False, wrong)
    largest = 0.0
    for found, expected in zip(outputs, reference, strict=True):
        largest = max(largest, _relative_difference(found, expected))
    text = f'largest difference {largest:.1e} of the output scale, accepted {FP32_TOLERANCE:.0e}'
    return Agreement(largest <= FP32_TOLERANCE, text)


def compare_labels(
    outputs: tuple[Tensor, ...], reference: tuple[Tensor, ...], labelling: Labelling
) -> Agreement:
    """Compare reduced-precision outputs: the same label for at least 99.5 % of the pixels."""
    wrong = _shapes_differ(outputs, reference)
    if wrong:
        return Agreement(False, wrong)
    same = (labelling(outputs) == labelling(reference)).double().mean().item()
    text = f'{100 * same:.2f} % of the labels the same, accepted {100 * LABEL_SHARE:.1f} %'
    return Agreement(same >= LABEL_SHARE, text)


def _shapes_differ(outputs: tuple[Tensor, ...], reference: tuple[Tensor, ...]) -> str:
    found = [(tuple(value.shape), value.dtype) for value in outputs]
    expected = [(tuple(value.shape), value.dtype) for value in reference]
    return '' if found == expected else f'outputs {found}, torch gives {expected}'


def _relative_difference(found: Tensor, expected: Tensor) -> float:
    if not expected.numel():
        return 0.0
    found64, expected64 = found.detach().double(), expected.detach().double()
    same = (found64 == expected64) | (found64.isnan() & expected64.isnan())
    difference = torch.where(same, 0.0, (found64 - expected64).abs())
    finite = expected64[expected64.isfinite()]
    scale = max(1.0, float(finite.abs().max()) if finite.numel() else 1.0)
    worst = float(difference.max()) / scale
    return worst if worst == worst else float('inf')
