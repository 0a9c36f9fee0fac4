# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import logging

import pytest
import torch
from tiny_detectors import tiny_detector

from seg_ros.backends import installed_backends, registry
from seg_ros.backends.base import Backend, outputs_as_tuple
from seg_ros.mask_rcnn.compiled import compile_detector
from seg_ros.networks.inputs import example_inputs
from seg_ros.networks.preprocessing import SMALL

CPU = torch.device('cpu')


def image_of(width=96, height=64, seed=0):
    scene = torch.cat(example_inputs(SMALL, (width, height)), dim=1)
    generator = torch.Generator().manual_seed(seed)
    return scene + 0.3 * torch.rand(scene.shape, generator=generator)


def compiled(backend, **changes):
    model = tiny_detector(**changes)
    return model, compile_detector(model, image_of(), backend, CPU)


@pytest.fixture(scope='module', params=['torch', 'onnxruntime', 'openvino'])
def pair(request):
    """Return a compiled detector, its runners and the same detector by plain torch."""
    if request.param not in installed_backends():
        pytest.skip(f'backend {request.param} is not installed')
    return (*compiled(request.param), tiny_detector(), request.param)


@torch.inference_mode()
def assert_same(model, eager, image):
    found, expected = model([image])[0], eager([image])[0]
    assert len(found['boxes']) == len(expected['boxes'])
    assert torch.equal(found['labels'], expected['labels'])
    torch.testing.assert_close(found['boxes'], expected['boxes'], rtol=0, atol=2e-2)  # pixels
    for name in ('scores', 'masks'):
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-3)
    return len(found['boxes'])


@pytest.mark.parametrize('size', [(96, 64), (64, 96), (160, 48), (32, 32)])
def test_a_backend_finds_the_same(pair, size):
    model, runs, eager, name = pair
    assert assert_same(model, eager, image_of(*size, seed=1)[0]) > 5
    assert [run.name for run in runs] == [name] * 4  # none was replaced on the way


@pytest.mark.parametrize(('setting', 'value'), [('score_thresh', 2.0), ('detections_per_img', 0)])
def test_no_detections_are_none(pair, setting, value):
    model, runs, eager, name = pair
    kept = getattr(model.roi_heads, setting)
    for each in (model, eager):
        setattr(each.roi_heads, setting, value)
    try:
        assert assert_same(model, eager, image_of()[0]) == 0
        with torch.inference_mode():
            assert model([image_of()[0]])[0]['masks'].shape == (0, 1, 28, 28)
    finally:
        for each in (model, eager):
            setattr(each.roi_heads, setting, kept)
    assert [run.name for run in runs] == [name] * 4


def test_no_proposals_are_no_detections(pair):
    model, runs, eager, name = pair
    for each in (model, eager):
        each.rpn.score_thresh = 2.0
    try:
        assert assert_same(model, eager, image_of()[0]) == 0
    finally:
        for each in (model, eager):
            each.rpn.score_thresh = 0.0
    assert [run.name for run in runs] == [name] * 4


@pytest.mark.parametrize('count', [0, 1, 3, 500])
def test_heads_take_any_number_of_regions(pair, count):
    model, _, eager, _ = pair
    generator = torch.Generator().manual_seed(0)
    rows, regions = (torch.rand(count, 8, side, side, generator=generator) for side in (7, 14))
    with torch.inference_mode():
        found = model.roi_heads.box_predictor(model.roi_heads.box_head(rows))
        expected = eager.roi_heads.box_predictor(eager.roi_heads.box_head(rows))
        assert len(found) == 2
        for mine, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-2)
        masks = model.roi_heads.mask_predictor(model.roi_heads.mask_head(regions))
        torch.testing.assert_close(
            masks, eager.roi_heads.mask_predictor(eager.roi_heads.mask_head(regions)),
            rtol=1e-3, atol=1e-2)
    assert masks.shape == (count, 4, 28, 28)


class Breaking:
    """Give torch's numbers while it is tested, then fail."""

    broken = False

    def __init__(self, request):
        self.module = request.module

    def run(self, tensors):
        if Breaking.broken:
            raise RuntimeError('out of memory')
        with torch.no_grad():
            return outputs_as_tuple(self.module(*tensors))


def refused(request):
    raise RuntimeError('no such operator')


@pytest.fixture
def broken_backend(monkeypatch):
    """Register a backend by its function that builds."""
    def add(build):
        monkeypatch.setitem(
            registry.BACKENDS, 'broken', Backend('broken', ('torch',), ('cpu',), ('fp32',), build))
    yield add
    Breaking.broken = False


def test_a_backend_that_cannot_build_leaves_torch(broken_backend, caplog):
    broken_backend(refused)
    with caplog.at_level(logging.WARNING):
        model, runs = compiled('broken')
    assert [run.name for run in runs] == ['torch'] * 4
    assert caplog.text.count('no such operator') == 4
    assert assert_same(model, tiny_detector(), image_of(seed=2)[0]) > 5


def test_a_backend_that_fails_later_is_replaced(broken_backend, caplog):
    broken_backend(Breaking)
    model, runs = compiled('broken')
    assert [run.name for run in runs] == ['broken'] * 4
    Breaking.broken = True
    with caplog.at_level(logging.WARNING):
        assert assert_same(model, tiny_detector(), image_of(seed=2)[0]) > 5
    assert [run.name for run in runs] == ['torch'] * 4
    assert caplog.text.count('out of memory') == 4


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="backend 'tvm' is unknown"):
        compiled('tvm')


@pytest.mark.parametrize('changes', [{'fusion': 'color'}, {'fusion': 'depth'}])
def test_inputs_that_are_not_read_do_no_harm(changes):
    for backend in set(installed_backends()) - {'torch'}:
        model, runs = compiled(backend, **changes)
        assert [run.name for run in runs] == [backend] * 4
        assert_same(model, tiny_detector(**changes), image_of(128, 64)[0])
