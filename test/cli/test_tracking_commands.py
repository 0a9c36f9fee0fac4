# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Ids over frames on the command line: segment --track and evaluate --metrics tracking."""

import json

import cv2
import numpy as np
import pytest

from seg_ros.cli import main
from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import read_labels, write_frame, write_labels

CAMERA = CameraModel(96, 72, 90.0, 90.0, 47.5, 35.5)


@pytest.fixture
def sequence(tmp_path):
    """Five frames with two red things; the upper one, numbered first, is hidden in the third."""
    folder = tmp_path / 'sequence'
    folder.mkdir()
    rng = np.random.default_rng(0)
    wall = cv2.resize(rng.integers(40, 90, (18, 24, 3), np.uint8), (96, 72))
    wall[..., 0] = wall[..., 1]
    for index in range(5):
        color, labels = wall.copy(), np.zeros((72, 96), np.int32)
        depth = np.full((72, 96), 1.0, np.float32)
        for number, (x, y, blue) in enumerate([(20, 10, 0), (60, 30, 200)], start=1):
            if number == 1 and index == 2:
                continue
            where = slice(y, y + 20), slice(x, x + 20)
            color[where], depth[where], labels[where] = (220, 20, blue), 0.8, number
        frame = RgbdFrame(color, depth, CAMERA)
        write_frame(folder, f'{index:03d}', frame)
        write_labels(folder / f'{index:03d}-labels.png', labels)
    return folder


def ids_of(folder):
    return [sorted(set(np.unique(read_labels(folder / f'{index:03d}-labels.png'))) - {0})
            for index in range(5)]


@pytest.mark.parametrize(('options', 'expected'), [
    ([], [[1, 2], [1, 2], [1], [1, 2], [1, 2]]),
    (['--track'], [[1, 2], [1, 2], [2], [1, 2], [1, 2]]),
    (['--track', '--track-memory', '0.1'], [[1, 2], [1, 2], [2], [2, 3], [2, 3]])])
def test_segment_keeps_ids_where_it_is_asked_to(sequence, tmp_path, options, expected):
    words = ['segment', str(sequence), '--method', 'trivial', '--output', str(tmp_path / 'out'),
             '--quiet', *options]
    assert main(words) == 0
    assert ids_of(tmp_path / 'out') == expected
    found = json.loads((tmp_path / 'out' / 'objects.json').read_text())
    assert [sorted(one['id'] for one in entry) for entry in found.values()] == expected


def test_classes_are_not_tracked(sequence, tmp_path, capsys):
    assert main(['segment', str(sequence), '--method', 'trivial_classes', '--track',
                 '--output', str(tmp_path / 'out')]) == 1
    assert 'holds classes, not instances: none to track' in capsys.readouterr().err


def evaluated(folder, tmp_path, *options):
    out = tmp_path / 'scores.json'
    assert main(['evaluate', str(folder), '--metrics', 'tracking', '--json', str(out),
                 *map(str, options)]) == 0
    return json.loads(out.read_text())


@pytest.mark.parametrize('options', [
    ['--method', 'trivial'], ['--masks', 'truth'], ['--method', 'trivial', '--camera-poses']])
def test_evaluate_tracks_and_scores(sequence, tmp_path, capsys, options):
    found = evaluated(sequence, tmp_path, *options)['tracking']
    assert (found['idf1'], found['mota'], found['id_switches']) == (1.0, 1.0, 0)
    assert (found['objects'], found['object_seconds']) == (9, pytest.approx(0.9))
    assert 'IDF1' in capsys.readouterr().out


def test_evaluate_scores_ids_of_files_as_they_are(sequence, tmp_path, capsys):
    out = tmp_path / 'out'
    main(['segment', str(sequence), '--method', 'trivial', '--output', str(out), '--quiet'])
    found = evaluated(sequence, tmp_path, '--predictions', out)['tracking']
    # the lower thing is called 1 in the third frame, 2 before and after
    assert (found['id_switches'], found['idf1']) == (2, pytest.approx(8 / 9))
    assert '002: another id for object 2' in capsys.readouterr().out


def test_evaluate_draws_what_is_tracked(sequence, tmp_path):
    evaluated(sequence, tmp_path, '--masks', 'simulated', '--overlays', tmp_path / 'drawn')
    assert len(list((tmp_path / 'drawn').glob('*-overlay.png'))) == 5


@pytest.mark.parametrize(('options', 'text'), [
    (['--mask-smoothing', '2'], 'mask_smoothing is 2.0, accepted are 0 to 0.95'),
    (['--masks', 'truth', '--predictions', '.'], 'leave --masks out'),
    (['--method', 'trivial_classes'], 'holds classes, not instances')])
def test_bad_options_are_named(sequence, capsys, options, text):
    assert main(['evaluate', str(sequence), '--metrics', 'tracking', *options]) == 2
    assert text in capsys.readouterr().err


def test_a_sequence_without_truth_is_refused(sequence, capsys):
    (sequence / '003-labels.png').unlink()
    assert main(['evaluate', str(sequence), '--metrics', 'tracking', '--masks', 'truth']) == 2
    assert '003-labels.png is not there' in capsys.readouterr().err
