# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.regions import (
    Regions,
    classes_inside,
    cropped_frame,
    objects_inside,
    pasted,
)
from seg_ros.core.results import Instances, SemanticMap
from seg_ros.core.rigid import RigidTransform

CAMERA = CameraModel(40, 30, 40.0, 40.0, 19.5, 14.5)


def frame(with_depth=True):
    """Return 30x40 pixels at 1 m on the left, 2 m on the right; the first five rows have none."""
    depth = np.full((30, 40), 1.0, np.float32)
    depth[:, 20:] = 2.0
    depth[:5] = np.nan
    color = np.arange(30 * 40 * 3, dtype=np.uint16).reshape(30, 40, 3).astype(np.uint8)
    return RgbdFrame(color, depth if with_depth else None, CAMERA, 7, 'camera')


def objects():
    """Return object 11 on the left, 12 on the right, 13 without depth."""
    labels = np.zeros((30, 40), np.int32)
    labels[10:20, 4:14] = 1
    labels[10:20, 24:34] = 2
    labels[0:4, 4:14] = 3
    found = Instances.from_labels(labels)
    return Instances(found.labels, found.scores, found.class_ids, np.array([11, 12, 13], np.int32))


@pytest.mark.parametrize(('regions', 'ids'), [
    (Regions(), [11, 12, 13]),
    (Regions((0, 0, 20, 30)), [11, 13]),
    (Regions((9, 0, 20, 30)), [11, 12, 13]),    # half of 11 and 13, and half of 12
    (Regions((10, 0, 5, 30)), []),
    (Regions((19, 5, 500, 500)), [12]),
    (Regions(max_depth_m=1.5), [11]),
    (Regions(max_depth_m=2.0), [11, 12]),
    (Regions(max_depth_m=0.5), []),
    (Regions(workspace_m=(-1, 0, -1, 1, 0, 3)), [11]),
    (Regions(workspace_m=(-1, 1, -1, 1, 1.5, 3)), [12]),
    (Regions((0, 0, 20, 30), (-1, 1, -1, 1, 1.5, 3)), []),
], ids=str)
def test_objects_that_are_wanted(regions, ids):
    found = objects_inside(objects(), frame(), regions)
    assert found.ids.tolist() == ids
    for row, number in enumerate(ids):
        np.testing.assert_array_equal(
            found.labels == row + 1, objects().labels == [11, 12, 13].index(number) + 1)


def test_the_workspace_is_in_its_own_frame():
    # The robot's base is 1 m behind the camera, x ahead, y to the left, z up.
    to_base = RigidTransform(
        np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([1.0, 0, 0]))
    near = Regions(workspace_m=(1.5, 2.5, -1, 1, -1, 1))
    assert objects_inside(objects(), frame(), near, to_base).ids.tolist() == [11]
    assert objects_inside(objects(), frame(), near).ids.tolist() == []


def test_without_depth_nothing_is_known_to_be_inside():
    assert objects_inside(objects(), frame(False), Regions(max_depth_m=9.0)).ids.tolist() == []
    assert len(objects_inside(objects(), frame(False), Regions((0, 0, 40, 30)))) == 3


@pytest.mark.parametrize(('regions', 'left'), [
    (Regions(), 600), (Regions((0, 0, 30, 30)), 300), (Regions(max_depth_m=1.5), 0),
    (Regions(max_depth_m=3.0), 500), (Regions(workspace_m=(0, 9, 0, 9, 0, 9)), 20 * 15)])
def test_classes_outside_are_background(regions, left):
    labels = np.zeros((30, 40), np.uint8)
    labels[:, 20:] = 2
    classes = SemanticMap(labels, ('floor', 'cup', 'wall'), threshold=0.25)
    found = classes_inside(classes, frame(), regions)
    assert (found.labels == 2).sum() == left and (found.labels > 0).sum() == left
    assert found.threshold == 0.25 and (labels == 2).sum() == 600


@pytest.mark.parametrize(('arguments', 'text'), [
    (((1, 1, 0, 5),), r'roi_image is \[1, 1, 0, 5\]: \[x, y, width, height\] in pixels'),
    (((0, 0, 5, 0),), 'width and height from 1'),
    (((-1, 0, 5, 5),), 'roi_image is'),
    (((0, 0, 0, 0), (0, 0, 0, 1, 0, 1)), 'each min below its max'),
    (((0, 0, 0, 0), (1, -1, 0, 1, 0, 1)), r'workspace is \[1, -1, 0, 1, 0, 1\]'),
])
def test_regions_without_extent_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        Regions(*arguments)


def test_a_part_beyond_the_image_is_refused_and_one_across_its_border_clipped():
    assert Regions((30, 20, 50, 50)).box_xyxy((30, 40)) == (30, 20, 40, 30)
    with pytest.raises(ValueError, match=r'\[40, 0, 5, 5\] lies outside the image of 40x30'):
        Regions((40, 0, 5, 5)).box_xyxy((30, 40))


def test_a_part_sees_the_same_points():
    whole, part = frame(), cropped_frame(frame(), (10, 8, 33, 25))
    np.testing.assert_allclose(part.points(), whole.points()[8:25, 10:33], rtol=1e-6)
    np.testing.assert_array_equal(part.color, whole.color[8:25, 10:33])
    assert (part.stamp_ns, part.frame_id) == (7, 'camera')
    assert cropped_frame(frame(False), (0, 0, 5, 5)).depth is None


def test_results_of_a_part_come_back_to_their_pixels():
    labels = np.zeros((17, 23), np.int32)
    labels[2:5, 3:9] = 1
    whole = pasted(Instances.from_labels(labels), (10, 8, 33, 25), (30, 40))
    assert whole.labels.shape == (30, 40)
    assert np.argwhere(whole.labels == 1).min(axis=0).tolist() == [10, 13]
    assert (whole.labels == 1).sum() == 18
    probabilities = np.stack([1 - 0.5 * labels, 0.5 * labels]).astype(np.float32)
    classes = pasted(SemanticMap(labels, ('floor', 'cup'), probabilities), (10, 8, 33, 25),
                     (30, 40))
    assert classes.confidence.shape == (30, 40)
    assert classes.confidence[10, 13] == 0.5 and classes.confidence[0, 0] == 0
