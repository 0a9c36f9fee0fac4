# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Overlap-tile prediction: images of any size through a network without padding.

Ronneberger et al., U-Net, MICCAI 2015, figure 2: what a tile's border needs is read from beside
the tile, and outside the image by mirroring it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ValidSizes:
    """Describe an unpadded network: it takes sides of s + 2 * margin and returns sides of s.

    Accepted are s = least, least + step, ... pixels; ``step`` is also the distance at which its
    pooling grids repeat.
    """

    margin: int
    step: int
    least: int

    def check_tile(self, tile: int) -> None:
        """Raise ValueError for a tile that the network cannot return or that leads nowhere."""
        if tile < self.step or (tile - self.least) % self.step:
            accepted = [self.least + k * self.step for k in range(1, 4)]
            raise ValueError(
                f'tile {tile}: the network returns tiles of {", ".join(map(str, accepted))}, ... '
                f'pixels, every {self.step}')

    def smallest(self, side: int) -> int:
        """Return the smallest side of an output that covers ``side`` pixels."""
        steps = max(0, -(-(side - self.least) // self.step))
        return self.least + steps * self.step


def mirrored_indices(start: int, stop: int, size: int) -> Tensor:
    """Return which pixels of 0..size-1 stand at start..stop-1 of the line mirrored for ever.

    The border pixel itself is not repeated: -1 is pixel 1.
    """
    period = max(2 * (size - 1), 1)
    steps = torch.arange(start, stop) % period
    return torch.minimum(steps, period - steps).clamp(max=size - 1)


def overlap_tile(
    network: Callable[[Tensor], Tensor], image: Tensor, tile: int, sizes: ValidSizes
) -> Tensor:
    """Map an image (B, C, h, w) of any size to the network's outputs (B, L, h, w), tile by tile.

    ``tile`` is the side of the largest output computed at once, in pixels. Tiles start at
    multiples of ``sizes.step``: elsewhere the pooling grids would lie otherwise than in the
    whole image and tiles would show. Where tile is no such multiple, tiles overlap a little.
    """
    sizes.check_tile(tile)
    stride = tile // sizes.step * sizes.step
    rows, columns = (_spans(side, tile, stride, sizes) for side in image.shape[2:])
    lines = []
    for row in rows:
        parts = []
        for column in columns:
            inputs = image.index_select(2, row.indices.to(image.device))
            inputs = inputs.index_select(3, column.indices.to(image.device))
            parts.append(network(inputs)[:, :, :row.length, :column.length])
        lines.append(torch.cat(parts, dim=3))
    return torch.cat(lines, dim=2)


@dataclass(frozen=True, eq=False)
class _Span:
    """Hold which pixels along an axis a tile reads, and how many of its outputs are kept."""

    indices: Tensor
    length: int


def _spans(side: int, tile: int, stride: int, sizes: ValidSizes) -> list[_Span]:
    """Return the tiles along an axis of ``side`` pixels; one is no larger than it has to be."""
    tile = min(tile, sizes.smallest(side))
    starts = range(0, max(side - tile, 0) + stride, stride)
    return [
        _Span(mirrored_indices(start - sizes.margin, start + tile + sizes.margin, side),
              side - start if start == starts[-1] else stride)
        for start in starts]
