# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The small and the published network: sizes, cost, shapes, invariances, export."""

import numpy as np
import pytest
import torch
from torch import nn

from seg_ros.unseen.network_published import PublishedUcn
from seg_ros.unseen.network_small import (
    FUSIONS,
    TRAINED,
    GeometryFeatures,
    Pointwise,
    SmallUcn,
    SmallUcnConfig,
    masked_mean,
    robust_centre,
    surface_normals,
)

TINY = SmallUcnConfig(embedding_dim=8, widths=(4, 8, 8, 8, 8), head_width=8)


def multiply_adds(network, height, width):
    """Count the multiply-adds of every convolution by hooks on a real forward pass."""
    counted = []

    def count(module, _inputs, output):
        counted.append(output.numel() * module.weight[0].numel())

    hooks = [module.register_forward_hook(count) for module in network.modules()
             if isinstance(module, nn.Conv2d)]
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 3, height, width), torch.ones(1, 3, height, width))
    for hook in hooks:
        hook.remove()
    return sum(counted)


def plane_points(height, width, normal, offset, focal=100.0):
    """Return XYZ (1, 3, h, w) of the plane n . p = offset seen by a pinhole camera."""
    v, u = np.mgrid[:height, :width].astype(float)
    rays = np.stack([(u - width / 2) / focal, (v - height / 2) / focal, np.ones_like(u)])
    depth = offset / np.einsum('c,chw->hw', normal, rays)
    return torch.from_numpy(rays * depth)[None].float()


@pytest.mark.parametrize('config', [SmallUcnConfig(), TRAINED])
def test_small_network_keeps_to_its_budget(config):
    network = SmallUcn(config)
    parameters = sum(p.numel() for p in network.parameters())
    per_thousand_pixels = multiply_adds(network, 240, 320) / (240 * 320 / 1000)
    assert parameters <= 2.0e6
    assert per_thousand_pixels <= 20e6


def test_more_blocks_and_a_contact_head_keep_the_shapes():
    config = SmallUcnConfig(
        'add', 8, TINY.widths, 8, blocks=(1, 0, 2, 1), raised_blocks=1, contact_head=True)
    with torch.no_grad():
        outputs = SmallUcn(config).eval()(torch.randn(1, 3, 32, 48), torch.rand(1, 3, 32, 48))
    assert [tuple(value.shape) for value in outputs] == [
        (1, 8, 16, 24), (1, 1, 16, 24), (1, 1, 16, 24)]


@pytest.mark.parametrize('fusion', FUSIONS)
def test_small_network_gives_unit_embeddings_at_half_size(fusion):
    network = SmallUcn(SmallUcnConfig(fusion, 8, TINY.widths, 8)).eval()
    with torch.no_grad():
        embedding, logits = network(torch.randn(2, 3, 48, 64), torch.rand(2, 3, 48, 64))
    assert embedding.shape == (2, 8, 24, 32)
    assert logits.shape == (2, 1, 24, 32)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2, 24, 32))


@pytest.mark.parametrize(
    ('fusion', 'reads_color', 'reads_xyz'),
    [('add', True, True), ('cat', True, True), ('early', True, True),
     ('color', True, False), ('depth', False, True)])
@pytest.mark.parametrize('published', [False, True])
def test_fusion_reads_what_its_name_says(fusion, reads_color, reads_xyz, published):
    torch.manual_seed(0)
    network = PublishedUcn(fusion, 8) if published else SmallUcn(
        SmallUcnConfig(fusion, 8, TINY.widths, 8))
    network.eval()
    color, xyz = torch.randn(1, 3, 32, 32), torch.rand(1, 3, 32, 32) + 0.5

    def embed(color, xyz):
        with torch.no_grad():
            output = network(color, xyz)
        return output if published else output[0]

    plain = embed(color, xyz)
    assert bool((embed(color + torch.randn_like(color), xyz) != plain).any()) is reads_color
    assert bool((embed(color, xyz * torch.rand_like(xyz)) != plain).any()) is reads_xyz


@pytest.mark.parametrize('xyz', [torch.zeros(1, 3, 32, 48), torch.full((1, 3, 32, 48), 0.7)])
def test_small_network_stays_finite_without_depth_and_on_degenerate_points(xyz):
    embedding, logits = SmallUcn(TINY).eval()(torch.zeros(1, 3, 32, 48), xyz)
    assert torch.isfinite(embedding).all()
    assert torch.isfinite(logits).all()


def test_images_of_a_batch_do_not_mix():
    torch.manual_seed(1)
    network = SmallUcn(TINY).eval()
    color, xyz = torch.randn(3, 3, 32, 32), torch.rand(3, 3, 32, 32) + 0.5
    with torch.no_grad():
        together = network(color, xyz)[0]
        alone = torch.cat([network(color[i:i + 1], xyz[i:i + 1])[0] for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


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


@pytest.mark.parametrize(
    ('config', 'message'),
    [({'fusion': 'sum'}, 'accepted: add, cat, early, color, depth'),
     ({'widths': (8, 8)}, 'five positive'), ({'blocks': (1, 0)}, 'four counts'),
     ({'raised_blocks': -1}, 'four counts'), ({'embedding_dim': 1}, 'at least 2')])
def test_small_network_refuses(config, message):
    with pytest.raises(ValueError, match=message):
        SmallUcnConfig(**config)


@pytest.mark.parametrize(
    ('fusion', 'parameters', 'keys'),
    [('add', 42_635_008, 436), ('cat', 42_635_008, 436), ('color', 21_317_504, 218)])
def test_published_network_has_the_published_size(fusion, parameters, keys):
    with torch.device('meta'):
        network = PublishedUcn(fusion)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert len(network.state_dict()) == keys


def test_published_network_embeds_every_pixel():
    network = PublishedUcn('cat', 4).eval()
    with torch.no_grad():
        embedding = network(torch.randn(1, 3, 33, 40), torch.rand(1, 3, 33, 40))
    assert embedding.shape == (1, 8, 33, 40)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(1, 33, 40))


def test_published_network_refuses_an_unknown_fusion():
    with pytest.raises(ValueError, match='accepted: add, cat'):
        PublishedUcn('sum')


@pytest.mark.slow
def test_small_network_exports_to_onnx(tmp_path):
    onnxruntime = pytest.importorskip('onnxruntime', reason='ONNX Runtime is not installed')
    pytest.importorskip('onnx', reason='onnx is not installed')
    torch.manual_seed(2)
    network = SmallUcn(TINY).eval()
    inputs = torch.randn(1, 3, 32, 48), torch.rand(1, 3, 32, 48) + 0.5
    path = tmp_path / 'small.onnx'
    torch.onnx.export(network, inputs, str(path), dynamo=False,
                      input_names=['color', 'xyz'], output_names=['embedding', 'foreground'],
                      dynamic_axes={name: {0: 'batch'} for name in ('color', 'xyz')})
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    batch = [torch.cat([tensor, tensor.flip(3)]) for tensor in inputs]
    outputs = session.run(None, {'color': batch[0].numpy(), 'xyz': batch[1].numpy()})
    with torch.no_grad():
        expected = network(*batch)
    for found, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-3)
