# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Run one fully connected CRF and tell by how much the peak of this process grew.

``python -m seg_ros.benchmark.crf_dense_memory JSON``: {"size": [w, h], "labels": L}; what
compiling takes comes before and is not counted.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from seg_ros.benchmark.crf_dense import KERNELS, random_picture, unsure_costs
from seg_ros.benchmark.process import memory_mib
from seg_ros.crf.dense import DenseCrf, warm_up


def grown(asked: dict[str, Any]) -> dict[str, float]:
    """Return grown_mb: the peak with costs, work and result, less what was resident before."""
    warm_up(KERNELS, 2)
    size = asked['size'][0], asked['size'][1]
    before = memory_mib(os.getpid())['VmRSS']
    color = random_picture(0, size)
    costs = unsure_costs(size, asked['labels'])
    DenseCrf(KERNELS, iterations=2, threads=2).infer(costs, color)
    return {'grown_mb': (memory_mib(os.getpid())['VmHWM'] - before) * 2**20 / 1e6}


if __name__ == '__main__':
    sys.stdout.write(json.dumps(grown(json.loads(sys.argv[1]))) + '\n')
