# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.semantic.architectures import build_network
from seg_ros.semantic.overlap_tile import ValidSizes, mirrored_indices, overlap_tile
from seg_ros.semantic.unet import VALID_SIZES


def unpadded(tile):
    torch.manual_seed(0)
    return build_network('unet', 2, width=2, padded=False, tile=tile).double().eval()


def image(height, width):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, 3, height, width, generator=generator, dtype=torch.float64)


def in_one_piece(network, color):
    """Compute one valid convolution over the image mirrored by NumPy."""
    bottom, right = (-(side - 4) % 16 for side in color.shape[2:])
    mirrored = np.pad(
        color.numpy(), ((0, 0), (0, 0), (92, 92 + bottom), (92, 92 + right)), mode='reflect')
    return network.valid_logits(torch.from_numpy(mirrored))[:, :, :color.shape[2], :color.shape[3]]


@pytest.mark.parametrize('tile', [20, 52, 68, 388])
@pytest.mark.parametrize('size', [(32, 45), (100, 68), (131, 84)])
def test_tiles_equal_the_whole_image(tile, size):
    network, color = unpadded(tile), image(*size)
    with torch.no_grad():
        found = network(color, torch.zeros_like(color))
        expected = in_one_piece(network, color)
    assert found.shape == (1, 2, *size) and expected.std() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_tiles_at_other_places_would_show():
    """Pooling grids make the step matter: tiles side by side at 20 px differ from the whole."""
    network, color = unpadded(20), image(64, 64)
    every_20 = ValidSizes(VALID_SIZES.margin, 20, 20)
    with torch.no_grad():
        found = overlap_tile(network.valid_logits, color, 20, every_20)
        assert (found - in_one_piece(network, color)).abs().max() > 1e-3


def test_no_more_is_computed_than_needed():
    seen = []
    network = unpadded(388)

    def valid(inputs):
        seen.append(tuple(inputs.shape[2:]))
        return network.valid_logits(inputs)

    for size in ((32, 32), (388, 20), (389, 100)):
        with torch.no_grad():
            overlap_tile(valid, image(*size), 388, VALID_SIZES)
    assert seen == [(36 + 184, 36 + 184), (572, 204), (572, 284), (572, 284)]


def test_gradients_flow_through_tiles():
    network, color = unpadded(20), image(40, 40).requires_grad_()
    network(color, color).square().sum().backward()
    assert (color.grad != 0).all()


@given(st.integers(1, 40), st.integers(0, 300), st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_mirroring_equals_numpy(size, before, after):
    expected = np.pad(np.arange(size), (before, after), mode='reflect')
    assert mirrored_indices(-before, size + after, size).tolist() == expected.tolist()


@pytest.mark.parametrize(('side', 'expected'), [(1, 4), (4, 4), (5, 20), (20, 20), (387, 388)])
def test_the_smallest_side(side, expected):
    assert VALID_SIZES.smallest(side) == expected
