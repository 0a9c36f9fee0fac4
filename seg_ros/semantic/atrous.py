# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Atrous convolution as it is defined; networks use ``nn.Conv2d(dilation)``, which is faster."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def receptive_field(kernel: int, rate: int) -> int:
    """Return the extent in samples of a kernel of that many weights at a rate.

    k + (k - 1)(r - 1): Chen et al., PAMI 2017, section 3.1. ValueError for values below 1.
    """
    if kernel < 1 or rate < 1:
        raise ValueError(f'kernel {kernel}, rate {rate}: both start at 1')
    return kernel + (kernel - 1) * (rate - 1)


def atrous_conv2d(
    features: Tensor, weight: Tensor, bias: Tensor | None = None, rate: int = 1, padding: int = 0,
) -> Tensor:
    """Convolve with holes: y[i] = sum_k x[i + r k] w[k], k on both axes, summed over channels.

    ``features`` (B, C, h, w), ``weight`` (O, C, kh, kw), ``bias`` (O,); ``padding`` zeros are put
    around first. Returns (B, O, h', w') with h' = h + 2 padding - (kh + (kh - 1)(rate - 1)) + 1.
    It is differentiable. ValueError for shapes that do not fit. Source: Chen et al., PAMI 2017,
    equation 1.
    """
    _check(features, weight)
    padded = functional.pad(features, (padding,) * 4)
    rows, columns = weight.shape[2:]
    height = padded.shape[2] - receptive_field(rows, rate) + 1
    width = padded.shape[3] - receptive_field(columns, rate) + 1
    if min(height, width) < 1:
        raise ValueError(
            f'a kernel {columns}x{rows} of rate {rate} does not fit into features of '
            f'{padded.shape[3]}x{padded.shape[2]} with their padding')
    result = features.new_zeros(len(features), len(weight), height, width)
    for v in range(rows):
        for u in range(columns):
            seen = padded[:, :, rate * v:rate * v + height, rate * u:rate * u + width]
            result = result + torch.einsum('bchw,oc->bohw', seen, weight[:, :, v, u])
    return result if bias is None else result + bias[:, None, None]


def _check(features: Tensor, weight: Tensor) -> None:
    """Raise ValueError unless features (B, C, h, w) and weight (O, C, kh, kw) fit."""
    if features.ndim != 4 or weight.ndim != 4 or features.shape[1] != weight.shape[1]:
        raise ValueError(
            f'features {tuple(features.shape)} and weight {tuple(weight.shape)}: accepted are '
            '(B, C, h, w) and (O, C, kh, kw) of the same C')
