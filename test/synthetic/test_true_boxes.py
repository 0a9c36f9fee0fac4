# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.synthetic import catalogue
from seg_ros.synthetic.dataset import describe_object
from seg_ros.synthetic.mesh import rotation_about
from seg_ros.synthetic.placement import Placed
from seg_ros.synthetic.true_boxes import box_of_record, box_record, upright_box


@settings(max_examples=20, deadline=None)
@given(st.floats(-3, 3), st.integers(0, 20))
def test_a_turned_carton_has_its_own_sides(yaw, seed):
    model = catalogue.make_object('book', np.random.default_rng(seed))
    low, high = model.soup.bounds()
    one = Placed(model, rotation_about((0, 0, 1), yaw), np.array([0.3, -0.2, 0.1]))
    box = upright_box(one)
    np.testing.assert_allclose(np.sort(box.size[:2]), np.sort((high - low)[:2]), rtol=0.02)
    assert box.size[2] == pytest.approx(high[2] - low[2])
    np.testing.assert_allclose(
        box.center, one.rotation @ ((low + high) / 2) + one.translation, atol=2e-3)


@pytest.mark.parametrize('kind', ['drill', 'mug', 'banana'])
def test_every_corner_of_the_mesh_is_inside_and_every_side_is_touched(kind):
    rng = np.random.default_rng(1)
    one = Placed(catalogue.make_object(kind, rng), rotation_about((1, 1, 0.3), 0.7),
                 np.array([0.1, 0.2, 0.3]))
    box = upright_box(one)
    corners = one.model.soup.positions.reshape(-1, 3) @ one.rotation.T + one.translation
    along = (corners - box.center) @ box.axes / (box.size / 2)
    np.testing.assert_allclose(along.max(axis=0), 1, atol=1e-9)
    np.testing.assert_allclose(along.min(axis=0), -1, atol=1e-9)
    assert np.linalg.det(box.axes) == pytest.approx(1)
    assert box.axes[:, 2].tolist() == [0, 0, 1]


def test_a_record_keeps_the_box():
    one = Placed(catalogue.make_object('drill', np.random.default_rng(0)),
                 rotation_about((0, 0, 1), 0.5), np.array([0.1, 0.2, 0.3]))
    record = json.loads(json.dumps(describe_object(3, one)))
    again, box = box_of_record(record['box']), upright_box(one)
    np.testing.assert_allclose(again.corners(), box.corners(), atol=2e-6)
    assert box_record(again) == record['box']
