# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json

import numpy as np
import pytest

from seg_ros.cli import main
from seg_ros.core.geometry import OrientedBox
from seg_ros.core.io import read_color
from seg_ros.evaluation.boxes import (
    BoxScore,
    compare,
    markdown,
    matched_axes,
    summary,
    true_boxes,
)

TRUE = OrientedBox(np.array([0.1, 0.0, 0.8]), np.eye(3), np.array([0.2, 0.1, 0.05]))


def surface(size, center=TRUE.center):
    """Return the corners of a box, as points that were seen."""
    return OrientedBox(center, np.eye(3), np.array(size)).corners()


@pytest.mark.parametrize(('axes', 'order'), [
    (np.eye(3), [0, 1, 2]),
    (np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), [1, 0, 2]),
    (np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]), [2, 0, 1]),
])
def test_each_true_axis_has_the_likest(axes, order):
    assert matched_axes(OrientedBox(TRUE.center, axes, TRUE.size), TRUE).tolist() == order


def test_errors_are_along_the_true_axes():
    turned = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    box = OrientedBox(TRUE.center + [0.003, 0, 0.004], turned, np.array([0.11, 0.18, 0.05]))
    score = compare('a', 7, box, TRUE, surface([0.2, 0.05, 0.05]))
    assert (score.name, score.label, score.center_m) == ('a', 7, pytest.approx(0.005))
    np.testing.assert_allclose(score.size_share, [-0.1, 0.1, 0.0], atol=1e-9)
    assert score.seen.tolist() == [True, False, True] and not score.whole and score.upright
    assert score.range_m == pytest.approx(np.hypot(0.1, 0.8))
    tilted = np.array([[1, 0, 0], [0, 0.98, -0.199], [0, 0.199, 0.98]])
    assert not compare('a', 7, OrientedBox(TRUE.center, tilted, TRUE.size), TRUE,
                       surface(TRUE.size)).upright


def score(center_mm, percent, seen, range_m=0.8):
    return BoxScore('a', 1, center_mm / 1000, np.array(percent) / 100, np.array(seen), True,
                    range_m)


def test_the_summary_has_medians_of_what_was_seen_and_hidden():
    scores = [score(1, [1, -2, 3], [True] * 3), score(3, [5, 6, 7], [True] * 3, 1.5),
              score(50, [-40, 4, 9], [False, True, True])]
    rows = {row['objects']: row for row in summary(scores)}
    assert rows['all']['count'] == 3 and rows['all']['center_mm'][0] == 3
    assert rows['seen whole']['center_mm'][0] == 2
    assert rows['seen whole']['seen_size_percent'][0] == 4
    assert rows['seen whole']['hidden_size_percent'] == [None, None]
    assert rows['seen whole, nearer than 1 m']['count'] == 1
    assert rows['partly hidden']['hidden_size_percent'][0] == 40
    table = markdown(list(rows.values())).splitlines()
    assert table[3].startswith('| seen whole | 2 | 2.0 / 2.8 | 4.0 /') and '| - / - |' in table[3]


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    pytest.importorskip('numba', reason='scenes are drawn by numba')
    folder = tmp_path_factory.mktemp('scenes')
    assert main(['synthesize', str(folder), '--scenes', '3', '--views', '2', '--seed', '5',
                 '--physics', 'none', '--empty-share', '0']) == 0
    return folder


@pytest.mark.slow
def test_boxes_of_clean_scenes_are_near_the_true_ones(scenes, tmp_path, capsys):
    files = tmp_path / 'boxes.json', tmp_path / 'boxes.md', tmp_path / 'pictures'
    assert main(['evaluate', str(scenes), '--boxes', '--json', str(files[0]),
                 '--markdown', str(files[1]), '--pictures', str(files[2])]) == 0
    report = json.loads(files[0].read_text())
    rows = {row['objects']: row for row in report['rows']}
    assert rows['seen whole']['count'] >= 5
    assert rows['seen whole']['center_mm'][0] < 5
    assert rows['all']['seen_size_percent'][0] < 10
    assert rows['all']['upright_share'] > 0.9
    assert len(report['boxes']) == rows['all']['count']
    assert files[1].read_text() in capsys.readouterr().out
    pictures = sorted(files[2].glob('*-boxes.png'))
    assert len(pictures) == 6
    name = pictures[0].name.removesuffix('-boxes.png')
    assert (read_color(pictures[0]) != read_color(scenes / f'{name}-color.png')).any()


@pytest.mark.slow
def test_true_boxes_hold_the_clean_points(scenes):
    from seg_ros.core.io import FrameFolder
    from seg_ros.core.object_points import object_pixels, points_at

    folder = FrameFolder(scenes)
    boxes = true_boxes(scenes)
    for name in folder.names:
        frame, labels = folder.frame(name), folder.labels(name)
        for label, box in boxes[name].items():
            flat = object_pixels(labels, 99)[label - 1]
            points = points_at(frame.depth, frame.camera, flat)
            if not len(points):
                continue
            off = np.abs((points - box.center) @ box.axes) - box.size / 2
            assert (off.max(axis=1) < 0.003).mean() > 0.99


@pytest.mark.parametrize(('words', 'text'), [
    (['--failures'], 'leave --failures out'), (['--metrics', 'coco'], 'leave --metrics out'),
    ([], 'has no scenes/')])
def test_what_boxes_cannot_be_scored_with(tmp_path, capsys, words, text):
    (tmp_path / 'a-color.png').write_bytes(b'')
    assert main(['evaluate', str(tmp_path), '--boxes', *words]) != 0
    assert text in capsys.readouterr().err


def test_records_without_boxes_are_refused(tmp_path):
    (tmp_path / 'scenes').mkdir()
    (tmp_path / 'scenes' / '0.json').write_text(json.dumps({'objects': [{'label': 1}]}))
    with pytest.raises(ValueError, match='has no true boxes: write the scenes anew'):
        true_boxes(tmp_path)
