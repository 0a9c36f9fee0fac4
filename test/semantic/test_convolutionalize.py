# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import models

from seg_ros.semantic.convolutionalize import convolutionalize

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def rows(classes=4, channels=5, height=3, width=3, hidden=7, bias=True):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(channels * height * width, hidden, bias=bias), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, classes))


def with_features():
    features = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(features, nn.Conv2d(6, 5, 3), nn.AdaptiveAvgPool2d(3), rows())


CLASSIFIERS = {
    'square': (lambda: rows(), (5, 3, 3)),
    'not square': (lambda: rows(height=2, width=4), (5, 2, 4)),
    'one pixel': (lambda: rows(height=1, width=1), (5, 1, 1)),
    'no bias': (lambda: rows(bias=False), (5, 3, 3)),
    'layers on maps, nested': (with_features, (3, 10, 10)),
}


def slide(classifier, maps, height, width):
    """Run the layers for rows at each place of the maps, one after the other."""
    return torch.stack([
        torch.stack([classifier(maps[:, :, v:v + height, u:u + width])
                     for u in range(maps.shape[3] - width + 1)], dim=-1)
        for v in range(maps.shape[2] - height + 1)], dim=-2)


@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize('name', CLASSIFIERS)
@torch.no_grad()
def test_scores_are_the_same_at_the_training_size(name, dtype):
    torch.manual_seed(0)
    build, shape = CLASSIFIERS[name]
    classifier = build().to(dtype).eval()
    image = torch.randn(2, *shape, dtype=dtype)
    expected = classifier(image)
    assert expected.abs().max() > 0.01
    found = convolutionalize(classifier, shape)(image)
    assert found.shape == (2, 4, 1, 1)
    torch.testing.assert_close(found[:, :, 0, 0], expected, atol=TOLERANCE[dtype], rtol=0)


@given(channels=st.integers(1, 4), height=st.integers(1, 4), width=st.integers(1, 4),
       more_rows=st.integers(0, 4), more_columns=st.integers(0, 4), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
@torch.no_grad()
def test_larger_maps_are_slid_over(channels, height, width, more_rows, more_columns, seed):
    torch.manual_seed(seed)
    classifier = rows(channels=channels, height=height, width=width).double().eval()
    maps = torch.randn(2, channels, height + more_rows, width + more_columns).double()
    found = convolutionalize(classifier, (channels, height, width))(maps)
    torch.testing.assert_close(
        found, slide(classifier, maps, height, width), atol=1e-10, rtol=0)


@torch.no_grad()
def test_larger_images_are_slid_over_at_the_last_feature_map():
    classifier = with_features().double().eval()
    image = torch.randn(1, 3, 17, 22).double()
    maps = classifier[1](classifier[0](image))
    found = convolutionalize(classifier, (3, 10, 10))(image)
    assert found.shape == (1, 4, 4, 7)
    torch.testing.assert_close(found, slide(classifier[3], maps, 3, 3), atol=1e-10, rtol=0)


def small_torchvision_alexnet(classes=4):
    with torch.device('meta'):  # its 59 million fully connected weights are not needed
        model = models.alexnet()
    model.features.to_empty(device='cpu')
    for layer in model.features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    model.classifier = nn.Sequential(
        nn.Dropout(), nn.Linear(256 * 6 * 6, 16), nn.ReLU(), nn.Linear(16, classes))
    return model.eval()


@torch.no_grad()
def test_torchvision_models_are_converted():
    model = small_torchvision_alexnet()
    converted = convolutionalize(model, (3, 224, 224))
    image = torch.randn(1, 3, 224, 224)
    expected = model(image)
    torch.testing.assert_close(
        converted(image)[:, :, 0, 0], expected, atol=1e-5 * float(expected.abs().max()), rtol=0)
    wide = torch.randn(1, 3, 230, 300)
    maps = model.features(wide)
    found, slid = converted(wide), slide(nn.Sequential(nn.Flatten(), model.classifier), maps, 6, 6)
    assert found.shape == (1, 4, 1, 3)
    torch.testing.assert_close(found, slid, atol=1e-5 * float(slid.abs().max()), rtol=0)


@pytest.mark.parametrize(('build', 'size'), [(models.vgg16, 7), (models.alexnet, 6)])
def test_published_sizes_become_the_kernels_of_the_paper(build, size):
    with torch.device('meta'):
        converted = convolutionalize(build(), (3, 224, 224))
    shapes = [tuple(layer.weight.shape) for layer in converted
              if isinstance(layer, nn.Conv2d)][-3:]
    inputs = 512 if size == 7 else 256
    assert shapes == [(4096, inputs, size, size), (4096, 4096, 1, 1), (1000, 4096, 1, 1)]


@pytest.mark.slow
@torch.no_grad()
def test_whole_vgg16_scores_the_same():
    model = models.vgg16().eval()
    image = torch.randn(1, 3, 224, 224)
    found = convolutionalize(model, (3, 224, 224))(image)[:, :, 0, 0]
    torch.testing.assert_close(found, model(image), atol=1e-5, rtol=0)


def test_weights_are_shared_and_nothing_is_changed():
    classifier = rows()
    classifier[1].requires_grad_(False)
    before = {key: value.clone() for key, value in classifier.state_dict().items()}
    converted = convolutionalize(classifier, (5, 3, 3))
    assert converted[0].weight.data_ptr() == classifier[1].weight.data_ptr()
    assert converted[0].bias is classifier[1].bias
    assert not converted[0].weight.requires_grad
    assert converted[3].weight.requires_grad
    assert classifier.training
    assert converted.training
    assert all(torch.equal(value, before[key]) for key, value in classifier.state_dict().items())


def test_statistics_of_layers_on_maps_stay():
    classifier = with_features()
    convolutionalize(classifier, (3, 10, 10))
    assert int(classifier[0][1].num_batches_tracked) == 0


REFUSED = [
    (nn.Sequential(nn.Linear(4, 2)), (1, 2, 2), '0 nn.Flatten'),
    (nn.Sequential(nn.Flatten(), nn.Flatten()), (1, 2, 2), '2 nn.Flatten'),
    (nn.Conv2d(3, 4, 3), (3, 8, 8), 'an nn.Sequential'),
    (nn.Sequential(nn.Flatten(2), nn.Linear(4, 2)), (1, 2, 2), 'does not join'),
    (nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (2, 2, 2), '2x2x2 = 8'),
    (nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.LayerNorm(2)), (1, 2, 2), 'LayerNorm'),
    (nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.Softmax(1)), (1, 2, 2), 'Softmax'),
    (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)), (1, 2, 2),
     'pools 2x2 to 1x1'),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2)), (1, 3, 3), 'Conv2d'),
    (models.mobilenet_v3_small(), (3, 224, 224), 'pools 7x7 to 1x1'),
    (models.mobilenet_v2(), (3, 224, 224), 'nn.Flatten'),
]


@pytest.mark.parametrize(('classifier', 'shape', 'message'), REFUSED)
def test_what_cannot_be_converted_is_named(classifier, shape, message):
    with pytest.raises(ValueError, match=message):
        convolutionalize(classifier, shape)
