# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Load Mask R-CNN, segment one frame with many objects and tell the memory that took.

``python -m seg_ros.benchmark.peak JSON``: a process of its own, for its peak counts everything
that it ever did. Writes one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, cast

from seg_ros.benchmark.process import memory_mib
from seg_ros.core.io import FrameFolder
from seg_ros.segmenters import load, options_type
from seg_ros.threads import wait_passively


def peak(asked: dict[str, Any]) -> dict[str, float]:
    """Return load_s, detections and peak_mib of this process (VmHWM).

    getrusage's ru_maxrss is not read: it starts at what the parent held when it forked.
    """
    wait_passively()
    import cv2
    import torch

    if asked['threads']:
        torch.set_num_threads(asked['threads'])
    cv2.setNumThreads(torch.get_num_threads())
    frame = FrameFolder(Path(asked['folder'])).frame('frame')
    options = options_type('mask_rcnn')().replaced(**asked['options'])
    started = time.perf_counter()
    segmenter = load('mask_rcnn', asked['weights'], asked['device'], asked['backend'], options)
    load_s = time.perf_counter() - started
    segmenter.segment(frame)
    # asked afterwards: the peak is of the call that users make
    peak_mib = memory_mib(os.getpid())['VmHWM']
    detections = len(cast('Any', segmenter).detect(frame))
    return {'load_s': load_s, 'detections': detections, 'peak_mib': peak_mib}


if __name__ == '__main__':
    sys.stdout.write(json.dumps(peak(json.loads(sys.argv[1]))) + '\n')
