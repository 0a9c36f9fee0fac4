# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seg_ros.evaluation.unseen_metrics import (
    MEASURES,
    boundary_radius,
    evaluate_frame,
    mean_score,
)


def boundary_map(mask):
    """Mark pixels of a (H, W) bool mask that differ from an east, south, south-east neighbour."""
    height, width = mask.shape
    found = np.zeros(mask.shape, bool)
    for y, x in itertools.product(range(height), range(width)):
        for dy, dx in ((0, 1), (1, 0), (1, 1)):
            if y + dy < height and x + dx < width and mask[y, x] != mask[y + dy, x + dx]:
                found[y, x] = True
    return found


def count_within(pixels, others, radius):
    here, there = np.argwhere(pixels), np.argwhere(others)
    if not len(here) or not len(there):
        return 0
    squared = ((here[:, None] - there[None]) ** 2).sum(-1)
    return int((squared.min(1) <= radius**2).sum())


def pixel_f(true, predicted):
    return 2 * (true & predicted).sum() / (true.sum() + predicted.sum())


def best_pairs(true_masks, predicted_masks):
    """Yield every assignment that maximises the sum of F, by trying all of them."""
    few, many = sorted((true_masks, predicted_masks), key=len)
    swap = few is not true_masks
    best, found = -1.0, []
    for chosen in itertools.permutations(range(len(many)), len(few)):
        pairs = [(j, i) if swap else (i, j) for i, j in enumerate(chosen)]
        total = sum(pixel_f(true_masks[i], predicted_masks[j]) for i, j in pairs)
        if total > best + 1e-9:
            best, found = total, [pairs]
        elif abs(total - best) <= 1e-9:
            found.append(pairs)
    return [
        [(i, j) for i, j in pairs if (true_masks[i] & predicted_masks[j]).any()] for pairs in found
    ]


def brute_force(truth, predicted):
    """Return the measures of every best assignment (more than one where several tie)."""
    true_masks = [truth == label for label in np.unique(truth) if label]
    predicted_masks = [predicted == label for label in np.unique(predicted) if label]
    answers = []
    for pairs in best_pairs(true_masks, predicted_masks):
        answers.append(measures(true_masks, predicted_masks, pairs, truth.shape))
    return answers


def measures(true_masks, predicted_masks, pairs, shape):
    hits = sum((true_masks[i] & predicted_masks[j]).sum() for i, j in pairs)
    overlap = precision_recall_f(
        hits, sum(m.sum() for m in predicted_masks), hits, sum(m.sum() for m in true_masks)
    )
    radius = math.ceil(0.003 * math.sqrt(shape[0] ** 2 + shape[1] ** 2))
    true_maps = [boundary_map(m) for m in true_masks]
    predicted_maps = [boundary_map(m) for m in predicted_masks]
    boundary = precision_recall_f(
        sum(count_within(predicted_maps[j], true_maps[i], radius) for i, j in pairs),
        sum(m.sum() for m in predicted_maps),
        sum(count_within(true_maps[i], predicted_maps[j], radius) for i, j in pairs),
        sum(m.sum() for m in true_maps),
    )
    good = sum(pixel_f(true_masks[i], predicted_masks[j]) > 0.75 for i, j in pairs)
    share = good / len(true_masks) if true_masks else float(not predicted_masks)
    return (*overlap, *boundary, share)


def precision_recall_f(hits_p, total_p, hits_r, total_r):
    p = hits_p / total_p if total_p else 1.0
    r = hits_r / total_r if total_r else 1.0
    return p, r, 2 * p * r / (p + r) if p + r else 0.0


def as_tuple(score):
    return tuple(getattr(score, name) for name in MEASURES)


def rectangle(shape, *boxes):
    labels = np.zeros(shape, np.int32)
    for label, x1, y1, x2, y2 in boxes:
        labels[y1:y2, x1:x2] = label
    return labels


# shapes above a diagonal of 333 pixels have a tolerance of 2 pixels
shapes = st.sampled_from([(6, 7), (1, 9), (12, 5), (8, 340)])
boxes = st.lists(
    st.tuples(
        st.integers(1, 4), st.integers(0, 11), st.integers(0, 9), st.integers(1, 8),
        st.integers(1, 8),
    ),
    max_size=5,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(shapes, boxes, boxes, st.integers(1, 9000))
def test_agrees_with_brute_force(shape, true_boxes, predicted_boxes, factor):
    truth, predicted = (
        rectangle(shape, *[(label, x, y, x + w, y + h) for label, x, y, w, h in found])
        for found in (true_boxes, predicted_boxes)
    )
    answers = brute_force(truth, predicted)
    found = as_tuple(evaluate_frame(truth, (predicted * factor).astype(np.uint16)))
    assert any(np.allclose(found, answer, atol=1e-12) for answer in answers), (found, answers)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.int32, (5, 6), elements=st.integers(0, 3)),
       hnp.arrays(np.int32, (5, 6), elements=st.integers(0, 3)))
def test_noise_agrees_with_brute_force_and_stays_in_range(truth, predicted):
    found = as_tuple(evaluate_frame(truth, predicted))
    assert any(np.allclose(found, answer) for answer in brute_force(truth, predicted))
    assert all(0 <= value <= 1 for value in found)


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.int32, (9, 8), elements=st.integers(0, 4)), st.permutations(range(1, 5)))
def test_names_of_labels_do_not_matter(labels, order):
    renamed = np.array([0, *order], np.int32)[labels]
    assert as_tuple(evaluate_frame(labels, renamed)) == (1.0,) * 7


SQUARE = rectangle((480, 640), (3, 100, 100, 140, 140))


@pytest.mark.parametrize(
    ('truth', 'predicted', 'expected'),
    [
        (0 * SQUARE, 0 * SQUARE, (1, 1, 1, 1, 1, 1, 1)),
        (SQUARE, 0 * SQUARE, (1, 0, 0, 1, 0, 0, 0)),
        (0 * SQUARE, SQUARE, (0, 1, 0, 0, 1, 0, 0)),
        (SQUARE, SQUARE, (1, 1, 1, 1, 1, 1, 1)),
        # moved by the tolerance of 3 pixels, then by one more: the boundary is lost bit by bit
        (SQUARE, np.roll(SQUARE, 3, 1), (37 / 40,) * 3 + (1, 1, 1, 1)),
        # all of the image: no boundary to be right or wrong about
        (0 * SQUARE + 1, 0 * SQUARE + 7, (1, 1, 1, 1, 1, 1, 1)),
    ],
)
def test_known_values(truth, predicted, expected):
    assert as_tuple(evaluate_frame(truth, predicted)) == pytest.approx(expected)


def test_boundary_beyond_the_tolerance_is_wrong():
    score = evaluate_frame(SQUARE, np.roll(SQUARE, 4, 1))
    # the horizontal edges stay near, the vertical ones go
    mask = boundary_map(SQUARE[95:150, 95:150] > 0)
    moved = np.roll(mask, 4, 1)
    expected = count_within(moved, mask, 3) / moved.sum()
    assert score.boundary_precision == pytest.approx(expected)
    assert 0.4 < score.boundary_precision < 0.6


@pytest.mark.parametrize(
    ('shape', 'radius'), [((480, 640), 3), ((720, 1280), 5), ((1, 1), 1), ((200, 266), 1)]
)
def test_tolerance(shape, radius):
    assert boundary_radius(*shape) == radius


def test_matching_maximises_the_sum_not_the_first_best():
    # true 1 overlaps both predictions, true 2 only the first: greedy by true 1 loses
    truth = rectangle((10, 40), (1, 0, 0, 20, 10), (2, 20, 0, 24, 10))
    predicted = rectangle((10, 40), (1, 8, 0, 24, 10), (2, 0, 0, 8, 10))
    score = evaluate_frame(truth, predicted)
    assert score.object_f == pytest.approx((2 * 80 / 280, 2 * 40 / 200))
    assert (score.overlap_precision, score.overlap_recall) == pytest.approx((0.5, 0.5))


def test_three_quarters_exactly_is_not_above():
    # 3 of 5 and 3 of 3 pixels: F = 2 * 3 / 8 = 0.75
    truth = rectangle((1, 8), (1, 0, 0, 5, 1))
    predicted = rectangle((1, 8), (1, 0, 0, 3, 1))
    assert evaluate_frame(truth, predicted).object_f == (0.75,)
    assert evaluate_frame(truth, predicted).share_above_75 == 0.0
    longer = rectangle((1, 8), (1, 0, 0, 4, 1))
    assert evaluate_frame(truth, longer).share_above_75 == 1.0


@pytest.mark.parametrize(
    ('truth', 'predicted', 'text'),
    [
        (np.zeros((4, 5), int), np.zeros((5, 4), int), 'true labels are 5x4, predicted ones 4x5'),
        (np.zeros((4, 5)), np.zeros((4, 5), int), r'true labels must be \(H, W\) integers'),
        (np.zeros((4, 5), int), np.zeros((4, 5, 1), int), 'predicted labels must be'),
        (np.zeros((4, 5), int) - 1, np.zeros((4, 5), int), 'span -1..-1, accepted are 0..65535'),
        (np.zeros((4, 5), int), np.zeros((4, 5), int) + 65536, 'span 65536..65536'),
        (np.zeros((0, 5), int), np.zeros((0, 5), int), 'true labels must be'),
    ],
)
def test_bad_input_is_named(truth, predicted, text):
    with pytest.raises(ValueError, match=text):
        evaluate_frame(truth, predicted)


def test_mean_is_plain_over_frames():
    first = evaluate_frame(SQUARE, SQUARE)
    second = evaluate_frame(SQUARE, 0 * SQUARE)
    mean = mean_score([first, second, second])
    assert mean.overlap_f == pytest.approx(1 / 3)
    assert (mean.overlap_precision, mean.share_above_75) == pytest.approx((1.0, 1 / 3))
    assert (mean.frames, mean.objects, mean.predictions) == (3, 3, 1)
    with pytest.raises(ValueError, match='no frame to average'):
        mean_score([])
