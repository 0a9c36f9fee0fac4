# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the trunk of the small networks makes of depth, and its parts."""

import numpy as np
import pytest
import torch

from seg_ros.networks.small_trunk import (
    GeometryFeatures,
    Pointwise,
    SmallTrunk,
    SmallTrunkConfig,
    masked_mean,
    robust_centre,
    surface_normals,
)


def plane_points(height, width, normal, offset, focal=100.0):
    """Return XYZ (1, 3, h, w) of the plane n . p = offset seen by a pinhole camera."""
    v, u = np.mgrid[:height, :width].astype(float)
    rays = np.stack([(u - width / 2) / focal, (v - height / 2) / focal, np.ones_like(u)])
    depth = offset / np.einsum('c,chw->hw', normal, rays)
    return torch.from_numpy(rays * depth)[None].float()


@pytest.mark.parametrize('normal', [(0, 0, -1), (0.2, -0.6, -0.7), (-0.5, 0.1, -0.8)])
def test_normals_of_a_plane_point_to_the_camera(normal):
    unit = np.asarray(normal) / np.linalg.norm(normal)
    xyz = plane_points(20, 24, unit, -0.9)
    found = surface_normals(xyz, torch.ones(1, 1, 20, 24))[0, :, 1:-1, 1:-1]
    expected = torch.from_numpy(unit).float()[:, None, None].expand_as(found)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


def test_normals_are_zero_beside_a_hole():
    xyz = plane_points(9, 9, np.array([0, 0, -1.0]), -1.0)
    valid = torch.ones(1, 1, 9, 9)
    valid[..., 4, 4] = 0
    normals = surface_normals(xyz, valid)[0]
    beside = normals[:, [3, 5, 4, 4], [4, 4, 3, 5]]
    assert (beside == 0).all()
    assert (normals[2, 2, 2] + 1).abs() < 1e-4


def test_centre_ignores_far_walls_and_holes():
    xyz = torch.zeros(1, 3, 20, 20)
    xyz[:, 2, :10] = 0.8
    xyz[:, 0, :10] = 0.1
    xyz[:, 2, 10:15] = 5.0
    centre = robust_centre(xyz, (xyz[:, 2:3] > 0).float())[0, :, 0, 0]
    torch.testing.assert_close(centre, torch.tensor([0.1, 0.0, 0.8]), atol=2e-3, rtol=0)


def test_masked_mean_is_the_mean_of_valid_pixels():
    values = torch.arange(16.0).view(1, 1, 4, 4)
    valid = torch.ones(1, 1, 4, 4)
    valid[..., 0, 0] = 0
    valid[..., 2:, 2:] = 0
    expected = torch.tensor([[[[(1 + 4 + 5) / 3, 4.5], [10.5, 0.0]]]])
    torch.testing.assert_close(masked_mean(values, valid, 2, 2), expected)


def test_geometry_does_not_change_when_the_scene_moves_sideways():
    xyz = plane_points(32, 32, np.array([0.0, -0.6, -0.8]), -0.9)
    moved = xyz + torch.tensor([0.3, -0.2, 0.0])[None, :, None, None]
    first, second = GeometryFeatures()(xyz), GeometryFeatures()(moved)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=0)


def test_pointwise_is_the_same_in_training_as_at_run_time():
    layer = Pointwise(5, 7)
    features = torch.randn(2, 5, 6, 4)
    torch.testing.assert_close(layer.train()(features), layer.eval()(features))


@pytest.mark.parametrize('fusion', ['add', 'cat', 'early', 'color', 'depth'])
def test_pyramid_has_the_widths_at_strides_2_to_32(fusion):
    config = SmallTrunkConfig(fusion=fusion, widths=(4, 6, 8, 10, 12), raised_blocks=1)
    trunk = SmallTrunk(config).eval()
    with torch.inference_mode():
        levels = trunk.pyramid(torch.rand(1, 3, 96, 64), torch.rand(1, 3, 96, 64))
    half = 8 if fusion == 'cat' else 4
    assert [tuple(level.shape[1:]) for level in levels] == [
        (half, 48, 32), (6, 24, 16), (8, 12, 8), (10, 6, 4), (12, 3, 2)]
