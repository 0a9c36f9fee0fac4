# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import contextlib
import io
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from seg_ros.core.io import FrameFolder, write_color, write_labels
from seg_ros.core.results import Instances
from seg_ros.evaluation.coco_metrics import FIGURES, CocoScores
from seg_ros.evaluation.coco_truth import CocoFrames, FolderTruth, painted
from seg_ros.evaluation.objects_file import ObjectsFile, read_results

pytest.importorskip('pycocotools', reason='pycocotools is not installed')

LABELS = np.array([[0, 0, 9, 9], [4, 4, 9, 9], [4, 4, 0, 7]], np.int32)
CLASSES = np.array([[0, 0, 2, 2], [1, 1, 2, 1], [1, 0, 0, 2]], np.uint8)
NAMES = ['background', 'cup', 'bowl']


@pytest.fixture
def folder(tmp_path):
    write_color(tmp_path / 'a-color.png', np.zeros((3, 4, 3), np.uint8))
    write_labels(tmp_path / 'a-labels.png', LABELS)
    return tmp_path


def write_classes(folder, classes=CLASSES, names=NAMES):
    cv2.imwrite(str(folder / 'a-classes.png'), classes)
    (folder / 'classes.json').write_text(json.dumps(names))


def entry(number, name, score=0.5):
    return {'id': number, 'class': name, 'score': score, 'area_px': 3}


def truth_of(folder):
    return FolderTruth(FrameFolder(folder))


def test_labels_alone_name_no_classes(folder):
    truth = truth_of(folder)
    assert truth.class_names == ()
    assert truth.truth('a').class_ids.tolist() == [1, 1, 1]
    (folder / 'a-labels.png').unlink()
    assert truth.truth('a') is None


def test_an_object_is_of_the_class_of_most_of_its_pixels(folder):
    write_classes(folder)
    # the class image comes before objects.json
    (folder / 'objects.json').write_text(json.dumps({'a': [entry(4, 'x')]}))
    truth = truth_of(folder)
    assert truth.class_names == ('cup', 'bowl')
    found = truth.truth('a')
    assert found.areas.tolist() == [4, 1, 4]  # 4, 7, 9
    assert found.class_ids.tolist() == [1, 2, 2]
    write_labels(folder / 'a-labels.png', 0 * LABELS)
    assert len(truth_of(folder).truth('a')) == 0


@pytest.mark.parametrize(('made', 'expected'), [(True, ('cup', 'bowl')),
                                                (False, ('cup', 'bowl', 'table'))])
def test_the_table_of_a_synthetic_scene_is_no_object(folder, made, expected):
    write_classes(folder, names=[*NAMES, 'table'])
    if made:
        (folder / 'options.json').write_text('{}')
    assert truth_of(folder).class_names == expected
    assert truth_of(folder).truth('a').class_ids.tolist() == [1, 2, 2]


def test_classes_stand_in_objects_json(folder):
    entries = [entry(9, 'fork'), entry(4, 'spoon'), entry(7, 'fork'), entry(70, 'knife')]
    (folder / 'objects.json').write_text(json.dumps({'a': entries}))
    truth = truth_of(folder)
    assert truth.class_names == ('fork', 'knife', 'spoon')
    assert truth.truth('a').class_ids.tolist() == [3, 1, 1]
    unnamed = [entry(number, 'object') for number in (4, 7, 9)]
    (folder / 'objects.json').write_text(json.dumps({'a': unnamed}))
    assert truth_of(folder).class_names == ()
    assert truth_of(folder).truth('a').class_ids.tolist() == [1, 1, 1]


@pytest.mark.parametrize(('classes', 'names', 'message'), [
    (CLASSES[:2], NAMES, 'differ in size'),
    (CLASSES * 2, NAMES, r'objects \[7, 9\] are of class \[4, 4\], classes.json names 1..2'),
    (CLASSES * 0, NAMES, r'objects \[4, 7, 9\] are of class \[0, 0, 0\]'),
    (CLASSES, {'1': 'cup'}, 'must be a list of names, the background first'),
    (CLASSES, [0, 1], 'must be a list of names'),
])
def test_bad_classes_are_named(folder, classes, names, message):
    write_classes(folder, classes, names)
    with pytest.raises(ValueError, match=message):
        truth_of(folder).truth('a')


@pytest.mark.parametrize('text', [
    '{', '[]', '{"a": 3}', '{"a": [3]}', '{"a": [{"id": 1}]}', '{"a": [{"id": 1, "class": 5}]}',
    '{"a": [{"id": "x", "class": "cup"}]}', '{"a": [{"id": 1, "class": "cup", "score": "x"}]}'])
def test_an_objects_file_of_another_form_is_refused(tmp_path, text):
    (tmp_path / 'objects.json').write_text(text)
    with pytest.raises(ValueError, match='objects.json is not what seg_ros segment writes'):
        ObjectsFile(tmp_path / 'objects.json')


def test_results_take_scores_and_classes_of_objects_json(folder):
    plain = read_results(folder, 'a', None)
    assert (plain.ids.tolist(), plain.scores.tolist()) == ([4, 7, 9], [1, 1, 1])
    path = folder / 'objects.json'
    path.write_text(json.dumps(
        {'a': [entry(9, 'fork', 0.25), entry(4, 'spoon', None), entry(7, 'fork', 0.75)]}))
    found = read_results(folder, 'a', ObjectsFile(path))
    assert np.array_equal(found.labels, plain.labels)
    np.testing.assert_array_equal(found.scores, np.float32([np.nan, 0.75, 0.25]))
    assert [found.class_names[k] for k in found.class_ids] == ['spoon', 'fork', 'fork']
    path.write_text(json.dumps({'a': [entry(number, 'object', 0.5) for number in (4, 7, 9)]}))
    found = read_results(folder, 'a', ObjectsFile(path))
    assert (found.class_names, found.scores.tolist()) == (('object',), [0.5] * 3)
    path.write_text(json.dumps({'a': [entry(4, 'spoon')]}))
    with pytest.raises(ValueError, match=r'no entry for the objects \[7, 9\] of a'):
        read_results(folder, 'a', ObjectsFile(path))


class Views:
    names, class_names = ['v'], ('cup', 'bowl')
    reads = 0

    def item(self, name):
        self.reads += 1
        masks = np.zeros((3, 4, 5), bool)
        masks[0, 1:3, 1:3] = masks[1, :, :4] = masks[2, 0] = True  # 0 lies on 1, 2 is a crowd
        return SimpleNamespace(
            color=np.zeros((4, 5, 3), np.uint8), depth_m=None, camera=None, masks=masks,
            class_ids=np.array([2, 1, 1]), crowd=np.array([False, False, True]),
            boxes_xywh=np.array([[1, 1, 2, 2], [0, 0, 4, 4], [0, 0, 5, 1]], float),
            areas=np.array([4, 15.5, 5]))


def test_a_coco_data_set_gives_frames_labels_and_truth():
    views = Views()
    frames = CocoFrames(views)
    assert frames.frame('v').color.shape == (4, 5, 3)
    assert frames.labels('v').tolist() == [
        [2, 2, 2, 2, 0], [2, 1, 1, 2, 0], [2, 1, 1, 2, 0], [2, 2, 2, 2, 0]]
    truth = frames.truth('v')
    assert truth.crowd.tolist() == [False, False, True]
    assert (truth.class_ids.tolist(), truth.areas.tolist()) == ([2, 1, 1], [4, 15.5, 5])
    assert views.reads == 1


def test_masks_of_nothing_are_painted_as_background():
    assert painted(np.zeros((0, 2, 3), bool)).tolist() == [[0, 0, 0], [0, 0, 0]]


def polygons_as_coco(folder):
    """Write three images with polygons, crowds, and boxes and areas that are no masks' own."""
    rng = np.random.default_rng(4)
    images, annotations = [], []
    for image in (3, 5, 8):
        images.append({'id': image, 'file_name': f'{image}.png', 'width': 160, 'height': 130})
        write_color(folder / f'{image}.png', np.zeros((130, 160, 3), np.uint8))
        for _ in range(6):
            x, y, w, h = rng.uniform(0, 60, 2).tolist() + rng.uniform(8, 100, 2).tolist()
            annotations.append({
                'id': len(annotations) + 11, 'image_id': image, 'iscrowd': 0,
                'category_id': int(rng.choice([4, 9])), 'area': 0.8 * w * h,
                'bbox': [x, y, w, h],
                'segmentation': [[x, y, x + w, y, x + 0.8 * w, y + h, x, y + 0.7 * h]]})
    content = {'images': images, 'annotations': annotations,
               'categories': [{'id': 9, 'name': 'nine'}, {'id': 4, 'name': 'four'}]}
    path = folder / 'annotations.json'
    path.write_text(json.dumps(content))
    return path


def test_scores_on_coco_json_are_those_of_pycocotools_on_the_file(tmp_path):
    from pycocotools import mask as tools
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from seg_ros.training.coco_data import CocoFolder

    views = CocoFolder(polygons_as_coco(tmp_path))
    frames = CocoFrames(views)
    scores, rng = CocoScores(frames.class_names), np.random.default_rng(5)
    results = {'bbox': [], 'segm': []}
    for name in frames.names:
        labels = np.roll(frames.labels(name), rng.integers(-2, 3), axis=1)
        values, labels = np.unique(labels, return_inverse=True)
        labels, count = labels.reshape(130, 160).astype(np.int32), len(values) - 1
        ids = rng.integers(0, 2, count).astype(np.int32)
        ranks = rng.random(count).astype(np.float32)
        scores.add(frames.truth(name), Instances(
            labels, ranks, ids, np.arange(1, count + 1, dtype=np.int32), frames.class_names))
        for row in range(count):
            rle = tools.encode(np.asfortranarray(labels == row + 1, np.uint8))
            entry = {'image_id': int(name), 'score': float(ranks[row]),
                     'category_id': views.category_ids[ids[row]]}
            results['bbox'].append({**entry, 'bbox': tools.toBbox(rle).tolist()})
            results['segm'].append({**entry, 'segmentation': rle})
    for kind, iou_type in (('box', 'bbox'), ('mask', 'segm')):
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(views.path))
            evaluation = COCOeval(coco, coco.loadRes(results[iou_type]), iou_type)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        stats = [*evaluation.stats[:6], evaluation.stats[8]]
        mine = [-1 if value is None else value for value in scores.summary()[kind].values()]
        assert mine == pytest.approx(stats, abs=1e-12), (kind, FIGURES)
        assert 0.01 < mine[0] < 0.9
