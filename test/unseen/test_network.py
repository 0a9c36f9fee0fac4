# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The small and the published network: sizes, cost, shapes, invariances, export."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from seg_ros.networks.small_trunk import FUSIONS
from seg_ros.unseen.network_published import PublishedUcn
from seg_ros.unseen.network_small import TRAINED, SmallUcn, SmallUcnConfig

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


@pytest.mark.parametrize('config', [SmallUcnConfig(), TRAINED])
def test_small_network_keeps_to_its_budget(config):
    network = SmallUcn(config)
    parameters = sum(p.numel() for p in network.parameters())
    per_thousand_pixels = multiply_adds(network, 240, 320) / (240 * 320 / 1000)
    assert parameters <= 2.0e6
    assert per_thousand_pixels <= 20e6


def test_more_blocks_and_a_contact_head_keep_the_shapes():
    config = dataclasses.replace(
        TINY, blocks=(1, 0, 2, 1), raised_blocks=1, contact_head=True)
    with torch.no_grad():
        outputs = SmallUcn(config).eval()(torch.randn(1, 3, 32, 48), torch.rand(1, 3, 32, 48))
    assert [tuple(value.shape) for value in outputs] == [
        (1, 8, 16, 24), (1, 1, 16, 24), (1, 1, 16, 24)]


@pytest.mark.parametrize('fusion', FUSIONS)
def test_small_network_gives_unit_embeddings_at_half_size(fusion):
    network = SmallUcn(dataclasses.replace(TINY, fusion=fusion)).eval()
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
        dataclasses.replace(TINY, fusion=fusion))
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
