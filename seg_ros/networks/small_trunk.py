# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The trunk of the small networks: stems for colour and depth, a U-Net body down to stride 32."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# What a file may ask for at most, before memory is taken for it.
MOST_CHANNELS = 4096
MOST_BLOCKS = 64
FUSIONS = ('add', 'cat', 'early', 'color', 'depth')


@dataclasses.dataclass(frozen=True)
class SmallTrunkConfig:
    """Describe a trunk.

    ``widths`` are channels at strides 2, 4, 8, 16 and 32, ``blocks`` the residual blocks beyond
    the first at strides 4, 8, 16 and 32, ``raised_blocks`` those of the way up at stride 4.
    """

    fusion: str = 'add'
    widths: tuple[int, ...] = (16, 40, 80, 128, 160)
    blocks: tuple[int, ...] = (0, 0, 1, 0)
    raised_blocks: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be built, with a ValueError."""
        if self.fusion not in FUSIONS:
            raise ValueError(f'fusion {self.fusion!r} is unknown; accepted: {", ".join(FUSIONS)}')
        if len(self.widths) != 5 or min(self.widths) < 1:
            raise ValueError(f'widths {self.widths}: give five positive channel counts')
        if len(self.blocks) != 4 or min(*self.blocks, self.raised_blocks) < 0:
            raise ValueError(
                f'blocks {self.blocks}, raised_blocks {self.raised_blocks}: give four counts and '
                'one, from 0')
        if max(self.widths) > MOST_CHANNELS or max(*self.blocks, self.raised_blocks) > MOST_BLOCKS:
            raise ValueError(
                f'widths {self.widths}, blocks {self.blocks}, raised_blocks {self.raised_blocks}: '
                f'at most {MOST_CHANNELS} channels and {MOST_BLOCKS} blocks are built')

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value
                for key, value in dataclasses.asdict(self).items()}


def conv_unit(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Build convolution, batch normalisation (folds at run time) and ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Pointwise(nn.Conv2d):
    """A 1x1 convolution, in training computed as a matrix product: far faster on a CPU."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        """Build a plain 1x1 convolution."""
        super().__init__(inputs, outputs, 1, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h, w)."""
        if not self.training:
            return super().forward(features)
        rows = functional.linear(features.movedim(1, -1), self.weight[:, :, 0, 0], self.bias)
        return rows.movedim(-1, 1)


def masked_mean(values: Tensor, valid: Tensor, kernel: int, stride: int = 1) -> Tensor:
    """Average values (B, C, h, w) over the valid (B, 1, h, w) pixels of each window, 0 if none."""
    padding = 0 if stride > 1 else kernel // 2
    total = functional.avg_pool2d(values * valid, kernel, stride, padding)
    share = functional.avg_pool2d(valid, kernel, stride, padding)
    return total / share.clamp(min=1e-6)


def wide_mean(values: Tensor, valid: Tensor, kernel: int) -> Tensor:
    """Average values (B, 1, h, w) over the valid pixels of wide windows, on a coarser grid."""
    total = functional.avg_pool2d(values * valid, 4, 4, ceil_mode=True)
    share = functional.avg_pool2d(valid, 4, 4, ceil_mode=True)
    total = functional.avg_pool2d(total, kernel, 1, kernel // 2)
    share = functional.avg_pool2d(share, kernel, 1, kernel // 2)
    return functional.interpolate(
        total / share.clamp(min=1e-6), size=values.shape[2:], mode='bilinear',
        align_corners=False)


def robust_centre(xyz: Tensor, valid: Tensor) -> Tensor:
    """Return the scene's centre (B, 3, 1, 1) in metres, of which far walls have little say.

    First a mean weighted by 1/z^2, then one of the points near that (Gaussian of 0.6 m).
    """
    weight = valid / xyz[:, 2:3].clamp(min=0.1).square()
    for step in range(2):
        total = weight.sum(dim=(2, 3), keepdim=True).clamp(min=1e-6)
        centre = (xyz * weight).sum(dim=(2, 3), keepdim=True) / total
        if step == 0:
            distance_sq = (xyz - centre).square().sum(dim=1, keepdim=True)
            weight = valid * torch.exp(-distance_sq / (2 * 0.6 ** 2)) + 1e-6 * valid
    return centre


def surface_normals(xyz: Tensor, valid: Tensor) -> Tensor:
    """Return unit normals (B, 3, h, w) towards the camera, 0 where a neighbour has no depth."""
    right, left = xyz[:, :, 1:-1, 2:], xyz[:, :, 1:-1, :-2]
    below, above = xyz[:, :, 2:, 1:-1], xyz[:, :, :-2, 1:-1]
    du, dv = right - left, below - above
    normal = torch.stack([
        dv[:, 1] * du[:, 2] - dv[:, 2] * du[:, 1],
        dv[:, 2] * du[:, 0] - dv[:, 0] * du[:, 2],
        dv[:, 0] * du[:, 1] - dv[:, 1] * du[:, 0]], dim=1)
    known = (valid[:, :, 1:-1, 2:] * valid[:, :, 1:-1, :-2]
             * valid[:, :, 2:, 1:-1] * valid[:, :, :-2, 1:-1])
    length = normal.square().sum(dim=1, keepdim=True).clamp(min=1e-16).sqrt()
    return functional.pad(normal / length * known, (1, 1, 1, 1))


class GeometryFeatures(nn.Module):
    """Turn XYZ in metres into what the depth stem reads: 4 channels at stride 1, 5 at stride 2.

    Stride 1: XYZ relative to the scene's centre, clamped to 2 m, and the validity mask. Stride 2:
    normals and the relief: depth against its mean over 10 and 40 pixels, in units of 2 and 5 cm.
    """

    channels = 4
    half_channels = 5

    def forward(self, xyz: Tensor) -> tuple[Tensor, Tensor]:
        """Map xyz (B, 3, h, w), metres, 0 = none, to (B, 4, h, w) and (B, 5, h/2, w/2)."""
        valid = (xyz[:, 2:3] > 0).to(xyz.dtype)
        half = masked_mean(xyz, valid, 2, 2)
        half_valid = (half[:, 2:3] > 0).to(xyz.dtype)
        centred = ((xyz - robust_centre(half, half_valid)) * valid).clamp(-2.0, 2.0)
        depth = half[:, 2:3]
        near = (depth - masked_mean(depth, half_valid, 5)) / 0.02
        far = (depth - wide_mean(depth, half_valid, 5)) / 0.05
        reliefs = [(relief * half_valid).clamp(-2.0, 2.0) for relief in (near, far)]
        normals = surface_normals(half, half_valid)
        return torch.cat([centred, valid], dim=1), torch.cat([normals, *reliefs], dim=1)


class Stem(nn.Module):
    """Lead one input to features at strides 2 and 4; `half_inputs` channels join at stride 2."""

    def __init__(self, inputs: int, half_inputs: int, widths: tuple[int, ...]) -> None:
        """Build the three convolutions."""
        super().__init__()
        first = max(widths[0] * 3 // 4, 1)
        self.entry = conv_unit(inputs, first, stride=2)
        self.to2 = conv_unit(first + half_inputs, widths[0])
        self.to4 = conv_unit(widths[0], widths[1], stride=2)

    def forward(self, full: Tensor, half: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map (B, C, h, w) and (B, E, h/2, w/2) or None to features at strides 2 and 4."""
        entry = self.entry(full)
        half_features = self.to2(entry if half is None else torch.cat([entry, half], dim=1))
        return half_features, self.to4(half_features)


class Block(nn.Module):
    """Two 3x3 convolutions with a residual connection; the first may halve the resolution."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        """Build the block; a projection joins input and output where their shapes differ."""
        super().__init__()
        self.first = conv_unit(inputs, outputs, stride=stride)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))
        self.residual = inputs == outputs and stride == 1

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h/stride, w/stride)."""
        first = self.first(features)
        return functional.relu(self.second(first) + (features if self.residual else first))


def stage(inputs: int, outputs: int, more: int) -> nn.Module:
    """Build a block that halves the resolution, and more that keep it."""
    first = Block(inputs, outputs, stride=2)
    if not more:
        return first
    return nn.Sequential(first, *(Block(outputs, outputs) for _ in range(more)))


class Merge(nn.Module):
    """Bring coarse features up to a skip's resolution, add both, convolve."""

    def __init__(self, coarse: int, skip: int, outputs: int) -> None:
        """Build the two projections and the 3x3 convolution."""
        super().__init__()
        self.from_coarse = Pointwise(coarse, outputs, bias=False)
        self.from_skip = Pointwise(skip, outputs, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.mix = conv_unit(outputs, outputs)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Map (B, coarse, h/2, w/2) and (B, skip, h, w) to (B, outputs, h, w)."""
        raised = functional.interpolate(
            self.from_coarse(coarse), size=skip.shape[2:], mode='bilinear', align_corners=False)
        return self.mix(functional.relu(self.norm(raised + self.from_skip(skip))))


class Stems(nn.Module):
    """Lead colour and XYZ to fused features at strides 2 and 4, as `fusion` says."""

    def __init__(self, config: SmallTrunkConfig) -> None:
        """Build the stems that the fusion needs."""
        super().__init__()
        self.fusion = config.fusion
        self.geometry = GeometryFeatures()
        depth, half = self.geometry.channels, self.geometry.half_channels
        if self.fusion in ('add', 'cat', 'color'):
            self.color = Stem(3, 0, config.widths)
        if self.fusion in ('add', 'cat', 'depth'):
            self.depth = Stem(depth, half, config.widths)
        if self.fusion == 'early':
            self.both = Stem(3 + depth, half, config.widths)
        self.factor = 2 if self.fusion == 'cat' else 1

    def forward(self, color: Tensor, xyz: Tensor) -> tuple[Tensor, Tensor]:
        """Map the network's inputs to features at strides 2 and 4."""
        if self.fusion == 'color':
            return self.color(color, None)
        full, half = self.geometry(xyz)
        if self.fusion == 'depth':
            return self.depth(full, half)
        if self.fusion == 'early':
            return self.both(torch.cat([color, full], dim=1), half)
        pairs = zip(self.color(color, None), self.depth(full, half), strict=True)
        if self.fusion == 'add':
            first, second = (a + b for a, b in pairs)
        else:
            first, second = (torch.cat(pair, dim=1) for pair in pairs)
        return first, second


def coordinates(like: Tensor) -> Tensor:
    """Return the image coordinates (B, 2, h, w) in -1..1: convolutions alone don't know where."""
    batch, _, height, width = like.shape
    v = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)
    u = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)
    rows = v[None, None, :, None].expand(batch, 1, height, width)
    columns = u[None, None, None, :].expand(batch, 1, height, width)
    return torch.cat([columns, rows], dim=1)


class SmallTrunk(nn.Module):
    """Lead colour and XYZ to features at strides 2 to 32, those up to 16 refined from below."""

    def __init__(self, config: SmallTrunkConfig) -> None:
        """Build the trunk from its description."""
        super().__init__()
        half, quarter, eighth, sixteenth, deepest = config.widths
        self.stems = Stems(config)
        factor = self.stems.factor
        self.enter = conv_unit(factor * quarter + 2, quarter)
        self.enter.extend(Block(quarter, quarter) for _ in range(config.blocks[0]))
        self.down8 = stage(quarter, eighth, config.blocks[1])
        self.down16 = stage(eighth, sixteenth, config.blocks[2])
        self.down32 = stage(sixteenth, deepest, config.blocks[3])
        self.up16 = Merge(deepest, sixteenth, sixteenth)
        self.up8 = Merge(sixteenth, eighth, eighth)
        self.up4 = Merge(eighth, quarter, quarter)
        self.raised4 = nn.Sequential(
            *(Block(quarter, quarter) for _ in range(config.raised_blocks)))

    def pyramid(self, color: Tensor, xyz: Tensor) -> tuple[Tensor, ...]:
        """Map colour (B, 3, h, w) and xyz (B, 3, h, w) to features at strides 2, 4, 8, 16, 32."""
        at2, fused4 = self.stems(color, xyz)
        at4 = self.enter(torch.cat([fused4, coordinates(fused4)], dim=1))
        at8 = self.down8(at4)
        at16 = self.down16(at8)
        at32 = self.down32(at16)
        raised16 = self.up16(at32, at16)
        raised8 = self.up8(raised16, at8)
        return at2, self.raised4(self.up4(raised8, at4)), raised8, raised16, at32
