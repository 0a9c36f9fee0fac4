# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Samples of Mask R-CNN: masks, boxes and classes follow the picture."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_views import HEIGHT, WIDTH, view_of

from seg_ros.core.frame import CameraModel
from seg_ros.networks.preprocessing import SMALL
from seg_ros.training import samples
from seg_ros.training.detection_options import DetectionTrainOptions
from seg_ros.training.detection_samples import (
    Objects,
    camera_or_any,
    chosen_box,
    cut_masks,
    detection_sample,
    objects_of,
    shown_inputs,
    stacked_input,
    targets_of,
    whole_sample,
)

SHOWN = {'drop_color': 0.0, 'drop_depth': 0.0}
OPTIONS = DetectionTrainOptions(width=96, height=64, smallest_object=4, **SHOWN)
CLASSES = [7, 5, 9]


def objects_with(seed, *, overlapping=False, depth_of=None):
    """Return discs without noise; depth 2 m where the mask `depth_of` is, else 1 m."""
    view = replace(view_of(seed % 7), clean=False)
    objects = objects_of(view, CLASSES)
    masks = objects.masks
    if overlapping:
        masks = np.stack([cv2.dilate(mask.view(np.uint8), np.ones((15, 15))) for mask in masks])
        masks = masks.astype(bool)
    if depth_of is not None:
        view = replace(view, depth_m=np.where(masks[depth_of], 2, 1).astype(np.float32))
    return Objects(view, masks, objects.class_ids)


def tight_box(mask):
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10 ** 6), overlapping=st.booleans(),
       size=st.sampled_from([(96, 64), (64, 64), (70, 90)]))
def test_masks_boxes_and_classes_follow_the_picture_exactly(seed, overlapping, size):
    options = OPTIONS.replaced(width=size[0], height=size[1])
    for row, class_id in enumerate(CLASSES):
        objects = objects_with(seed, overlapping=overlapping, depth_of=row)
        image, target = detection_sample(objects, options, SMALL, np.random.default_rng(seed))
        assert image.shape == (6, size[1], size[0])
        depth = image[5].numpy()
        # the whole part may be of one depth: then the mask covers all of it or is left out
        far = depth > 1.4  # the world is stretched by 0.85 to 1.2
        found = np.flatnonzero(target['labels'].numpy() == class_id)
        if far.sum() < 4:
            assert len(found) == 0
            continue
        mask = target['masks'][found[0]].numpy()
        np.testing.assert_array_equal(mask, far)
        assert target['boxes'][found[0]].tolist() == tight_box(far)


def test_the_colours_follow_as_well(monkeypatch):
    monkeypatch.setattr(samples, 'augment_color', lambda color, rng: color)
    shown, options = 0, OPTIONS.replaced(focus_share=0.0)
    for seed in range(20):
        objects = objects_with(seed)
        image, target = detection_sample(objects, options, SMALL, np.random.default_rng(seed))
        picture = SMALL.picture(image[:3].numpy()).astype(int)
        for mask, class_id in zip(target['masks'].numpy(), target['labels'].tolist(), strict=True):
            inner = cv2.erode(mask, np.ones((7, 7)), borderValue=0) > 0
            color = objects.view.color[objects.masks[CLASSES.index(class_id)]][0]
            assert (np.abs(picture[inner] - color) <= 1).all()
            shown += inner.any()
    assert shown > 20


def test_half_of_the_samples_are_mirrored():
    view = view_of(0, objects=0)
    view.labels[10:30, 2:20] = 1
    objects = objects_of(replace(view, clean=False))
    options = OPTIONS.replaced(focus_share=0.0, zoom_min=1.0, zoom_max=1.0, height=72)
    lefts = [detection_sample(objects, options, SMALL, np.random.default_rng(seed))[1]['boxes']
             for seed in range(100)]
    mirrored = np.mean([float(box[0, 0]) > 48 for box in lefts])
    assert 0.35 < mirrored < 0.65


@pytest.mark.parametrize(('smallest', 'count'), [(4, 3), (60, 2), (61, 1), (5000, 0)])
def test_small_objects_are_left_out(smallest, count):
    masks = np.zeros((3, 48, 64), np.uint8)
    masks[0, :2, :4], masks[1, 10:16, 10:20], masks[2, 20:40, 20:50] = 1, 1, 1
    target = targets_of(masks, np.array([4, 5, 6]), smallest)
    assert target['labels'].tolist() == [4, 5, 6][3 - count:]
    assert target['boxes'].shape == (count, 4) and target['masks'].shape == (count, 48, 64)
    assert [tensor.numpy().dtype for tensor in target.values()] == [
        np.float32, np.int64, np.uint8]
    expected = [tight_box(mask) for mask in masks][3 - count:]
    assert target['boxes'].tolist() == expected


def test_a_view_without_objects_teaches_that_there_are_none():
    objects = objects_of(replace(view_of(0, objects=0), clean=False))
    assert objects.masks.shape == (0, HEIGHT, WIDTH)
    for seed in range(8):
        image, target = detection_sample(objects, OPTIONS, SMALL, np.random.default_rng(seed))
        assert image.shape == (6, 64, 96)
        assert target['boxes'].shape == (0, 4) and target['labels'].shape == (0,)
        assert target['masks'].shape == (0, 64, 96)


@pytest.mark.parametrize('mirrored', [False, True])
def test_cut_masks_equal_indexing_where_nothing_is_resized(mirrored):
    masks = np.random.default_rng(0).random((4, 48, 64)) > 0.5
    found = cut_masks(masks, (8, 5, 40, 37), (32, 32), mirrored)
    expected = masks[:, 5:37, 8:40]
    np.testing.assert_array_equal(found, expected[:, :, ::-1] if mirrored else expected)
    assert found.dtype == np.uint8
    assert not np.shares_memory(found, masks)


def test_labels_become_objects_by_ascending_label():
    view = view_of(0, objects=0)
    view.labels[:4], view.labels[10:14], view.labels[20:24] = 40, 3, 17
    objects = objects_of(view, [1, 2, 3])
    assert [mask[row].all() for mask, row in zip(objects.masks, (10, 20, 0), strict=True)] == [
        True] * 3
    assert objects.class_ids.tolist() == [1, 2, 3] and objects.class_ids.dtype == np.int64
    assert objects_of(view).class_ids.tolist() == [1, 1, 1]


@pytest.mark.parametrize(('changes', 'widths'), [
    ({'zoom_min': 1.0, 'zoom_max': 1.0}, (64, 64)),
    ({'zoom_min': 0.5, 'zoom_max': 1.0}, (64, 64)),  # smaller than the input: the view is all
    ({'zoom_min': 1.0, 'zoom_max': 2.0}, (32, 64))])
def test_the_zoom_decides_how_much_is_seen(changes, widths):
    options = OPTIONS.replaced(focus_share=0.0, **changes)
    boxes = np.array([chosen_box(view_of(0), (64, 48), options, np.random.default_rng(seed))
                      for seed in range(60)])
    sides = boxes[:, 2] - boxes[:, 0]
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= [WIDTH, HEIGHT]).all()
    assert sides.min() >= widths[0] and sides.max() == widths[1]
    if widths[0] < widths[1]:
        assert sides.min() < 36
        # half of the samples are not zoomed
        assert 0.3 < (sides == 64).mean() < 0.7


@pytest.mark.parametrize(('fusion', 'drop', 'has_depth', 'expected'), [
    ('add', 0.05, True, (False, True)), ('add', 0.15, True, (True, False)),
    ('add', 0.35, True, (True, True)), ('cat', 0.05, True, (False, True)),
    ('add', 0.05, False, (True, True)), ('add', 0.15, False, (True, True)),
    ('color', 0.05, True, (True, True)), ('depth', 0.15, True, (True, True))])
def test_what_is_the_only_input_is_never_left_out(fusion, drop, has_depth, expected):
    options = OPTIONS.replaced(fusion=fusion, drop_color=0.1, drop_depth=0.2)
    assert shown_inputs(options, drop, has_depth) == expected


@pytest.mark.parametrize(('changes', 'color', 'depth'), [
    ({'drop_color': 1.0}, False, True), ({'drop_depth': 1.0}, True, False), ({}, True, True)])
def test_what_is_left_out_is_zero(changes, color, depth):
    image, target = detection_sample(
        objects_with(0), OPTIONS.replaced(**changes), SMALL, np.random.default_rng(0))
    assert bool(image[:3].any()) == color and bool(image[3:].any()) == depth
    assert len(target['labels']) > 0


def test_a_picture_without_depth_is_taught_by_its_colour():
    objects = objects_with(0)
    blind = replace(objects.view, depth_m=np.full((HEIGHT, WIDTH), np.nan, np.float32))
    image, _ = detection_sample(
        Objects(blind, objects.masks, objects.class_ids), OPTIONS.replaced(drop_color=1.0), SMALL,
        np.random.default_rng(0))
    assert image[:3].any() and not image[3:].any()
    assert np.isfinite(image.numpy()).all()


@pytest.mark.parametrize('clean', [False, True])
def test_whole_views_are_repeatable_samples(clean):
    objects = objects_with(0)
    objects = Objects(replace(objects.view, clean=clean), objects.masks, objects.class_ids)
    options = OPTIONS.replaced(width=WIDTH, height=64, smallest_object=4000)
    (image, target), (again, _), (other, _) = (
        whole_sample(objects, options, SMALL, seed) for seed in (3, 3, 4))
    assert image.equal(again) and image.equal(other) != clean
    assert target['labels'].tolist() == CLASSES  # small ones too
    assert target['masks'].shape == (3, 64, 64)
    full, _ = whole_sample(objects, options.replaced(width=128, height=96), SMALL, 3)
    assert full.shape == (6, 96, 128)


def test_left_out_planes_are_zero():
    view = objects_with(0).view
    planes = stacked_input(view, SMALL)
    assert planes[:3].any() and planes[3:].any()
    assert not stacked_input(view, SMALL, color=False)[:3].any()
    assert stacked_input(view, SMALL, depth=False)[:3].equal(planes[:3])
    assert not stacked_input(view, SMALL, depth=False)[3:].any()


def test_a_camera_is_made_up_only_where_there_is_none():
    camera = CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5)
    assert camera_or_any(camera, (48, 64)) is camera
    made = camera_or_any(None, (48, 64))
    assert (made.width, made.height) == (64, 48)
