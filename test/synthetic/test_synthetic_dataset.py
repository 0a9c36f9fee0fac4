# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from seg_ros.cli import main
from seg_ros.core.io import read_labels, write_labels
from seg_ros.synthetic.dataset import DatasetOptions, generate, list_frames, read_frame
from seg_ros.synthetic.scene import SceneOptions, draw_scene, scene_rng
from seg_ros.synthetic.sequence import tabletop_sequence

SMALL = SceneOptions(views=2, width=80, height=60, physics='none')
OPTIONS = DatasetOptions(scenes=3, seed=5, scene=SMALL)


def digests(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(Path(folder).rglob('*')) if path.is_file()}  # fmt: skip


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('set')
    generate(folder, OPTIONS)
    return folder


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_number_of_workers(dataset, tmp_path):
    generate(tmp_path, OPTIONS, workers=2)
    assert digests(tmp_path) == digests(dataset)
    assert len(digests(tmp_path)) == 3 * 2 * 4 + 3 + 2


def test_a_broken_run_goes_on_to_the_same_bytes(dataset, tmp_path):
    generate(tmp_path, DatasetOptions(scenes=1, seed=5, scene=SMALL))
    (tmp_path / 'dataset.json').unlink()
    # As if it had been killed in the middle of scene 0.
    (tmp_path / 'scenes' / '000000.json').unlink()
    (tmp_path / '000000_1-color.png').unlink()
    (tmp_path / '.000000_1-color.png.k3j2').write_bytes(b'half a picture')
    assert list_frames(tmp_path) == ['000000_0']
    done = []
    generate(tmp_path, OPTIONS, progress=done.append)
    (tmp_path / '.000000_1-color.png.k3j2').unlink()
    assert done == [0, 1, 2]
    assert digests(tmp_path) == digests(dataset)


def test_another_seed_in_the_same_folder_is_refused(dataset):
    with pytest.raises(ValueError, match='begun with other options'):
        generate(dataset, DatasetOptions(scenes=3, seed=6, scene=SMALL))


def test_frames_come_back_with_labels_camera_and_poses(dataset):
    names = list_frames(dataset)
    assert names == [f'{scene:06d}_{view}' for scene in range(3) for view in range(2)]
    scene = draw_scene(scene_rng(5, 1), SMALL)
    frame, labels = read_frame(dataset, '000001_1')
    drawn = scene.render(1)
    assert np.array_equal(frame.color, drawn.color)
    assert np.array_equal(labels, drawn.labels)
    np.testing.assert_allclose(frame.depth, drawn.depth_m, atol=0.000501)
    record = json.loads((dataset / 'scenes' / '000001.json').read_text())
    assert [one['label'] for one in record['objects']] == list(range(1, len(scene.objects) + 1))
    assert [one['kind'] for one in record['objects']] == [o.model.kind for o in scene.objects]
    pose = scene.views[1][1].matrix()
    np.testing.assert_allclose(record['views'][1]['camera_from_world'], pose, atol=1e-8)
    summary = json.loads((dataset / 'dataset.json').read_text())
    assert summary['seed'] == 5 and summary['versions']['numpy'] == np.__version__


def test_labels_of_another_size_are_named(dataset, tmp_path):
    generate(tmp_path, DatasetOptions(scenes=1, seed=1, scene=SMALL))
    write_labels(tmp_path / '000000_0-labels.png', np.zeros((5, 7), np.int32))
    with pytest.raises(ValueError, match='labels.png is 7x5, its colour image 80x60'):
        read_frame(tmp_path, '000000_0')


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (lambda: DatasetOptions(scenes=0), 'scenes starts at 1'),
        (lambda: DatasetOptions(scenes=1, seed=-1), 'seed starts at 0'),
        (lambda: SceneOptions(views=0), 'start at 1'),
        (lambda: SceneOptions(physics='magic'), "choose 'mujoco' or 'none'"),
        (lambda: next(tabletop_sequence(0, 1)), 'at least one frame, got 0'),
    ],
)
def test_bad_options_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_scenes_hold_visible_objects_on_a_background():
    seen = []
    for index in range(4):
        scene = draw_scene(scene_rng(3, index), SceneOptions(1, 80, 60, 'none', empty_share=0.0))
        drawn = scene.render(0)
        seen.append((drawn.labels > 0).mean())
        assert np.isfinite(drawn.depth_m).mean() > 0.9
        assert 0.1 < np.nanmedian(drawn.depth_m) < 4
        assert 60 < drawn.color.mean() < 170
    assert 0.03 < np.mean(seen) < 0.5


def test_a_sequence_keeps_its_ids_while_the_camera_moves():
    frames = list(tabletop_sequence(5, 2, 160, 120))
    again = next(iter(tabletop_sequence(5, 2, 160, 120)))
    assert np.array_equal(frames[0][0].color, again[0].color)
    assert np.array_equal(frames[0][0].depth, again[0].depth, equal_nan=True)
    places, cameras = {}, []
    for frame, labels, pose in frames:
        cameras.append(pose.position)
        points_world = (frame.points() - pose.translation) @ pose.rotation
        for k in np.unique(labels[labels > 0]):
            inside = (labels == k) & np.isfinite(frame.depth)
            if inside.sum() > 60:
                places.setdefault(int(k), []).append(np.median(points_world[inside], axis=0))
    often = [np.stack(spots) for spots in places.values() if len(spots) == 5]
    assert len(often) >= 4
    assert np.median([np.ptp(spots, axis=0).max() for spots in often]) < 0.04
    assert np.linalg.norm(cameras[0] - cameras[-1]) > 0.3
    stamps = [frame.stamp_ns for frame, _, _ in frames]
    assert np.all(np.diff(stamps) > 0)


def test_the_command_writes_scenes_sequences_and_a_contact_sheet(tmp_path, capsys):
    size = ['--width', '64', '--height', '48']
    scenes = [str(tmp_path / 'a'), '--scenes', '1', '--views', '2', '--physics', 'none', *size]
    assert main(['synthesize', *scenes]) == 0
    assert '2 frames in' in capsys.readouterr().out
    assert main(['synthesize', str(tmp_path / 'b'), '--sequence', '2', *size]) == 0
    assert list_frames(tmp_path / 'b') == ['000000', '000001']
    assert (tmp_path / 'a' / 'contact_sheet.png').stat().st_size > 1000
    assert read_labels(tmp_path / 'b' / '000001-labels.png').shape == (48, 64)


def test_the_command_refuses_no_workers(tmp_path, capsys):
    assert main(['synthesize', str(tmp_path), '--workers', '0']) != 0
    assert '--workers starts at 1' in capsys.readouterr().err
