# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""``seg_ros segment`` with the shipped weights on the real frame."""

import json

import cv2
import numpy as np
import pytest

from seg_ros.cli import main
from seg_ros.cli._demo_input import arc2017
from seg_ros.core.io import FrameFolder, write_frame, write_labels
from seg_ros.segmenters import load


def test_the_real_frame_is_as_described():
    frame, labels = arc2017()
    assert (frame.shape, labels.max()) == ((480, 640), 8)
    assert 0.45 < np.isfinite(frame.depth).mean() < 0.5
    assert np.nanmax(frame.depth) > 70 and frame.camera.fx == pytest.approx(517.62, abs=0.01)


@pytest.mark.slow
def test_files_hold_what_the_segmenter_gives(tmp_path):
    frame, labels = arc2017()
    folder, out = tmp_path / 'in', tmp_path / 'out'
    folder.mkdir()
    write_frame(folder, 'arc2017', frame)
    write_labels(folder / 'arc2017-labels.png', labels)
    words = ['--backend', 'torch', '--device', 'cpu']
    assert main(['segment', str(folder), '--output', str(out), *words]) == 0
    expected = load(backend='torch', device='cpu').segment(FrameFolder(folder).frame('arc2017'))
    stored = cv2.imread(str(out / 'arc2017-labels.png'), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint16 and len(expected) > 0
    np.testing.assert_array_equal(stored, expected.id_image())
    objects = json.loads((out / 'objects.json').read_text())['arc2017']
    assert [entry['id'] for entry in objects] == expected.ids.tolist()
    assert [entry['area_px'] for entry in objects] == expected.areas().tolist()
    assert [entry['score'] for entry in objects] == pytest.approx(expected.scores, abs=1e-4)
