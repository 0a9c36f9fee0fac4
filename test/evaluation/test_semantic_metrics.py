# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The measures of classes against cases worked out by hand, and against a naive loop."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.evaluation.semantic_metrics import (
    SemanticScores,
    are_objects,
    class_accuracies,
    class_ius,
    confusion,
    measures,
)

NAN = math.nan


def matrix(rows):
    return np.array(rows, np.int64)


@pytest.mark.parametrize(('rows', 'accuracies', 'ius', 'expected'), [
    # a right answer for every pixel
    ([[3, 0], [0, 1]], [1, 1], [1, 1], (1, 1, 1, 1)),
    # 1 of 3 pixels of class 0 is taken for class 1
    ([[2, 1], [0, 1]], [2 / 3, 1], [2 / 3, 1 / 2],
     (3 / 4, 5 / 6, 7 / 12, 3 / 4 * 2 / 3 + 1 / 4 * 1 / 2)),
    # class 2 is neither true nor predicted: it is in no mean
    ([[2, 1, 0], [0, 1, 0], [0, 0, 0]], [2 / 3, 1, NAN], [2 / 3, 1 / 2, NAN],
     (3 / 4, 5 / 6, 7 / 12, 5 / 8)),
    # class 2 is not true but predicted: its IU of 0 is in the mean, its accuracy is not
    ([[2, 0, 1], [0, 1, 0], [0, 0, 0]], [2 / 3, 1, NAN], [2 / 3, 1, 0],
     (3 / 4, 5 / 6, 5 / 9, 3 / 4 * 2 / 3 + 1 / 4)),
    # class 1 is true and never found
    ([[4, 0], [2, 0]], [1, 0], [4 / 6, 0], (4 / 6, 1 / 2, 1 / 3, 4 / 6 * 4 / 6)),
    ([[0, 0], [0, 0]], [NAN, NAN], [NAN, NAN], (NAN, NAN, NAN, NAN)),
])
def test_hand_cases(rows, accuracies, ius, expected):
    np.testing.assert_allclose(class_accuracies(matrix(rows)), accuracies)
    np.testing.assert_allclose(class_ius(matrix(rows)), ius)
    found = measures(matrix(rows))
    assert list(found) == [
        'pixel_accuracy', 'mean_accuracy', 'mean_iu', 'frequency_weighted_iu']
    np.testing.assert_allclose(list(found.values()), expected)


def test_rows_are_the_truth_and_ignored_pixels_are_left_out():
    truth = np.array([[0, 0, 1], [2, 255, 255]], np.uint8)
    predicted = np.array([[0, 1, 1], [0, 0, 2]], np.int32)
    assert confusion(truth, predicted, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize(('truth', 'predicted', 'message'), [
    (np.zeros((2, 3)), np.zeros((3, 2)), r'truth has shape \(2, 3\), the prediction \(3, 2\)'),
    (np.full((1, 1), 3), np.zeros((1, 1)), 'of the truth are 3 to 3, accepted are 0 to 2'),
    (np.zeros((1, 1)), np.full((1, 1), 255), 'of the prediction are 255 to 255'),
    (np.zeros((1, 1)), np.full((1, 1), -1), 'of the prediction are -1 to -1'),
])
def test_what_cannot_be_compared_is_refused(truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        confusion(truth.astype(int), predicted.astype(int), 3)


def naive(truth, predicted, count):
    """Return the four measures by loops over classes and pixels, None for undefined."""
    pairs = [(t, p) for t, p in zip(truth.ravel(), predicted.ravel(), strict=True) if t != 255]
    accuracies, ius, weighted = [], [], 0.0
    for k in range(count):
        both = sum(t == k and p == k for t, p in pairs)
        true, found = sum(t == k for t, _ in pairs), sum(p == k for _, p in pairs)
        if true:
            accuracies.append(both / true)
        if true + found:
            ius.append(both / (true + found - both))
        if true:
            weighted += true / len(pairs) * ius[-1]
    if not pairs:
        return [NAN] * 4
    right = sum(t == p for t, p in pairs) / len(pairs)
    return [right, np.mean(accuracies), np.mean(ius), weighted]


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5), st.integers(0, 40))
def test_measures_equal_a_naive_loop(seed, count, pixels):
    rng = np.random.default_rng(seed)
    truth = rng.choice([*range(count), 255], (pixels, 1))
    predicted = rng.integers(0, count, (pixels, 1))
    found = measures(confusion(truth, predicted, count))
    np.testing.assert_allclose(list(found.values()), naive(truth, predicted, count))


def test_a_set_is_scored_as_one_image_that_holds_all_of_it():
    rng = np.random.default_rng(0)
    truth, predicted = (rng.integers(0, 4, (3, 6, 7)) for _ in range(2))
    scores = SemanticScores(('background', 'table', 'cup', 'box'))
    for one, other in zip(truth, predicted, strict=True):
        scores.add_classes(one, other)
    joined = SemanticScores(scores.class_names)
    joined.join(scores)
    found, naive_values = joined.summary(), naive(truth, predicted, 4)
    np.testing.assert_allclose([found['pixel_accuracy'], found['mean_accuracy'],
                                found['mean_iu'], found['frequency_weighted_iu']], naive_values)
    row = found['classes'][2]
    assert (row['name'], row['pixels']) == ('cup', (truth == 2).sum())
    assert row['predicted'] == (predicted == 2).sum()
    objects, seen = truth > 1, predicted > 1
    assert found['object_iu'] == pytest.approx((objects & seen).sum() / (objects | seen).sum())


def test_objects_against_the_rest_by_labels_alone():
    scores = SemanticScores(('background', 'cup', 'table', 'box'))
    assert are_objects(scores.class_names).tolist() == [False, True, False, True]
    labels = np.array([[0, 0, 7], [9, 9, 0]], np.int32)
    predicted = np.array([[0, 2, 1], [3, 2, 3]], np.int32)
    scores.add_objects(labels, predicted)
    assert scores.summary() == {'object_iu': 2 / 4}  # 1 and 3 hit, one missed, one too many
    assert SemanticScores(('background', 'cup')).summary() == {'object_iu': None}
