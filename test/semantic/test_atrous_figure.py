# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch

from seg_ros.core.io import read_color, write_color
from seg_ros.semantic.atrous_figure import (
    dense_responses,
    draw_figure,
    gaussian_derivative,
    main,
    sparse_responses,
)


@pytest.mark.parametrize('sigma', [1.0, 1.5])
def test_the_kernel_is_a_derivative(sigma):
    kernel = gaussian_derivative(21, sigma)
    rows = torch.arange(21.0)[:, None].expand(21, 21)
    assert (kernel * 3 * rows).sum() == pytest.approx(3, abs=1e-3)
    assert (kernel * rows.T).sum() == pytest.approx(0, abs=1e-5)
    assert kernel.sum() == pytest.approx(0, abs=1e-6)


def test_every_fourth_dense_response_is_a_sparse_one():
    image = torch.rand(41, 57)
    kernel = gaussian_derivative()
    sparse, dense = sparse_responses(image, kernel), dense_responses(image, kernel)
    assert sparse.shape == dense.shape == image.shape
    torch.testing.assert_close(sparse[::2, ::2], dense[::2, ::2], atol=1e-6, rtol=0)
    assert (sparse - dense)[1::2, 1::2].abs().min() > 0
    between = (sparse[:-2:2] + sparse[2::2]) / 2
    torch.testing.assert_close(sparse[1::2], between, atol=1e-6, rtol=0)


@pytest.mark.parametrize(('height', 'width'), [(49, 61), (50, 64)])
def test_the_figure_shows_image_and_responses(tmp_path, height, width):
    color = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    write_color(tmp_path / 'in.png', color)
    main([str(tmp_path / 'out.png'), '--image', str(tmp_path / 'in.png')])
    figure = read_color(tmp_path / 'out.png')
    assert np.array_equal(figure, draw_figure(color))
    width -= 1 - width % 2
    assert np.array_equal(figure[22:71, :width], color[:49, :width])
    sparse, dense = (figure[22:71, start:start + width].astype(int)
                     for start in (width + 6, 2 * (width + 6)))
    assert np.abs(sparse - dense)[::2, ::2].max() <= 1 < np.abs(sparse - dense).max()


def test_a_small_image_is_refused():
    with pytest.raises(ValueError, match='the image has 60x48 pixels: give more than 48'):
        draw_figure(np.zeros((48, 60, 3), np.uint8))
