# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C after networks came and went reaches Python's handler."""

import subprocess
import sys

import pytest

CODE = """
import os, signal, torch
from seg_ros.backends import compile_network
def made():
    return compile_network(torch.nn.Conv2d(3, 2, 3).eval(), (torch.rand(1, 3, 16, 16),),
                           backend='{backend}')
first = made()
second = made()
assert first.name == second.name == '{backend}'
del first
del second
try:
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
except KeyboardInterrupt:
    print('interrupted')
"""


@pytest.mark.parametrize(('backend', 'package'), [
    ('openvino', 'openvino'), ('onnxruntime', 'onnxruntime')])
def test_ctrl_c_after_networks_came_and_went_in_the_order_of_making(backend, package):
    pytest.importorskip(package, reason=f'{package} is not installed')
    pytest.importorskip('onnx', reason='onnx is not installed')
    done = subprocess.run([sys.executable, '-c', CODE.format(backend=backend)],
                          capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, 'interrupted'), done.stderr
