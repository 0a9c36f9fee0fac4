# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The RoI operators as defined: one RoI, bin, sample and pixel after the other, in float64."""

import math
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import torch

PAIRS = [('align', 'average'), ('align', 'max'), ('warp', 'average'), ('warp', 'max'),
         ('pool', 'max')]


def noise(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def round_as_c(value):
    return int(Decimal(value).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def pixel_or_border(image, row, column):
    height, width = image.shape[1:]
    return image[:, min(max(row, 0), height - 1), min(max(column, 0), width - 1)]


def bilinear(image, y, x):
    """Return the C values of an image (C, h, w) at a point, 0 beyond one pixel outside."""
    height, width = image.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(len(image))
    row, column = math.floor(y), math.floor(x)
    down, right = y - row, x - column
    return ((1 - down) * (1 - right) * pixel_or_border(image, row, column)
            + (1 - down) * right * pixel_or_border(image, row, column + 1)
            + down * (1 - right) * pixel_or_border(image, row + 1, column)
            + down * right * pixel_or_border(image, row + 1, column + 1))


def sampled_roi(image, box, output_size, rounded, aggregation, ratio, aligned):
    x1, y1, x2, y2 = box
    if rounded:
        x1, y1, x2, y2 = map(round_as_c, (x1, y1, x2, y2))
        x2, y2 = max(x2, x1 + 1), max(y2, y1 + 1)
    width, height = x2 - x1, y2 - y1
    if aligned:
        x1, y1 = x1 - 0.5, y1 - 0.5
    else:
        width, height = max(width, 1), max(height, 1)
    bin_height, bin_width = height / output_size[0], width / output_size[1]
    result = np.zeros((len(image), *output_size))
    for i in range(output_size[0]):
        for j in range(output_size[1]):
            values = [
                # in this order: samples of whole boxes fall just on the limits of `bilinear`
                bilinear(image, y1 + i * bin_height + (k + 0.5) * bin_height / ratio,
                         x1 + j * bin_width + (m + 0.5) * bin_width / ratio)
                for k in range(ratio) for m in range(ratio)
            ]
            result[:, i, j] = np.mean(values, 0) if aggregation == 'average' else np.max(values, 0)
    return result


def bin_pixels(first, last, number, bins, length):
    """Return the pixels on one axis that lie in a bin of the RoI and in the map."""
    size = max(last - first + 1, 1)
    start = first + (number * size) // bins
    stop = first - (-(number + 1) * size) // bins
    return [pixel for pixel in range(start, stop) if 0 <= pixel < length]


def pooled_roi(image, box, output_size):
    x1, y1, x2, y2 = map(round_as_c, box)
    result = np.zeros((len(image), *output_size))
    for i in range(output_size[0]):
        for j in range(output_size[1]):
            values = [
                image[:, row, column]
                for row in bin_pixels(y1, y2, i, output_size[0], image.shape[1])
                for column in bin_pixels(x1, x2, j, output_size[1], image.shape[2])
            ]
            if values:
                result[:, i, j] = np.max(values, 0)
    return result


def roi_by_definition(features, rois, output_size, *, spatial_scale, operator, aggregation,
                      sampling_ratio, aligned):
    images = features.double().numpy()
    found = []
    for index, *box in rois.double().tolist():
        image, box = images[int(index)], [spatial_scale * value for value in box]
        if operator == 'pool':
            found.append(pooled_roi(image, box, output_size))
        else:
            found.append(sampled_roi(image, box, output_size, operator == 'warp', aggregation,
                                     sampling_ratio, aligned))
    return np.stack(found)
