# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from rendered_boxes import CAMERA, box_on_table, looking_down, render

from seg_ros.core.geometry import Plane
from seg_ros.core.support import find_support_planes, plane_below, tolerance_m

BOXES = [box_on_table(0.0, 0.0, (0.1, 0.06, 0.08), 20),
         box_on_table(0.1, 0.15, (0.05, 0.05, 0.1), 0)]


@pytest.mark.parametrize(('tilt', 'roll', 'standing'), [
    (30, 0, 2), (45, 25, 2), (70, -90, 2), (88, 180, 1)])
def test_the_table_is_found(tilt, roll, standing):
    rotation, place = looking_down(tilt, 0.9, roll)
    depth, labels = render(BOXES, rotation, place)
    depth += np.random.default_rng(0).normal(0, 0.001, depth.shape).astype(np.float32)
    found = find_support_planes(depth, CAMERA, labels)
    # From straight above the sides of things, and what they stand on, are not seen.
    assert [one.objects for one in found] == [standing]
    plane = found[0].plane
    assert plane.normal @ rotation[:, 2] == pytest.approx(1, abs=2e-4)
    assert plane.offset == pytest.approx(-place[2], abs=2e-3)
    patch = found[0].patch
    np.testing.assert_allclose(patch.axes[:, 2], plane.normal, atol=1e-9)
    assert patch.size[2] == 0 and (patch.size[:2] > 0.2).all()
    assert plane.heights(patch.center) == pytest.approx(0, abs=1e-9)


def test_a_shelf_has_two_boards_and_its_back_is_no_support():
    rotation, place = looking_down(25, 1.0)
    upper = box_on_table(0.12, 0.1, (0.05, 0.05, 0.09), 10, bottom=0.12)
    board = box_on_table(0.12, 0.0, (0.14, 0.5, 0.12), 0)
    back = box_on_table(0.25, 0.0, (0.02, 0.9, 0.5), 0)
    things = [BOXES[0], upper, box_on_table(-0.05, -0.15, (0.04, 0.04, 0.06), 0)]
    depth, labels = render([*things, board, back], rotation, place)
    found = find_support_planes(depth, CAMERA, np.where(labels > 3, 0, labels))
    heights = sorted(round(float(place[2] + one.plane.offset), 2) + 0.0 for one in found)
    assert heights == [0.0, 0.12]
    assert all(one.plane.normal @ rotation[:, 2] > 0.999 for one in found)
    assert sorted(one.objects for one in found) == [1, 2]


def test_without_objects_the_large_plane_is_given():
    rotation, place = looking_down(45, 0.9)
    depth, labels = render([], rotation, place)
    found = find_support_planes(depth, CAMERA, labels)
    assert [one.objects for one in found] == [0]
    assert found[0].plane.offset == pytest.approx(-place[2], abs=1e-3)


@pytest.mark.parametrize('depth', [
    np.full((240, 320), np.nan, np.float32),
    np.random.default_rng(0).uniform(0.5, 9, (240, 320)).astype(np.float32),
], ids=['none', 'noise'])
def test_where_there_is_no_plane_none_is_given(depth):
    assert find_support_planes(depth, CAMERA, np.zeros(depth.shape, np.int32)) == []


def test_the_same_frame_gives_the_same_planes():
    rotation, place = looking_down(45, 0.9)
    depth, labels = render(BOXES, rotation, place)
    first, second = (find_support_planes(depth, CAMERA, labels) for _ in range(2))
    np.testing.assert_array_equal(first[0].plane.normal, second[0].plane.normal)
    np.testing.assert_array_equal(first[0].patch.center, second[0].patch.center)


@pytest.mark.parametrize(
    ('bottom', 'expected'), [(0.3, 0.25), (0.25, 0.25), (0.1, 0.0), (-0.2, None)])
def test_an_object_is_on_the_highest_plane_below_it(bottom, expected):
    # Looking down from 1 m: heights are 1 - z.
    planes = [Plane(np.array([0.0, 0, -1]), -1 + height) for height in (0.0, 0.25)]
    points = np.zeros((50, 3))
    points[:, 2] = 1 - np.linspace(bottom, bottom + 0.1, 50)
    found = plane_below(points, planes)
    assert (found is None) == (expected is None)
    if found is not None:
        assert found.offset == -1 + expected


@pytest.mark.parametrize(('z', 'expected'), [(0.3, 0.004), (1.0, 0.008), (2.0, 0.032)])
def test_tolerance_grows_as_noise_does(z, expected):
    assert tolerance_m(np.array([z]))[0] == pytest.approx(expected)
