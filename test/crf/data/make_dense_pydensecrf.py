# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Store what pydensecrf makes of the problems in dense_problems.py."""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from dense_problems import CASES, compatibility, problem  # noqa: E402

from seg_ros.benchmark.crf_dense_peer import by_pydensecrf  # noqa: E402

found = {}
for name, (shape, kernels, seed) in CASES.items():
    costs, color = problem(*shape)
    found[name] = by_pydensecrf(
        costs, color, kernels, compatibility=compatibility(shape[2], seed), iterations=10)
np.savez_compressed(HERE / 'dense_pydensecrf.npz', **found)
