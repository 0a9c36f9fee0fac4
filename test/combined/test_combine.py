# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Two results become one: matched, split, joined, added."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.combined.combine import WITHIN, Rules, combine, iou_of, overlaps
from seg_ros.core.results import Instances

NAMES = ('mug', 'box')


def outlined(row, scores=None):
    """Return unnamed objects of a one-row label image."""
    return Instances.from_labels(np.array([row]), scores)


def named(row, class_ids, scores=None):
    """Return objects of NAMES of a one-row label image."""
    count = len(class_ids)
    scores = np.full(count, 0.9) if scores is None else scores
    return Instances(
        np.array([row], np.int32), np.asarray(scores, np.float32),
        np.asarray(class_ids, np.int32), np.arange(1, count + 1, dtype=np.int32), NAMES)


def described(result):
    """Return the label row and each object's class name."""
    return (result.labels[0].tolist(), [result.class_names[k] for k in result.class_ids])


@pytest.mark.parametrize(('first', 'second', 'class_ids', 'labels', 'classes'), [
    # the same thing: the outline stays, the class comes
    ([1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0], [0], [1, 1, 1, 1, 0, 0], ['mug']),
    # too little in common: two things, the named one on what is free
    ([1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1], [1], [1, 1, 1, 0, 2, 2], ['object', 'box']),
    # a named one mostly on another thing is left out
    ([1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 1, 1], [1], [1, 1, 1, 1, 1, 0], ['object']),
    # one outline that two named ones fill
    ([1, 1, 1, 1, 1, 0], [1, 1, 1, 2, 2, 0], [0, 1], [1, 1, 1, 2, 2, 0], ['mug', 'box']),
    # two outlines that fill one named thing
    ([1, 1, 2, 2, 2, 0], [1, 1, 1, 1, 1, 0], [1], [1, 1, 1, 1, 1, 0], ['box']),
    # nothing named, nothing outlined
    ([1, 1, 0, 2, 2, 2], [0] * 6, [], [2, 2, 0, 1, 1, 1], ['object', 'object']),
    ([0] * 6, [0, 2, 2, 1, 0, 0], [0, 1], [0, 1, 1, 2, 0, 0], ['box', 'mug']),
    ([0] * 6, [0] * 6, [], [0] * 6, []),
])
def test_objects_are_joined(first, second, class_ids, labels, classes):
    assert described(combine(outlined(first), named(second, class_ids))) == (labels, classes)


def test_what_has_no_name_neither_splits_nor_joins():
    unnamed = outlined([1, 1, 1, 2, 2, 0])
    merged, pieces = outlined([1, 1, 1, 1, 1, 0]), outlined([1, 1, 2, 2, 2, 0])
    assert described(combine(merged, unnamed, Rules(match_iou=0.9)))[1] == ['object']
    whole = outlined([1, 1, 1, 1, 1, 0])
    assert described(combine(pieces, whole, Rules(match_iou=0.9)))[1] == ['object', 'object']
    assert described(combine(outlined([0] * 6), unnamed))[0] == [1, 1, 1, 2, 2, 0]


def test_each_rule_can_be_turned_off():
    merged, parts = outlined([1, 1, 1, 1, 1, 0]), named([1, 1, 2, 2, 0, 0], [0, 1])
    off = Rules(match_iou=0.9, split_merged=False, join_pieces=False, add_named=False)
    assert described(combine(merged, parts, off)) == ([1, 1, 1, 1, 1, 0], ['object'])
    pieces, whole = outlined([1, 1, 2, 2, 2, 0]), named([1, 1, 1, 1, 1, 0], [1])
    assert described(combine(pieces, whole, Rules(0.9, join_pieces=False))) == (
        [2, 2, 1, 1, 1, 0], ['object', 'object'])
    assert len(combine(outlined([0] * 6), whole, Rules(add_named=False))) == 0


def test_matching_is_one_to_one_and_the_best():
    # each alone would take the second named object; together the sum of IoU decides
    first = outlined([1, 1, 1, 2, 2, 2, 2, 0])
    second = named([1, 1, 2, 2, 2, 2, 2, 0], [0, 1])
    result = combine(first, second)
    assert described(result) == ([2, 2, 2, 1, 1, 1, 1, 0], ['box', 'mug'])


def test_scores_of_named_objects_are_the_detector_s():
    result = combine(outlined([1, 1, 1, 2, 2, 0], np.array([0.4, 0.6])),
                     named([1, 1, 1, 0, 0, 0], [0], [0.8]))
    assert result.scores.tolist() == pytest.approx([0.8, 0.6])
    assert result.ids.tolist() == [1, 2]
    assert result.class_names == ('object', *NAMES)


def test_the_name_object_is_not_doubled():
    second = Instances.from_labels(np.array([[1, 1, 0]]))
    assert combine(outlined([1, 1, 0]), second).class_names == ('object',)


def test_images_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match='differ in size'):
        combine(outlined([1, 1]), named([1, 1, 1], [0]))


def test_what_labels_share():
    shared = overlaps(outlined([1, 1, 2, 0]), named([1, 0, 1, 1], [0]))
    assert shared.tolist() == [[0, 1], [1, 1], [0, 1]]
    assert iou_of(shared).ravel().tolist() == pytest.approx([1 / 4, 1 / 3])


LABELS = st.lists(st.integers(0, 4), min_size=24, max_size=24)


@settings(max_examples=200, deadline=None)
@given(first=LABELS, second=LABELS, iou=st.sampled_from([0.3, 0.5, 0.9]))
def test_any_two_results_make_a_valid_one(first, second, iou):
    one = Instances.from_labels(np.array(first).reshape(4, 6))
    other = Instances(
        np.array(second, np.int32).reshape(4, 6), np.full(4, 0.5, np.float32),
        np.array([0, 1, 0, 1], np.int32), np.arange(1, 5, dtype=np.int32), NAMES)
    result = combine(one, other, Rules(match_iou=iou))
    assert (result.areas() > 0).all()
    assert result.areas().tolist() == sorted(result.areas().tolist(), reverse=True)
    # an outline is lost only to named objects that fill it
    for row in np.unique(one.labels[(one.labels > 0) & (result.labels == 0)]):
        assert (result.labels[one.labels == row] > 0).mean() >= WITHIN
    assert result.labels.max(initial=0) == len(result)


@settings(max_examples=50, deadline=None)
@given(labels=LABELS)
def test_the_same_result_twice_changes_no_outline(labels):
    one = Instances.from_labels(np.array(labels).reshape(4, 6))
    result = combine(one, one)
    same = one.labels[:, :, None] == np.unique(one.labels)
    pairs = {(int(a), int(b)) for a, b in zip(
        one.labels.ravel(), result.labels.ravel(), strict=True)}
    assert len(pairs) == same.shape[-1]
