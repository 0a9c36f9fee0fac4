# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import logging

import numpy as np
import pytest

from seg_ros.synthetic import mesh_files
from seg_ros.synthetic.mesh_files import MeshFolder, load_mesh
from seg_ros.synthetic.scene import SceneOptions, draw_scene

pytest.importorskip('trimesh', reason='trimesh is not installed (extra synth)')


def write_box(path, size):
    """Write a box as OBJ."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * size
    faces = [(1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4)]
    lines = [f'v {x} {y} {z}' for x, y, z in corners]
    lines += [f'f {a} {b} {c}\nf {a} {c} {d}' for a, b, c, d in faces]
    path.write_text('\n'.join(lines))
    return path


@pytest.mark.parametrize(
    ('size', 'expected', 'fitted'),
    [
        ((0.1, 0.06, 0.2), (0.1, 0.06, 0.2), False),
        ((100, 60, 200), (0.1, 0.06, 0.2), False),  # millimetres
        ((3, 1.5, 6), (0.1, 0.05, 0.2), True),  # unknown units
    ],
)
def test_a_mesh_stands_on_the_table_in_metres(tmp_path, size, expected, fitted):
    model = load_mesh(write_box(tmp_path / 'thing.obj', size))
    low, high = model.soup.bounds()
    np.testing.assert_allclose(high - low, expected, rtol=1e-6)
    np.testing.assert_allclose(low, (-expected[0] / 2, -expected[1] / 2, 0), atol=1e-9)
    assert model.kind == 'mesh' and model.fitted is fitted
    # A box has sharp edges: its normals lie along the axes.
    np.testing.assert_allclose(np.abs(model.soup.normals).max(axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'cannot be read|holds no triangle'),
        ('v 0 0 0\nv 1 0 0\nv 0 1 0\n', 'cannot be read|holds no triangle'),
        ('v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n', 'is flat'),
        ('no mesh at all', 'cannot be read|holds no triangle'),
    ],
)
def test_an_unusable_mesh_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / 'odd_thing.obj'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'odd_thing.obj.*({message})'):
        load_mesh(path)


def test_a_huge_mesh_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = write_box(tmp_path / 'huge.obj', (0.1, 0.1, 0.1))
    monkeypatch.setattr(mesh_files, 'MAX_FACES', 11)
    with pytest.raises(ValueError, match='huge.obj has 12 triangles'):
        load_mesh(path)
    monkeypatch.setattr(mesh_files, 'MAX_BYTES', 10)
    with pytest.raises(ValueError, match='huge.obj is 0 MB'):
        load_mesh(path)


def test_a_folder_skips_what_it_cannot_use_and_says_so(tmp_path, caplog):
    (tmp_path / 'a_broken.obj').write_text('nothing')
    write_box(tmp_path / 'b_good.obj', (0.1, 0.1, 0.2))
    (tmp_path / 'note.txt').write_text('not a mesh')
    folder = MeshFolder(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert len(folder) == 2 and folder[0].kind == 'mesh'
    assert 'skipped:' in caplog.text and 'a_broken.obj' in caplog.text
    rng = np.random.default_rng(1)
    options = SceneOptions(physics='none', empty_share=0.0)
    kinds = [one.model.kind for _ in range(6) for one in draw_scene(rng, options, folder).objects]
    assert 'mesh' in kinds and len(set(kinds)) > 3


def test_a_folder_without_meshes_is_refused(tmp_path):
    with pytest.raises(ValueError, match='holds no mesh: .obj, .stl, .ply, .glb'):
        MeshFolder(tmp_path)


def test_a_folder_of_broken_meshes_says_so_when_asked(tmp_path):
    (tmp_path / 'a.obj').write_text('nothing')
    with pytest.raises(ValueError, match='none of the 1 meshes'):
        MeshFolder(tmp_path)[0]
