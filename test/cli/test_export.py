# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The export command: the shipped network as a file, and its mistakes."""

import pytest
import torch

from seg_ros.cli import main
from seg_ros.networks.inputs import example_inputs
from seg_ros.unseen.checkpoint import network_of_weights
from seg_ros.weights import load_weights


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:.*torch.jit:FutureWarning')
def test_the_shipped_network_as_a_file(tmp_path, capsys):
    path = tmp_path / 'new' / 'net.pt'
    assert main(['export', '--format', 'torchscript', '--output', str(path)]) == 0
    printed = capsys.readouterr().out
    assert f'wrote {path}: ucn_small' in printed
    assert 'takes colour: Nx3x300x400 float32, height and width free' in printed
    loaded = network_of_weights(load_weights('default', method='unseen_objects'))
    inputs = example_inputs(loaded.preprocessing, (160, 96))
    with torch.no_grad():
        expected = loaded.network(*inputs)
        found = torch.jit.load(str(path))(*inputs)
    for value, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(value, reference, rtol=0, atol=1e-4)


@pytest.mark.parametrize(('arguments', 'expected'), [
    (['--format', 'onnx', '--output', 'net.pt'], 'a file of format onnx ends in .onnx'),
    (['--weights', 'nowhere.safetensors'], 'nowhere.safetensors')])
def test_mistakes_are_one_line(arguments, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['export', *arguments]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count('\n') == 1
    assert not list(tmp_path.iterdir())
