# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bilinear upsampling as the FCN has it: a deconvolution that starts from a bilinear kernel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def bilinear_kernel(size: int) -> Tensor:
    """Return the bilinear kernel (size, size), float64.

    f = (size + 1) // 2, centre c = f - 1 for an odd size, else f - 0.5,
    w[i, j] = (1 - |i - c| / f) (1 - |j - c| / f) (Long et al., 2015, their code's surgery.py).
    """
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    row = 1 - (torch.arange(size, dtype=torch.float64) - centre).abs() / factor
    return row[:, None] * row[None, :]


class BilinearDeconvolution(nn.ConvTranspose2d):
    """A deconvolution without bias that starts as bilinear upsampling of each channel by itself.

    ``border`` repeats so many rows and columns on the right and below first.
    """

    def __init__(
        self, channels: int, kernel: int, stride: int, padding: int = 0, border: int = 0
    ) -> None:
        """Build the layer; all channels are joined, the weights between different ones are 0."""
        super().__init__(channels, channels, kernel, stride, padding, bias=False)
        self.border = border

    def reset_parameters(self) -> None:
        """Set the bilinear kernel on the diagonal, zeros elsewhere."""
        channels = torch.arange(self.in_channels)
        with torch.no_grad():
            self.weight.zero_()
            self.weight[channels, channels] = bilinear_kernel(self.kernel_size[0]).to(self.weight)

    def forward(self, maps: Tensor) -> Tensor:  # type: ignore[override]
        """Map (B, C, h, w) to (B, C, stride (h + border - 1) + kernel - 2 padding, ...)."""
        return super().forward(with_border(maps, self.border))


class BilinearEnlargement(nn.Module):
    """A fixed bilinear deconvolution of kernel 2 stride - 1, without its weights.

    Input pixel i comes to lie at output pixel stride * i. That is interpolation between the
    corner pixels, computed as such: about six times as fast as the deconvolution in ONNX Runtime.
    """

    def __init__(self, stride: int, border: int = 0) -> None:
        """Take the stride, and how many rows and columns are repeated on the right and below."""
        super().__init__()
        self.stride, self.border = stride, border

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C, stride (h + border - 1) + 1, ...)."""
        maps = with_border(maps, self.border)
        height, width = maps.shape[2:]
        size = ((height - 1) * self.stride + 1, (width - 1) * self.stride + 1)
        return functional.interpolate(maps, size=size, mode='bilinear', align_corners=True)


def with_border(maps: Tensor, border: int) -> Tensor:
    """Repeat the last row and column of (B, C, h, w) so many times."""
    return functional.pad(maps, (0, border, 0, border), mode='replicate') if border else maps


def cropped(maps: Tensor, offset: int, like: Tensor) -> Tensor:
    """Cut (B, C, h, w) from (offset, offset) to the height and width of another, or to its end."""
    return maps[:, :, offset:offset + like.shape[2], offset:offset + like.shape[3]]
