# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from seg_ros.synthetic import catalogue
from seg_ros.synthetic.physics import have_physics, settle
from seg_ros.synthetic.placement import Placed, footprint, lay_out, overlap, turn_down


def square(x, y, half=1.0, turn=0.0):
    c, s = np.cos(turn), np.sin(turn)
    corners = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.0]])
    return corners @ np.array([[c, s], [-s, c]]) + (x, y)


@pytest.mark.parametrize(
    ('other', 'expected'),
    [
        (square(1.9, 0), True),
        (square(2.1, 0), False),
        (square(0, 0, 0.1), True),
        (square(2.3, 0, turn=np.pi / 4), True),
        (square(2.5, 0, turn=np.pi / 4), False),
        # Bounding boxes overlap, the outlines do not.
        (square(1.8, 1.8, turn=np.pi / 4), False),
    ],
)
def test_outlines_overlap_by_their_shape_not_their_boxes(other, expected):
    assert overlap(square(0, 0), other) is expected
    assert overlap(other, square(0, 0)) is expected


@pytest.mark.parametrize('normal', [(0, 0, -1.0), (0, 0, 1.0), (1.0, 0, 0), (0.6, 0, -0.8)])
def test_turn_down_brings_the_face_to_the_table(normal):
    turn = turn_down(np.array(normal))
    np.testing.assert_allclose(turn @ normal, (0, 0, -1), atol=1e-12)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


@pytest.mark.parametrize('seed', range(3))
def test_laid_out_objects_rest_and_touch_nothing(seed):
    rng = np.random.default_rng(seed)
    models = [catalogue.draw_object(rng) for _ in range(12)]
    placed = lay_out(models, rng, 0.35, 0.3)
    assert len(placed) >= 6
    boxes = [one.points() for one in placed]
    outlines = [footprint(points) for points in boxes]
    for i, points in enumerate(boxes):
        assert points[:, 2].min() > -1e-6
        for j in range(i):
            above = max(points[:, 2].min(), boxes[j][:, 2].min()) > min(
                points[:, 2].max(), boxes[j][:, 2].max()) - 1e-4  # fmt: skip
            assert above or not overlap(outlines[i], outlines[j])
    floor = [points[:, 2].min() for points in boxes]
    assert np.mean(np.array(floor) < 1e-6) > 0.5


def test_some_objects_are_stacked():
    heights = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        models = [catalogue.make_object(kind, rng) for kind in ('box', 'tin', 'can', 'fruit') * 2]
        heights += [one.points()[:, 2].min() for one in lay_out(models, rng, 0.4, 0.5)]
    assert sum(height > 0.01 for height in heights) >= 3


@pytest.mark.skipif(not have_physics(), reason='MuJoCo is not installed (extra synth)')
def test_things_fall_onto_the_table_and_into_a_bowl():
    rng = np.random.default_rng(0)
    bowl = catalogue.make_object('bowl', rng)
    fruit = catalogue.make_object('fruit', rng)
    tin = catalogue.make_object('tin', rng)
    start = [
        Placed(bowl, np.eye(3), np.zeros(3)),
        Placed(fruit, np.eye(3), np.array([0.0, 0.0, 0.15])),
        Placed(tin, np.eye(3), np.array([0.5, 0.0, 0.1])),
    ]
    there, ball, box = settle(start)
    assert np.linalg.norm(there.translation[:2]) < 0.02
    assert there.points()[:, 2].min() == pytest.approx(0, abs=0.002)
    assert box.points()[:, 2].min() == pytest.approx(0, abs=0.002)
    low = ball.points().mean(axis=0)
    radius = bowl.soup.bounds()[1][0]
    assert np.linalg.norm(low[:2] - there.translation[:2]) < radius
    assert ball.points()[:, 2].min() > 0.0015  # on the bowl's floor, not through it
    again = settle(start)
    for one, two in zip((there, ball, box), again, strict=True):
        assert np.array_equal(one.translation, two.translation)


def test_nothing_settles_to_nothing():
    assert settle([]) == []
