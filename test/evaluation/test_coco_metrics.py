# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import builtins
import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seg_ros.core.results import Instances
from seg_ros.evaluation.coco_metrics import FIGURES, CocoScores, CocoTruth
from seg_ros.evaluation.coco_tools import rles_of_labels

tools = pytest.importorskip('pycocotools.mask', reason='pycocotools is not installed')
COCO = pytest.importorskip('pycocotools.coco').COCO
COCOeval = pytest.importorskip('pycocotools.cocoeval').COCOeval

HEIGHT, WIDTH = 120, 150


def labels_of(*boxes, shape=(HEIGHT, WIDTH)):
    labels = np.zeros(shape, np.int32)
    for label, (x1, y1, x2, y2) in enumerate(boxes, start=1):
        labels[y1:y2, x1:x2] = label
    return labels


def masks_of(*boxes):
    return np.stack([labels_of(box) > 0 for box in boxes]) if boxes else np.zeros(
        (0, HEIGHT, WIDTH), bool)


def instances(labels, scores=None, class_ids=None, class_names=('object',)):
    count = int(labels.max())
    return Instances(
        labels, np.ones(count, np.float32) if scores is None else np.array(scores, np.float32),
        np.array([0] * count if class_ids is None else class_ids, np.int32),
        np.arange(1, count + 1, dtype=np.int32), class_names)


# 20x20, 40x40, 100x100 pixels: small, medium and large
SMALL, MEDIUM, LARGE = (2, 2, 22, 22), (2, 60, 42, 100), (48, 5, 148, 105)
OTHER = (60, 70, 80, 90)


@pytest.mark.parametrize(('truth', 'found', 'scores', 'expected'), [
    ((SMALL, MEDIUM, LARGE), (SMALL, MEDIUM, LARGE), None, (1, 1, 1, 1, 1, 1, 1)),
    # one of two, none wrong: precision 1 up to recall 0.5, 51 of 101 points
    ((SMALL, MEDIUM), (SMALL,), None, (51 / 101, 51 / 101, 51 / 101, 1, 0, None, 0.5)),
    # right before wrong: never seen; wrong before right: precision 1/2 all along
    ((SMALL,), (SMALL, OTHER), (0.9, 0.1), (1, 1, 1, 1, None, None, 1)),
    ((SMALL,), (SMALL, OTHER), (0.1, 0.9), (0.5, 0.5, 0.5, 0.5, None, None, 1)),
    ((SMALL,), (SMALL, OTHER), (np.nan, -5), (0.5, 0.5, 0.5, 0.5, None, None, 1)),
    # shifted by 4 of 20 columns: IoU 16/24 passes .5, .55, .6, .65
    ((SMALL,), ((6, 2, 26, 22),), None, (0.4, 1, 0, 0.4, None, None, 0.4)),
    # each size by itself: the medium one is missed, a wrong large one does not count as small
    ((SMALL, MEDIUM), (SMALL, LARGE), (0.9, 0.8),
     (51 / 101, 51 / 101, 51 / 101, 1, 0, None, 0.5)),
    ((LARGE,), (), None, (0, 0, 0, None, None, 0, 0)),
    ((), (SMALL,), None, (None,) * 7),
    ((), (), None, (None,) * 7),
])  # fmt: skip
def test_known_values(truth, found, scores, expected):
    gathered = CocoScores()
    gathered.add(CocoTruth.from_labels(labels_of(*truth)), instances(labels_of(*found), scores))
    summary = gathered.summary()
    for kind in ('box', 'mask'):
        assert tuple(summary[kind]) == FIGURES
        assert [summary[kind][name] for name in FIGURES] == [
            None if value is None else pytest.approx(value, abs=1e-12) for value in expected], kind


def test_no_frame_at_all_is_undefined():
    assert CocoScores().summary() == {
        'box': dict.fromkeys(FIGURES), 'mask': dict.fromkeys(FIGURES)}


def test_crowds_are_neither_right_nor_wrong():
    masks = masks_of(SMALL, (48, 5, 148, 105))
    inside = (60, 20, 90, 50), (60, 60, 90, 100)
    predicted = instances(labels_of(SMALL, *inside), (0.3, 0.9, 0.8))
    for crowd, expected in (([False, True], 1.0), ([False, False], (51 / 101) / 3)):
        scores = CocoScores()
        scores.add(CocoTruth.from_masks(masks, crowd=crowd), predicted)
        assert scores.summary()['mask']['AP'] == pytest.approx(expected, abs=1e-12)
    # nothing but a crowd: nothing to find
    scores = CocoScores()
    scores.add(CocoTruth.from_masks(masks[1:], crowd=[True]), predicted)
    assert scores.summary()['mask'] == dict.fromkeys(FIGURES)


def test_boxes_and_masks_are_told_apart():
    ring = labels_of(MEDIUM)
    ring[70:90, 12:32] = 0  # its box is the square's, 3/4 of its pixels
    scores = CocoScores()
    scores.add(CocoTruth.from_labels(labels_of(MEDIUM)), instances(ring))
    summary = scores.summary()
    assert summary['box']['AP'] == pytest.approx(1)
    assert summary['mask']['AP'] == pytest.approx(0.6)  # IoU .75 passes .5 to .75
    assert summary['mask']['AP75'] == pytest.approx(1)


def test_overlapping_masks_scores_and_boxes_take_the_place_of_the_labels():
    under, over = (10, 10, 50, 50), (30, 10, 70, 50)
    labels = labels_of(under, over)
    truth = CocoTruth.from_masks(masks_of(under, over))
    cases = (
        ({}, 'mask', 51 / 101),  # half of one is hidden
        ({'masks': masks_of(under, over)}, 'mask', 1.0),
        ({'masks': masks_of(under, over)}, 'box', 1.0),
        ({'boxes_xyxy': [under, over]}, 'box', 1.0),
        ({'boxes_xyxy': [OTHER, over]}, 'box', 51 / 101),
        # the wrong one first: recall 1/2 is reached at precision 1/2
        ({'boxes_xyxy': [OTHER, over], 'scores': [0.9, 0.1]}, 'box', 51 / 101 / 2),
    )
    for more, kind, expected in cases:
        scores = CocoScores()
        scores.add(truth, instances(labels, (0.5, 0.9)), **more)
        assert scores.summary()[kind]['AP75'] == pytest.approx(expected, abs=1e-12), more


def test_a_row_without_pixels_predicts_nothing_unless_it_has_a_box():
    labels = labels_of(SMALL)
    predicted = Instances(labels, np.array([0.2, 0.9], np.float32), np.zeros(2, np.int32),
                          np.array([1, 2], np.int32))
    for more, expected in (({}, 1.0), ({'boxes_xyxy': [SMALL, OTHER]}, 0.5)):
        scores = CocoScores()
        scores.add(CocoTruth.from_labels(labels), predicted, **more)
        assert scores.summary()['box']['AP'] == pytest.approx(expected)


NAMES = ('cup', 'bowl')


@pytest.mark.parametrize(('names', 'result_names', 'wanted', 'aware', 'reason', 'alone'), [
    ((), ('cup', 'bowl'), None, False, 'the data set names no classes', ((), ())),
    (NAMES, ('object',), None, False, 'the results name no classes', ((), ())),
    (NAMES, ('object', 'background'), None, False, 'the results name no classes', ((), ())),
    (NAMES, ('__background__', 'fork', 'cup'), None, True, 'matched by name',
     (('bowl',), ('fork',))),
    (NAMES, ('fork',), None, False, 'no class name in common', (NAMES, ('fork',))),
    (NAMES, ('cup', 'bowl'), False, False, 'as asked for', ((), ())),
    (NAMES, ('fork', 'cup'), True, True, 'as asked for', (('bowl',), ('fork',))),
])
def test_classes_are_matched_by_name(names, result_names, wanted, aware, reason, alone):
    scores = CocoScores(names, class_aware=wanted)
    scores.add(CocoTruth.from_labels(labels_of(SMALL), [1]),
               instances(labels_of(SMALL), class_ids=[len(result_names) - 1],
                         class_names=result_names))
    classes = scores.classes()
    assert classes.aware is aware
    assert reason in classes.reason
    assert (classes.only_truth, classes.only_results) == alone


def test_a_wrong_class_is_wrong_only_where_classes_count():
    truth = CocoTruth.from_labels(labels_of(SMALL, MEDIUM, LARGE), [1, 1, 2])
    # of the cups one is called a bowl, the bowl a fork
    predicted = instances(labels_of(SMALL, MEDIUM, LARGE), (0.9, 0.8, 0.7), [2, 0, 1],
                          ('cup', 'fork', 'bowl'))
    for aware, expected in ((True, (51 / 101 + 0) / 2), (False, 1.0)):
        scores = CocoScores(NAMES, class_aware=aware)
        scores.add(truth, predicted)
        assert scores.summary()['mask']['AP'] == pytest.approx(expected, abs=1e-12)


def random_frames(seed, frames, classes):
    """Return truth masks, class ids, crowd; predicted labels, scores, class ids, by frame."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(frames):
        boxes = [(x, y, x + w, y + h) for x, y, w, h in zip(
            rng.integers(0, 90, 7), rng.integers(0, 70, 7), rng.integers(4, 60, 7),
            rng.integers(4, 50, 7), strict=True)]
        masks = masks_of(*boxes)
        labels = labels_of(*[[max(0, v + int(rng.integers(-3, 4))) for v in b] for b in boxes])
        labels, = np.unique(labels, return_inverse=True)[1:]
        labels = labels.reshape(HEIGHT, WIDTH).astype(np.int32)
        count = int(labels.max())
        found.append((masks, rng.integers(1, classes + 1, 7), rng.random(7) < 0.15, labels,
                      rng.integers(0, 8, count) / 8, rng.integers(0, classes, count)))
    return found


def by_pycocotools(folder, frames, classes, kind):
    """Return the twelve figures of COCOeval from files of truth and results."""
    truth, results = [], []
    for image, (masks, class_ids, crowd, labels, scores, found_ids) in enumerate(frames, start=1):
        for mask, class_id, is_crowd in zip(masks, class_ids, crowd, strict=True):
            rle = tools.encode(np.asfortranarray(mask, np.uint8))
            truth.append({
                'id': len(truth) + 1, 'image_id': image, 'category_id': 10 * int(class_id),
                'iscrowd': int(is_crowd), 'area': int(mask.sum()),
                'bbox': tools.toBbox(rle).tolist(),
                'segmentation': {**rle, 'counts': rle['counts'].decode()}})
        for row, (score, class_id) in enumerate(zip(scores, found_ids, strict=True), start=1):
            rle = tools.encode(np.asfortranarray(labels == row, np.uint8))
            entry = {'image_id': image, 'category_id': 10 * int(class_id + 1),
                     'score': float(score)}
            entry |= {'bbox': tools.toBbox(rle).tolist()} if kind == 'bbox' else {
                'segmentation': {**rle, 'counts': rle['counts'].decode()}}
            results.append(entry)
    images = [{'id': n + 1, 'width': WIDTH, 'height': HEIGHT} for n in range(len(frames))]
    categories = [{'id': 10 * (n + 1), 'name': str(n)} for n in range(classes)]
    for name, content in (('truth', {'images': images, 'annotations': truth,
                                     'categories': categories}), ('results', results)):
        (folder / f'{name}.json').write_text(json.dumps(content))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(folder / 'truth.json'))
        evaluation = COCOeval(coco, coco.loadRes(str(folder / 'results.json')), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@pytest.mark.parametrize(('seed', 'classes'), [(0, 1), (1, 1), (2, 3), (3, 5)])
def test_agrees_with_pycocotools_on_files(tmp_path, capsys, seed, classes):
    frames = random_frames(seed, 6, classes)
    names = tuple(f'c{number}' for number in range(classes))
    scores = CocoScores(names)
    for masks, class_ids, crowd, labels, values, found_ids in frames:
        scores.add(CocoTruth.from_masks(masks, class_ids, crowd),
                   instances(labels, values, found_ids, names))
    assert scores.classes().aware
    summary = scores.summary()
    assert capsys.readouterr().out == ''
    for kind, iou_type in (('box', 'bbox'), ('mask', 'segm')):
        stats = by_pycocotools(tmp_path, frames, classes, iou_type)
        for name, value in zip(FIGURES, [*stats[:6], stats[8]], strict=True):
            mine = -1 if summary[kind][name] is None else summary[kind][name]
            assert mine == pytest.approx(value, abs=1e-12), (kind, name)
        assert 0 < summary[kind]['AP'] < 1
    assert scores.summary() == summary  # asking changes nothing


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
                  elements=st.integers(0, 5)))
def test_run_lengths_of_labels_are_those_of_each_mask(labels):
    expected = [tools.encode(np.asfortranarray(labels == label, np.uint8))
                for label in range(1, 6)]
    assert rles_of_labels(labels, 5) == expected


def test_truth_of_labels_is_that_of_their_masks_by_ascending_label():
    labels = labels_of(SMALL, MEDIUM, LARGE) * 300
    found = CocoTruth.from_labels(labels.astype(np.uint16), [3, 1, 2])
    expected = CocoTruth.from_masks(masks_of(SMALL, MEDIUM, LARGE), [3, 1, 2])
    assert found.rles == expected.rles
    assert (len(found), found.class_ids.tolist()) == (3, [3, 1, 2])
    assert found.boxes_xywh.tolist() == [[2, 2, 20, 20], [2, 60, 40, 40], [48, 5, 100, 100]]
    assert found.areas.tolist() == [400, 1600, 10000]


def test_boxes_and_areas_of_the_data_set_are_taken():
    # the mask is medium, said to be small, and of another box
    truth = CocoTruth.from_masks(masks_of(MEDIUM), boxes_xywh=[[48, 5, 100, 100]], areas=[9.0])
    scores = CocoScores()
    scores.add(truth, instances(labels_of(LARGE)))
    summary = scores.summary()
    assert (summary['box']['APs'], summary['box']['APm']) == (pytest.approx(1), None)
    assert summary['mask']['APs'] == 0


EMPTY = CocoTruth.from_labels(labels_of())


@pytest.mark.parametrize(('call', 'message'), [
    (lambda: CocoTruth.from_masks(np.zeros((2, 3), bool)), r'masks must be \(K, H, W\) bool'),
    (lambda: CocoTruth.from_masks(np.zeros((2, 3, 4))), 'got .* float64'),
    (lambda: CocoTruth.from_masks(np.ones((2, 3, 4), bool), [1]), r'class_ids of shape \(2,\)'),
    (lambda: CocoTruth.from_masks(np.ones((2, 3, 4), bool), crowd=[1]), r'crowd of shape \(2,\)'),
    (lambda: CocoTruth.from_masks(np.ones((1, 3, 4), bool), boxes_xywh=[1, 2, 3, 4]),
     r'boxes_xywh of shape \(1, 4\)'),
    (lambda: CocoTruth.from_masks(np.ones((1, 3, 4), bool), [0]), 'class ids start at 1'),
    (lambda: CocoTruth.from_labels(np.zeros((3, 4))), r'labels must be \(H, W\) integers'),
    (lambda: CocoTruth.from_labels(np.full((3, 4), -1)), 'labels start at 0, got -1'),
    (lambda: CocoScores(('a', 'a')), 'must be distinct'),
    (lambda: CocoScores(class_aware=True), 'give class_names'),
    (lambda: CocoScores().add(EMPTY, instances(np.zeros((5, 6), np.int32))),
     'the truth is 150x120, the prediction 6x5'),
    (lambda: CocoScores().add(EMPTY, instances(labels_of(SMALL)), masks=masks_of(SMALL)[:, :9]),
     'the prediction 150x9'),
    (lambda: CocoScores().add(EMPTY, instances(labels_of(SMALL)), masks=masks_of()),
     'masks of 1 objects must be'),
    (lambda: CocoScores().add(EMPTY, instances(labels_of(SMALL)), scores=[1, 2]),
     '1 objects need as many scores'),
    (lambda: CocoScores().add(EMPTY, instances(labels_of(SMALL)), boxes_xyxy=[1, 2, 3, 4]),
     r'1 objects need boxes \(K, 4\)'),
    (lambda: CocoScores().add(EMPTY, instances(labels_of(SMALL), class_ids=[1])),
     r'class ids \[1\], but names are 1'),
    (lambda: CocoScores(('a',)).add(CocoTruth.from_labels(labels_of(SMALL), [2]),
                                    instances(labels_of())), 'class id 2, but the classes are 1'),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_refused_frame_leaves_nothing_behind():
    scores = CocoScores()
    with pytest.raises(ValueError, match='as many scores'):
        scores.add(CocoTruth.from_labels(labels_of(SMALL)), instances(labels_of()), scores=[1])
    assert len(scores) == 0
    assert scores.summary()['box'] == dict.fromkeys(FIGURES)


def test_a_missing_pycocotools_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith('pycocotools'):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ImportError, match=r'pip install "seg_ros\[coco\]"'):
        CocoScores()
