# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What carries the objects is seen in class images, as a table."""

from dataclasses import replace

import numpy as np
import pytest

from seg_ros.core.frame import CameraModel
from seg_ros.core.geometry import points_from_depth
from seg_ros.synthetic import catalogue
from seg_ros.synthetic.catalogue import CLASS_NAMES
from seg_ros.synthetic.dataset import class_image
from seg_ros.synthetic.placement import Placed
from seg_ros.synthetic.presets import arrange
from seg_ros.synthetic.room import make_table
from seg_ros.synthetic.scene import Scene, furnish
from seg_ros.synthetic.views import orbit

CAMERA = CameraModel(96, 72, 90.0, 90.0, 47.5, 35.5)


def drawn(table, clear, distance_m):
    """Return the rendering of a can on a table and its points (H, W, 3) in the world."""
    rng = np.random.default_rng(3)
    can = replace(catalogue.make_object('can', rng), clear=clear)
    objects = (Placed(can, np.eye(3), np.zeros(3)),)
    pose = orbit(np.array([0, 0, 0.05]), distance_m, 0.3, 40, 0)
    world, behind = furnish(rng, objects, table, pose.position[None])
    rendering = Scene(world, objects, ((CAMERA, pose),), behind).render(0)
    points = points_from_depth(
        rendering.depth_m, CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy)
    return rendering, (points - pose.translation) @ pose.rotation


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('clear', [0.0, 0.6])
def test_the_table_is_what_lies_between_its_top_and_the_floor_under_it(seed, clear):
    table = make_table(np.random.default_rng(seed), 0.2)
    rendering, world = drawn(table, clear, 1.6)
    rest = rendering.labels == 0
    z = world[..., 2]
    with np.errstate(invalid='ignore'):
        over = table.carries(world[..., :2].reshape(-1, 2)).reshape(z.shape)
    top = rest & over & (np.abs(z) < 5e-4)
    with np.errstate(invalid='ignore'):
        elsewhere = rest & ((z > 2e-3) | (z < 1e-3 - max(table.drop_m, 0.02)))
    assert top.sum() > 500
    assert rendering.support[top].all() and not rendering.support[elsewhere].any()
    assert over[rendering.support].mean() > 0.95  # but for edges and legs
    assert not rendering.support[rendering.labels > 0].any()


@pytest.mark.parametrize('preset', ['bin', 'shelf'])
def test_bins_and_shelves_carry_too(preset):
    rng = np.random.default_rng(2)
    found = arrange(preset, [catalogue.make_object('can', rng)], rng, False)
    pose = found.aim(rng, np.array([0.0, 0.0, 0.05]))
    world, behind = furnish(rng, found.objects, found.table, pose.position[None])
    rendering = Scene(world, tuple(found.objects), ((CAMERA, pose),), behind).render(0)
    assert rendering.support[36, 48] or rendering.labels[36, 48]
    assert rendering.support.mean() > 0.2


def test_class_images_tell_objects_from_what_carries_them():
    rendering, _ = drawn(make_table(np.random.default_rng(1), 0.2), 0.0, 1.0)
    classes = class_image(rendering, ['can'])
    names = np.array(CLASS_NAMES)[classes]
    assert classes.dtype == np.uint8 and (names == 'can').sum() > 20
    assert np.array_equal(names == 'can', rendering.labels == 1)
    assert np.array_equal(names == 'table', rendering.support)
    assert set(names.ravel()) <= {'can', 'table', 'background'}


def test_the_numbers_of_the_kinds_are_those_of_older_data():
    assert ('background', *catalogue.KINDS, 'mesh', 'table') == CLASS_NAMES
    assert len(CLASS_NAMES) == 29
