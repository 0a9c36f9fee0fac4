# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection.roi_heads import paste_masks_in_image

from seg_ros.mask_rcnn.masks import label_image, pasted_masks

# cv2 and torch interpolate in float32 in another order of operations
TOLERANCE = 2e-6


def whole_images(boxes, masks, shape):
    """Return (K, H, W) of what is pasted, each into an image of its own."""
    images = np.zeros((len(boxes), *shape), np.float32)
    for image, (window, probability) in zip(images, pasted_masks(boxes, masks, shape),
                                            strict=True):
        image[window] = probability
    return images


def torchvisions(boxes, masks, shape):
    return paste_masks_in_image(
        torch.from_numpy(masks)[:, None], torch.from_numpy(boxes), shape)[:, 0].numpy()


def random_masks(count, size=28, seed=0):
    return np.random.default_rng(seed).random((count, size, size), np.float32)


def reaching_in(boxes):
    """Move boxes that torchvision fails for, outside the image of 64x48, to its border."""
    return np.hstack([np.minimum(boxes[:, :2], (63, 47)), np.maximum(boxes[:, 2:], 1)]).astype(
        np.float32)


BOXES = {
    'inside': (10.3, 5.7, 50.2, 33.9),
    'of whole pixels': (8.0, 4.0, 40.0, 20.0),
    'the whole image': (0.0, 0.0, 64.0, 48.0),
    'beyond the left and top': (-20.5, -11.2, 20.0, 9.0),
    'beyond the right and bottom': (50.0, 40.0, 90.3, 70.8),
    'larger than the image': (-100.0, -90.0, 200.0, 190.0),
    'less than a pixel': (20.2, 20.3, 20.9, 20.8),
    'one pixel': (20.0, 20.0, 21.0, 21.0),
    'no width': (20.0, 10.0, 20.0, 30.0),
    'no height': (20.0, 10.0, 40.0, 10.0),
    'a point': (30.5, 30.5, 30.5, 30.5),
    'a point in the last corner': (64.0, 48.0, 64.0, 48.0),
    'the last pixel': (63.0, 47.0, 64.0, 48.0),
    'a line along the top': (-0.4, -0.4, 64.2, 0.3),
}


@pytest.mark.parametrize('box', BOXES.values(), ids=BOXES)
@pytest.mark.parametrize('size', [28, 7, 1])
def test_masks_are_pasted_as_torchvision_does(box, size):
    boxes, masks, shape = np.array([box], np.float32), random_masks(1, size), (48, 64)
    found = whole_images(boxes, masks, shape)
    np.testing.assert_allclose(found, torchvisions(boxes, masks, shape), atol=TOLERANCE)
    assert found.any() == (box != BOXES['a point in the last corner'])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(
    st.floats(-30, 70, width=32), st.floats(-30, 50, width=32),
    st.floats(0, 60, width=32), st.floats(0, 60, width=32)), min_size=1, max_size=5))
def test_any_boxes_are_pasted_as_torchvision_does(rows):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float32)
    boxes = reaching_in(boxes)
    masks = random_masks(len(boxes), 14)
    np.testing.assert_allclose(
        whole_images(boxes, masks, (48, 64)), torchvisions(boxes, masks, (48, 64)),
        atol=TOLERANCE)


@pytest.mark.parametrize('box', [
    (-50, 10, -20, 30), (10, -50, 30, -20), (90, 10, 120, 30), (10, 60, 30, 90),
    (-50, -50, -20, -20), (1e6, 1e6, 1e6 + 5, 1e6 + 5)])
def test_a_box_outside_the_image_shows_nothing(box):
    (window, probability), = pasted_masks(np.array([box], np.float32), random_masks(1), (48, 64))
    assert probability.size == 0
    assert np.zeros((48, 64))[window].size == 0


def solid(*values):
    """Return masks (K, 28, 28) of one probability each."""
    return np.repeat(np.array(values, np.float32), 28 * 28).reshape(-1, 28, 28)


def labelled(boxes, masks, scores, shape=(48, 64), **more):
    return label_image(np.array(boxes, np.float32).reshape(-1, 4), masks,
                       np.array(scores, np.float32), shape, **more)


def test_the_better_object_has_the_pixels():
    labels, kept = labelled([(0, 0, 32, 32), (20, 0, 52, 32)], solid(1, 1), [0.6, 0.9])
    assert kept.tolist() == [1, 0]
    assert (labels.dtype, kept.dtype) == (np.int32, np.int64)
    row = labels[10]
    assert (row[:19] == 2).all() and (row[21:51] == 1).all() and (row[54:] == 0).all()


def test_equal_scores_keep_their_order():
    _, kept = labelled([(0, 0, 8, 8), (20, 0, 28, 8), (40, 0, 48, 8)], solid(1, 1, 1), [0.5] * 3)
    assert kept.tolist() == [0, 1, 2]


# The second box is covered by the first to three quarters (24 of 32 columns).
@pytest.mark.parametrize(('min_visible', 'count'), [
    (0.0, 2), (0.15, 2), (0.35, 1), (0.5, 1), (1.0, 1)])
def test_what_others_cover_is_left_out(min_visible, count):
    boxes = [(0, 0, 32, 32), (8, 0, 40, 32)]
    labels, kept = labelled(boxes, solid(1, 1), [0.9, 0.8], min_visible=min_visible)
    assert kept.tolist() == [0, 1][:count]
    assert labels.max() == count


def test_what_is_covered_wholly_is_left_out_whatever_is_asked():
    labels, kept = labelled(
        [(0, 0, 40, 40), (10, 10, 20, 20), (50, 10, 60, 20)], solid(1, 1, 1), [0.9, 0.8, 0.7],
        min_visible=0.0)
    assert kept.tolist() == [0, 2]
    assert labels[15, 15] == 1 and labels[15, 55] == 2 and labels.max() == 2


def test_min_visible_of_one_keeps_what_is_whole():
    _, kept = labelled([(0, 0, 10, 10), (30, 0, 40, 10)], solid(1, 1), [0.9, 0.8], min_visible=1.0)
    assert kept.tolist() == [0, 1]


@pytest.mark.parametrize(('threshold', 'expected'), [(0.3, [0, 1]), (0.5, [1]), (0.9, [])])
def test_the_threshold_decides_pixels(threshold, expected):
    labels, kept = labelled(
        [(0, 0, 10, 10), (30, 0, 40, 10)], solid(0.4, 0.8), [0.9, 0.8], threshold=threshold)
    assert kept.tolist() == expected
    assert sorted(set(labels.ravel())) == [0, *range(1, len(expected) + 1)]


def test_the_threshold_itself_belongs_to_the_object():
    labels, kept = labelled([(0, 0, 20, 20)], solid(0.5), [1.0], threshold=0.5)
    assert kept.tolist() == [0] and labels[10, 10] == 1


def test_labels_are_those_of_a_plain_loop():
    rng = np.random.default_rng(4)
    corners = rng.uniform(-10, 60, (30, 2))
    boxes = reaching_in(np.hstack([corners, corners + rng.uniform(2, 40, (30, 2))]))
    masks, scores = random_masks(30, 14, 5), rng.random(30).astype(np.float32)
    full = torchvisions(boxes, masks, (48, 64)) >= 0.5
    expected, rows = np.zeros((48, 64), int), []
    for row in sorted(range(30), key=lambda k: -scores[k]):
        free = full[row] & (expected == 0)
        if free.sum() and free.sum() >= 0.3 * full[row].sum():
            rows.append(row)
            expected[free] = len(rows)
    labels, kept = label_image(boxes, masks, scores, (48, 64), min_visible=0.3)
    assert kept.tolist() == rows and 3 < len(rows) < 30
    # a probability at the threshold may round either way
    assert (labels != expected).mean() < 1e-3


def test_no_objects_are_no_labels():
    labels, kept = labelled([], np.zeros((0, 28, 28), np.float32), [])
    assert not labels.any() and labels.shape == (48, 64)
    assert (kept.shape, kept.dtype) == ((0,), np.int64)


def test_a_hundred_large_objects_take_little_memory():
    boxes = np.tile(np.array([20, 20, 620, 460], np.float32), (100, 1))
    boxes += np.arange(100, dtype=np.float32)[:, None] / 10
    masks, scores = random_masks(100), np.linspace(1, 0, 100).astype(np.float32)
    tracemalloc.start()
    labels, _ = label_image(boxes, masks, scores, (480, 640), min_visible=0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert labels.max() > 0
    # an image of labels, one of probabilities, a few of flags; all 100 images are 123 MB
    assert peak < 8e6
