# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The GPU finds what the CPU finds. SEG_ROS_GPU_DEVICE names another device than cuda."""

import os

import numpy as np
import pytest
import torch

from seg_ros.backends import compile_network, resolve_device
from seg_ros.benchmark.clustering import adjusted_rand_index, clustered_embeddings
from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.segmenters import load
from seg_ros.unseen.mean_shift import mean_shift, mean_shift_fast
from seg_ros.unseen.network_small import SmallUcn, SmallUcnConfig

DEVICE = os.environ.get('SEG_ROS_GPU_DEVICE', 'cuda')
pytestmark = pytest.mark.skipif(
    DEVICE == 'cuda' and not torch.cuda.is_available(),
    reason='no CUDA device here: equality of CPU and GPU results was not tested')


@pytest.fixture
def device():
    return resolve_device(DEVICE)


@pytest.fixture(autouse=True)
def full_precision():
    """Compare float32 with float32: TF32 keeps 10 bits of a factor."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def tabletop(width=640, height=480):
    """Return a frame of three boxes on a plane seen from above, and what belongs to whom."""
    random = np.random.default_rng(4)
    color = np.full((height, width, 3), (150, 130, 110), np.uint8)
    depth = np.linspace(1.2, 0.8, height, dtype=np.float32)[:, None].repeat(width, 1)
    labels = np.zeros((height, width), np.int32)
    for number, (x, y, tint) in enumerate(
            [(90, 140, (200, 30, 30)), (300, 240, (30, 180, 40)), (470, 100, (40, 40, 210))], 1):
        box = (slice(y, y + 120), slice(x, x + 100))
        color[box], labels[box] = tint, number
        depth[box] -= 0.12
    color = np.clip(color + random.normal(0, 4, color.shape), 0, 255).astype(np.uint8)
    depth += random.normal(0, 0.001, depth.shape).astype(np.float32)
    depth[:, :8] = np.nan
    camera = CameraModel(width, height, 580.0, 580.0, width / 2 - 0.5, height / 2 - 0.5)
    return RgbdFrame(color, depth, camera), labels


@pytest.mark.parametrize('form', [mean_shift, mean_shift_fast])
def test_mean_shift(form, device):
    embeddings, truth = clustered_embeddings(20_000, 32, seed=1)
    (on_cpu,) = form(embeddings[None])
    (on_gpu,) = form(embeddings[None].to(device))
    assert on_gpu.labels.device.type == device.type
    assert len(on_gpu) == len(on_cpu) == len(truth.unique())
    torch.testing.assert_close(on_gpu.sizes.cpu(), on_cpu.sizes, rtol=0, atol=2)
    torch.testing.assert_close(on_gpu.modes.cpu(), on_cpu.modes, rtol=0, atol=1e-3)
    assert adjusted_rand_index(on_gpu.labels.cpu().numpy(), on_cpu.labels.numpy()) >= 0.9999


@pytest.mark.parametrize('form', [mean_shift, mean_shift_fast])
def test_mean_shift_is_deterministic_on_the_device(form, device):
    embeddings = clustered_embeddings(20_000, 32, seed=2)[0][None].to(device)
    first, second = form(embeddings)[0], form(embeddings)[0]
    assert torch.equal(first.labels, second.labels)


@pytest.mark.parametrize('fusion', ['add', 'cat', 'early', 'color', 'depth'])
def test_small_network(fusion, device, tmp_path):
    torch.manual_seed(0)
    network = SmallUcn(SmallUcnConfig(fusion=fusion)).eval()
    frame, _ = tabletop(320, 240)
    color = torch.from_numpy(frame.color).permute(2, 0, 1)[None].float() / 64 - 2
    xyz = torch.from_numpy(np.nan_to_num(frame.points())).permute(2, 0, 1)[None].contiguous()
    with torch.no_grad():
        expected = network(color, xyz)
    inputs = color.to(device), xyz.to(device)
    runner = compile_network(network.to(device), inputs, device=device, cache_dir=tmp_path)
    found = runner(*inputs)
    if device.type != 'cpu':
        assert runner.name == 'torch'
    for value, reference in zip(found, expected, strict=True):
        assert value.device.type == device.type
        torch.testing.assert_close(value.cpu(), reference, rtol=0, atol=1e-3)


@pytest.mark.parametrize('zoom', ['none', 'scene', 'objects'])
def test_segmenter(zoom, device):
    frame, _ = tabletop()
    results = []
    for name in ('cpu', str(device)):
        segmenter = load('unseen_objects', device=name, backend='torch')
        segmenter.options = segmenter.options.replaced(zoom=zoom)
        results.append(segmenter.segment(frame))
    on_cpu, on_gpu = results
    assert len(on_gpu) == len(on_cpu) > 0
    assert (on_gpu.labels == on_cpu.labels).mean() >= 0.995
    np.testing.assert_allclose(on_gpu.scores, on_cpu.scores, atol=0.02)
