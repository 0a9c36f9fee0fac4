# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional

from seg_ros.backends.export import export_onnx
from seg_ros.semantic.architectures import IMAGENET, PLAIN, build_model, build_network
from seg_ros.semantic.model import SemanticModel
from seg_ros.semantic.unet import UNetStyle, UnpaddedUNet, Up, foreign_unet, start_he

CLASSES = ('background', 'table', 'box')


def network(**config):
    torch.manual_seed(0)
    return build_network('unet', 3, **{'width': 4, **config}).eval()


def inputs(height, width, dtype=torch.float32):
    generator = torch.Generator().manual_seed(height * 1000 + width)
    return torch.rand(2, 1, 3, height, width, generator=generator, dtype=dtype)


def sizes_of(module, side):
    """Return the widths of the features that each level ends with."""
    found = {}
    for name, part in module.named_children():
        part.register_forward_hook(
            lambda _, __, value, name=name: found.__setitem__(name, value.shape[3]))
    with torch.no_grad():
        found['logits'] = module.valid_logits(torch.zeros(1, 3, side, side)).shape[3]
    return found


def test_sizes_of_the_published_network():
    found = sizes_of(network(width=2, padded=False), 572)
    assert found == {'inc': 568, 'down1': 280, 'down2': 136, 'down3': 64, 'down4': 28, 'up1': 52,
                     'up2': 100, 'up3': 196, 'up4': 388, 'outc': 388, 'logits': 388}


def test_channels_and_layers_of_the_published_network():
    with torch.device('meta'):
        published = UnpaddedUNet(2)
    layers = [part for part in published.modules()
              if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d))]
    assert len(layers) == 23  # "in total the network has 23 convolutional layers"
    assert [layer.out_channels for layer in layers] == [
        64, 64, 128, 128, 256, 256, 512, 512, 1024, 1024,
        512, 512, 512, 256, 256, 256, 128, 128, 128, 64, 64, 64, 2]
    assert not any(isinstance(part, nn.BatchNorm2d) for part in published.modules())


@pytest.mark.parametrize('side', [172, 187, 571, 580])
def test_sides_that_the_unpadded_network_cannot_take(side):
    with pytest.raises(ValueError, match=f'572x{side} pixels: the unpadded U-Net takes sides'):
        network(padded=False).valid_logits(torch.zeros(1, 3, side, 572))


@pytest.mark.parametrize('config', [
    {}, {'bilinear': True}, {'backbone': 'light'}, {'batch_norm': False}])
def test_weights_start_with_he_deviations(config):
    started = network(width=16, **config)
    layers = [(name, part) for name, part in started.named_modules()
              if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)) and 'trunk' not in name]
    assert len(layers) >= 13 - 4 * config.get('bilinear', False)
    for name, layer in layers:
        kernel = 1 if isinstance(layer, nn.ConvTranspose2d) else layer.kernel_size[0]
        weight = layer.weight.detach()
        expected = math.sqrt(2 / (kernel * kernel * layer.in_channels))
        tolerance = 5 / math.sqrt(2 * weight.numel())  # five deviations of a deviation's estimate
        assert weight.std(unbiased=False).item() == pytest.approx(expected, rel=tolerance), name
        assert abs(weight.mean().item()) < 5 * expected / math.sqrt(weight.numel()), name
        assert layer.bias is None or not layer.bias.any(), name


def test_an_up_convolution_keeps_the_variance_of_he():
    """What a wrong N of up-convolutions would change."""
    torch.manual_seed(0)
    up = Up(256, 128, 128, UNetStyle())
    start_he(up)
    outputs = up.up(functional.relu(torch.randn(2, 256, 8, 8)))
    assert outputs.var().item() == pytest.approx(1.0, rel=0.2)


def by_formula(state, color, bilinear):
    """Compute a padded U-Net from a Carvana state by functions alone."""
    def double(features, prefix):
        for conv, norm in ((0, 1), (3, 4)):
            key = f'{prefix}double_conv.{conv}'
            features = functional.conv2d(
                features, state[f'{key}.weight'], state.get(f'{key}.bias'), padding=1)
            key = f'{prefix}double_conv.{norm}'
            features = functional.relu(functional.batch_norm(
                features, *(state[f'{key}.{name}'] for name in (
                    'running_mean', 'running_var', 'weight', 'bias'))))
        return features

    levels = [double(color, 'inc.')]
    for level in range(1, 5):
        levels.append(double(functional.max_pool2d(levels[-1], 2),
                             f'down{level}.maxpool_conv.1.'))
    features = levels.pop()
    for level in range(1, 5):
        skip = levels.pop()
        if bilinear:
            raised = functional.interpolate(
                features, size=skip.shape[2:], mode='bilinear', align_corners=True)
        else:
            raised = functional.conv_transpose2d(
                features, state[f'up{level}.up.weight'], state[f'up{level}.up.bias'], stride=2)
        features = double(torch.cat([skip, raised], dim=1), f'up{level}.conv.')
    return functional.conv2d(features, state['outc.conv.weight'], state['outc.conv.bias'])


def carvana_state(width=4, classes=2, bilinear=False, grey=False, biases=False):
    """Return random tensors in the layout, written from its names and shapes."""
    generator = torch.Generator().manual_seed(5)
    state = {}

    def normal(key, *shape, scale=0.3):
        state[key] = scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    def double(prefix, inputs, middle, outputs):
        for number, before, after in ((0, inputs, middle), (3, middle, outputs)):
            normal(f'{prefix}.double_conv.{number}.weight', after, before, 3, 3)
            if biases:
                normal(f'{prefix}.double_conv.{number}.bias', after)
            norm = f'{prefix}.double_conv.{number + 1}'
            for name in ('weight', 'bias', 'running_mean'):
                normal(f'{norm}.{name}', after, scale=1.0)
            state[f'{norm}.running_var'] = 0.5 + torch.rand(
                after, generator=generator, dtype=torch.float64)
            state[f'{norm}.num_batches_tracked'] = torch.tensor(7)

    less = 2 if bilinear else 1
    widths = [width, 2 * width, 4 * width, 8 * width, 16 * width // less]
    double('inc', 1 if grey else 3, width, width)
    for level in range(1, 5):
        double(f'down{level}.maxpool_conv.1', widths[level - 1], widths[level], widths[level])
    for level, (joined, outputs) in enumerate(
            [(16, 8 // less), (8, 4 // less), (4, 2 // less), (2, 1)], start=1):
        joined, outputs = joined * width, outputs * width
        if not bilinear:
            normal(f'up{level}.up.weight', joined, joined // 2, 2, 2)
            normal(f'up{level}.up.bias', joined // 2)
        double(f'up{level}.conv', joined, joined // 2 if bilinear else outputs, outputs)
    normal('outc.conv.weight', classes, width, 1, 1)
    normal('outc.conv.bias', classes)
    return state


def model_of(foreign):
    built = build_network(foreign.architecture, len(foreign.class_names), **foreign.config)
    built.double().load_state_dict(foreign.state)
    return SemanticModel(built.eval(), 'unet', foreign.config, foreign.class_names,
                         foreign.preprocessing)


@pytest.mark.parametrize('bilinear', [False, True])
@pytest.mark.parametrize('biases', [False, True])
def test_a_carvana_checkpoint_gives_the_same_logits(bilinear, biases):
    state = carvana_state(bilinear=bilinear, biases=biases)
    foreign = foreign_unet({**state, 'mask_values': [0, 255]})
    assert (foreign.class_names, foreign.preprocessing) == (('background', 'class 1'), PLAIN)
    color, xyz = inputs(48, 64, torch.float64)
    torch.testing.assert_close(
        model_of(foreign)(color, xyz), by_formula(state, color, bilinear), rtol=1e-9, atol=1e-9)


def test_a_network_of_grey_images_takes_colours():
    state = carvana_state(grey=True)
    color, xyz = inputs(32, 32, torch.float64)
    grey = torch.einsum('c,bchw->bhw', torch.tensor([0.299, 0.587, 0.114], dtype=color.dtype),
                        color)[:, None]
    torch.testing.assert_close(
        model_of(foreign_unet(state))(color, xyz), by_formula(state, grey, False),
        rtol=1e-9, atol=1e-9)


def test_a_single_output_becomes_two_classes():
    state = carvana_state(classes=1)
    color, xyz = inputs(32, 32, torch.float64)
    probabilities = model_of(foreign_unet(state))(color, xyz).softmax(dim=1)
    torch.testing.assert_close(
        probabilities[:, 1:], by_formula(state, color, False).sigmoid(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('change', [
    lambda state: {'features.0.weight': state['outc.conv.weight']},
    lambda state: {key: value for key, value in state.items() if not key.startswith('up1')},
    lambda state: {**state, 'attention.weight': state['outc.conv.bias']},
    lambda state: {**state, 'down2.maxpool_conv.1.double_conv.0.weight': torch.zeros(9, 8, 3, 3)},
    lambda state: {**state, 'inc.double_conv.0.weight': torch.zeros(4, 4, 3, 3)},
    lambda state: {},
])
def test_checkpoints_of_other_layouts_are_none(change):
    assert foreign_unet(carvana_state()) is not None
    assert foreign_unet(change(carvana_state())) is None


@pytest.mark.parametrize(('config', 'message'), [
    ({'backbone': 'vgg'}, "backbone 'vgg' is unknown; accepted: plain, light"),
    ({'backbone': 'light', 'padded': False}, 'backbone light is padded'),
    ({'backbone': 'light', 'fusion': 'cat'}, "fusion 'cat' is unknown"),
    ({'fusion': 'add'}, "fusion 'add': backbone plain takes colour alone"),
    ({'width': 1}, 'widths of 2 to 256'),
    ({'width': 1000}, 'width 1000'),
    ({'dropout': 1.0}, 'dropout 1.0'),
    ({'padded': False, 'tile': 384}, 'tile 384: the network returns tiles of 20, 36, 52, ... pi'),
    ({'padded': False, 'tile': 4}, 'tile 4'),
    ({'depth': 3}, "network unet: got an unexpected keyword argument 'depth'"),
])
def test_what_cannot_be_built(config, message):
    with pytest.raises(ValueError, match=message):
        build_network('unet', 3, **config)


@pytest.mark.parametrize('config', [{}, {'bilinear': True}, {'backbone': 'light'}])
@pytest.mark.parametrize('size', [(32, 32), (33, 47)])
def test_models_take_any_size(config, size):
    model = build_model('unet', CLASSES, width=4, **config).eval()
    assert model.preprocessing == IMAGENET
    with torch.no_grad():
        assert model(*inputs(*size)).shape == (1, 3, *size)


def test_padding_plays_no_part_far_from_the_border():
    """The padded and the unpadded network are one function where no border is seen."""
    padded, unpadded = network(batch_norm=False), network(padded=False, batch_norm=False)
    unpadded.load_state_dict(padded.state_dict())
    color, xyz = inputs(236, 236)
    valid = unpadded.valid_logits(color)
    # the deepest pooling of the unpadded network has its windows at 14 + 16 k, the other's at 16 k
    shifted = padded(functional.pad(color, (2, 2, 2, 2)), xyz)
    middle = shifted[:, :, 94:-94, 94:-94]
    assert valid.std() > 0.1
    torch.testing.assert_close(valid, middle, rtol=1e-4, atol=1e-4)


def test_light_networks_fit_the_shipped_size():
    for fusion in ('color', 'add'):
        light = build_network('unet', 20, backbone='light', fusion=fusion)
        assert sum(value.numel() for value in light.state_dict().values()) < 4_000_000
        assert (light.uses_depth, light.multiple) == (fusion == 'add', 32)


def test_depth_plays_a_part_with_fusion_add_alone():
    color, xyz = inputs(64, 64)
    for fusion, differs in (('color', False), ('add', True)):
        light = network(backbone='light', fusion=fusion)
        with torch.no_grad():
            assert (light(color, xyz) != light(color, 2 * xyz)).any().item() == differs


def test_every_light_weight_learns():
    light = network(backbone='light', fusion='add').train()
    color, xyz = (value.repeat(2, 1, 1, 1) for value in inputs(64, 64))
    light(color, xyz).square().mean().backward()
    assert [name for name, value in light.named_parameters()
            if value.grad is None or not value.grad.any()] == []


def test_dropout_is_of_training_alone():
    plain, color = network(dropout=0.5), inputs(32, 32)
    with torch.no_grad():
        assert torch.equal(plain(*color), plain(*color))
        plain.train()
        assert not torch.equal(plain(*color), plain(*color))


@pytest.mark.parametrize('config', [
    {}, {'bilinear': True, 'batch_norm': False},
    pytest.param({'backbone': 'light'}, marks=pytest.mark.slow),
    pytest.param({'backbone': 'light', 'bilinear': True, 'fusion': 'add'},
                 marks=pytest.mark.slow)])
def test_onnx_equals_torch_at_other_sizes(config):
    model = build_model('unet', CLASSES, width=4, **config).eval()
    data = export_onnx(model, tuple(inputs(64, 96)))
    session = onnxruntime.InferenceSession(data, providers=['CPUExecutionProvider'])
    for size in ((96, 64), (70, 51)):
        color, xyz = inputs(*size)
        with torch.no_grad():
            expected = model(color, xyz).numpy()
        names = [value.name for value in session.get_inputs()]
        feeds = {'input0': color.numpy(), 'input1': xyz.numpy()}
        (found,) = session.run(None, {name: feeds[name] for name in names})
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_unpadded_network_says_that_it_cannot_be_exported():
    unpadded = build_model('unet', CLASSES, width=2, padded=False, tile=20)
    assert not unpadded.network.exportable and network().exportable
    with pytest.raises(ValueError, match='loop over tiles, which cannot be exported'):
        export_onnx(unpadded, tuple(inputs(32, 32)))


def test_a_style_by_default_is_the_layout_people_have():
    assert UNetStyle() == UNetStyle(padded=True, bilinear=False, batch_norm=True, dropout=0.0)
