# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The robustness table on values: groups, refusals, tilts; the same frames in every row."""

import json

import numpy as np
import pytest

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import FrameFolder, write_frame, write_labels
from seg_ros.evaluation.robustness import CHANGES, groups, markdown, robustness, tilt_of
from seg_ros.evaluation.unseen_metrics import evaluate_frame
from seg_ros.synthetic.views import orbit

CAMERA = CameraModel(64, 48, 60.0, 62.0, 31.5, 23.5)


@pytest.fixture
def folder(tmp_path):
    """Three frames of one raised square, seen 30 degrees down; the last without an object."""
    pose = orbit(np.zeros(3), 0.8, 0.4, 30, 0)
    for name in 'abc':
        labels = np.zeros((48, 64), np.int32)
        labels[14:34, 20:44] = name != 'c'
        depth = np.where(labels > 0, 0.8, 1.0).astype(np.float32)
        write_labels(tmp_path / f'{name}-labels.png', labels)
        write_frame(tmp_path, name, RgbdFrame(np.full((48, 64, 3), 90, np.uint8), depth, CAMERA))
        path = tmp_path / f'{name}-camera.json'
        pose_too = {**json.loads(path.read_text()), 'camera_from_world': pose.matrix().tolist()}
        path.write_text(json.dumps(pose_too))
    return FrameFolder(tmp_path)


def nearer_than_90_cm(frame):
    """Find what is near; refuse depth in millimetres, and blind frames."""
    if np.nanmedian(frame.depth) > 100:
        raise ValueError('it looks like millimetres')
    with np.errstate(invalid='ignore'):
        return (frame.depth < 0.9).astype(np.int32)


def test_every_condition_has_a_row_of_the_same_frames(folder):
    rows = {row.name: row for row in robustness(
        folder, folder.names, nearer_than_90_cm, sensor='clean')}
    assert list(rows)[1:1 + len(CHANGES)] == list(CHANGES)
    assert rows['as the sensor gives it'].score.overlap_f == 1.0
    assert rows['half the resolution'].score.overlap_f > 0.97
    assert rows['8 px off'].score.frames == 3
    # one column of 24 is off, and one of 24 is missed
    assert rows['8 px off'].score.overlap_f == pytest.approx((2 * 23 / 24 + 1) / 3, abs=1e-6)
    assert rows['10 % of the depth lost'].score.overlap_recall == pytest.approx(
        (2 * 0.9 + 1) / 3, abs=0.05)
    assert rows['tilt 30'].score.frames == 3
    assert rows['1 to 2 objects'].score.frames == 2
    assert rows['tilt 90'].note == 'no such frame'
    assert rows['no objects'].note == '0.00 false objects a frame, 1 frames'


def test_groups_are_of_the_whole_folder_and_conditions_of_the_frames_asked_for(folder):
    rows = {row.name: row for row in robustness(
        folder, folder.names[:1], nearer_than_90_cm, sensor='clean')}
    frames = [rows[name].score.frames for name in (
        'as the sensor gives it', '8 px off', 'tilt 30', '1 to 2 objects')]
    assert frames == [1, 1, 3, 2]
    assert rows['no objects'].note == '0.00 false objects a frame, 1 frames'


def test_a_refusal_is_noted_and_ends_nothing(folder):
    rows = {row.name: row for row in robustness(
        folder, folder.names, nearer_than_90_cm, sensor='clean')}
    refused = rows['depth 1000 x too large']
    assert refused.score is None
    assert refused.note == '3 of 3 refused: it looks like millimetres'
    assert '| depth 1000 x too large |  |  |  |  | 3 of 3 refused' in markdown(list(rows.values()))


def test_a_base_that_refuses_a_frame_scores_the_rest(folder):
    def picky(frame):
        found = nearer_than_90_cm(frame)
        if not found.any():
            raise ValueError('nothing there')
        return found

    base = robustness(folder, folder.names, picky, sensor='clean')[0]
    assert (base.score.frames, base.note) == (2, '1 of 3 refused: nothing there')


@pytest.mark.parametrize('tilt', [15.0, 45.0, 89.0])
def test_tilt_is_how_far_the_camera_looks_down(tmp_path, tilt):
    path = tmp_path / 'x-camera.json'
    pose = orbit(np.zeros(3), 1.0, 1.0, tilt, 12.0)
    path.write_text(json.dumps({'camera_from_world': pose.matrix().tolist()}))
    assert tilt_of(path) == pytest.approx(tilt, abs=1e-6)
    path.write_text('{}')
    assert np.isnan(tilt_of(path))
    assert np.isnan(tilt_of(tmp_path / 'none.json'))


@pytest.mark.parametrize(('tilt', 'name'), [
    (0.0, 'tilt 15 degrees'), (22.4, 'tilt 15 degrees'), (22.5, 'tilt 30'), (45.0, 'tilt 60'),
    (75.0, 'tilt 90'), (90.0, 'tilt 90'), (float('nan'), None)])
def test_a_tilt_falls_into_one_group(tilt, name):
    score = evaluate_frame(np.ones((4, 4), int), np.ones((4, 4), int))
    rows = [row.name for row in groups([(tilt, score)]) if row.score and 'tilt' in row.name]
    assert rows == ([name] if name else [])
