# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Gaussian kernels of fully connected CRFs, and the features that they compare pixels by.

k(i, j) = weight * exp(-|f_i - f_j|^2 / 2), where f is what a kernel looks at (position, colour,
depth, normal), each divided by its width (Kraehenbuehl and Koltun, NeurIPS 2011).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.float32]
NORMALIZATIONS = ('symmetric', 'before', 'after', 'none')


@dataclass(frozen=True, eq=False)
class Guide:
    """Hold what kernels look at: ``shape`` (H, W); ``color`` (H, W, 3), any scale, often uint8;
    ``depth_m`` (H, W) metres, NaN where there is none; ``normals`` (H, W, 3) unit vectors.

    ValueError for parts that differ in size.
    """

    shape: tuple[int, int]
    color: npt.NDArray[np.generic] | None = None
    depth_m: npt.NDArray[np.floating] | None = None
    normals: npt.NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise ValueError(f'an image of {self.shape[1]}x{self.shape[0]}: sizes start at 1x1')
        for name, part, sides in (('color', self.color, (3,)), ('depth_m', self.depth_m, ()),
                                  ('normals', self.normals, (3,))):
            if part is not None and part.shape != (*self.shape, *sides):
                raise ValueError(f'{name} has the shape {part.shape}, the costs are of '
                                 f'{(*self.shape, *sides)}: they must agree')


class Kernel(Protocol):
    """What is asked of a kernel.

    ``weight`` is one number, or one a label; ``normalization`` one of ``NORMALIZATIONS``.
    """

    @property
    def weight(self) -> float | tuple[float, ...]:
        """Return the weight of the kernel."""
        ...

    @property
    def normalization(self) -> str:
        """Return how the filter is normalised."""
        ...

    def features(self, guide: Guide) -> Planes:
        """Return (d, H * W) float32; ValueError where the guide lacks a part."""
        ...


@dataclass(frozen=True)
class Gaussian:
    """Compare pixels by their position; ``sigma_px`` is one width, or (x, y)."""

    sigma_px: float | tuple[float, float] = 3.0
    weight: float | tuple[float, ...] = 3.0
    normalization: str = 'symmetric'

    def __post_init__(self) -> None:
        _check_widths('sigma_px', _pair(self.sigma_px))
        _check(self)

    def features(self, guide: Guide) -> Planes:
        """Return the scaled position (2, H * W), x first."""
        return _position(guide.shape, self.sigma_px)


@dataclass(frozen=True)
class Bilateral:
    """Compare pixels by their position and by each of colour, depth and normal with a width.

    Widths are in pixels, in the unit of the colour (of 255 for uint8), in metres, and in the
    length of the difference of unit normals; None leaves a part out. Where depth has holes the
    nearest measured pixel's is taken, where normals have, none (0, 0, 0).
    """

    position_px: float | tuple[float, float] | None = 80.0
    color: float | tuple[float, float, float] | None = 13.0
    depth_m: float | None = None
    normal: float | None = None
    weight: float | tuple[float, ...] = 10.0
    normalization: str = 'symmetric'

    def __post_init__(self) -> None:
        parts = (self.position_px, self.color, self.depth_m, self.normal)
        if all(part is None for part in parts):
            raise ValueError('Bilateral compares by nothing: give a width of position, colour, '
                             'depth or normal')
        for name, part in zip(('position_px', 'color', 'depth_m', 'normal'), parts, strict=True):
            if part is not None:
                _check_widths(name, part if isinstance(part, tuple) else (part,))
        _check(self)

    def features(self, guide: Guide) -> Planes:
        """Return (d, H * W): position x, y, colour, depth, normal, as far as they have widths."""
        planes = []
        if self.position_px is not None:
            planes.append(_position(guide.shape, self.position_px))
        if self.color is not None:
            planes.append(_scaled(_part(guide.color, 'color'), self.color))
        if self.depth_m is not None:
            filled = filled_depth(np.asarray(_part(guide.depth_m, 'depth_m'), np.float32))
            planes.append(_scaled(filled[..., None], self.depth_m))
        if self.normal is not None:
            known = np.nan_to_num(_part(guide.normals, 'normals'))
            planes.append(_scaled(known, self.normal))
        return np.concatenate(planes)


@dataclass(frozen=True, eq=False)
class FeatureKernel:
    """Compare pixels by any features: ``values`` (d, H * W), already divided by their widths."""

    values: npt.NDArray[np.floating]
    weight: float | tuple[float, ...] = 1.0
    normalization: str = 'symmetric'

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[0] < 1:
            raise ValueError(
                f'features have the shape {self.values.shape}: (d, pixels), d >= 1, is accepted')
        if not np.isfinite(self.values).all():
            raise ValueError('features hold NaN or infinity: finite numbers are accepted')
        _check(self)

    def features(self, guide: Guide) -> Planes:
        """Return the values as (d, H * W) float32."""
        pixels = guide.shape[0] * guide.shape[1]
        if self.values.shape[1] != pixels:
            raise ValueError(f'features of {self.values.shape[1]} pixels, the costs are of '
                             f'{guide.shape[1]}x{guide.shape[0]}')
        return np.ascontiguousarray(self.values, np.float32)


def filled_depth(depth_m: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the depth (H, W) metres with holes filled by the nearest pixel that has a depth.

    Without any measurement it is 0 everywhere.
    """
    holes = ~np.isfinite(depth_m)
    if not holes.any():
        return depth_m
    if holes.all():
        return np.zeros_like(depth_m)
    import cv2

    _, nearest = cv2.distanceTransformWithLabels(
        holes.view(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    values = np.zeros(int(nearest.max()) + 1, np.float32)
    values[nearest[~holes]] = depth_m[~holes]
    return np.where(holes, values[nearest], depth_m)


def _position(shape: tuple[int, int], sigma_px: float | tuple[float, float]) -> Planes:
    sigma_x, sigma_y = _pair(sigma_px)
    rows, columns = shape
    planes = np.empty((2, rows, columns), np.float32)
    planes[0] = np.arange(columns, dtype=np.float32) / np.float32(sigma_x)
    planes[1] = (np.arange(rows, dtype=np.float32) / np.float32(sigma_y))[:, None]
    return planes.reshape(2, -1)


def _scaled(values: npt.NDArray[np.generic], widths: float | tuple[float, ...]) -> Planes:
    channels = values.shape[-1]
    each = widths if isinstance(widths, tuple) else (widths,) * channels
    planes = np.empty((channels, values.shape[0] * values.shape[1]), np.float32)
    for channel, width in enumerate(each):
        np.divide(values[..., channel].reshape(-1), np.float32(width), out=planes[channel],
                  casting='unsafe', dtype=np.float32)
    if values.dtype != np.uint8 and not np.isfinite(planes).all():
        raise ValueError('the guide holds NaN or infinity: finite numbers are accepted')
    return planes


def _part(part: npt.NDArray[np.generic] | None, name: str) -> npt.NDArray[np.generic]:
    if part is None:
        raise ValueError(f'a kernel compares by {name}, which was not given')
    return part


def _pair(value: float | tuple[float, float]) -> tuple[float, float]:
    return value if isinstance(value, tuple) else (value, value)


def _check_widths(name: str, widths: Sequence[float]) -> None:
    if not all(0 < width < math.inf for width in widths):
        raise ValueError(f'{name} is {tuple(widths)}: widths of kernels are above 0 and finite')


def _check(kernel: Kernel) -> None:
    if kernel.normalization not in NORMALIZATIONS:
        raise ValueError(f'normalization is {kernel.normalization!r}, choose one of '
                         f'{", ".join(NORMALIZATIONS)}')
    if not np.isfinite(kernel.weight).all():
        raise ValueError(f'weight is {kernel.weight}: finite numbers are accepted')
