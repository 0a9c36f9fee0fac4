# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json

import numpy as np
import pytest
from small_frames import small_frame

from seg_ros.cli import main
from seg_ros.core.io import read_labels, write_labels
from seg_ros.evaluation.unseen_metrics import evaluate_frame


def evaluate(*words):
    return main(['evaluate', *map(str, words)])


def test_a_method_is_scored(frames, tmp_path, capsys):
    file = tmp_path / 'score.json'
    words = (frames, '--method', 'trivial', '--set', 'far_m=0.9', '--json', file)
    assert evaluate(*words) == 0
    report = json.loads(file.read_text())
    # one of two equal objects is found, exactly
    assert report['mean'] == {
        'overlap_precision': 1.0, 'overlap_recall': 0.5, 'overlap_f': pytest.approx(2 / 3),
        'boundary_precision': 1.0, 'boundary_recall': 0.5, 'boundary_f': pytest.approx(2 / 3),
        'share_above_75': 0.5, 'objects': 6, 'predictions': 3, 'frames': 3,
    }  # fmt: skip
    assert report['frames']['001']['object_f'] == [1.0, 0.0]
    assert report['options'] == {'redness': 60, 'far_m': 0.9}
    assert (report['method'], report['weights']) == ('trivial', 'default')
    assert report['versions']['numpy'] == np.__version__
    rows = capsys.readouterr().out.splitlines()
    assert rows[-1].split() == ['mean', '1.000', '0.500', '0.667', '1.000', '0.500', '0.667',
                                '0.500', '3/6']  # fmt: skip


def test_predictions_are_scored_without_a_method(frames, tmp_path):
    predictions = tmp_path / 'predictions'
    predictions.mkdir()
    for index in range(3):
        _, labels = small_frame(index)
        write_labels(predictions / f'{index:03d}-labels.png', np.roll(labels * 7, index, 1))
    file = tmp_path / 'score.json'
    assert evaluate(frames, '--predictions', predictions, '--json', file) == 0
    report = json.loads(file.read_text())
    for name, found in report['frames'].items():
        expected = evaluate_frame(
            read_labels(frames / f'{name}-labels.png'),
            read_labels(predictions / f'{name}-labels.png'),
        )
        assert found['overlap_f'] == expected.overlap_f
        assert found['boundary_f'] == expected.boundary_f


def test_what_cannot_be_scored_is_named(frames, tmp_path, capsys):
    (frames / '001-labels.png').unlink()
    write_labels(frames / '002-labels.png', np.zeros((5, 6), int))
    assert evaluate(frames, '--method', 'trivial') == 1
    said = capsys.readouterr()
    assert '002: true labels are 6x5, predicted ones 64x48' in said.err
    assert '1 frames have no NAME-labels.png' in said.out
    assert evaluate(frames, '--predictions', tmp_path / 'none') == 2


def test_no_truth_at_all_is_an_error(frames, capsys):
    for file in frames.glob('*-labels.png'):
        file.unlink()
    assert evaluate(frames, '--method', 'trivial') == 2
    assert 'has no ground truth' in capsys.readouterr().err
