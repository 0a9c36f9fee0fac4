# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json

import numpy as np
import pytest
from small_frames import small_frame

from seg_ros.cli import main
from seg_ros.core.io import read_color, read_labels, write_labels
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
    assert '3 frames have no ground truth' in capsys.readouterr().err


@pytest.fixture
def scenes(tmp_path):
    """A folder of four clean synthetic frames, the last without objects."""
    from seg_ros.synthetic.dataset import DatasetOptions, generate
    from seg_ros.synthetic.scene import SceneOptions

    def draw(folder, seed, empty_share, scenes):
        options = SceneOptions(views=1, width=96, height=72, physics='none',
                               empty_share=empty_share, max_objects=4)
        generate(folder, DatasetOptions(scenes, seed, options))

    draw(tmp_path / 'scenes', 3, 0.0, 3)
    draw(tmp_path / 'empty', 4, 1.0, 1)
    for path in (tmp_path / 'empty').glob('000000_0-*'):
        path.rename(tmp_path / 'scenes' / path.name.replace('000000', '000003'))
    return tmp_path / 'scenes'


def test_robustness_has_a_row_for_every_trouble(scenes, tmp_path, capsys):
    words = (scenes, '--method', 'trivial', '--robustness')
    assert evaluate(*words, '--json', tmp_path / 'a.json', '--markdown', tmp_path / 'a.md') == 0
    assert evaluate(*words, '--json', tmp_path / 'b.json') == 0
    report = json.loads((tmp_path / 'a.json').read_text())
    assert report == json.loads((tmp_path / 'b.json').read_text())
    rows = {row['name']: row for row in report['rows']}
    assert rows['as the sensor gives it']['score']['frames'] == 4
    assert rows['50 % lost']['score']['frames'] == 4
    assert rows['no objects']['note'].endswith('false objects a frame, 1 frames')
    table = (tmp_path / 'a.md').read_text().splitlines()
    assert len(table) == len(rows) + 2
    assert all(line.count('|') == 7 for line in table)
    assert '| as the sensor gives it | 4 |' in capsys.readouterr().out


def test_a_simulated_sensor_and_failures(scenes, tmp_path, capsys):
    seen = []
    for index, seed in enumerate((0, 0, 1)):
        file = tmp_path / f'{index}.json'
        words = ('--sensor', 'kinect', '--noise-seed', seed, '--frames', 2, '--failures')
        assert evaluate(scenes, '--method', 'trivial', *words, '--json', file) == 0
        seen.append(json.loads(file.read_text()))
    assert list(seen[0]['frames']) == ['000000_0', '000003_0']
    assert seen[0] == seen[1]
    assert seen[2]['frames_as_seen'] == {'sensor': 'kinect', 'noise_seed': 1, 'blank': 'none'}
    assert '| with | overlap F | boundary F | share |' in capsys.readouterr().out


def test_pictures_of_the_worst_frames_come_worst_first(frames, tmp_path, capsys):
    _, labels = small_frame(1)
    write_labels(frames / '001-labels.png', np.where(labels > 0, labels, 3))  # truth: all objects
    out = tmp_path / 'pictures'
    assert evaluate(frames, '--method', 'trivial', '--pictures', out) == 0
    assert [path.name for path in sorted(out.iterdir())] == [
        '01-001.png', '02-000.png', '03-002.png']
    picture = read_color(out / '02-000.png')
    assert picture.shape == (48, 4 * 64, 3)
    color, _, truth, predicted = np.hsplit(picture, 4)
    _, labels = small_frame(0)
    assert np.array_equal(color, small_frame(0)[0].color)
    assert not np.array_equal(truth[labels == 1], color[labels == 1])
    assert '3 pictures of the worst frames' in capsys.readouterr().out


@pytest.mark.parametrize(('words', 'message'), [
    (('--sensor', 'sonar'), "'sonar' is unknown"),
    (('--frames', -1), 'starts at 1'),
    (('--markdown', 'x.md'), 'give both'),
    (('--robustness', '--blank', 'color'), 'a report of its own'),
    (('--predictions', '.', '--sensor', 'tof'), 'made earlier')])
def test_contradictions_are_refused(scenes, capsys, words, message):
    method = () if '--predictions' in words else ('--method', 'trivial')
    assert evaluate(scenes, *method, *words) in (1, 2)
    assert message in capsys.readouterr().err
