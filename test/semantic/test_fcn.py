# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from fcn_by_definition import CLASSES, KINDS, SMALL, alexnet_fcn, light_fcn, stirred, vgg16_fcn
from torch import nn
from torchvision.models import vgg

from seg_ros.networks.small_trunk import MOST_CHANNELS
from seg_ros.semantic.architectures import CAFFE, IMAGENET, build_model, build_network
from seg_ros.semantic.fcn_trunks import PUBLISHED, ClassifierTrunk

COARSER = {'16s': '32s', '8s': '16s'}


def network_of(kind, **more):
    name, config, _ = KINDS[kind]
    return stirred(build_network(name, CLASSES, **{**config, **more}))


def picture(height, width, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 3, height, width, generator=generator, dtype=torch.float64)


def points(height, width):
    xyz = picture(height, width, seed=2)
    xyz[:, 2] = xyz[:, 2].abs() + 0.5
    xyz[:, :, :5, :7] = 0
    return xyz


def caffe_state(network):
    return {key.removeprefix('trunk.'): value for key, value in network.state_dict().items()}


@pytest.mark.parametrize(('kind', 'stride', 'config', 'scales'), [
    ('vgg16 32s', 32, {}, None),
    ('vgg16 16s', 16, {}, (1, 1)),
    ('vgg16 8s', 8, {}, (1, 1)),
    ('vgg16 8s', 8, {'at_once': True}, (0.01, 0.0001)),
])
@torch.no_grad()
def test_vgg16_fcn_computes_its_definition(kind, stride, config, scales):
    network, color = network_of(kind, **config), picture(45, 70)
    expected = vgg16_fcn(caffe_state(network), color, stride, scales)
    assert expected.std() > 1e-3
    torch.testing.assert_close(network(color, color), expected, atol=1e-10, rtol=1e-10)


@torch.no_grad()
def test_alexnet_fcn_computes_its_definition():
    network, color = network_of('alexnet 32s'), picture(45, 70)
    expected = alexnet_fcn(caffe_state(network), color)
    assert expected.std() > 1e-3
    torch.testing.assert_close(network(color, color), expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize('kind', ['light 32s', 'light 16s', 'light 8s'])
@pytest.mark.parametrize(('fusion', 'size'), [('color', (65, 98)), ('color', (47, 80)),
                                              ('add', (66, 98))])
@torch.no_grad()
def test_light_fcn_computes_its_definition(kind, fusion, size):
    network = network_of(kind, fusion=fusion)
    color, xyz = picture(*size), points(*size)
    expected = light_fcn(network, color, xyz)
    assert expected.std() > 1e-3
    torch.testing.assert_close(network(color, xyz), expected, atol=1e-9, rtol=1e-9)
    differs = bool((network(color, xyz.flip(2)) - expected).abs().max() > 1e-3)
    assert differs == network.uses_depth == (fusion == 'add')


@torch.no_grad()
def mirrored_weights(network):
    """Make each kernel look the same from left and right, from above and below."""
    for value in network.parameters():
        if value.ndim == 4:
            value.copy_((value + value.flip(3)) / 2)
            value.copy_((value + value.flip(2)) / 2)
    return network


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('axis', [2, 3])
@torch.no_grad()
def test_logits_lie_where_the_image_does(kind, axis):
    """A mirrored image gives mirrored logits, unless they lie beside what they were made from."""
    network, size = mirrored_weights(network_of(kind)), KINDS[kind][2]
    color = picture(size, size)
    logits, mirrored = (network(image, image) for image in (color, color.flip(axis)))
    assert logits.std() > 1e-3
    torch.testing.assert_close(mirrored.flip(axis), logits, atol=1e-9, rtol=1e-9)


@torch.no_grad()
def test_mirroring_shows_a_crop_that_is_amiss_by_one():
    network, size = mirrored_weights(network_of('vgg16 8s')), KINDS['vgg16 8s'][2]
    color = picture(size, size)
    for crops in ((4, 9, 31), (5, 10, 31), (5, 9, 30)):
        network.trunk.crops = {8: crops}
        logits, mirrored = network(color, color), network(color.flip(3), color)
        assert (mirrored.flip(3) - logits).abs().max() > 1e-4


def sampling(layers):
    """Return stride and the first pixel's place in the image of the last layer's grid."""
    stride, place = 1, 0.0
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            kernel, step, padding = (value[0] if isinstance(value, tuple) else value for value in
                                     (layer.kernel_size, layer.stride, layer.padding))
            place += stride * ((kernel - 1) / 2 - padding)
            stride *= step
    return stride, place


@pytest.mark.parametrize(('backbone', 'ends', 'kernels', 'crops'), [
    ('alexnet', ('fc7',), (63,), (18,)),
    ('vgg16', ('fc7',), (64,), (19,)),
    ('vgg16', ('fc7', 'pool4'), (4, 32), (5, 27)),
    ('vgg16', ('fc7', 'pool4', 'pool3'), (4, 4, 16), (5, 9, 31)),
])
def test_published_crops_follow_from_what_features_see(backbone, ends, kernels, crops):
    trunk = ClassifierTrunk(PUBLISHED[backbone], SMALL['widths'], 8)
    names = [name for name, _ in trunk.named_children()]
    layers = [layer for _, layer in trunk.named_children()]
    grids = [sampling(layers[:names.index(end) + 1]) for end in ends] + [(1, 0.0)]
    assert trunk.crops[grids[-2][0]] == crops
    stride, place = grids[0]
    for (finer, finer_place), kernel, crop in zip(grids[1:], kernels, crops, strict=True):
        enlarged = place - finer * (kernel - 1) / 2  # where the enlarged map begins
        if finer == 1:  # the image is cut out of the enlarged map
            assert enlarged + crop == finer_place
        else:  # the skip is cut to the enlarged map
            assert finer_place + finer * crop == enlarged
        stride, place = finer, enlarged
    assert stride == 1


@pytest.mark.parametrize('kind', KINDS)
@torch.inference_mode()
def test_logits_have_the_size_of_any_image(kind):
    name, config, _ = KINDS[kind]
    network = build_network(name, CLASSES, **config).eval()
    for height, width in [(side, 32 + (7 * side) % 33) for side in range(32, 65)]:
        color = torch.zeros(1, 3, height, width)
        assert network(color, color).shape == (1, CLASSES, height, width)


@pytest.mark.parametrize('size', [(32, 32), (33, 47), (101, 64)])
@torch.no_grad()
def test_model_with_depth_takes_odd_sizes(size):
    model = build_model('fcn8s', ['a', 'b'], backbone='light', fusion='add').eval()
    assert model.uses_depth
    assert model(torch.rand(2, 3, *size), torch.rand(2, 3, *size)).shape == (2, 2, *size)


@pytest.mark.parametrize(('kind', 'preprocessing'), [
    ('vgg16 8s', CAFFE), ('alexnet 32s', CAFFE), ('light 8s', IMAGENET)])
def test_images_are_prepared_as_the_backbone_was_trained(kind, preprocessing):
    name, config, _ = KINDS[kind]
    assert build_model(name, ['a', 'b'], **config).preprocessing == preprocessing


@pytest.mark.parametrize('kind', KINDS)
@torch.no_grad()
def test_scores_are_zero_at_first(kind):
    name, config, size = KINDS[kind]
    network = build_network(name, CLASSES, **config).eval()
    color = torch.randn(1, 3, size, size)
    assert network(color, color).abs().max() == 0


@pytest.mark.parametrize(('finer', 'exact'), [
    ('light 16s', True), ('light 8s', True), ('vgg16 16s', False), ('vgg16 8s', False)])
@torch.no_grad()
def test_a_finer_network_starts_from_a_coarser_one(finer, exact):
    backbone, stage = finer.split()
    name, config, _ = KINDS[finer]
    coarse = network_of(f'{backbone} {COARSER[stage]}')
    fine = build_network(name, CLASSES, **config).double().eval()
    fine.start_from(coarse.state_dict())
    given, taken = coarse.state_dict(), fine.state_dict()
    kept = given.keys() & taken.keys()
    assert {'score_fr.weight', 'score_fr.bias'} <= kept
    assert all(torch.equal(taken[key], given[key]) for key in kept)
    color = picture(47, 66)
    expected, found = coarse(color, color), fine(color, color)
    if exact:
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    else:  # two bilinear kernels of even size are not quite one of twice the size
        assert (found - expected).std() < 0.2 * expected.std()


@pytest.mark.parametrize(('coarse', 'fine', 'message'), [
    ('vgg16 16s', 'vgg16 32s', 'extra score_pool4'),
    ('light 32s', 'vgg16 16s', 'missing trunk.conv1_1'),
])
def test_only_weights_of_a_coarser_network_start_one(coarse, fine, message):
    with pytest.raises(ValueError, match=message):
        network_of(fine).start_from(network_of(coarse).state_dict())


@torch.no_grad()
def test_vgg16_starts_from_a_classifier_of_torchvision(tmp_path):
    widths, fc_width = SMALL['widths'], SMALL['fc_width']
    cfg = [width for stage, depth in zip(widths, (2, 2, 3, 3, 3), strict=True)
           for width in [stage] * depth + ['M']]
    with torch.device('meta'):
        model = vgg.VGG(vgg.make_layers(cfg))
    model.features = vgg.make_layers(cfg)
    model.classifier = nn.Sequential(
        nn.Linear(widths[-1] * 49, fc_width), nn.ReLU(), nn.Dropout(),
        nn.Linear(fc_width, fc_width), nn.ReLU(), nn.Dropout(), nn.Linear(fc_width, 1000))
    torch.save(model.state_dict(), tmp_path / 'vgg16.pth')
    network = build_network('fcn8s', CLASSES, **SMALL).eval()
    assert network.preprocessing == CAFFE
    network.load_imagenet(tmp_path / 'vgg16.pth')
    assert network.preprocessing == IMAGENET
    network.trunk.conv1_1.padding = (1, 1)
    image = torch.randn(1, 3, 224, 224)
    hidden = model.eval().classifier[:6](model.features(image).flatten(1))
    assert hidden.abs().max() > 1e-3
    found = network.trunk(image, image)[-1][:, :, 0, 0]
    torch.testing.assert_close(found, hidden, atol=1e-3, rtol=1e-3)
    with pytest.raises(ValueError, match='other shapes'):
        build_network('fcn8s', CLASSES, **{**SMALL, 'fc_width': 7}).load_imagenet(
            tmp_path / 'vgg16.pth')
    with pytest.raises(ValueError, match='alexnet starts from random weights alone'):
        network_of('alexnet 32s').load_imagenet(tmp_path / 'vgg16.pth')


REFUSED = [
    ('fcn8s', {'backbone': 'resnet'}, 'backbone .resnet. is unknown'),
    ('fcn16s', {'backbone': 'alexnet', **SMALL}, 'fcn32s only'),
    ('fcn8s', {'fusion': 'add', **SMALL}, 'backbone light takes depth'),
    ('fcn8s', {'backbone': 'light', 'fusion': 'cat'}, 'fusion .cat. is unknown'),
    ('fcn8s', {'backbone': 'light', 'fc_width': 8}, 'leave widths, fc_width out'),
    ('fcn8s', {'trained': 'none', **SMALL}, 'trained .none. is unknown'),
    ('fcn8s', {'widths': [4, 4]}, 'give 5'),
    ('fcn8s', {**SMALL, 'fc_width': MOST_CHANNELS + 1}, 'give 1, each of 1 to 4096'),
    ('fcn32s', {'at_once': True, **SMALL}, 'at_once'),
]


@pytest.mark.parametrize(('name', 'config', 'message'), REFUSED)
def test_what_cannot_be_built_is_named(name, config, message):
    with pytest.raises(ValueError, match=message):
        build_network(name, CLASSES, **config)
