# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import mobilenet_v2

from seg_ros.semantic.light import CHANNELS, LightTrunk, load_imagenet


def stir(module, seed=0):
    """Give normalisation layers statistics that do something."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            for values, low in ((part.running_mean, -0.2), (part.bias.data, -0.2),
                                (part.running_var, 0.8), (part.weight.data, 0.8)):
                values.copy_(low + 0.4 * torch.rand(values.shape, generator=generator))
    return module.eval()


@pytest.fixture(scope='module')
def strided():
    torch.manual_seed(0)
    return stir(LightTrunk())


@pytest.mark.parametrize('size', [(96, 64), (97, 71), (33, 32)])
@pytest.mark.parametrize('output_stride', [8, 16])
@torch.no_grad()
def test_atrous_features_are_the_strided_ones_where_both_are(strided, output_stride, size):
    dense = LightTrunk(output_stride=output_stride).eval()
    dense.load_state_dict(strided.state_dict())
    color = torch.randn(2, 3, *size)
    coarse, fine = strided.pyramid(color, color), dense.pyramid(color, color)
    for stride, expected, found in zip((2, 4, 8, 16, 32), coarse, fine, strict=True):
        step = max(stride // output_stride, 1)
        torch.testing.assert_close(found[:, :, ::step, ::step], expected, atol=1e-5, rtol=0)
        assert expected.std() > 1e-3


@pytest.mark.parametrize('output_stride', [8, 16, 32])
@pytest.mark.parametrize(('fusion', 'height', 'width'), [
    ('color', 32, 32), ('color', 45, 37), ('color', 97, 64), ('add', 34, 70), ('add', 96, 64)])
@torch.no_grad()
def test_pyramid_has_its_channels_and_strides(fusion, height, width, output_stride):
    trunk = LightTrunk(fusion, output_stride).eval()
    levels = trunk.pyramid(torch.rand(1, 3, height, width), torch.rand(1, 3, height, width))
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    assert [tuple(level.shape) for level in levels] == [
        (1, channels, -(-height // stride), -(-width // stride))
        for channels, stride in zip(CHANNELS, strides, strict=True)]


@pytest.mark.parametrize('fusion', ['color', 'add'])
@torch.no_grad()
def test_depth_plays_a_part_with_add_alone(fusion):
    trunk = LightTrunk(fusion).eval()
    color, xyz = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64) + 0.5
    first, second = trunk.pyramid(color, xyz)[0], trunk.pyramid(color, xyz * 1.3)[0]
    assert torch.equal(first, second) == (fusion == 'color')


@pytest.mark.parametrize(('arguments', 'message'), [
    ({'fusion': 'cat'}, "fusion 'cat' is unknown; accepted: color, add"),
    ({'output_stride': 4}, 'output_stride 4: accepted are 8, 16 and 32'),
])
def test_what_cannot_be_built_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LightTrunk(**arguments)


def older_names(state):
    """Name a state of torchvision's as the models before it did: layers in one row."""
    renamed = {}
    for key, value in state.items():
        layer, _, entry = key.rpartition('.')
        name = f'mobilenet.{layer.replace(".", "_")}.{entry}'
        if entry != 'num_batches_tracked':  # which the oldest do not have
            renamed[name] = value
    return renamed


@pytest.fixture(scope='module')
def published():
    torch.manual_seed(1)
    return stir(mobilenet_v2(weights=None), seed=1)


@pytest.mark.parametrize(('suffix', 'renamed'), [
    ('.pth', False), ('.pth', True), ('.safetensors', False)])
@torch.no_grad()
def test_layouts_of_mobilenet_are_loaded(tmp_path, published, suffix, renamed):
    state = older_names(published.state_dict()) if renamed else published.state_dict()
    path = tmp_path / f'mobilenet{suffix}'
    save_file(state, path) if suffix == '.safetensors' else torch.save(state, path)
    trunk = LightTrunk('add').eval()
    depth = trunk.depth.entry[0].weight.clone()
    load_imagenet(trunk, path)
    assert torch.equal(trunk.depth.entry[0].weight, depth)
    trunk.fusion = 'color'
    color = torch.randn(1, 3, 64, 64)
    expected = published.features[:18](color)
    assert torch.equal(trunk.pyramid(color, color)[-1], expected)


@pytest.mark.parametrize('change', [
    lambda state: {**state, 'features.5.conv.1.0.weight': torch.zeros(3)},
    lambda state: dict(list(state.items())[:40]),
    lambda state: {f'x.{key}': state[key] for key in sorted(state)},
    lambda state: mobilenet_v2(weights=None, width_mult=0.5).state_dict(),
], ids=['a shape', 'a part', 'another order', 'another width'])
def test_other_checkpoints_are_refused(tmp_path, published, change):
    path = tmp_path / 'x.pth'
    torch.save(change(published.state_dict()), path)
    trunk = LightTrunk()
    before = {key: value.clone() for key, value in trunk.state_dict().items()}
    with pytest.raises(ValueError, match='x.pth is no MobileNetV2 of width 1: .*torchvision'):
        load_imagenet(trunk, path)
    assert all(torch.equal(value, before[key]) for key, value in trunk.state_dict().items())
