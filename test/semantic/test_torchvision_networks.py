# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from torchvision.models import get_weight, segmentation

from seg_ros.semantic.architectures import IMAGENET, build_model, build_network
from seg_ros.semantic.foreign import VOC_CLASSES
from seg_ros.semantic.torchvision_networks import (
    PUBLISHED,
    foreign_torchvision,
    published_semantic,
)
from seg_ros.weights import load_strictly, load_weights

MOBILE = ('deeplabv3_mobilenet_v3_large', 'lraspp_mobilenet_v3_large')
NAMES = [name if name in MOBILE else pytest.param(name, marks=pytest.mark.slow)
         for name in PUBLISHED]


def torchvisions(name, classes, **more):
    """Return torchvision's own network, its auxiliary classifier too, with random weights."""
    if name.startswith(('fcn', 'deeplab')):
        more = {'aux_loss': True, **more}
    return getattr(segmentation, name)(
        weights=None, weights_backbone=None, num_classes=classes, **more)


def stirred(model):
    """Let normalisation do something, and classes differ clearly."""
    generator = torch.Generator().manual_seed(0)
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.copy_(torch.randn(part.running_mean.shape, generator=generator) / 9)
            part.running_var.copy_(
                0.5 + torch.rand(part.running_var.shape, generator=generator))
    return model.eval()


@pytest.mark.parametrize('name', NAMES)
@torch.no_grad()
def test_a_checkpoint_gives_what_torchvision_gives(tmp_path, name):
    torch.manual_seed(0)
    classes = 21 if name in MOBILE else 4
    theirs = stirred(torchvisions(name, classes))
    path = tmp_path / 'x.pth'
    torch.save({'model': theirs.state_dict()}, path)
    foreign = foreign_torchvision(load_weights(path, method='semantic').state)
    assert (foreign.architecture, foreign.preprocessing, foreign.config) == (name, IMAGENET, {})
    assert foreign.class_names == (
        VOC_CLASSES if classes == 21 else ('background', 'class 1', 'class 2', 'class 3'))
    model = build_model(foreign.architecture, foreign.class_names).eval()
    load_strictly(model.network, foreign.state, str(path))
    assert not model.uses_depth and model.preprocessing == IMAGENET
    for size in ((64, 96), (35, 47)):
        color = torch.randn(1, 3, *size)
        expected = theirs(color)['out']
        assert expected.std() > 1e-3 and expected.shape == (1, classes, *size)
        torch.testing.assert_close(model(color, color), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('name', PUBLISHED)
def test_each_network_is_told_by_its_keys(name):
    with torch.device('meta'):
        state = torchvisions(name, 7).state_dict()
        network = build_network(name, 7)
    foreign = foreign_torchvision(state)
    assert (foreign.architecture, len(foreign.class_names)) == (name, 7)
    shapes = {key: value.shape for key, value in foreign.state.items()}
    assert shapes == {key: value.shape for key, value in network.state_dict().items()}
    assert len(shapes) < len(state) or name.startswith('lraspp')


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_weights_are_torchvisions_for_that_network(name):
    entry = get_weight(PUBLISHED[name])
    assert entry.url.rpartition('/')[2].startswith(f'{name}_coco-' if name not in MOBILE
                                                   else f'{name}-')
    # the names in VOC's own spelling, background first
    assert len(entry.meta['categories']) == len(VOC_CLASSES) == 21
    assert entry.meta['categories'][1:] == list(VOC_CLASSES[1:])


@pytest.mark.parametrize('state', [
    {'conv1_1.weight': torch.zeros(1)},
    {'classifier.0.weight': torch.zeros(1), 'classifier.4.weight': torch.zeros(2, 1, 1, 1)},
    {'classifier.0.weight': torch.zeros(1), 'backbone.layer3.5.conv1.weight': torch.zeros(1)},
    {'classifier.0.weight': torch.zeros(1), 'backbone.16.0.weight': torch.zeros(1),
     'classifier.4.weight': torch.zeros(2, 1, 1, 1)},
    {'classifier.0.weight': torch.zeros(1), 'backbone.layer3.5.conv1.weight': torch.zeros(1),
     'classifier.4.weight': torch.zeros(2)},
    {},
], ids=['FCN', 'a head alone', 'no last layer', 'no such pair', 'a classifier', 'nothing'])
def test_other_checkpoints_are_none_of_them(state):
    assert foreign_torchvision(state) is None


@pytest.mark.parametrize(('name', 'file'), [
    ('fcn_resnet50', 'fcn_resnet50_coco-1167a1af.pth'),
    ('fcn_resnet101', 'fcn_resnet101_coco-7ecb50ca.pth'),
    ('deeplabv3_resnet50', 'deeplabv3_resnet50_coco-cd0a2569.pth'),
    ('deeplabv3_resnet101', 'deeplabv3_resnet101_coco-586e9e4e.pth'),
    ('deeplabv3_mobilenet_v3_large', 'deeplabv3_mobilenet_v3_large-fc3c493d.pth'),
    ('lraspp_mobilenet_v3_large', 'lraspp_mobilenet_v3_large-d234d4ea.pth')])
def test_without_network_the_file_and_its_place_are_named(refuses_download, name, file):
    refuses_download(lambda: published_semantic(name), file)


def test_a_file_that_is_there_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr('torch.hub._hub_dir', str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    path = tmp_path / 'checkpoints' / 'lraspp_mobilenet_v3_large-d234d4ea.pth'
    torch.save({'x': torch.ones(3)}, path)
    weights = published_semantic('lraspp_mobilenet_v3_large')
    assert (weights.path, weights.metadata, list(weights.state)) == (path, {}, ['x'])


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no weights 'unet' are published; there are fcn_resnet5"):
        published_semantic('unet')


@pytest.mark.slow
@pytest.mark.parametrize('name', MOBILE)
@torch.no_grad()
def test_an_exported_model_gives_the_same(name):
    onnxruntime = pytest.importorskip('onnxruntime')
    from seg_ros.backends.export import export_onnx

    torch.manual_seed(1)
    model = stirred(build_model(name, ['a', 'b', 'c']))
    example = torch.rand(1, 3, 64, 96)
    session = onnxruntime.InferenceSession(
        export_onnx(model, (example, example)), providers=['CPUExecutionProvider'])
    for shape in ((1, 3, 64, 96), (2, 3, 50, 71)):
        color = torch.randn(shape)
        found = torch.from_numpy(session.run(None, {'input0': color.numpy()})[0])
        expected = model(color, color)
        assert expected.std() > 1e-3
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
