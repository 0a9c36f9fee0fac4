# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from seg_ros.core import drawing
from seg_ros.core.drawing import (
    caption,
    draw_classes,
    draw_depth,
    draw_overlay,
    instance_colors,
    label_edges,
)
from seg_ros.core.results import Instances


def test_colours_belong_to_ids_and_differ():
    colors = instance_colors(np.array([1, 2, 3, 65535]))
    assert colors.shape == (4, 3) and colors.dtype == np.uint8
    np.testing.assert_array_equal(colors[2], instance_colors(np.array([3]))[0])
    first = instance_colors(np.arange(1, 13)).astype(int)
    distances = np.abs(first[:, None] - first[None]).sum(axis=2) + 999 * np.eye(12, dtype=int)
    assert distances.min() > 40
    assert instance_colors(np.array([], np.int32)).shape == (0, 3)


@pytest.mark.parametrize('label', [3, 255, 256, 70000])
def test_edges_are_object_pixels_next_to_others(label):
    labels = np.zeros((7, 7), np.int32)
    labels[1:6, 1:6] = label
    edges = label_edges(labels)
    assert not edges[labels == 0].any()
    assert edges[1, 1] and not edges[3, 3]


def test_overlay_tints_objects_alone():
    color = np.full((40, 60, 3), 100, np.uint8)
    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 10:50] = 1
    picture = draw_overlay(color, Instances.from_labels(labels), names=False)
    assert (picture[labels == 0] == 100).all()
    assert (picture[labels == 1] != 100).any(axis=1).all()
    named = draw_overlay(color, Instances.from_labels(labels))
    assert (named != picture).any()
    assert (color == 100).all()


@pytest.mark.parametrize(('names', 'score', 'text'), [
    (('object',), 0.93, '12'),
    (('background', 'mug'), 0.934, '12 mug 0.93'),
    (('object', 'mug'), 1.0, '12 mug 1.00'),
    (('background', 'mug'), np.nan, '12 mug'),
])
def test_captions(names, score, text):
    instances = Instances(np.ones((2, 2), np.int32), np.array([score], np.float32),
                          np.array([len(names) - 1], np.int32), np.array([12], np.int32), names)
    assert caption(instances, 0) == text


def test_overlay_without_objects_is_the_image():
    color = np.random.default_rng(0).integers(0, 255, (8, 9, 3), np.uint8)
    instances = Instances.from_labels(np.zeros((8, 9), np.int32))
    np.testing.assert_array_equal(draw_overlay(color, instances), color)


def test_depth_picture_is_black_without_depth():
    depth = np.array([[0.5, 1.0], [2.0, np.nan]], np.float32)
    picture = draw_depth(depth)
    assert (picture[1, 1] == 0).all() and picture[0, 0, 0] > picture[0, 0, 2]
    assert picture[1, 0, 2] > picture[1, 0, 0]
    assert (draw_depth(np.full((2, 2), np.nan, np.float32)) == 0).all()


def test_an_id_is_written_on_its_object_even_where_its_box_is_covered():
    # an L whose box centre belongs to object 2: the text of 1 must lie on the L
    labels = np.zeros((120, 120), np.int32)
    labels[10:110, 10:40] = 1
    labels[80:110, 10:110] = 1
    labels[10:78, 42:110] = 2
    color = np.full((120, 120, 3), 100, np.uint8)
    one = draw_overlay(color, Instances.from_labels(np.where(labels == 1, 1, 0)))
    bare = draw_overlay(color, Instances.from_labels(np.where(labels == 1, 1, 0)), names=False)
    rows, columns = np.nonzero((one != bare).any(axis=2))
    assert len(rows) and (labels[rows, columns] == 1).mean() > 0.9


def classes_scene():
    """Return labels of a table with two cups on it, the right one of 9 pixels."""
    labels = np.zeros((120, 160), np.uint8)
    labels[40:] = 1
    labels[60:90, 20:50] = 2
    labels[70:73, 120:123] = 2
    return labels


@pytest.fixture
def written(monkeypatch):
    texts = []
    monkeypatch.setattr(
        drawing, '_draw_text', lambda picture, text, x, y: texts.append((text, x, y)))
    return texts


def test_each_large_region_of_a_class_bears_its_name(written):
    labels = classes_scene()
    labels[70:80, 100:110] = 2
    color = np.full((120, 160, 3), 100, np.uint8)
    picture = draw_classes(color, labels, ('background', 'table', 'cup'))
    assert [text for text, _, _ in written] == ['table', 'cup', 'cup']
    assert [labels[y, x] for _, x, y in written] == [1, 2, 2]
    assert {x // 60 for text, x, _ in written if text == 'cup'} == {0, 1}
    assert (picture[labels == 0] == 100).all()
    inside = [picture[100, 10], picture[75, 35], picture[75, 105], picture[71, 121]]
    assert not np.array_equal(inside[0], inside[1])
    np.testing.assert_array_equal(inside[1], inside[2])
    assert (color == 100).all()


def test_a_class_has_its_colour_whatever_else_is_there(written):
    color = np.full((120, 160, 3), 100, np.uint8)
    labels = classes_scene()
    names = ('background', 'table', 'cup')
    alone = np.where(labels == 2, labels, 0)
    both, one = draw_classes(color, labels, names), draw_classes(color, alone, names)
    np.testing.assert_array_equal(both[65:85, 25:45], one[65:85, 25:45])
    faint = draw_classes(color, labels, names, opacity=0.1)
    near, far = (np.abs(p[75, 35].astype(int) - 100).sum() for p in (faint, both))
    assert 0 < near < far


def test_a_picture_of_background_alone_stays_as_it_is():
    color = np.random.default_rng(0).integers(0, 255, (8, 9, 3), np.uint8)
    found = draw_classes(color, np.zeros((8, 9), np.uint8), ('background', 'cup'))
    np.testing.assert_array_equal(found, color)
