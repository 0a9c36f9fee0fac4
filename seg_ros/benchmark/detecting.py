# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A detector beside torchvision's, what stands around its network, and its memory."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torchvision.models.detection.roi_heads import paste_masks_in_image

from seg_ros.benchmark.frames import FreshFrames
from seg_ros.benchmark.harness import Measurement, Subject, measure, spread
from seg_ros.benchmark.process import python_command
from seg_ros.benchmark.report import Report
from seg_ros.benchmark.segmenting import subject_of
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.io import write_frame
from seg_ros.mask_rcnn.detections import Detections
from seg_ros.mask_rcnn.masks import label_image, pasted_masks
from seg_ros.mask_rcnn.segmenter import MaskRcnnSegmenter
from seg_ros.segmenters import Segmenter

PEER, PASTE, TORCHVISION = 'Beside torchvision', 'Around the network', 'torchvision, eager'
SHARE_OBJECTS, MEMORY_OBJECTS = 30, 100
# What the detector is held to: everything but its network, and resident memory.
ALLOWED_SHARE, ALLOWED_MIB = 0.15, 1.5e9 / 2**20
START_TIMEOUT_S = 600.0

Progress = Callable[[str], None]


class TorchvisionPeer:
    """Run torchvision's maskrcnn_resnet50_fpn with random weights, at its own input size.

    ``objects`` is what it found in the last frame: random weights find none or a hundred.
    """

    def __init__(self) -> None:
        from torchvision.models.detection import maskrcnn_resnet50_fpn

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self._model = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
        self.objects = 0

    def __call__(self, frame: RgbdFrame) -> None:
        """Detect and paste masks, as its users do."""
        image = torch.from_numpy(frame.color.transpose(2, 0, 1) / np.float32(255))
        with torch.inference_mode():
            self.objects = len(self._model([image])[0]['scores'])


def measure_beside(
    report: Report, segmenter: Segmenter, peer: Callable[[RgbdFrame], None],
    frames: FreshFrames, *, iterations: int, progress: Progress = lambda text: None,
) -> None:
    """Add segmenter and peer, in turns on the same frames, and their ratio."""
    ours = subject_of(segmenter, frames, 'frame to labels')
    theirs = Subject(TORCHVISION, peer, frames.__getitem__)
    first, second = measure([ours, theirs], iterations=iterations, warmup=1, progress=progress)
    report.add(PEER, second, note='random weights')
    report.add(PEER, first, second, note=segmenter.backend)
    if isinstance(peer, TorchvisionPeer):
        report.findings["objects that torchvision's random weights found"] = peer.objects


def made_up_detections(
    count: int, shape: tuple[int, int], *, mask_size: int = 28, seed: int = 0
) -> Detections:
    """Return soft ellipses in boxes inside an image (H, W), the same ones for a seed.

    Their height is between 5 % and 60 % of the image's, their width half to twice that.
    """
    random = np.random.default_rng(seed)
    limits = np.array(shape[::-1], np.float64)
    heights = shape[0] * np.exp(random.uniform(np.log(0.05), np.log(0.6), count))
    widths = heights * np.exp(random.uniform(np.log(0.5), np.log(2.0), count))
    sizes = np.minimum(np.stack([widths, heights], axis=1), limits)
    corners = random.uniform(size=(count, 2)) * (limits - sizes)
    axis = (np.arange(mask_size) + 0.5) / mask_size * 2 - 1
    radius = np.hypot(axis[:, None], axis[None])
    sharpness = random.uniform(4, 20, (count, 1, 1))
    masks = 1 / (1 + np.exp(sharpness * (radius - random.uniform(0.7, 1.0, (count, 1, 1)))))
    return Detections(
        np.concatenate([corners, corners + sizes], axis=1).astype(np.float32),
        masks.astype(np.float32), np.linspace(1, 0.5, count).astype(np.float32),
        np.zeros(count, np.int32))


def everything(count: int) -> dict[str, Any]:
    """Return the options by which a detector gives its best `count` boxes, whatever they show."""
    return {'score_threshold': 0.0, 'nms_threshold': 1.0, 'min_visible': 0.0, 'classes': '',
            'max_objects': count}


def measure_share(
    report: Report, segmenter: Segmenter, frames: FreshFrames, *, iterations: int,
    warmup: int, progress: Progress = lambda text: None,
) -> None:
    """Add the share of preprocessing and pasting of a frame with 30 objects.

    The detector is told to give 30 detections, so that its network draws as many masks; what is
    pasted are made-up ones of mixed sizes, for a detector may put its weak ones anywhere.
    """
    width, height = frames.size
    made_up = made_up_detections(SHARE_OBJECTS, (height, width))
    boxes, masks = torch.from_numpy(made_up.boxes), torch.from_numpy(made_up.masks)[:, None]
    before = segmenter.options
    segmenter.options = before.replaced(**everything(SHARE_OBJECTS))
    try:
        whole, ours, theirs = measure([
            subject_of(segmenter, frames, f'frame with {SHARE_OBJECTS} detections'),
            Subject(f'paste of {SHARE_OBJECTS} made-up objects to labels', lambda _: label_image(
                made_up.boxes, made_up.masks, made_up.scores, (height, width))),
            Subject("torchvision's paste_masks_in_image of them",
                    lambda _: paste_masks_in_image(masks, boxes, (height, width))),
        ], iterations=iterations, warmup=warmup, progress=progress)
        detections = len(cast(MaskRcnnSegmenter, segmenter).detect(frames[0]))
    finally:
        segmenter.options = before
    report.add(PASTE, whole, note=segmenter.backend)
    report.add_stages(PASTE, whole)
    report.add(PASTE, theirs)
    report.add(PASTE, ours, theirs)
    report.findings.update({
        f'detections in a frame of {SHARE_OBJECTS}': detections,
        'share of preprocessing and pasting': share_around(whole, ours),
        'share of preprocessing and pasting, allowed': ALLOWED_SHARE,
        "paste: largest difference from torchvision's": paste_difference(made_up, (height, width)),
    })


def share_around(whole: Measurement, paste: Measurement) -> float:
    """Return the median over rounds of (preprocess + paste) / (preprocess + network + paste)."""
    shares = []
    for preprocess_s, network_s, paste_s in zip(
            whole.stages_s['preprocess'], whole.stages_s['network'], paste.wall_s, strict=True):
        around_s = preprocess_s + paste_s
        shares.append(around_s / (around_s + network_s))
    return spread(shares).median


def paste_difference(found: Detections, shape: tuple[int, int]) -> float:
    """Return the largest difference of a probability from torchvision's, over all pixels."""
    theirs = paste_masks_in_image(
        torch.from_numpy(found.masks)[:, None], torch.from_numpy(found.boxes), shape)[:, 0].numpy()
    for image, (window, probability) in zip(
            theirs, pasted_masks(found.boxes, found.masks, shape), strict=True):
        image[window] -= probability
    return float(np.abs(theirs).max())


def measure_peak(
    report: Report, settings: dict[str, Any], frame: RgbdFrame,
    progress: Progress = lambda text: None,
) -> None:
    """Add memory and time of a process that starts and segments a frame with 100 objects.

    It runs twice: with an empty cache, where backends are compared first, and with that cache.
    ``settings`` are weights, device, backend, options (by name, as text) and threads. The frame
    goes by a file. RuntimeError with what the process wrote where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_frame(Path(folder), 'frame', frame)
        asked = {**settings, 'folder': folder,
                 'options': {**settings['options'], **everything(MEMORY_OBJECTS)}}
        for start in ('first start', 'later start'):
            progress(f'a process of its own: {start}')
            found = _child_peak(asked, Path(folder) / 'cache')
            report.findings.update({
                f'{start}: seconds to load': found['load_s'],
                f'{start}: peak resident MiB': found['peak_mib']})
    report.findings.update({
        f'detections in a frame of {MEMORY_OBJECTS}': found['detections'],
        'peak resident MiB, allowed': ALLOWED_MIB})


def _child_peak(asked: dict[str, Any], cache: Path) -> dict[str, Any]:
    done = subprocess.run(
        python_command('-m', 'seg_ros.benchmark.peak', json.dumps(asked)), capture_output=True,
        text=True, timeout=START_TIMEOUT_S, env={**os.environ, 'SEG_ROS_CACHE': str(cache)})
    if done.returncode:
        raise RuntimeError(
            f'the process ended with exit code {done.returncode}:\n{done.stderr[-2000:]}')
    return dict(json.loads(done.stdout.splitlines()[-1]))
