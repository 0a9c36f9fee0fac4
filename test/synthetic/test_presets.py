# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bins and shelves: what lies in them is in them, touches nothing it should not, and is seen."""

import numpy as np
import pytest

from seg_ros.synthetic import catalogue
from seg_ros.synthetic.physics import have_physics, settle
from seg_ros.synthetic.placement import Placed, drop_poses, footprint, in_rows, overlap
from seg_ros.synthetic.presets import MIXED_SHARES, arrange
from seg_ros.synthetic.scene import SceneOptions, draw_scene, scene_rng


def models(seed, count=8):
    rng = np.random.default_rng(seed)
    return [catalogue.draw_object(rng) for _ in range(count)], rng


@pytest.mark.parametrize('physics', [
    False, pytest.param(True, marks=pytest.mark.skipif(
        not have_physics(), reason='MuJoCo is not installed (extra synth)'))])
@pytest.mark.parametrize('preset', ['bin', 'shelf'])
def test_objects_end_inside_and_above_the_floor(preset, physics):
    inside = total = 0
    for seed in range(4):
        drawn, rng = models(seed)
        arrangement = arrange(preset, drawn, rng, physics)
        low, high = arrangement.room_m
        for one in arrangement.objects:
            middle = one.points().mean(axis=0)
            inside += bool(np.all((low < middle[:2]) & (middle[:2] < high)))
            total += 1
            assert one.points()[:, 2].min() > -0.005
    assert total >= 8
    assert inside >= 0.8 * total


def test_a_bin_is_seen_from_above_and_a_shelf_from_the_front():
    for preset, lowest, highest in (('bin', 45, 90), ('shelf', 0, 35)):
        drawn, rng = models(5)
        aim = arrange(preset, drawn, rng, False).aim
        for _ in range(10):
            forward = aim(rng, np.zeros(3)).rotation[2]
            assert lowest <= np.rad2deg(np.arcsin(-forward[2])) <= highest


@pytest.mark.parametrize('seed', range(3))
def test_rows_fit_the_shelf_and_nothing_overlaps(seed):
    drawn, rng = models(seed, 15)
    half = np.array([0.4, 0.2])
    placed = in_rows(drawn, rng, half, 0.25)
    assert len(placed) >= 4
    outlines = [footprint(one.points()) for one in placed]
    for index, one in enumerate(placed):
        assert np.abs(outlines[index]).max(axis=0) == pytest.approx(half, abs=half.max())
        assert np.all(np.abs(outlines[index]) <= half + 1e-6)
        assert 0 < one.points()[:, 2].min() < one.points()[:, 2].max() < 0.252
        assert not any(overlap(outlines[index], other) for other in outlines[:index])


@pytest.mark.parametrize('bounds', [None, np.array([0.15, 0.1])])
def test_things_hang_clear_of_each_other_and_within_bounds(bounds):
    drawn, rng = models(2)
    held = drop_poses(drawn, [], rng, 0.3, bounds)
    for index, one in enumerate(held):
        points = one.points()
        assert points[:, 2].min() > 0.003
        if bounds is not None:
            room = np.maximum(bounds, np.abs(footprint(points) - one.translation[:2]).max(axis=0))
            assert np.all(np.abs(footprint(points)) <= room + 1e-6)
        for other in held[:index]:
            if overlap(footprint(points), footprint(other.points())):
                assert points[:, 2].min() > other.points()[:, 2].max()


@pytest.mark.skipif(not have_physics(), reason='MuJoCo is not installed (extra synth)')
def test_a_static_box_carries_and_stops():
    tin = catalogue.make_object('tin', np.random.default_rng(0))
    board = (np.array([0.0, 0.0, 0.2]), np.array([0.3, 0.3, 0.01]))
    (rests,) = settle([Placed(tin, np.eye(3), np.array([0.0, 0.0, 0.22]))], statics=[board])
    assert rests.points()[:, 2].min() == pytest.approx(0.21, abs=0.002)


def test_mixed_draws_every_preset_and_an_unknown_one_is_refused():
    assert sum(MIXED_SHARES.values()) == pytest.approx(1)
    aims = set()
    for seed in range(30):
        drawn, rng = models(seed, 1)
        aims.add(getattr(arrange('mixed', drawn, rng, False).aim, 'func',
                         arrange).__name__)
    assert len(aims) == 3
    with pytest.raises(ValueError, match="preset 'floor' is unknown: choose from tabletop, bin"):
        SceneOptions(preset='floor')


@pytest.mark.parametrize('preset', ['bin', 'shelf'])
def test_a_scene_of_the_preset_shows_its_objects(preset):
    options = SceneOptions(views=2, width=80, height=60, physics='none', preset=preset,
                           empty_share=0.0)
    seen = 0
    for index in range(4):
        scene = draw_scene(scene_rng(3, index), options)
        seen += sum(len(np.unique(scene.render(view).labels)) > 1 for view in range(2))
    assert seen >= 5
