# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.core.frame import CameraModel
from seg_ros.synthetic.mesh import box, loft
from seg_ros.synthetic.objects import FINISHES, Material
from seg_ros.synthetic.rasterizer import depth_buffers, rasterize
from seg_ros.synthetic.renderer import Item, Lamp, build_world, look_at, render

CAMERA = CameraModel(160, 120, 150.0, 152.0, 80.3, 58.6)
GREY = Material(np.full((4, 4, 3), 128, np.uint8), FINISHES['matte'])
RADIUS, CENTRE = 0.06, np.array([0.03, -0.02, 0.05])


def rays(camera, pose):
    """Return the camera's place and each pixel's ray in the world, of unit z in the camera."""
    v, u = np.mgrid[: camera.height, : camera.width].astype(np.float64)
    slopes = np.stack(
        [(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)], axis=-1
    )
    return pose.position, slopes @ pose.rotation


def sphere_depth(camera, pose):
    """Intersect the rays with the sphere in closed form; also the discriminant."""
    origin, direction = rays(camera, pose)
    offset = origin - CENTRE
    a = np.sum(direction**2, axis=-1)
    b = direction @ offset
    discriminant = b**2 - a * (offset @ offset - RADIUS**2)
    with np.errstate(invalid='ignore'):
        return (-b - np.sqrt(discriminant)) / a, discriminant / a


def ball():
    angle = np.linspace(-np.pi / 2, np.pi / 2, 121)
    radius = np.cos(angle)
    radius[[0, -1]] = 0
    profile = RADIUS * np.stack([radius, np.sin(angle)], axis=1)
    return loft(profile, segments=240).moved(translation=CENTRE)


@pytest.mark.parametrize('position', [(0.5, 0.3, 0.4), (0.0, 0.05, 0.6), (-0.2, 0.4, 0.12)])
def test_depth_and_labels_of_a_ball_on_a_plane_equal_the_ray_intersections(position):
    pose = look_at(np.array(position), np.array([0.02, 0.0, 0.03]), 0.2)
    ground = box((4.0, 4.0, 0.1)).moved(translation=(0, 0, -0.05))
    lamp = Lamp(np.array([0.5, 0.5, 2.0]), np.ones(3))
    world = build_world([Item(ground, (GREY,)), Item(ball(), (GREY,), 7)], [lamp], np.ones(3))
    drawn = render(world, CAMERA, pose)

    origin, direction = rays(CAMERA, pose)
    with np.errstate(divide='ignore'):
        plane = np.where(direction[..., 2] < 0, -origin[2] / direction[..., 2], np.inf)
    sphere, margin = sphere_depth(CAMERA, pose)
    hits = (margin > 0) & (sphere < plane)
    sure = np.abs(margin) > 2e-5  # the facets of the ball lie within 10 um of it
    on_ground = np.all(np.abs((origin + plane[..., None] * direction)[..., :2]) < 1.99, axis=-1)
    sure &= hits | on_ground
    assert hits.sum() > 300 and (sure & ~hits).sum() > 3000
    assert np.array_equal(drawn.labels[sure], np.where(hits, 7, 0)[sure])
    expected = np.where(hits, sphere, plane)
    assert np.max(np.abs(drawn.depth_m - expected)[sure]) < 0.0005


def brute_force(triangles, camera):
    """Cast a ray through every pixel at every triangle (Moeller and Trumbore), float64."""
    depth = np.full((camera.height, camera.width), np.inf)
    for v in range(camera.height):
        for u in range(camera.width):
            ray = np.array([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, 1.0])
            for a, b, c in triangles:
                solution = np.linalg.solve(np.stack([b - a, c - a, -ray], axis=1), -a)
                s, t, z = solution
                if min(s, t, 1 - s - t) > 0 and z > 0.02:
                    depth[v, u] = min(depth[v, u], z)
    return depth


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**31))
def test_any_triangles_equal_ray_casting_also_behind_the_camera(seed):
    rng = np.random.default_rng(seed)
    triangles = rng.normal(size=(4, 3, 3)) * (0.6, 0.6, 1.0) + (0, 0, 0.8)
    camera = CameraModel(16, 12, 12.3, 11.7, 7.2, 5.9)
    depth, hit = depth_buffers(12, 16)
    rasterize(triangles, (camera.fx, camera.fy), (camera.cx, camera.cy), depth, hit, 5)
    expected = brute_force(triangles, camera)
    np.testing.assert_allclose(depth, expected, rtol=1e-4)
    assert np.array_equal(hit >= 0, np.isfinite(expected))
    assert hit.max(initial=-1) < 9 and np.all((hit == -1) | (hit >= 5))


def test_a_shadow_falls_where_the_light_is_hidden():
    ground = box((4.0, 4.0, 0.1)).moved(translation=(0, 0, -0.05))
    roof = box((0.2, 0.2, 0.01)).moved(translation=(0, 0, 0.3))
    lamp = Lamp(np.array([0.0, 0.0, 2.0]), np.ones(3))
    world = build_world([Item(ground, (GREY,)), Item(roof, (GREY,), 1)], [lamp], np.full(3, 0.1))
    pose = look_at(np.array([0.7, 0.0, 0.25]), np.zeros(3))
    drawn = render(world, CAMERA, pose, exposure=1.0)
    _, direction = rays(CAMERA, pose)
    spot = pose.position - pose.position[2] / direction[..., 2:] * direction
    flat = (drawn.labels == 0) & (direction[..., 2] < 0)
    # The roof, half side 0.1 at height 0.3, throws a shadow of half side 0.1 * 2 / 1.7.
    reach = np.max(np.abs(spot[..., :2]), axis=-1)
    dark = drawn.color[flat & (reach < 0.10)].mean()
    bright = drawn.color[flat & (reach > 0.14) & (reach < 0.3)].mean()
    assert dark == pytest.approx(255 * np.sqrt((128 / 255) ** 2 * 0.1), abs=3)
    assert bright > 2 * dark


def test_print_reads_the_right_way_round_and_up():
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:4, :4] = 255  # upper left
    can = loft([(0, 0), (0.05, 0), (0.05, 0.1), (0, 0.1)], parts=[1, 0, 1])
    paint = (Material(picture, FINISHES['matte']), GREY)
    world = build_world([Item(can, paint, 1)], [], np.ones(3))
    # The texture's left edge faces +x; from +y its first quarter turn lies to the left.
    pose = look_at(np.array([0.4, 0.5, 0.05]), np.array([0, 0, 0.05]))
    drawn = render(world, CAMERA, pose, exposure=0.8)
    rows, columns = np.nonzero(drawn.labels)
    left, right = columns.min() + 12, columns.max() - 3
    upper, lower = rows.min() + 12, rows.max() - 12
    bright = drawn.color.mean(axis=2) > 100
    assert bright[upper, left + 8] and not bright[lower, left + 8]
    assert right > left
