# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""RoIAlign, RoIWarp and RoIPool: features of a fixed size from boxes of any size.

He et al., "Mask R-CNN", ICCV 2017 (arXiv 1703.06870), section 3 and table 2c. The three differ in
what they round to the feature grid: RoIPool (Girshick, "Fast R-CNN", ICCV 2015) the RoI and its
bins, RoIWarp (Dai et al., "Instance-aware Semantic Segmentation via Multi-task Network Cascades",
CVPR 2016) the RoI, RoIAlign nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag
from torchvision.ops import MultiScaleRoIAlign, roi_align, roi_pool
from torchvision.ops.poolers import LevelMapper

ROI_OPERATORS = ('align', 'warp', 'pool')
ROI_AGGREGATIONS = ('average', 'max')

# Values that sampling holds at once (64 MiB in float32), or those of one RoI where they are more.
VALUES_AT_ONCE = 2**24
# Pixels around a bilinear sample; for each the room of some eight values: int64 indices, weights.
CORNERS = 4
VALUES_PER_CORNER = 8


def roi_features(
    features: Tensor,
    rois: Tensor,
    output_size: tuple[int, int],
    *,
    spatial_scale: float = 1.0,
    operator: str = 'align',
    aggregation: str = 'average',
    sampling_ratio: int = 2,
    aligned: bool = False,
) -> Tensor:
    """Read the features of regions of interest into bins, (N, C, oh, ow) in the features' dtype.

    ``features`` (B, C, h, w) floating point on any device; ``rois`` (N, 5): batch index, x1, y1,
    x2, y2 in image pixels, on the same device; ``output_size`` (oh, ow) bins; ``spatial_scale``
    feature pixels per image pixel. Let s1 = spatial_scale * x1, s2 = spatial_scale * x2 (y alike).

    - ``align`` rounds nothing. The RoI starts at s1 and is max(s2 - s1, 1) wide; with ``aligned``
      it starts at s1 - 0.5 and is s2 - s1 wide, with no least size. Each of the equal bins holds
      ``sampling_ratio`` squared samples, evenly spaced, half a spacing away from the bin's edges.
    - ``warp`` rounds the RoI and is ``align`` from there: of the box from round(s1) to round(s2),
      as the authors' code has it, at least 1 wide (``aligned`` or not; the 0.5 is taken off after
      rounding). Samples are not rounded. Unless ``aligned``, the middle of a box of a pixel or
      more is that of the pixels that ``pool`` covers. (The authors' code chooses the number of
      samples by the box's size; here only the rounding differs from ``align``.)
    - ``pool`` covers the pixels round(s1) to round(s2), both included, at least one; bin i of ow
      those from floor(i * width / ow) up to, not including, ceil((i + 1) * width / ow). Bins
      overlap where they share a pixel. Pixels outside the map are left out, a bin without any is
      0. There are no samples: ``sampling_ratio`` and ``aligned`` change nothing.

    round() is C's: halves go away from zero, in the precision computed in (torch.round would take
    them to even). Pixel k's value is at coordinate k; samples below -1 or above h (w) are 0, also
    where the maximum is taken, those between -1 and 0 or h - 1 and h take the border's value.

    ``aggregation``: ``average`` or ``max`` of a bin's samples; ``pool`` has ``max`` only.
    ``sampling_ratio`` <= 0 (as many as the bin's size in pixels, rounded up) is accepted by
    ``align`` with ``average``, for RoIs with x2 >= x1 and y2 >= y1. That pair and ``pool`` are
    torchvision's roi_align and roi_pool. Differentiable in ``features``, not in ``rois``; where
    several samples share the maximum, one of them gets the gradient. float32 and float64 are
    computed as they are, bfloat16 and float16 (autocast) in float32; RoIs are taken to that dtype.

    What is not torchvision's copies the features once (channels last) and holds, beside the
    result and a copy of it, about ``VALUES_AT_ONCE`` values; the gradient keeps the samples'
    indices and weights and, of ``max``, 8 bytes per value of the result. Raises ValueError for
    unknown names, shapes, dtypes, a pair that does not exist or a batch index outside of
    ``features``.
    """
    check_roi_operator(operator, aggregation, sampling_ratio)
    _check_tensors(features, rois, output_size)
    return _pooled(features, rois, output_size, spatial_scale, operator, aggregation,
                   sampling_ratio, aligned)


def check_roi_operator(operator: str, aggregation: str, sampling_ratio: int) -> None:
    """Raise ValueError for names that are unknown or do not go together, saying which do."""
    if operator not in ROI_OPERATORS:
        raise ValueError(f'RoI operator {operator!r} is none of {", ".join(ROI_OPERATORS)}')
    if aggregation not in ROI_AGGREGATIONS:
        raise ValueError(
            f'RoI aggregation {aggregation!r} is none of {", ".join(ROI_AGGREGATIONS)}')
    if operator == 'pool' and aggregation != 'max':
        raise ValueError(f"RoI operator 'pool' has no aggregation {aggregation!r}: choose 'max', "
                         "or operator 'warp' or 'align'")
    adaptive = operator == 'pool' or (operator, aggregation) == ('align', 'average')
    if sampling_ratio <= 0 and not adaptive:
        raise ValueError(
            f'sampling_ratio is {sampling_ratio}, operator {operator!r} with aggregation '
            f"{aggregation!r} takes 1 or more; only 'align' with 'average' adapts it to the RoI")


def _check_tensors(features: Tensor, rois: Tensor, output_size: tuple[int, int]) -> None:
    if features.ndim != 4 or not features.is_floating_point() or 0 in features.shape[1:]:
        raise ValueError(f'features are {tuple(features.shape)} {features.dtype}, (B, C, h, w) '
                         'floating point of at least one channel and pixel is accepted')
    if rois.ndim != 2 or rois.shape[1] != 5 or not rois.is_floating_point():
        raise ValueError(f'rois are {tuple(rois.shape)} {rois.dtype}, (N, 5) floating point '
                         'is accepted: batch index, x1, y1, x2, y2')
    if len(output_size) != 2 or min(output_size) < 1:
        raise ValueError(f'output_size is {output_size}, two numbers of bins from 1 are accepted')
    # torchvision's operators read memory that is not theirs for an index too large
    index = rois[:, 0]
    wrong = index[~((index > -1) & (index < len(features)))]
    if len(wrong):
        raise ValueError(f'the batch index {wrong[0].item():g} of a RoI is none of the '
                         f'{len(features)} images of features')


def _pooled(
    features: Tensor,
    rois: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float,
    operator: str,
    aggregation: str,
    sampling_ratio: int,
    aligned: bool = False,
) -> Tensor:
    """Return what ``roi_features`` does, of arguments that have been checked."""
    dtype = features.dtype
    # roi_pool knows no autocast on a CPU, and samples want more than bfloat16's 8 bits
    exact = features if dtype == torch.float64 else features.float()
    rois = rois.detach().to(exact.dtype)
    if operator == 'pool':
        return roi_pool(exact, rois, output_size, spatial_scale).to(dtype)
    if (operator, aggregation) == ('align', 'average'):
        found = roi_align(exact, rois, output_size, spatial_scale, sampling_ratio, aligned)
        return found.to(dtype)
    start, size = _extent(rois[:, 1:] * spatial_scale, rounded=operator == 'warp', aligned=aligned)
    return _sampled(exact, rois[:, 0], start, size, output_size, sampling_ratio,
                    aggregation).to(dtype)


def _extent(boxes: Tensor, *, rounded: bool, aligned: bool) -> tuple[Tensor, Tensor]:
    """Return where boxes (N, 4) start and their size, each (N, 2) as x, y in feature pixels."""
    first, last = boxes.split(2, dim=1)
    if rounded:
        first, last = _round_half_away(first), _round_half_away(last)
    size = last - first
    if rounded or not aligned:
        size = size.clamp(min=1)
    return (first - 0.5 if aligned else first), size


def _round_half_away(values: Tensor) -> Tensor:
    """Round as C's round() does, halves away from zero; adding 0.5 would lift 0.49999997."""
    whole = values.trunc()
    return whole + values.sign() * ((values - whole).abs() >= 0.5)


def _sampled(
    features: Tensor,
    batch_index: Tensor,
    start: Tensor,
    size: Tensor,
    output_size: tuple[int, int],
    ratio: int,
    aggregation: str,
) -> Tensor:
    """Aggregate the bilinear samples of the bins of boxes, (N, C, oh, ow)."""
    channels, height, width = features.shape[1:]
    pixels = features.permute(0, 2, 3, 1).reshape(-1, channels)
    held = CORNERS * VALUES_PER_CORNER + (channels if aggregation == 'max' else 0)
    chunk = max(1, VALUES_AT_ONCE // (math.prod(output_size) * ratio**2 * held))
    bins = []
    for index, first, extent in zip(batch_index.split(chunk), start.split(chunk),
                                    size.split(chunk), strict=True):
        columns = _corners(_positions(first[:, 0], extent[:, 0], output_size[1], ratio), width)
        rows = _corners(_positions(first[:, 1], extent[:, 1], output_size[0], ratio), height)
        where, weights = _pixels_of_samples(index.long() * height, rows, columns, width)
        found = _aggregated(pixels, where, weights, ratio**2, aggregation)
        found = found.reshape(len(index), *output_size, channels)
        bins.append(found.permute(0, 3, 1, 2).contiguous())
    return torch.cat(bins)


def _positions(start: Tensor, size: Tensor, bins: int, ratio: int) -> Tensor:
    """Return the samples' coordinates along one axis, (N, bins, ratio) in feature pixels."""
    bin_size = (size / bins)[:, None, None]
    number = torch.arange(bins, device=start.device, dtype=start.dtype)[:, None]
    inner = torch.arange(ratio, device=start.device, dtype=start.dtype) + 0.5
    # in torchvision's order: a sample just on the border must stay there
    return start[:, None, None] + number * bin_size + inner * bin_size / ratio


def _corners(positions: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Return the two pixels around positions on one axis and their weights, (..., 2) each."""
    inside = (positions >= -1) & (positions <= length)
    clamped = torch.where(inside, positions, 0).clamp(0, length - 1)
    low = clamped.long()
    part = clamped - low
    pixels = torch.stack((low, (low + 1).clamp(max=length - 1)), dim=-1)
    return pixels, torch.stack((1 - part, part), dim=-1) * inside[..., None]


def _pixels_of_samples(
    first_row: Tensor,
    rows: tuple[Tensor, Tensor],
    columns: tuple[Tensor, Tensor],
    width: int,
) -> tuple[Tensor, Tensor]:
    """Join rows (N, oh, r, 2) and columns (N, ow, r, 2) to (N, oh, ow, r, r, 2, 2) and weights."""
    y, y_weight = (values[:, :, None, :, None, :, None] for values in rows)
    x, x_weight = (values[:, None, :, None, :, None, :] for values in columns)
    row = first_row.reshape(-1, *[1] * 6) + y
    return row * width + x, y_weight * x_weight


def _aggregated(
    pixels: Tensor, where: Tensor, weights: Tensor, samples: int, aggregation: str
) -> Tensor:
    """Aggregate ``samples`` weighted sums of four of ``pixels`` (P, C) a bin, (bins, C)."""
    if aggregation == 'average':
        row = samples * CORNERS
        return embedding_bag(where.reshape(-1, row), pixels, mode='sum',
                             per_sample_weights=weights.reshape(-1, row) / samples)
    values = embedding_bag(where.reshape(-1, CORNERS), pixels, mode='sum',
                           per_sample_weights=weights.reshape(-1, CORNERS))
    return values.reshape(-1, samples, pixels.shape[1]).max(dim=1).values


class MultiLevelRoi(MultiScaleRoIAlign):
    """Read each RoI from the level of a feature pyramid that suits its size.

    A drop-in for torchvision's MultiScaleRoIAlign (FasterRCNN and MaskRCNN accept only that
    class and heirs), with the operators of ``roi_features``; ``align`` with ``average`` gives the
    same numbers. Lin et al., "Feature Pyramid Networks", CVPR 2017, equation (1): level
    floor(canonical_level + log2(sqrt(box area) / canonical_scale)), held within those there are.
    """

    def __init__(
        self,
        featmap_names: list[str],
        output_size: int,
        sampling_ratio: int = 2,
        *,
        operator: str = 'align',
        aggregation: str = 'average',
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        check_roi_operator(operator, aggregation, sampling_ratio)
        super().__init__(featmap_names, output_size, sampling_ratio,
                         canonical_scale=canonical_scale, canonical_level=canonical_level)
        self.operator = operator
        self.aggregation = aggregation

    def forward(
        self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        """Read the features of boxes, (N, C, output_size, output_size) for all images' N boxes.

        ``x``: levels (B, C, h, w) by name, the finest first, each half the size of the one
        before; names not in ``featmap_names`` are left out. ``boxes``: one (n, 4) x1, y1, x2, y2
        in image pixels an image, n may be 0. ``image_shapes``: (height, width) of each image. A
        level's scale is the power of two nearest to its height over the tallest image's (found
        at each call; torchvision keeps those of the first). Raises ValueError for no level or
        no image, or another number of images than the features'.
        """
        levels = [value for name, value in x.items() if name in self.featmap_names]
        self._check(levels, boxes, image_shapes)
        height = max(shape[0] for shape in image_shapes)
        strides = [round(math.log2(height / level.shape[-2])) for level in levels]
        index = torch.cat([torch.full_like(found[:, :1], i) for i, found in enumerate(boxes)])
        rois = torch.cat([index, torch.cat(boxes)], dim=1)
        if len(levels) == 1:
            return self._read(levels[0], rois, strides[0])
        mapper = LevelMapper(strides[0], strides[-1], self.canonical_scale, self.canonical_level)
        chosen = mapper(boxes)
        result = levels[0].new_zeros((len(rois), levels[0].shape[1], *self.output_size))
        for number, (level, stride) in enumerate(zip(levels, strides, strict=True)):
            of_level = torch.where(chosen == number)[0]
            # autocast may have left the levels in different dtypes
            result[of_level] = self._read(level, rois[of_level], stride).to(result.dtype)
        return result

    def _read(self, level: Tensor, rois: Tensor, stride: int) -> Tensor:
        """Read RoIs from one level, whose pixels are 2**stride image pixels wide."""
        return _pooled(level, rois, self.output_size, 2.0**-stride, self.operator,
                       self.aggregation, self.sampling_ratio)

    def _check(
        self, levels: list[Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> None:
        if not levels:
            raise ValueError(f'no feature map is named {" or ".join(self.featmap_names)}')
        if not image_shapes or len(boxes) != len(levels[0]):
            raise ValueError(f'{len(boxes)} lists of boxes and {len(image_shapes)} image shapes '
                             f'came for the {len(levels[0])} images of the features')

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(featmap_names={self.featmap_names}, '
                f'output_size={self.output_size}, sampling_ratio={self.sampling_ratio}, '
                f'operator={self.operator!r}, aggregation={self.aggregation!r})')
