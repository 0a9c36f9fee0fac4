# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from torch import nn
from torch.nn import functional

from seg_ros.semantic.architectures import build_model, build_network
from seg_ros.semantic.deeplab import AtrousBranch, DeepLab, branch_rates
from seg_ros.semantic.deeplab_vgg import VggTrunk

HEADS = {'large_fov': (12,), 'aspp_s': (2, 4, 8, 12), 'aspp_l': (6, 12, 18, 24)}


def narrow(rates, output_stride=8, fusion='color', width=4, classes=5):
    """Return DeepLab over a narrow VGG16."""
    trunk = VggTrunk(fusion, output_stride, width=width)
    branches = [AtrousBranch(trunk.channels[-1], 6, classes, rate) for rate in rates]
    return DeepLab(trunk, branches).eval()


def with_holes(weight, rate):
    """Put rate - 1 zeros between the weights of a kernel."""
    size = rate * (weight.shape[2] - 1) + 1
    holes = weight.new_zeros(*weight.shape[:2], size, size)
    holes[:, :, ::rate, ::rate] = weight
    return holes


def convolved(features, state, name, rate=1):
    weight = with_holes(state[f'{name}.weight'], rate)
    return functional.conv2d(features, weight, state[f'{name}.bias'], padding=weight.shape[2] // 2)


def pooled(features, stride):
    """Take the maximum of 3x3 windows: shifted copies of the image, then every stride-th."""
    height, width = features.shape[2:]
    padded = functional.pad(features, (1, 1, 1, 1), value=-torch.inf)
    copies = [padded[:, :, v:v + height, u:u + width] for v in range(3) for u in range(3)]
    return torch.stack(copies).amax(dim=0)[:, :, ::stride, ::stride]


def by_definition(state, color, rates, output_stride):
    """Compute published DeepLab on VGG16 in double precision, no convolution being dilated."""
    state = {key: value.double() for key, value in state.items()}
    features = color.double()
    strides = {8: (2, 2, 2, 1, 1), 16: (2, 2, 2, 2, 1)}[output_stride]
    for block, (count, stride) in enumerate(zip((2, 2, 3, 3, 3), strides, strict=True), 1):
        rate = 16 // output_stride if block == 5 else 1
        for index in range(1, count + 1):
            features = convolved(features, state, f'trunk.conv{block}_{index}', rate).clamp(min=0)
        features = pooled(features, stride)
    scores = []
    for branch, rate in enumerate(rates):
        hidden = convolved(features, state, f'branches.{branch}.fc6', rate).clamp(min=0)
        hidden = convolved(hidden, state, f'branches.{branch}.fc7').clamp(min=0)
        scores.append(convolved(hidden, state, f'branches.{branch}.fc8'))
    return torch.stack(scores).sum(dim=0)


def with_biases(network, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if name.endswith('bias'):
            parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return network


@pytest.mark.parametrize('output_stride', [8, 16])
@pytest.mark.parametrize('head', HEADS)
@torch.no_grad()
def test_vgg_networks_are_what_is_published(head, output_stride):
    torch.manual_seed(3)
    rates = tuple(rate * 8 // output_stride for rate in HEADS[head])
    network = with_biases(narrow(rates, output_stride))
    color = torch.randn(2, 3, 64, 96)
    expected = by_definition(network.state_dict(), color, rates, output_stride)
    found = network(color, color)
    assert expected.std() > 1e-3
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(network.double()(color.double(), color), expected)


@pytest.mark.parametrize('head', HEADS)
@torch.no_grad()
def test_light_networks_sum_the_branches(head):
    torch.manual_seed(4)
    network = build_network('deeplab', 5, head=head, head_width=8, output_stride=16).eval()
    color = torch.randn(1, 3, 32, 48)
    features = network.trunk.pyramid(color, color)[-1].double()
    total = 0
    for branch, rate in zip(network.double().branches, HEADS[head], strict=True):
        hidden = features
        for conv, norm, holes in ((branch.fc6, branch.norm6, rate // 2),
                                  (branch.fc7, branch.norm7, 1)):
            weight = with_holes(conv.weight, holes)
            hidden = functional.conv2d(hidden, weight, padding=weight.shape[2] // 2)
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            hidden = (hidden - norm.running_mean[:, None, None]) * scale[:, None, None]
            hidden = (hidden + norm.bias[:, None, None]).clamp(min=0)
        total = total + functional.conv2d(hidden, branch.fc8.weight, branch.fc8.bias)
    torch.testing.assert_close(network(color.double(), color.double()), total)


# Extents in pixels by hand: VGG16's up to pool5, 227 at stride 8 and 243 at 16, and fc6's.
@pytest.mark.parametrize(('rates', 'output_stride', 'extent'), [
    ((12,), 8, 227 + 2 * 12 * 8),
    ((6,), 16, 243 + 2 * 6 * 16),
    ((2, 4, 8, 12), 8, 227 + 2 * 12 * 8),
    ((6, 12, 18, 24), 8, 227 + 2 * 24 * 8),
])
@torch.no_grad()
def test_field_of_view(rates, output_stride, extent):
    network = narrow(rates, output_stride, width=1)
    # not a number spreads through maxima and sums to all that depends on it
    pixels = torch.arange(480, 480 + output_stride)
    color = torch.zeros(output_stride, 3, 32, 960)
    color[range(output_stride), :, 16, pixels] = torch.nan
    reached = network(color, color).isnan().any(dim=1).any(dim=1)
    centres = output_stride * torch.arange(960 // output_stride)
    expected = (centres - pixels[:, None]).abs() <= extent // 2
    assert torch.equal(reached, expected)
    assert expected.any() and not expected.all(dim=1).any()


@pytest.mark.parametrize('size', [(32, 32), (32, 48), (64, 96)])
@pytest.mark.parametrize('output_stride', [8, 16])
@pytest.mark.parametrize('fusion', ['color', 'add'])
@torch.no_grad()
def test_logits_come_at_the_output_stride(fusion, output_stride, size):
    light = build_network('deeplab', 3, fusion=fusion, output_stride=output_stride, head_width=4)
    color, xyz = torch.rand(1, 3, *size), torch.rand(1, 3, *size) + 0.5
    for network in (light.eval(), narrow((2,), output_stride, fusion, classes=3)):
        assert network.multiple == output_stride
        assert network.uses_depth == (fusion == 'add')
        found = network(color, xyz)
        assert found.shape == (1, 3, size[0] // output_stride, size[1] // output_stride)
        assert torch.equal(network(color, 1.3 * xyz), found) == (fusion == 'color')


@pytest.mark.parametrize('size', [(32, 32), (33, 47), (70, 45)])
@torch.no_grad()
def test_a_model_takes_any_size(size):
    model = build_model('deeplab', ['a', 'b'], fusion='add', head_width=4).eval()
    assert model(torch.rand(2, 3, *size), torch.rand(2, 3, *size)).shape == (2, 2, *size)


def test_a_default_model_fits_into_what_ships():
    for head in HEADS:
        network = build_network('deeplab', 40, head=head, fusion='add')
        entries = [value for key, value in network.state_dict().items()
                   if not key.endswith('num_batches_tracked')]
        assert 1.8e6 < sum(value.numel() for value in entries) < 4e6


def test_published_widths():
    with torch.device('meta'):
        network = build_network('deeplab', 21, backbone='vgg16', head='aspp_l')
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert shapes['trunk.conv1_1.weight'] == (64, 3, 3, 3)
    assert shapes['trunk.conv5_3.weight'] == (512, 512, 3, 3)
    assert shapes['branches.3.fc6.weight'] == (1024, 512, 3, 3)
    assert shapes['branches.3.fc7.weight'] == (1024, 1024, 1, 1)
    assert shapes['branches.3.fc8.bias'] == (21,)
    assert [branch.fc6.dilation[0] for branch in network.branches] == [6, 12, 18, 24]
    assert len(shapes) == 2 * (13 + 4 * 3)


def test_dropout_is_for_training_alone():
    network = narrow((2,))
    color = torch.rand(1, 3, 32, 32)
    assert torch.equal(network(color, color), network(color, color))
    network.train()
    assert not torch.equal(network(color, color), network(color, color))
    assert network.branches[0].dropout.p == 0.5


def test_published_parameter_groups():
    network = narrow((2, 4))
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = {(group['lr_scale'], group['weight_decay']):
             {names[id(parameter)] for parameter in group['params']}
             for group in network.parameter_groups(5e-4)}
    fc8 = {'branches.0.fc8', 'branches.1.fc8'}
    layers = {name.rpartition('.')[0] for name in names.values()} - fc8
    assert found == {
        (1, 5e-4): {f'{layer}.weight' for layer in layers},
        (2, 0): {f'{layer}.bias' for layer in layers},
        (10, 5e-4): {f'{layer}.weight' for layer in fc8},
        (20, 0): {f'{layer}.bias' for layer in fc8}}


def test_normalisation_is_not_decayed_and_frozen_parameters_are_left_out():
    network = build_network('deeplab', 3, head_width=4, output_stride=16)
    network.trunk.requires_grad_(False)
    groups = {(group['lr_scale'], group['weight_decay']): len(group['params'])
              for group in network.parameter_groups(0.1)}
    # fc6, fc7; scale and shift of two normalisations; fc8
    assert groups == {(1, 0.1): 2, (1, 0): 4, (10, 0.1): 1, (20, 0): 1}
    optimizer = torch.optim.SGD(network.parameter_groups(0.1), lr=0.1)
    assert sum(len(group['params']) for group in optimizer.param_groups) == 8


def test_every_parameter_learns():
    torch.manual_seed(5)
    network = build_network('deeplab', 3, fusion='add', head='aspp_s', head_width=4).train()
    color, xyz = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64) + 0.5
    functional.cross_entropy(network(color, xyz), torch.ones(2, 8, 8).long()).backward()
    still = [name for name, parameter in network.named_parameters()
             if parameter.grad is None or not parameter.grad.abs().sum() > 0]
    assert still == []


@pytest.mark.parametrize(('head', 'stride', 'given', 'expected'), [
    ('large_fov', 8, None, (12,)), ('large_fov', 16, None, (6,)),
    ('aspp_s', 8, None, (2, 4, 8, 12)), ('aspp_s', 16, None, (1, 2, 4, 6)),
    ('aspp_l', 8, None, (6, 12, 18, 24)), ('aspp_l', 16, None, (3, 6, 9, 12)),
    ('large_fov', 16, [4], (4,)), ('aspp_l', 16, [1, 5], (1, 5)),
])
def test_rates(head, stride, given, expected):
    assert branch_rates(head, stride, given) == expected
    network = build_network('deeplab', 2, head=head, output_stride=stride, rates=given,
                            head_width=1)
    assert tuple(branch.fc6.dilation[0] for branch in network.branches) == expected


@pytest.mark.parametrize(('config', 'message'), [
    ({'backbone': 'resnet'}, "backbone 'resnet'.*accepted are light and vgg16"),
    ({'head': 'v3'}, "head 'v3'.*large_fov, aspp_s, aspp_l"),
    ({'head': ['aspp_s']}, r"head \['aspp_s'\]"),
    ({'output_stride': 32}, 'output_stride 32: accepted .* 8 and 16'),
    ({'fusion': 'cat'}, "fusion 'cat' is unknown"),
    ({'fusion': 'cat', 'backbone': 'vgg16'}, "fusion 'cat' is unknown"),
    ({'rates': [2, 4]}, 'head large_fov takes a list of 1 to 1 whole numbers'),
    ({'rates': [0]}, r'rates \[0\]'),
    ({'rates': []}, r'rates \[\]'),
    ({'rates': 12}, 'rates 12'),
    ({'rates': [257]}, 'of 1 to 256'),
    ({'rates': [1.5]}, r'rates \[1.5\]'),
    ({'rates': [1] * 17, 'head': 'aspp_s'}, 'a list of 1 to 16'),
    ({'head_width': 0}, 'head_width 0: accepted are 1 to 4096'),
    ({'head_width': 4097}, 'head_width 4097'),
    ({'head_width': '8'}, "head_width '8'"),
    ({'depth': 3}, "network deeplab: .*'depth'"),
])
def test_what_cannot_be_built_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        build_network('deeplab', 3, **config)


@pytest.mark.parametrize(('arguments', 'message'), [
    ({'fusion': 'early'}, "fusion 'early' is unknown; accepted: color, add"),
    ({'output_stride': 32}, 'output_stride 32: accepted are 8 and 16')])
def test_a_vgg_trunk_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        VggTrunk(**arguments, width=1)


@pytest.mark.parametrize(('output_stride', 'last'), [(8, (5, 6)), (16, (3, 3))])
@torch.no_grad()
def test_a_vgg_trunk_has_its_channels_and_strides(output_stride, last):
    trunk = VggTrunk(output_stride=output_stride, width=2)
    levels = trunk.pyramid(torch.rand(1, 3, 33, 47), torch.rand(1, 3, 33, 47))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (2, 17, 24), (4, 9, 12), (8, 5, 6), (16, *last), (16, *last)]
    assert trunk.channels == (2, 4, 8, 16, 16)


def narrow_classifier(width, hidden):
    """Return a narrow VGG16 that is laid out as torchvision's."""
    layers, inputs = [], 3
    for count, outputs in zip((2, 2, 3, 3, 3), (width * k for k in (1, 2, 4, 8, 8)), strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    classifier = nn.Sequential(
        nn.Linear(49 * inputs, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, hidden),
        nn.ReLU(), nn.Dropout(), nn.Linear(hidden, 10))
    return nn.ModuleDict({'features': nn.Sequential(*layers), 'classifier': classifier})


@torch.no_grad()
def test_a_vgg_network_starts_from_the_classifier(tmp_path):
    torch.manual_seed(7)
    source = narrow_classifier(4, 11)
    torch.save(source.state_dict(), tmp_path / 'vgg.pth')
    network = narrow((2, 4))
    network.load_imagenet(tmp_path / 'vgg.pth')
    convs = [layer for layer in source['features'] if isinstance(layer, nn.Conv2d)]
    color = torch.randn(1, 3, 32, 32)
    first = convs[1](convs[0](color).relu()).relu()
    expected = functional.max_pool2d(first, 3, 2, 1)
    torch.testing.assert_close(network.trunk.pyramid(color, color)[0], expected)
    assert torch.equal(network.trunk.conv5_3.weight, convs[12].weight)
    assert torch.equal(network.trunk.conv5_3.bias, convs[12].bias)
    fc6, fc7 = source['classifier'][0], source['classifier'][3]
    picked = [0, 2, 4, 6, 8, 10]
    for branch in network.branches:
        taps = fc6.weight.view(11, 32, 7, 7)[picked][:, :, [0, 3, 6]][:, :, :, [0, 3, 6]]
        assert torch.equal(branch.fc6.weight, taps)
        assert torch.equal(branch.fc6.bias, fc6.bias[picked])
        assert torch.equal(branch.fc7.weight[:, :, 0, 0], fc7.weight[picked][:, picked])
        assert torch.equal(branch.fc7.bias, fc7.bias[picked])


def test_the_names_and_order_are_torchvisions():
    from torchvision.models import vgg16

    with torch.device('meta'):
        published = list(vgg16(weights=None).state_dict())
    assert published == list(narrow_classifier(1, 2).state_dict())


@pytest.mark.parametrize(('classifier', 'message'), [
    (lambda: nn.Linear(3, 4), 'x.pth is no VGG16: its layers have other shapes'),
    (lambda: narrow_classifier(4, 11)['features'], 'x.pth is no VGG16'),
    (lambda: nn.Sequential(*(nn.Linear(4, 4) for _ in range(16))), 'x.pth is no VGG16'),
    (lambda: narrow_classifier(2, 11), r'conv1_1 is \(2, 3, 3, 3\), needed \(4, 3, 3, 3\)'),
    (lambda: narrow_classifier(4, 5), '6 channels cannot be picked from 5'),
])
def test_other_classifiers_are_refused(tmp_path, classifier, message):
    torch.save(classifier().state_dict(), tmp_path / 'x.pth')
    with pytest.raises(ValueError, match=message):
        narrow((2,)).load_imagenet(tmp_path / 'x.pth')


@torch.no_grad()
def test_a_light_network_starts_from_mobilenet(tmp_path):
    from torchvision.models import mobilenet_v2

    source = mobilenet_v2(weights=None)
    torch.save(source.state_dict(), tmp_path / 'mobilenet.pth')
    network = build_network('deeplab', 2, head_width=4)
    fc6 = network.branches[0].fc6.weight.clone()
    network.load_imagenet(tmp_path / 'mobilenet.pth')
    last = network.trunk.features[17].conv[2]
    assert torch.equal(last.weight, source.features[17].conv[2].weight)
    assert torch.equal(network.branches[0].fc6.weight, fc6)


@pytest.mark.slow
@pytest.mark.parametrize('config', [
    {'head': 'aspp_l', 'fusion': 'add'}, {'head': 'large_fov', 'output_stride': 16}])
@torch.no_grad()
def test_an_exported_model_gives_the_same(config):
    onnxruntime = pytest.importorskip('onnxruntime')
    from seg_ros.backends.export import export_onnx

    torch.manual_seed(6)
    model = build_model('deeplab', ['a', 'b', 'c'], head_width=4, **config).eval()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_var.uniform_(0.1, 0.3)  # else the signal fades
    for branch in model.network.branches:
        nn.init.normal_(branch.fc8.weight)
    shapes = ((1, 3, 64, 96), (2, 3, 50, 71))
    file = export_onnx(model, (torch.rand(shapes[0]), torch.rand(shapes[0])))
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    names = [value.name for value in session.get_inputs()]
    for shape in shapes:
        inputs = (torch.rand(shape), torch.rand(shape) + 0.5)
        feed = {name: value.numpy() for name, value in zip(('input0', 'input1'), inputs,
                                                          strict=True) if name in names}
        found = torch.from_numpy(session.run(None, feed)[0])
        expected = model(*inputs)
        assert expected.std() > 0.1
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
