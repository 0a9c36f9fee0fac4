# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_semantic import NAMES, frame_of, red_model, tiny_model, write_model
from torch.nn import functional

from seg_ros import segmenters
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.options import Options
from seg_ros.core.results import SemanticMap
from seg_ros.networks.inputs import network_size
from seg_ros.networks.preprocessing import network_inputs
from seg_ros.semantic import segmenter as segmenter_module
from seg_ros.semantic.checkpoint import LoadedModel
from seg_ros.semantic.options import SemanticOptions
from seg_ros.semantic.segmenter import (
    ProbabilityNetwork,
    SemanticSegmenter,
    load_semantic,
    most_probable,
)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp('weights') / 'tiny.safetensors')


@pytest.fixture(scope='module')
def depth_weights(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp('weights') / 'depth.safetensors',
                       tiny_model(uses_depth=True))


class Seeing:
    """Run a model eagerly and keep the inputs."""

    name = 'seeing'

    def __init__(self, model):
        self.network = ProbabilityNetwork(model).eval()

    def __call__(self, color, xyz):
        self.color, self.xyz = color, xyz
        with torch.no_grad():
            return (self.network(color, xyz),)


def made(model=None, size=(96, 64), options=None, refine=None):
    model = tiny_model() if model is None else model
    return SemanticSegmenter(LoadedModel(model, size, Path('here')), options or SemanticOptions(),
                             run=Seeing(model), refine=refine)


def expected_of(model, frame, size):
    """Return the probabilities (L, H, W) of a frame, all of it by torch in float64."""
    color, xyz = network_inputs(frame.color, frame.depth if model.uses_depth else None,
                                frame.camera, size=size, preprocessing=model.preprocessing)
    with torch.no_grad():
        small = functional.softmax(model(color, xyz).double(), dim=1)
    return functional.interpolate(small, size=frame.shape, mode='bilinear')[0].numpy()


def test_the_registry_builds_it(weights):
    found = segmenters.load('semantic', weights=weights, device='cpu', backend='torch')
    assert isinstance(found, SemanticSegmenter)
    assert (found.method, found.device, found.backend) == ('semantic', 'cpu', 'torch')
    assert (found.needs_depth, found.class_names, found.network) == (False, NAMES, 'tiny')
    assert (found.options, found.weights_path) == (SemanticOptions(), weights)
    assert segmenters.method_named('semantic').result == 'semantic'


@pytest.mark.parametrize(('width', 'height'), [
    (96, 64), (640, 480), (161, 121), (320, 90), (97, 301), (32, 32), (33, 400)])
def test_any_camera_gives_the_networks_classes(width, height):
    model, frame = tiny_model(), frame_of(width, height)
    found = made(model).segment(frame)
    expected = expected_of(model, frame, network_size((width, height), (96, 64)))
    assert isinstance(found, SemanticMap)
    assert (found.labels.shape, found.labels.dtype) == ((height, width), np.uint8)
    assert (found.class_names, found.probabilities) == (NAMES, None)
    np.testing.assert_allclose(found.confidence, expected.max(axis=0), atol=1e-4)
    assert (found.labels == expected.argmax(axis=0)).mean() > 0.999
    assert len(np.unique(found.labels)) > 1


@pytest.mark.parametrize('backend', ['torch', 'onnxruntime', 'openvino'])
def test_backends_give_the_same_classes(weights, backend):
    pytest.importorskip(backend)
    segmenter = load_semantic(weights, 'cpu', backend)
    assert segmenter.backend == backend
    frame = frame_of(130, 90)
    found = segmenter.segment(frame)
    expected = expected_of(segmenter._model, frame, network_size((130, 90), (96, 64)))
    np.testing.assert_allclose(found.confidence, expected.max(axis=0), atol=1e-3)
    assert (found.labels == expected.argmax(axis=0)).mean() > 0.999


def test_a_network_that_cannot_be_exported_runs_in_torch(tmp_path, monkeypatch):
    said = []  # not caplog: loggers made after launch was imported do not reach it
    monkeypatch.setattr(segmenter_module.LOGGER, 'warning', lambda text, *values: said.append(
        text % values))
    path = write_model(tmp_path / 'x.safetensors', tiny_model(exportable=False))
    assert load_semantic(path, 'cpu', 'auto').backend == 'torch'
    assert said == []
    assert load_semantic(path, 'cpu', 'onnxruntime').backend == 'torch'
    assert said == ['network tiny cannot be exported to onnxruntime; torch runs the network']


def test_probabilities_are_of_all_classes_and_sum_to_one():
    model, frame = tiny_model(), frame_of(200, 140)
    segmenter = made(model)
    found = segmenter.probabilities(frame)
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found, expected_of(model, frame, network_size((200, 140), (96, 64))), atol=1e-4)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(found.max(axis=0), segmenter.segment(frame).confidence, atol=1e-6)


def test_a_refinement_gets_the_frame_and_decides():
    seen = []

    def refine(probabilities, frame):
        seen.append((probabilities.copy(), frame))
        return probabilities[[1, 2, 0]]

    model, frame = tiny_model(), frame_of(150, 100)
    plain, refined = made(model).segment(frame), made(model, refine=refine).segment(frame)
    np.testing.assert_allclose(seen[0][0], made(model).probabilities(frame), atol=1e-6)
    assert seen[0][1] is frame
    # the class at place k is the one that was at place k + 1
    np.testing.assert_array_equal(refined.labels, (plain.labels.astype(int) - 1) % 3)
    np.testing.assert_array_equal(refined.probabilities.argmax(axis=0), refined.labels)
    np.testing.assert_allclose(refined.confidence, plain.confidence, atol=1e-6)
    np.testing.assert_allclose(
        made(model, refine=refine).probabilities(frame), refined.probabilities, atol=1e-6)


def test_timings_name_the_stages():
    segmenter = made()
    segmenter.segment(frame_of())
    assert list(segmenter.timings) == ['preprocess', 'network', 'labels', 'total']
    assert sum(segmenter.timings.values()) <= 2 * segmenter.timings['total']
    segmenter = made(refine=lambda probabilities, frame: probabilities)
    segmenter.segment(frame_of())
    assert list(segmenter.timings) == ['preprocess', 'network', 'refine', 'labels', 'total']


def test_doubtful_pixels_become_background_where_that_is_asked_for():
    frame = frame_of(150, 100)
    segmenter = made()
    plain = segmenter.segment(frame)
    least = 0.5
    segmenter.options = SemanticOptions(min_confidence=least)
    found = segmenter.segment(frame)
    np.testing.assert_array_equal(
        found.labels, np.where(plain.confidence < least, 0, plain.labels))
    np.testing.assert_array_equal(found.confidence, plain.confidence)
    assert (found.labels != plain.labels).any() and found.labels.any()


def test_without_a_background_no_pixel_can_become_it():
    segmenter = made(tiny_model(('road', 'sky', 'car')))
    segmenter.options = SemanticOptions(min_confidence=0.0, input_scale=0.5)
    with pytest.raises(ValueError, match="do not know: their first class is 'road'; set it to 0"):
        segmenter.options = SemanticOptions(min_confidence=0.5)
    assert segmenter.options.input_scale == 0.5


@pytest.mark.parametrize(('size', 'camera', 'scale', 'seen'), [
    ((96, 64), (96, 64), 1.0, (96, 64)), ((96, 64), (192, 128), 1.0, (96, 64)),
    ((96, 64), (96, 64), 2.0, (192, 128)), ((96, 64), (96, 64), 0.5, (48, 32)),
    # untold: as the frame is, up to 640x480
    (None, (501, 375), 1.0, (501, 375)), (None, (640, 480), 1.0, (640, 480)),
    (None, (1280, 960), 1.0, (640, 480)), (None, (200, 100), 2.0, (400, 192)),
])
def test_the_size_that_the_network_sees(size, camera, scale, seen):
    segmenter = made(size=size, options=SemanticOptions(input_scale=scale))
    segmenter.segment(frame_of(*camera))
    assert tuple(segmenter._run.color.shape[:1:-1]) == seen


@pytest.mark.parametrize(('width', 'height'), [(31, 64), (64, 31), (1, 1)])
def test_too_small_an_image_is_told_its_size(width, height):
    with pytest.raises(ValueError, match=f'the image has {width}x{height} pixels: semantic '
                                         'networks take 32x32 or more'):
        made().segment(RgbdFrame(np.zeros((height, width, 3), np.uint8)))


def test_a_colour_network_reads_no_depth(weights):
    segmenter = load_semantic(weights, 'cpu', 'torch')
    frame = frame_of()
    bare = segmenter.segment(RgbdFrame(frame.color))
    np.testing.assert_array_equal(segmenter.segment(frame).labels, bare.labels)
    assert made().segment(frame) and not made().needs_depth


def test_a_fused_network_sees_depth_and_needs_it(depth_weights):
    segmenter = load_semantic(depth_weights, 'cpu', 'torch')
    assert segmenter.needs_depth
    frame = frame_of()
    flat = dataclasses.replace(frame, depth=np.full(frame.shape, 2.0, np.float32))
    assert (segmenter.segment(frame).confidence != segmenter.segment(flat).confidence).mean() > 0.5
    with pytest.raises(ValueError, match='this frame has no depth, which these weights need'):
        segmenter.segment(RgbdFrame(frame.color))
    far = dataclasses.replace(frame, depth=np.full(frame.shape, 900.0, np.float32))
    with pytest.raises(ValueError, match='looks like millimetres'):
        segmenter.segment(far)


def test_classes_are_where_the_colours_are():
    color = np.full((480, 640, 3), 90, np.uint8)
    cv2.rectangle(color, (100, 100), (199, 299), (250, 10, 10), -1)
    cv2.rectangle(color, (400, 200), (499, 259), (10, 10, 250), -1)
    found = made(red_model(), size=(320, 240)).segment(RgbdFrame(color))
    truth = np.zeros((480, 640), np.uint8)
    truth[100:300, 100:200], truth[200:260, 400:500] = 1, 2
    assert (found.labels == truth).mean() > 0.995
    assert found.confidence[150, 150] > 0.99


@pytest.mark.parametrize(('values', 'message'), [
    ({'input_scale': 0.1}, 'input_scale is 0.1'), ({'min_confidence': 1.1}, 'min_confidence')])
def test_options_out_of_range_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        SemanticOptions(**values)


def test_options_that_the_weights_cannot_serve(weights):
    with pytest.raises(ValueError, match='options must be SemanticOptions, got Options'):
        load_semantic(weights, 'cpu', 'torch', Options())
    segmenter = load_semantic(weights, 'cpu', 'torch', SemanticOptions(network='tiny'))
    with pytest.raises(ValueError, match='options must be SemanticOptions, got Options'):
        segmenter.options = Options()
    with pytest.raises(ValueError, match='what is loaded holds the network tiny, not unet'):
        segmenter.options = SemanticOptions(network='unet')


def test_reduced_precision_is_checked_by_classes():
    values = torch.tensor([[[[0.2, 0.5]], [[0.8, 0.5]]]])
    assert most_probable((values,)).tolist() == [[[1, 0]]]


def test_the_same_frame_gives_the_same_labels_of_its_own():
    segmenter, frame = made(), frame_of()
    before = frame.color.copy()
    first, second = segmenter.segment(frame), segmenter.segment(frame)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert not np.shares_memory(first.labels, second.labels)
    np.testing.assert_array_equal(frame.color, before)
