# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from seg_ros.synthetic import catalogue
from seg_ros.synthetic.mesh import box, loft, random_rotation, tube
from seg_ros.synthetic.objects import hollow_hulls


def volume(soup):
    """Sum the signed tetrahedra of a closed surface, turned by its normals, m^3."""
    a, b, c = (soup.positions[:, i] for i in range(3))
    cross = np.cross(b - a, c - a)
    outward = np.sign(np.sum(cross * soup.normals.mean(axis=1), axis=1))
    return np.sum(outward * np.sum(a * cross, axis=1)) / 6


@pytest.mark.parametrize(
    ('soup', 'expected'),
    [
        (box((0.1, 0.2, 0.3)), 0.006),
        (loft([(0, 0), (1, 0), (1, 2), (0, 2)], segments=200), 2 * np.pi),
        (loft([(0, 0), (1, 0), (0, 1)], segments=200, aspect=(2.0, 0.5)), np.pi / 3),
        (loft([(0.5, 0), (1, 0), (1, 1), (0.5, 1), (0.5, 0)], segments=200), 0.75 * np.pi),
        (loft([(0, 0), (1, 0), (1, 1), (0, 1)], segments=200, exponent=40), 4.0),
        (tube(np.array([[0, 0, 0], [0, 0, 1.0], [0, 0, 2]]), np.ones(3), segments=200), 2 * np.pi),
    ],
    ids=['box', 'cylinder', 'oval cone', 'pipe', 'square', 'rod'],
)
def test_closed_surfaces_hold_their_volume_and_face_outwards(soup, expected):
    assert volume(soup) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize('kind', catalogue.KINDS)
def test_every_kind_is_whole_real_sized_and_stands_on_the_table(kind):
    for seed in range(2):
        model = catalogue.make_object(kind, np.random.default_rng(seed))
        low, high = model.soup.bounds()
        assert model.kind == kind
        assert low[2] == pytest.approx(0, abs=1e-3)
        # Handles stick out to one side; the body stands in the middle.
        assert np.all(np.abs(low[:2] + high[:2]) < 0.5 * (high - low)[:2].max() + 1e-6)
        assert 0.02 < np.max(high - low) < 0.42 and np.min(high - low) > 0.002
        np.testing.assert_allclose(np.linalg.norm(model.soup.normals, axis=-1), 1, atol=1e-6)
        assert np.isfinite(model.soup.uvs).all()
        assert model.soup.parts.min() >= 0 and model.soup.parts.max() < len(model.materials)
        assert all(one.texture.dtype == np.uint8 for one in model.materials)


@pytest.mark.parametrize('kind', catalogue.KINDS)
def test_convex_pieces_cover_the_surface(kind):
    # What is drawn must not reach far out of what physics sees, or things would sink in.
    model = catalogue.make_object(kind, np.random.default_rng(5))
    low, high = model.soup.bounds()
    points = model.points()
    np.testing.assert_allclose(points.min(axis=0), low, atol=0.004)
    np.testing.assert_allclose(points.max(axis=0), high, atol=0.004)
    assert all(len(hull) >= 4 and np.linalg.matrix_rank(hull - hull[0], tol=1e-6) == 3
               for hull in model.hulls)  # fmt: skip


def test_a_bowls_pieces_leave_its_inside_free():
    from scipy.spatial import Delaunay

    outer = np.array([[0.04, 0.0], [0.07, 0.03], [0.08, 0.06]])
    inner = outer - (0.004, 0.0) + np.array([[0, 0.005], [0, 0.002], [0, 0]])
    pieces = hollow_hulls(outer, inner)
    inside = np.array([[0.0, 0.0, 0.01], [0.03, 0.0, 0.02], [0.0, -0.05, 0.05]])
    wall = np.array([[0.0, 0.0, 0.002]])
    triangulations = [Delaunay(piece) for piece in pieces]
    assert not any(np.any(one.find_simplex(inside) >= 0) for one in triangulations)
    assert any(np.any(one.find_simplex(wall) >= 0) for one in triangulations)


def test_an_unknown_kind_is_refused_by_name():
    with pytest.raises(ValueError, match="'unicorn' is unknown: choose from box, can"):
        catalogue.make_object('unicorn', np.random.default_rng(0))


def test_random_rotations_are_rotations():
    turns = np.stack([random_rotation(np.random.default_rng(seed)) for seed in range(200)])
    eye = np.broadcast_to(np.eye(3), turns.shape)
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), eye, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turns), 1)
    assert np.max(np.abs(turns.mean(axis=0))) < 0.15  # even: the mean rotation vanishes


def test_a_bent_surface_keeps_normals_across_it():
    soup = loft([(0, 0), (0.1, 0), (0.1, 0.2), (0, 0.2)], segments=64)
    bent = soup.deformed(lambda p: p + np.stack([0.3 * p[:, 2] ** 2, 0 * p[:, 0], 0 * p[:, 0]], 1))
    a, b, c = (bent.positions[:, i] for i in range(3))
    flat = np.cross(b - a, c - a)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    agreement = np.abs(np.sum(flat * bent.normals.mean(axis=1), axis=1))
    assert np.percentile(agreement, 5) > 0.97
