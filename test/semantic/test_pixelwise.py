# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch

from seg_ros.backends.export import export_onnx
from seg_ros.semantic.architectures import build_model, build_network
from seg_ros.semantic.model import SemanticModel
from seg_ros.semantic.pixelwise import (
    FEATURES,
    PixelSamples,
    Standardisation,
    fit_perceptron,
    fit_pixelwise,
    network_of,
    pixel_features,
    sample_pixels,
)

pytest.importorskip('sklearn', reason='scikit-learn is not installed (extra: train)')


def scene(height=40, width=56, seed=0):
    """Return colour, xyz with holes, and classes that depend on colour, depth and position."""
    rng = np.random.default_rng(seed)
    color = torch.from_numpy(rng.uniform(0, 1, (3, height, width)).astype(np.float32))
    xyz = torch.from_numpy(rng.uniform(0.5, 1.5, (3, height, width)).astype(np.float32))
    xyz[:, torch.from_numpy(rng.uniform(size=(height, width)) < 0.2)] = 0
    right = torch.arange(width)[None, :] >= width // 2
    classes = (color[0] > 0.5).long() + 2 * (xyz[2] > 1.0).long()
    return color, xyz, torch.where(right & (color[1] > 0.8), 4, classes)


def samples_of(count=1500, **options):
    return sample_pixels(*scene(**options), count, np.random.default_rng(1))


def features_by_hand(color, xyz):
    """Return (h * w, 7) features by loops."""
    height, width = color.shape[1:]
    return np.array([
        [*color[:, v, u], xyz[2, v, u], float(xyz[2, v, u] > 0),
         2 * u / (width - 1) - 1, 2 * v / (height - 1) - 1]
        for v in range(height) for u in range(width)])


def standardised_by_hand(features, of):
    """Standardise features as their description says, by the statistics of other features."""
    seen = of[:, 4] > 0
    result = np.zeros(features.shape)
    for column in range(7):
        values = of[seen, column] if column == 3 else of[:, column]
        result[:, column] = (features[:, column] - values.mean()) / values.std()
    result[features[:, 4] == 0, 3] = 0
    result[:, 4] = features[:, 4]
    return result


def test_features_of_a_pixel():
    color, xyz, _ = scene()
    assert FEATURES == ('color0', 'color1', 'color2', 'depth_m', 'has_depth', 'u', 'v')
    np.testing.assert_allclose(pixel_features(color[None], xyz[None])[0].flatten(1).T.numpy(),
                               features_by_hand(color.numpy(), xyz.numpy()), atol=1e-6)


@pytest.mark.parametrize('found', [[0, 1, 2, 3, 4], [1, 3], [0, 2, 4]])
def test_the_network_equals_scikit_learn(found):
    samples = samples_of()
    kept = np.isin(samples.classes, found)
    samples = PixelSamples(samples.features[kept], samples.classes[kept])
    scaled = Standardisation.of(samples.features)
    classifier = fit_perceptron(
        scaled(samples.features), samples.classes, seed=0, hidden=(9, 7), rounds=5)
    network = network_of(classifier, scaled, num_classes=6)
    color, xyz, _ = scene(33, 35, seed=7)
    with torch.no_grad():
        probabilities = network(color[None], xyz[None]).softmax(dim=1)[0].flatten(1).T.numpy()
    features = standardised_by_hand(
        features_by_hand(color.numpy(), xyz.numpy()), samples.features.astype(np.float64))
    expected = np.zeros((len(features), 6))
    expected[:, found] = classifier.predict_proba(features)
    assert expected.std(axis=0)[found].min() > 1e-3
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_a_fitted_network_knows_its_pixels():
    samples = samples_of(2200)
    network = fit_pixelwise(samples, 5, seed=0, hidden=(24,), rounds=150)
    color, xyz, classes = scene()
    with torch.no_grad():
        found = network(color[None], xyz[None]).argmax(dim=1)[0]
    assert (found == classes).float().mean() > 0.85


def test_fits_of_a_seed_are_equal():
    first, again, other = (fit_pixelwise(samples_of(300), 5, seed, rounds=2).state_dict()
                           for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first['layers.0.weight'], other['layers.0.weight'])


def test_a_fitted_network_is_what_the_registry_builds():
    fitted = fit_pixelwise(samples_of(300), 5, 0, hidden=(8,), rounds=1)
    built = build_network('pixelwise', 5, hidden=[8])
    built.load_state_dict(fitted.state_dict())
    color, xyz, _ = scene()
    assert torch.equal(built(color[None], xyz[None]), fitted(color[None], xyz[None]))
    assert built.uses_depth and built.multiple == 1


def test_pixels_are_drawn_once_and_not_the_ignored():
    color, xyz, classes = scene()
    classes[:, :50] = 255
    samples = sample_pixels(color, xyz, classes, 10_000, np.random.default_rng(0))
    assert samples.features.shape == (40 * 6, 7) and samples.classes.max() < 255
    assert len(np.unique(samples.features, axis=0)) == 40 * 6
    part = sample_pixels(color, xyz, classes, 100, np.random.default_rng(0))
    joined = PixelSamples.joined([samples, part])
    assert len(part.classes) == 100 and len(joined.classes) == 340


def test_samples_without_depth_and_of_one_colour():
    samples = samples_of(200)
    samples.features[:, 3:5] = 0
    samples.features[:, 0] = 0.25
    scaled = Standardisation.of(samples.features)(samples.features)
    assert np.isfinite(scaled).all() and not scaled[:, [0, 3, 4]].any()


@pytest.mark.parametrize(('classes', 'message'), [
    ([2, 2], r'classes \[2\]: a classifier needs two'),
    ([0, 9], r'classes \[0, 9\], accepted are 0 to 4'),
    ([-1, 2], r'classes \[-1, 2\], accepted are 0 to 4'),
])
def test_classes_that_cannot_be_fitted(classes, message):
    samples = PixelSamples(np.zeros((2, 7), np.float32), np.array(classes))
    with pytest.raises(ValueError, match=message):
        fit_pixelwise(samples, 5, 0)


@pytest.mark.parametrize(('features', 'classes'), [
    (np.zeros((3, 6)), np.zeros(3)), (np.zeros((3, 7)), np.zeros(2)),
    (np.zeros((3, 7)), np.zeros((3, 1)))])
def test_samples_that_do_not_belong_together(features, classes):
    with pytest.raises(ValueError, match='features have shape'):
        PixelSamples(features, classes)


@pytest.mark.parametrize('hidden', [[0], [8, 5000]])
def test_hidden_layers_that_cannot_be_built(hidden):
    with pytest.raises(ValueError, match='hidden .* accepted are widths of 1 to 4096'):
        build_network('pixelwise', 3, hidden=hidden)


def test_onnx_equals_torch_at_other_sizes():
    fitted = fit_pixelwise(samples_of(300), 5, 0, rounds=2)
    names = ('background', 'a', 'b', 'c', 'd')
    model = SemanticModel(fitted, 'pixelwise', {}, names,
                          build_model('pixelwise', names).preprocessing).eval()
    color, xyz, _ = scene()
    data = export_onnx(model, (color[None], xyz[None]))
    session = onnxruntime.InferenceSession(data, providers=['CPUExecutionProvider'])
    for size in ((40, 32), (51, 67)):
        color, xyz, _ = scene(*size)
        with torch.no_grad():
            expected = model(color[None], xyz[None]).numpy()
        (found,) = session.run(
            None, {'input0': color[None].numpy(), 'input1': xyz[None].numpy()})
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_running_needs_no_scikit_learn():
    code = ('import sys; from seg_ros.semantic.architectures import build_network; '
            'build_network("pixelwise", 3); print("sklearn" in sys.modules)')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'False'
