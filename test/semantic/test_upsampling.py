# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.semantic.upsampling import (
    BilinearDeconvolution,
    BilinearEnlargement,
    bilinear_kernel,
    cropped,
)


@pytest.mark.parametrize(('size', 'row'), [
    (1, [1.0]),
    (2, [0.5, 0.5]),
    (3, [0.5, 1.0, 0.5]),
    (4, [0.25, 0.75, 0.75, 0.25]),
    (5, [1 / 3, 2 / 3, 1.0, 2 / 3, 1 / 3]),
    (6, [1 / 6, 0.5, 5 / 6, 5 / 6, 0.5, 1 / 6]),
])
def test_kernel_is_the_outer_product_of_a_tent(size, row):
    row = torch.tensor(row, dtype=torch.float64)
    torch.testing.assert_close(bilinear_kernel(size), torch.outer(row, row))


@pytest.mark.parametrize(('kernel', 'stride'), [(4, 2), (16, 8), (32, 16), (64, 32), (63, 32),
                                                (3, 2)])
@torch.no_grad()
def test_a_ramp_stays_a_ramp(kernel, stride):
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(5.0), indexing='ij')
    ramp = (2 * rows - 3 * columns + 1)[None, None].double()
    found = BilinearDeconvolution(1, kernel, stride).double()(ramp)[0, 0]
    centre = (kernel - 1) / 2  # of input pixel (0, 0)
    v = (torch.arange(found.shape[0]).double() - centre) / stride
    u = (torch.arange(found.shape[1]).double() - centre) / stride
    expected = 2 * v[:, None] - 3 * u[None, :] + 1
    inside = ((v >= 0) & (v <= 3))[:, None] & ((u >= 0) & (u <= 4))[None, :]
    assert inside.sum() >= 3 * stride * 4 * stride
    torch.testing.assert_close(found[inside], expected[inside], atol=1e-6, rtol=0)


@torch.no_grad()
def test_classes_do_not_mix_at_first():
    maps = torch.zeros(1, 3, 4, 4)
    maps[:, 1, 2, 2] = 1
    layer = BilinearDeconvolution(3, 4, 2)
    found = layer(maps)
    assert layer.bias is None
    assert found[:, [0, 2]].abs().max() == 0
    torch.testing.assert_close(found[0, 1, 4:8, 4:8], bilinear_kernel(4).float())
    assert float(found.sum()) == 4.0


@given(stride=st.integers(1, 9), height=st.integers(1, 5), width=st.integers(1, 5),
       border=st.integers(0, 1))
@settings(max_examples=40, deadline=None)
@torch.no_grad()
def test_enlargement_is_the_deconvolution_of_an_odd_kernel(stride, height, width, border):
    maps = torch.randn(2, 3, height, width).double()
    deconvolution = BilinearDeconvolution(3, 2 * stride - 1, stride, stride - 1, border).double()
    deconvolution.weight.data[range(3), range(3)] = bilinear_kernel(2 * stride - 1)
    found = BilinearEnlargement(stride, border)(maps)
    torch.testing.assert_close(found, deconvolution(maps), atol=1e-12, rtol=0)
    torch.testing.assert_close(found[:, :, ::stride, ::stride][:, :, :height, :width], maps)


@pytest.mark.parametrize(('offset', 'size', 'expected'), [
    (0, (2, 3), (slice(0, 2), slice(0, 3))),
    (1, (2, 3), (slice(1, 3), slice(1, 4))),
    (2, (9, 9), (slice(2, 4), slice(2, 5))),
])
def test_crops_end_with_the_maps(offset, size, expected):
    maps = torch.arange(20.0).view(1, 1, 4, 5)
    found = cropped(maps, offset, like=torch.zeros(1, 7, *size))
    assert torch.equal(found, maps[:, :, expected[0], expected[1]])
