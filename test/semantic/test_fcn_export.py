# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from fcn_by_definition import SMALL, stirred

from seg_ros.backends.base import input_name
from seg_ros.backends.export import export_onnx
from seg_ros.semantic.architectures import build_model

MODELS = {
    'vgg16 8s': ('fcn8s', SMALL),
    'alexnet 32s': ('fcn32s', {'backbone': 'alexnet', **SMALL}),
    'light 8s': ('fcn8s', {'backbone': 'light'}),
    'light 16s with depth': ('fcn16s', {'backbone': 'light', 'fusion': 'add'}),
}


@pytest.mark.parametrize('name', [
    'vgg16 8s', 'alexnet 32s',
    pytest.param('light 8s', marks=pytest.mark.slow),
    pytest.param('light 16s with depth', marks=pytest.mark.slow),
])
@torch.no_grad()
def test_onnx_takes_any_size(name):
    onnxruntime = pytest.importorskip('onnxruntime', reason='ONNX Runtime is not installed')
    pytest.importorskip('onnx', reason='onnx is not installed')
    architecture, config = MODELS[name]
    model = build_model(architecture, ['a', 'b', 'c'], **config)
    stirred(model.network)
    model.float().eval()
    session = onnxruntime.InferenceSession(
        export_onnx(model, (torch.rand(1, 3, 64, 96), torch.rand(1, 3, 64, 96))),
        providers=['CPUExecutionProvider'])
    used = {value.name for value in session.get_inputs()}
    for size in ((64, 96), (75, 49), (130, 101)):
        inputs = [torch.randn(1, 3, *size), torch.rand(1, 3, *size) + 0.3]
        expected = model(*inputs)
        assert expected.std() > 1e-3
        found = session.run(None, {input_name(index): value.numpy() for index, value
                                   in enumerate(inputs) if input_name(index) in used})[0]
        torch.testing.assert_close(
            torch.from_numpy(found), expected, rtol=0,
            atol=1e-4 * max(1.0, float(expected.abs().max())))
