# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seg_ros.core.results import Instances, SemanticMap

LABELS = np.array([[0, 1, 1], [2, 2, 0], [2, 0, 3]], np.int32)


def three():
    return Instances(
        labels=LABELS,
        scores=np.array([0.9, 0.5, 0.7], np.float32),
        class_ids=np.zeros(3, np.int32),
        ids=np.array([7, 300, 5], np.int32),
    )


def test_masks_areas_boxes_and_ids():
    instances = three()
    assert len(instances) == 3
    np.testing.assert_array_equal(instances.masks()[1], LABELS == 2)
    np.testing.assert_array_equal(instances.areas(), [2, 3, 1])
    np.testing.assert_array_equal(
        instances.boxes_xyxy(), [[1, 0, 3, 1], [0, 1, 2, 3], [2, 2, 3, 3]])
    np.testing.assert_array_equal(instances.id_image(), [[0, 7, 7], [300, 300, 0], [300, 0, 5]])


@pytest.mark.parametrize(('index', 'ids', 'labels'), [
    (np.array([True, False, True]), [7, 5], [[0, 1, 1], [0, 0, 0], [0, 0, 2]]),
    (np.array([2, 0]), [5, 7], [[0, 2, 2], [0, 0, 0], [0, 0, 1]]),
    (slice(1, 2), [300], [[0, 0, 0], [1, 1, 0], [1, 0, 0]]),
    (np.zeros(3, bool), [], [[0] * 3] * 3),
])
def test_indexing_relabels(index, ids, labels):
    chosen = three()[index]
    np.testing.assert_array_equal(chosen.ids, ids)
    np.testing.assert_array_equal(chosen.labels, labels)
    assert len(chosen.scores) == len(ids)


def test_a_row_is_chosen_once():
    with pytest.raises(ValueError, match='once each'):
        three()[np.array([0, 0])]


@given(arrays(np.int32, (5, 6), elements=st.integers(0, 4)))
def test_boxes_and_areas_agree_with_the_masks(labels):
    instances = Instances.from_labels(labels)
    for mask, box, area in zip(
        instances.masks(), instances.boxes_xyxy(), instances.areas(), strict=True
    ):
        assert area == mask.sum()
        if area == 0:
            np.testing.assert_array_equal(box, 0)
            continue
        ys, xs = np.nonzero(mask)
        np.testing.assert_array_equal(box, [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])


@pytest.mark.parametrize(('changes', 'error'), [
    ({'labels': LABELS.astype(np.int64)}, r'\(H, W\) int32'),
    ({'labels': LABELS + 1}, 'labels span 1..4, rows are 3'),
    ({'labels': LABELS - 1}, 'labels span -1..2'),
    ({'scores': np.ones(2, np.float32)}, 'must share a length'),
    ({'ids': np.array([1, 1, 2], np.int32)}, 'positive and distinct'),
    ({'ids': np.array([0, 1, 2], np.int32)}, 'positive and distinct'),
])
def test_instances_refuse(changes, error):
    good = three()
    fields = {name: getattr(good, name) for name in ('labels', 'scores', 'class_ids', 'ids')}
    with pytest.raises(ValueError, match=error):
        Instances(**(fields | changes))


@pytest.mark.parametrize(('labels', 'probabilities', 'error'), [
    (np.array([[0, 3]], np.uint8), None, 'label 3 has no name: 3 classes'),
    (np.array([[0.5]]), None, r'\(H, W\) integers'),
    (np.zeros((2, 2), np.uint8), np.zeros((2, 2, 2), np.float32), r'expected \(3, 2, 2\)'),
])
def test_semantic_map_refuses(labels, probabilities, error):
    with pytest.raises(ValueError, match=error):
        SemanticMap(labels, ('background', 'cup', 'box'), probabilities)


def test_confidence_is_given_or_the_highest_probability():
    names, labels = ('background', 'cup'), np.array([[0, 1]], np.uint8)
    probabilities = np.array([[[0.75, 0.125]], [[0.25, 0.875]]], np.float32)
    assert SemanticMap(labels, names, probabilities).confidence.tolist() == [[0.75, 0.875]]
    given = np.array([[0.5, 0.25]], np.float32)
    assert SemanticMap(labels, names, probabilities, given).confidence is given
    assert SemanticMap(labels, names).confidence is None
    with pytest.raises(ValueError, match=r'confidence \(2, 1\), expected \(1, 2\)'):
        SemanticMap(labels, names, None, given.T)
