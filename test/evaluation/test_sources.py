# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frames through a simulated camera: repeatable, blanked as asked, evenly chosen."""

import numpy as np
import pytest

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import FrameFolder, write_frame, write_labels
from seg_ros.evaluation.sources import Camera, CameraFolder, evenly, frame_rng

CAMERA = CameraModel(64, 48, 60.0, 62.0, 31.5, 23.5)


@pytest.fixture
def folder(tmp_path):
    labels = np.zeros((48, 64), np.int32)
    labels[20:30, 20:40] = 1
    depth = np.where(labels > 0, 0.8, 1.0).astype(np.float32)
    frame = RgbdFrame(np.full((48, 64, 3), 90, np.uint8), depth, CAMERA)
    for name in 'abcde':
        write_frame(tmp_path, name, frame)
        write_labels(tmp_path / f'{name}-labels.png', labels)
    return FrameFolder(tmp_path)


def test_the_same_seed_and_name_give_the_same_frame(folder):
    def seen(seed, name):
        return CameraFolder(folder, Camera('realsense', seed)).frame(name)

    first, again, other = seen(1, 'b'), seen(1, 'b'), seen(2, 'b')
    np.testing.assert_array_equal(first.depth, again.depth)
    np.testing.assert_array_equal(first.color, again.color)
    assert not np.array_equal(first.depth, other.depth)
    assert not np.array_equal(first.depth, seen(1, 'c').depth)


def test_without_a_sensor_frames_stay_as_they_are(folder):
    seen, plain = CameraFolder(folder, Camera()).frame('a'), folder.frame('a')
    np.testing.assert_array_equal(seen.depth, plain.depth)
    np.testing.assert_array_equal(seen.color, plain.color)


def test_blank_takes_colour_away(folder):
    dark = CameraFolder(folder, Camera(blank='color')).frame('a')
    assert (dark.color == 128).all()
    assert np.isfinite(dark.depth).all()
    with pytest.raises(ValueError, match="blank 'depth' is unknown: choose from none, color"):
        Camera(blank='depth')


@pytest.mark.parametrize(('count', 'expected'), [
    (1, 'a'), (2, 'ae'), (3, 'ace'), (5, 'abcde'), (9, 'abcde')])
def test_frames_are_spread_evenly(count, expected):
    assert ''.join(evenly('abcde', count)) == expected


def test_a_sensor_needs_labels(folder):
    (folder.folder / 'a-labels.png').unlink()
    with pytest.raises(ValueError, match='needs clean depth, camera and labels'):
        CameraFolder(folder, Camera('tof')).frame('a')


def test_generators_do_not_depend_on_the_process():
    assert frame_rng(3, '000001_2').integers(1 << 30) == 472358602


def test_a_frame_asked_for_twice_in_a_row_is_made_once(folder, monkeypatch):
    camera_folder, read = CameraFolder(folder, Camera('realsense')), []
    original = folder.frame
    monkeypatch.setattr(
        type(folder), 'frame', lambda self, name: read.append(name) or original(name))
    first, again = camera_folder.frame('a'), camera_folder.frame('a')
    assert again is first
    assert read == ['a']
