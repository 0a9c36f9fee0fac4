# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json

import cv2
import numpy as np
import pytest
from small_frames import small_frame

from seg_ros.cli import main
from seg_ros.core.io import write_labels
from seg_ros.synthetic.coco import annotations_of

pytest.importorskip('pycocotools', reason='pycocotools is not installed')

HALF = pytest.approx(51 / 101)  # one of two found, none wrong: 51 of 101 recalls


def evaluate(*words):
    return main(['evaluate', *map(str, words)])


def report_of(tmp_path, *words):
    file = tmp_path / 'report.json'
    assert evaluate(*words, '--json', file) == 0
    return json.loads(file.read_text())


def name_classes(frames, first='cup', second='bowl'):
    (frames / 'classes.json').write_text(json.dumps(['background', first, second]))
    for index in range(3):
        _, labels = small_frame(index)
        cv2.imwrite(str(frames / f'{index:03d}-classes.png'), labels.astype(np.uint8))


def write_predictions(folder, classes=('cup', 'bowl'), scores=(0.9, 0.8)):
    """Write the true objects as predictions; the first also as if it were seen by `classes`."""
    folder.mkdir()
    objects = {}
    for index in range(3):
        _, labels = small_frame(index)
        write_labels(folder / f'{index:03d}-labels.png', labels)
        objects[f'{index:03d}'] = [
            {'id': row, 'class': name, 'score': score}
            for row, (name, score) in enumerate(zip(classes, scores, strict=True), start=1)]
    (folder / 'objects.json').write_text(json.dumps(objects))
    return folder


def as_coco(frames, crowd=()):
    """Write the frames' objects as COCO JSON in which labels are categories 10 and 20."""
    images, annotations = [], []
    for index in range(3):
        _, labels = small_frame(index)
        images.append({'id': index, 'file_name': f'{index:03d}-color.png', 'width': 64,
                       'height': 48})
        for one in annotations_of(labels, 10 * labels):
            annotations.append({**one, 'id': len(annotations), 'image_id': index,
                                'iscrowd': int(one['label'] in crowd)})
    categories = [{'id': 10, 'name': 'cup'}, {'id': 20, 'name': 'bowl'}]
    path = frames / 'truth.json'
    path.write_text(json.dumps(
        {'images': images, 'annotations': annotations, 'categories': categories}))
    return path


def test_a_method_without_classes(frames, tmp_path, capsys):
    name_classes(frames)
    words = (frames, '--method', 'trivial', '--set', 'far_m=0.9', '--metrics')
    both = report_of(tmp_path, *words, 'both')
    rows = capsys.readouterr().out.splitlines()
    assert rows[4].split()[0] == 'mean'
    assert rows[5:] == [
        '',
        'COCO      AP   AP50   AP75  small medium  large  AR100',
        'box    0.505  0.505  0.505  0.505      -      -  0.500',
        'mask   0.505  0.505  0.505  0.505      -      -  0.500',
        'classes ignored: the results name no classes',
    ]
    figures = {'AP': HALF, 'AP50': HALF, 'AP75': HALF, 'APs': HALF, 'APm': None, 'APl': None,
               'AR100': 0.5}
    assert both['coco'] == {
        'frames': 3, 'box': figures, 'mask': figures, 'classes': 'ignored',
        'classes_because': 'the results name no classes',
        'without_counterpart': {'data_set': [], 'results': []}}
    unseen = report_of(tmp_path, *words[:-1])
    assert {key: both[key] for key in unseen} == unseen
    assert set(both) - set(unseen) == {'coco'}
    capsys.readouterr()
    coco = report_of(tmp_path, *words, 'coco')
    assert coco == {key: both[key] for key in both if key not in ('mean', 'frames')}
    assert capsys.readouterr().out.splitlines() == rows[6:]


@pytest.mark.parametrize(('classes', 'expected', 'said'), [
    (('cup', 'bowl'), 1.0, ['classes matched: matched by name']),
    (('bowl', 'cup'), 0.0, ['classes matched: matched by name']),
    # the bowls are called forks
    (('cup', 'fork'), 0.5, ['classes matched: matched by name',
                            'without a counterpart, of the data set: bowl',
                            'without a counterpart, of the results: fork']),
    (('knife', 'fork'), 1.0, [
        'classes ignored: the data set and the results have no class name in common',
        'without a counterpart, of the data set: cup, bowl',
        'without a counterpart, of the results: fork, knife']),
    (('object', 'object'), 1.0, ['classes ignored: the results name no classes']),
])
@pytest.mark.parametrize('truth', ['classes.json', 'objects.json', 'COCO'])
def test_classes_of_predictions_are_matched_by_name(
    frames, tmp_path, capsys, classes, expected, said, truth
):
    path = frames
    if truth == 'classes.json':
        name_classes(frames)
    elif truth == 'COCO':
        path = as_coco(frames)
    else:
        write_predictions(tmp_path / 'named')
        (tmp_path / 'named' / 'objects.json').rename(frames / 'objects.json')
        said = [line.replace('cup, bowl', 'bowl, cup') for line in said]  # by name, sorted
    predictions = write_predictions(tmp_path / 'predictions', classes)
    found = report_of(tmp_path, path, '--predictions', predictions, '--metrics', 'coco')['coco']
    assert capsys.readouterr().out.splitlines()[3:] == said
    assert found['mask']['AP'] == found['box']['AP'] == pytest.approx(expected)


def test_truth_without_classes_ignores_those_of_the_results(frames, tmp_path, capsys):
    predictions = write_predictions(tmp_path / 'predictions', ('fork', 'cup'))
    found = report_of(tmp_path, frames, '--predictions', predictions, '--metrics', 'coco')['coco']
    assert found['box']['AP'] == pytest.approx(1)
    assert 'classes ignored: the data set names no classes' in capsys.readouterr().out


def test_scores_of_predictions_count(frames, tmp_path):
    # the first object is taken out of the truth: its prediction is wrong
    for index in range(3):
        _, labels = small_frame(index)
        write_labels(frames / f'{index:03d}-labels.png', np.where(labels == 2, 2, 0))
    for case, scores, expected in (('right', (0.1, 0.9), 1.0), ('wrong', (0.9, 0.1), 0.5)):
        predictions = write_predictions(tmp_path / case, scores=scores)
        words = (frames, '--predictions', predictions, '--metrics', 'coco')
        assert report_of(tmp_path, *words)['coco']['mask']['AP'] == pytest.approx(expected)


def test_coco_json_as_truth(frames, tmp_path, capsys):
    for file in frames.glob('*-labels.png'):
        file.unlink()
    words = ('--method', 'trivial', '--set', 'far_m=0.9', '--metrics', 'both', '--failures',
             '--pictures', tmp_path / 'pictures')
    found = report_of(tmp_path, as_coco(frames), *words)
    assert found['mean']['overlap_recall'] == 0.5
    assert found['coco']['mask']['AP'] == HALF
    assert len(list((tmp_path / 'pictures').iterdir())) == 3
    assert '| with | overlap F | boundary F | share |' in capsys.readouterr().out
    found = report_of(tmp_path, as_coco(frames, crowd=[2]), *words[:-2])
    assert found['coco']['mask']['AP'] == pytest.approx(1)
    assert found['mean']['overlap_recall'] == 1


def test_a_bad_frame_is_named_and_left_out_of_both(frames, tmp_path, capsys):
    write_labels(frames / '002-labels.png', np.zeros((5, 6), int))
    file = tmp_path / 'report.json'
    words = (frames, '--method', 'trivial', '--metrics', 'both', '--json', file)
    assert evaluate(*words) == 1
    assert '002: the truth is 6x5, the prediction 64x48' in capsys.readouterr().err
    report = json.loads(file.read_text())
    assert report['coco']['frames'] == report['mean']['frames'] == 2


@pytest.mark.parametrize(('words', 'message'), [
    (('--metrics', 'coco', '--robustness'), '--robustness is of the unseen measures'),
    (('--robustness',), '--robustness is of the unseen measures'),
    (('--frames', -1), 'starts at 1'),
])
def test_contradictions_are_refused(frames, capsys, words, message):
    path = frames if '--metrics' in words else as_coco(frames)
    assert evaluate(path, '--method', 'trivial', *words) == 2
    assert message in capsys.readouterr().err


def test_coco_json_that_is_none_is_said(tmp_path, capsys):
    assert evaluate(tmp_path / 'no.json', '--method', 'trivial') == 2
    assert 'no.json: no such file' in capsys.readouterr().err
    (tmp_path / 'no.json').write_text('[1, 2]')
    assert evaluate(tmp_path / 'no.json', '--method', 'trivial') == 2
    assert 'COCO JSON of instances has images' in capsys.readouterr().err


def test_pictures_of_images_in_folders_lie_side_by_side(frames, tmp_path):
    path = as_coco(frames)
    (frames / 'images' / 'part').mkdir(parents=True)
    for file in frames.glob('00*'):
        file.rename(frames / 'images' / 'part' / file.name)
    path.write_text(path.read_text().replace('"file_name": "', '"file_name": "part/'))
    out = tmp_path / 'pictures'
    assert evaluate(path, '--method', 'trivial', '--frames', 2, '--pictures', out) == 0
    assert sorted(file.name for file in out.iterdir()) == ['01-part_000.png', '02-part_002.png']
