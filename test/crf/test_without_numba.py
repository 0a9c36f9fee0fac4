# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = """
import sys
sys.modules['numba'] = None
import numpy as np
from seg_ros.crf.grid import GridCrf, MAP_METHODS
from seg_ros.crf.pairwise import Pairwise
from seg_ros.crf.unary import Unary

crf = GridCrf(Unary(np.random.default_rng(0).random((2, 3, 2))), Pairwise.potts(0.2))
best = crf.map('brute_force')
assert crf.energy(best.labels) == best.energy
for method in sorted(set(MAP_METHODS) - {'brute_force'}):
    try:
        crf.map(method)
    except ImportError as error:
        print(method, error)
"""


def test_without_numba_the_extra_is_named():
    done = subprocess.run([sys.executable, '-c', CODE], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 7
    assert all("pip install 'seg_ros[crf]'" in line for line in lines)
