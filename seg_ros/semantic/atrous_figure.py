# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Draw sparse against dense feature extraction, as figure 3 of Chen et al., PAMI 2017.

``python -m seg_ros.semantic.atrous_figure OUT.png`` draws docs/atrous.png of a synthetic frame
(needs the extra ``synth``), with ``--image PATH`` of any picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from seg_ros.core.io import read_color, write_color
from seg_ros.semantic.atrous import atrous_conv2d

KERNEL, SIGMA = 7, 1.0
RATE = 2
WIDTH, HEIGHT = 321, 241
CROP = 48  # side of the part in the middle that is drawn again, enlarged
TITLES = ('image', 'sparse: 1/2, 7x7, enlarged', 'dense: 7x7 at rate 2')
_MARGIN, _LINE = 6, 22


def gaussian_derivative(size: int = KERNEL, sigma: float = SIGMA) -> Tensor:
    """Return weights (size, size) that give the vertical derivative, smoothed by sigma pixels."""
    axis = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    bell = torch.exp(-axis.square() / (2 * sigma ** 2))
    bell = bell / bell.sum()
    return (axis / sigma ** 2 * bell)[:, None] * bell[None, :]


def sparse_responses(image: Tensor, kernel: Tensor) -> Tensor:
    """Take every second pixel of (h, w), convolve, enlarge bilinearly to (h, w) again.

    Sides are odd, so that first and last pixels stay where they are.
    """
    low = image[None, None, ::RATE, ::RATE]
    responses = atrous_conv2d(low, kernel[None, None], padding=len(kernel) // 2)
    return functional.interpolate(
        responses, size=image.shape, mode='bilinear', align_corners=True)[0, 0]


def dense_responses(image: Tensor, kernel: Tensor) -> Tensor:
    """Convolve all pixels of (h, w) with the same weights at rate 2: as many responses."""
    padding = RATE * (len(kernel) // 2)
    return atrous_conv2d(image[None, None], kernel[None, None], rate=RATE, padding=padding)[0, 0]


def draw_figure(color: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the figure, RGB uint8: image and both responses, below the middle enlarged.

    ``color`` (H, W, 3) uint8 RGB with sides above 48 pixels, else ValueError.
    """
    if min(color.shape[:2]) <= CROP:
        raise ValueError(
            f'the image has {color.shape[1]}x{color.shape[0]} pixels: give more than {CROP}')
    height, width = (side - 1 + side % 2 for side in color.shape[:2])
    color = color[:height, :width]
    gray = torch.from_numpy(cv2.cvtColor(color, cv2.COLOR_RGB2GRAY).astype(np.float32))
    kernel = gaussian_derivative()
    both = torch.stack([sparse_responses(gray, kernel), dense_responses(gray, kernel)])
    inside = both[1, 8:-8, 8:-8]  # the borders see the zeros outside
    scale = 127 / inside.abs().max().clamp(min=1.0)
    pictures = [color, *(_signed(responses * scale) for responses in both)]
    return np.hstack([_column(picture, title)
                      for picture, title in zip(pictures, TITLES, strict=True)])


def _signed(responses: Tensor) -> npt.NDArray[np.uint8]:
    """Draw responses of -127 to 127 as grey (h, w, 3), 0 in the middle."""
    levels = (responses + 128).round().clamp(0, 255).to(torch.uint8).numpy()
    return np.repeat(levels[..., None], 3, axis=2)


def _column(picture: npt.NDArray[np.uint8], title: str) -> npt.NDArray[np.uint8]:
    """Return a picture under its title, and below its middle enlarged, on white."""
    height, width = picture.shape[:2]
    side = CROP // 2
    part = picture[height // 2 - side:height // 2 + side, width // 2 - side:width // 2 + side]
    large = cv2.resize(part, (width, width), interpolation=cv2.INTER_NEAREST)
    column = np.full((_LINE + height + _MARGIN + width, width + _MARGIN, 3), 255, np.uint8)
    column[_LINE:_LINE + height, :width] = picture
    column[_LINE + height + _MARGIN:, :width] = large
    cv2.putText(column, title, (2, _LINE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1,
                cv2.LINE_AA)
    return column


def _synthetic_picture() -> npt.NDArray[np.uint8]:
    from seg_ros.synthetic.sequence import tabletop_sequence

    frame, _, _ = next(iter(tabletop_sequence(1, seed=1, width=WIDTH, height=HEIGHT)))
    return frame.color


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', type=Path, metavar='OUT.png')
    parser.add_argument('--image', type=Path, help='a picture instead of the synthetic frame')
    args = parser.parse_args(arguments)
    color = read_color(args.image) if args.image else _synthetic_picture()
    write_color(args.out, draw_figure(color))


if __name__ == '__main__':
    main()
