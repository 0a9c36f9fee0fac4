# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Exported files hold the network: read back by their own runtimes, at other sizes too."""

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

from seg_ros.backends import export_files
from seg_ros.backends.export_files import export_file
from seg_ros.unseen.network_small import SmallUcn, SmallUcnConfig

CONFIG = SmallUcnConfig(widths=(4, 6, 8, 8, 8), embedding_dim=4, head_width=6)


def inputs(batch=1, height=64, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    xyz = torch.rand(batch, 3, height, width, generator=generator) + 0.3
    return torch.randn(batch, 3, height, width, generator=generator), xyz


def read_onnx(path):
    onnxruntime = pytest.importorskip('onnxruntime')
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    assert [value.name for value in session.get_inputs()] == ['input0', 'input1']
    return lambda color, xyz: session.run(None, {'input0': color.numpy(), 'input1': xyz.numpy()})


def read_openvino(path):
    pytest.importorskip('openvino')
    from seg_ros.backends.openvino_backend import shared_core

    compiled = shared_core().compile_model(str(path), 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    return lambda *tensors: list(compiled([value.numpy() for value in tensors]).values())


def read_torchscript(path):
    return torch.jit.load(str(path))


@pytest.mark.parametrize(('form', 'name', 'read'), [
    ('onnx', 'net.onnx', read_onnx), ('openvino', 'net.xml', read_openvino),
    ('torchscript', 'net.pt', read_torchscript)])
@pytest.mark.filterwarnings('ignore:.*torch.jit:FutureWarning')
def test_a_file_read_back_gives_torchs_numbers(form, name, read, tmp_path):
    runtime = {'onnx': ['onnx', 'onnxruntime'], 'openvino': ['onnx', 'openvino']}
    for package in runtime.get(form, []):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f'{package} is not installed')
    torch.manual_seed(0)
    network = SmallUcn(CONFIG).eval()
    written = export_file(network, inputs(), tmp_path / 'new' / name, form)
    assert all(path.stat().st_size for path in written)
    run = read(written[0])
    for shape in ((1, 64, 96), (3, 64, 96), (1, 48, 80), (2, 90, 160)):
        tensors = inputs(*shape, seed=3)
        with torch.no_grad():
            expected = network(*tensors)
        for found, value in zip(run(*tensors), expected, strict=True):
            np.testing.assert_allclose(np.asarray(found.detach() if isinstance(
                found, torch.Tensor) else found), value, atol=1e-4)


class BoundToItsSize(nn.Module):
    def forward(self, image):
        return image / float(image.shape[3])


@pytest.mark.parametrize(('form', 'name'), [('onnx', 'net.onnx'), ('torchscript', 'net.pt')])
def test_a_file_that_is_wrong_at_another_size_is_not_left_behind(form, name, tmp_path):
    example = (inputs()[0],)
    with pytest.raises(RuntimeError, match='disagrees with torch at .*2, 3, 32, 32'):
        export_file(BoundToItsSize().eval(), example, tmp_path / name, form)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(export_files.PACKAGES, 'onnx', ('onnx', 'no_such_runtime'))
    with pytest.raises(ImportError, match='format onnx needs no_such_runtime.*pip install'):
        export_file(SmallUcn(CONFIG).eval(), inputs(), tmp_path / 'net.onnx', 'onnx')


@pytest.mark.parametrize(('form', 'name', 'expected'), [
    ('tflite', 'net.tflite', "format 'tflite' is unknown; accepted: onnx, openvino, torchscript"),
    ('onnx', 'net.pt', 'a file of format onnx ends in .onnx')])
def test_mistakes_are_named(form, name, expected, tmp_path):
    with pytest.raises(ValueError, match=expected):
        export_file(SmallUcn(CONFIG).eval(), inputs(), tmp_path / name, form)
