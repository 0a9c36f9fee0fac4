# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Clear objects: seen in colour and in the labels, hardly in depth."""

from dataclasses import replace

import numpy as np

from seg_ros.core.frame import CameraModel
from seg_ros.synthetic import catalogue
from seg_ros.synthetic.placement import Placed
from seg_ros.synthetic.room import make_table
from seg_ros.synthetic.scene import Scene, furnish
from seg_ros.synthetic.views import orbit

CAMERA = CameraModel(96, 72, 90.0, 90.0, 47.5, 35.5)


def scene_of(clear):
    """Return a scene of one can, of which the share `clear` shines through."""
    rng = np.random.default_rng(3)
    can = replace(catalogue.make_object('can', rng), clear=clear)
    objects = (Placed(can, np.eye(3), np.zeros(3)),)
    pose = orbit(np.array([0, 0, 0.05]), 0.5, 0.3, 50, 0)
    rng = np.random.default_rng(9)
    world, behind = furnish(rng, objects, make_table(rng, 0.4), pose.position[None])
    return Scene(world, objects, ((CAMERA, pose),), behind)


def test_depth_passes_through_what_is_clear_and_colour_is_mixed():
    solid, clear = scene_of(0.0), scene_of(0.6)
    assert solid.behind is None and clear.behind is not None
    front, mixed = solid.render(0), clear.render(0)
    can = front.labels == 1
    assert can.sum() > 100
    assert np.array_equal(mixed.labels, front.labels)
    assert np.array_equal(mixed.depth_m[~can], front.depth_m[~can])
    assert (mixed.depth_m[can] >= front.depth_m[can]).all()
    assert np.median(mixed.depth_m[can] - front.depth_m[can]) > 0.02
    empty = replace(clear, world=clear.behind, behind=None).render(0)
    expected = 0.4 * front.color[can].astype(float) + 0.6 * empty.color[can]
    assert np.abs(mixed.color[can] - expected).max() <= 1


def test_some_things_are_clear_and_most_are_not():
    rng = np.random.default_rng(0)
    models = [catalogue.draw_object(rng) for _ in range(300)]
    clear = [model for model in models if model.clear]
    assert 2 <= len(clear) <= 30
    assert {model.kind for model in clear} <= set(catalogue.CLEAR_KINDS)
