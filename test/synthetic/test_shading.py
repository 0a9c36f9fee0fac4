# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.core.frame import CameraModel
from seg_ros.synthetic.mesh import box, loft
from seg_ros.synthetic.objects import Material
from seg_ros.synthetic.renderer import Item, Lamp, _draw, build_world, look_at, render
from seg_ros.synthetic.shading import develop

CAMERA = CameraModel(96, 72, 90.0, 91.0, 47.1, 36.2)
POSE = look_at(np.array([0.5, 0.25, 0.4]), np.array([0.02, 0.0, 0.0]), 0.1)
TINT = np.array([200, 120, 60], np.uint8)
AMBIENT = np.array([0.3, 0.25, 0.2])
LAMPS = (
    Lamp(np.array([0.8, -0.5, 1.6]), np.array([0.7, 0.6, 0.5])),
    Lamp(np.array([-0.6, -0.4, 1.2]), np.array([0.5, 0.4, 0.6])),
)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def light_of_ground(gloss):
    """Light the plane z = 0 by the textbook: Lambert, Blinn-Phong, sky and its reflection."""
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width].astype(np.float64)
    slopes = np.stack(
        [(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u)], axis=-1)
    ray = unit(slopes @ POSE.rotation)
    place = POSE.position - POSE.position[2] / ray[..., 2:] * ray
    albedo = (TINT / 255.0) ** 2
    light = albedo * AMBIENT * np.ones_like(ray)
    for lamp in LAMPS:
        to_lamp = unit(lamp.position - place)
        half = unit(to_lamp - ray)[..., 2:]
        shine = np.where(half > 0.6, gloss[0] * half ** gloss[1], 0)
        light += lamp.color * (albedo * to_lamp[..., 2:] + shine)
    facing = -ray[..., 2]
    # Reflected at a level surface, a ray keeps its sideways part; x is that of the camera.
    away = ray * (1, 1, -1)
    strips = 0.5 + 0.5 * np.sin(9 * away[..., 2] + 3 * (away @ POSE.rotation[0]))
    room = (0.25 + 0.75 * away[..., 2]) * (0.5 + 0.9 * strips**2)
    share = (gloss[2] * (0.5 + 0.5 * (1 - facing) ** 3))[..., None]
    return light * (1 - share) + share * room[..., None] * (1.5 * AMBIENT + 0.25)


@pytest.mark.parametrize(
    'gloss', [(0.0, 8.0, 0.0), (0.12, 12.0, 0.02), (0.7, 180.0, 0.18), (0.5, 60.0, 0.6)])
def test_a_level_ground_is_lit_by_the_textbook(gloss):
    paint = Material(np.full((4, 4, 3), TINT), gloss)
    ground = box((4.0, 4.0, 0.1)).moved(translation=(0, 0, -0.05))
    drawn = render(build_world([Item(ground, (paint,), 1)], LAMPS, AMBIENT), CAMERA, POSE,
                   exposure=0.5)
    expected = 255 * np.sqrt(0.5 * light_of_ground(gloss))
    assert (drawn.labels == 1).all()
    assert expected.min() > 40 and expected.max() < 255 * np.sqrt(0.7)
    assert np.abs(drawn.color - expected).max() < 0.6  # half a step by rounding


@settings(deadline=None)
@given(st.integers(0, 2**31), st.floats(0.01, 100))
def test_highlights_roll_off_and_gamma_is_two(seed, gain):
    image = np.random.default_rng(seed).random((5, 21)).astype(np.float32) ** 3
    out = np.empty(image.shape, np.uint8)
    develop(image, np.float32(gain), out)
    light = image.astype(np.float64) * gain
    rolled = np.where(light > 0.7, 0.7 + 0.3 * np.tanh((light - 0.7) / 0.3), light)
    assert np.abs(out - 255 * np.sqrt(rolled)).max() < 0.501


def test_what_is_not_wanted_stays_black_and_changes_nothing_else():
    ball = loft([(0, 0), (0.05, 0.02), (0.05, 0.08), (0, 0.1)])
    ground = box((4.0, 4.0, 0.1)).moved(translation=(0, 0, -0.05))
    paint = Material(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8),
                     (0.5, 60.0, 0.1))
    world = build_world([Item(ground, (paint,)), Item(ball, (paint,), 1)], LAMPS, AMBIENT)
    color, depth_m, labels, _ = _draw(world, CAMERA, POSE)
    wanted = labels == 1
    part, same_depth_m, *_ = _draw(world, CAMERA, POSE, wanted)
    assert 100 < wanted.sum() < 0.5 * wanted.size
    np.testing.assert_allclose(part[wanted], color[wanted], rtol=1e-5)
    assert not part[~wanted].any() and np.array_equal(depth_m, same_depth_m)
