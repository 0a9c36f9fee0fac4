# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Loading a method lets idle threads sleep, unless the user chose otherwise."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(('before', 'expected'), [('', 'PASSIVE'), ('ACTIVE', 'ACTIVE')])
def test_policy_is_set_before_torch_comes_in(before, expected):
    code = (
        'import os, sys\n'
        'from seg_ros import segmenters\n'
        'assert "torch" not in sys.modules\n'
        'def loader(**_):\n'
        '    print(os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules)\n'
        'segmenters._imported = lambda place: loader\n'
        'segmenters.load(options=object())\n')
    environment = {'PATH': '/usr/bin', **({'OMP_WAIT_POLICY': before} if before else {})}
    found = subprocess.run([sys.executable, '-c', code], env=environment, text=True,
                           capture_output=True)
    assert (found.stdout, found.stderr) == (f'{expected} False\n', '')
