# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from seg_ros.cli import main
from seg_ros.synthetic import mesh_files
from seg_ros.synthetic.mesh_files import MeshFolder, load_mesh
from seg_ros.synthetic.objects import varied
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


def test_a_report_names_what_is_left_out_or_changed(tmp_path):
    (tmp_path / 'a_broken.obj').write_text('nothing')
    write_box(tmp_path / 'b_good.obj', (0.1, 0.1, 0.2))
    (tmp_path / 'more').mkdir()
    write_box(tmp_path / 'more' / 'c_mm.obj', (100, 60, 200))
    open_box = write_box(tmp_path / 'd_open.obj', (0.1, 0.1, 0.2))
    open_box.write_text('\n'.join(open_box.read_text().splitlines()[:-2]))
    (tmp_path / 'note.txt').write_text('not a mesh')
    report = MeshFolder(tmp_path).report()
    assert report.usable == ['b_good.obj', 'd_open.obj', 'more/c_mm.obj']
    assert list(report.skipped) == ['a_broken.obj']
    assert report.notes == {
        'd_open.obj': 'its surface is open: physics takes the convex hull',
        'more/c_mm.obj': '200 units large: taken as millimetres'}
    folder = MeshFolder(tmp_path, report.usable)
    assert [model.kind for model in folder[:]] == ['mesh'] * 3
    rng = np.random.default_rng(1)
    options = SceneOptions(physics='none', empty_share=0.0)
    kinds = [one.model.kind for _ in range(6) for one in draw_scene(rng, options, folder).objects]
    assert 'mesh' in kinds and len(set(kinds)) > 3


def test_the_command_tells_of_meshes_and_a_run_that_goes_on_keeps_them(tmp_path, capsys):
    meshes = tmp_path / 'meshes'
    meshes.mkdir()
    write_box(meshes / 'good.obj', (0.1, 0.1, 0.2))
    (meshes / 'bad.stl').write_text('')
    words = ['synthesize', str(tmp_path / 'out'), '--views', '1', '--width', '64', '--height',
             '48', '--physics', 'none', '--objects', str(meshes)]
    assert main([*words, '--scenes', '1']) == 0
    said = capsys.readouterr().out
    assert 'mesh bad.stl left out: ' in said and '1 meshes join in' in said
    write_box(meshes / 'another.obj', (0.1, 0.1, 0.2))
    assert main([*words, '--scenes', '2']) == 0
    assert '1 meshes join in' in capsys.readouterr().out


def test_a_mesh_keeps_the_colours_of_its_faces(tmp_path):
    import trimesh

    mesh = trimesh.creation.box((0.1, 0.1, 0.1))
    mesh.visual.face_colors = [[200, 40, 40, 255]] * 6 + [[40, 40, 200, 255]] * 6
    mesh.export(tmp_path / 'two.ply')
    model = load_mesh(tmp_path / 'two.ply')
    texture = model.materials[0].texture
    texels = (model.soup.uvs[:, 0] * texture.shape[0]).astype(int)
    shown = texture[texels[:, 1], texels[:, 0]].astype(int)
    assert model.colored
    red, blue = ((np.abs(shown - color) <= 4).all(axis=1).sum()
                 for color in ((200, 40, 40), (40, 40, 200)))
    assert (red, blue) == (6, 6)
    again = varied(model, np.random.default_rng(0))
    assert again.materials == model.materials


def test_a_mesh_keeps_its_texture_the_right_way_up(tmp_path):
    import trimesh
    from PIL import Image

    picture = np.zeros((64, 32, 3), np.uint8)
    picture[:32] = (250, 0, 0)  # the upper half of the picture is red
    picture[32:] = (0, 0, 250)
    mesh = trimesh.creation.box((0.1, 0.1, 0.1))
    height = mesh.vertices[:, 2] / 0.1 + 0.5
    uv = np.stack([np.full(len(height), 0.5), 0.1 + 0.8 * height], axis=1)
    mesh.visual = trimesh.visual.TextureVisuals(uv=uv, image=Image.fromarray(picture))
    mesh.export(tmp_path / 'box.glb')
    model = load_mesh(tmp_path / 'box.glb')
    assert model.colored and model.materials[0].texture.shape == (64, 32, 3)
    texture = model.materials[0].texture
    rows = (model.soup.uvs[..., 1] * texture.shape[0]).astype(int)
    colors = texture[rows, 16]
    # as in the file, where v = 1 is the upper edge of the picture
    upper = model.soup.uvs[..., 1] > 0.5
    assert (colors[upper] == (250, 0, 0)).all()
    assert (colors[~upper] == (0, 0, 250)).all()


def test_a_folder_without_meshes_is_refused(tmp_path):
    with pytest.raises(ValueError, match='holds no mesh: .obj, .stl, .ply, .glb'):
        MeshFolder(tmp_path)


def test_a_folder_of_broken_meshes_says_so(tmp_path):
    (tmp_path / 'a.obj').write_text('nothing')
    with pytest.raises(ValueError, match='none of the 1 meshes in .* can be used, the first: '):
        MeshFolder(tmp_path).report()
