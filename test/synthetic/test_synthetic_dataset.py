# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import errno
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.cli import main
from seg_ros.core.io import read_classes, read_labels, write_atomically, write_labels
from seg_ros.synthetic import dataset as dataset_module
from seg_ros.synthetic.catalogue import CLASS_NAMES
from seg_ros.synthetic.coco import write_coco
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
    # five files a view, a record a scene, options, classes and the data set's own
    assert len(digests(tmp_path)) == 3 * 2 * 5 + 3 + 3


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


def test_records_and_class_images_agree_with_the_labels(dataset):
    names = json.loads((dataset / 'classes.json').read_text())
    record = json.loads((dataset / 'scenes' / '000001.json').read_text())
    for view in record['views']:
        labels = read_labels(dataset / f'{view["name"]}-labels.png')
        classes = read_classes(dataset / f'{view["name"]}-classes.png')
        surfaces = [0, names.index('table')]
        assert np.array_equal(~np.isin(classes, surfaces), labels > 0)
        assert [one['label'] for one in view['objects']] == np.unique(labels[labels > 0]).tolist()
        for one in view['objects']:
            mask = labels == one['label']
            x1, y1, x2, y2 = one['box_xyxy']
            assert one['area_px'] == mask.sum() == mask[y1:y2, x1:x2].sum()
            assert mask[y1].any() and mask[y2 - 1].any() and mask[:, x1].any()
            border = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
            assert one['touches_border'] == border
            thing = record['objects'][one['label'] - 1]
            assert set(classes[mask]) == {thing['class_id']}
            assert names[thing['class_id']] == thing['kind']
    scene = draw_scene(scene_rng(5, 1), SMALL)
    for thing, one in zip(record['objects'], scene.objects, strict=True):
        np.testing.assert_allclose(
            thing['extent_m'], np.ptp(one.model.soup.positions.reshape(-1, 3), axis=0), atol=1e-6)


def test_coco_gives_every_mask_back_bit_by_bit(dataset):
    path = write_coco(dataset)
    try:
        content = json.loads(path.read_text())
    finally:
        path.unlink()
    by_image = {entry['id']: entry for entry in content['images']}
    kinds = {entry['id']: entry['name'] for entry in content['categories']}
    assert len(by_image) == 6 and 0 not in kinds
    assert list(kinds.values()) == list(CLASS_NAMES[1:-1])  # neither background nor table
    for entry in content['annotations']:
        name = by_image[entry['image_id']]['file_name'][:-len('-color.png')]
        mask = read_labels(dataset / f'{name}-labels.png') == entry['label']
        counts = entry['segmentation']['counts']
        assert entry['segmentation']['size'] == list(mask.shape)
        values = np.arange(len(counts)) % 2
        decoded = np.repeat(values, counts).reshape(mask.shape, order='F')
        assert np.array_equal(decoded, mask)
        x, y, w, h = entry['bbox']
        assert entry['area'] == mask.sum() == mask[y:y + h, x:x + w].sum()
        assert entry['category_id'] in kinds


def test_pycocotools_reads_the_export(dataset):
    coco = pytest.importorskip('pycocotools.coco', reason='pycocotools is not installed')
    path = write_coco(dataset)
    try:
        read = coco.COCO(str(path))
    finally:
        path.unlink()
    for entry in read.dataset['annotations']:
        name = read.imgs[entry['image_id']]['file_name'][:-len('-color.png')]
        mask = read_labels(dataset / f'{name}-labels.png') == entry['label']
        assert np.array_equal(read.annToMask(entry) > 0, mask)


def test_a_folder_of_another_format_is_refused(tmp_path):
    generate(tmp_path, DatasetOptions(scenes=1, seed=1, scene=SMALL))
    begun = json.loads((tmp_path / 'options.json').read_text())
    (tmp_path / 'options.json').write_text(json.dumps({**begun, 'format': 1}))
    with pytest.raises(ValueError, match='is of format 1, this version writes 3'):
        generate(tmp_path, DatasetOptions(scenes=2, seed=1, scene=SMALL))


def test_a_full_disk_leaves_no_frame_half_and_the_run_goes_on_later(tmp_path, monkeypatch):
    options = DatasetOptions(scenes=2, seed=5, scene=SMALL)
    written = []

    def write(path, data):
        if len(written) == 9:
            raise OSError(errno.ENOSPC, 'No space left on device', str(path))
        written.append(path)
        write_atomically(path, data)

    monkeypatch.setattr(dataset_module, 'write_atomically', write)
    with pytest.raises(OSError, match='No space left'):
        generate(tmp_path, options)
    whole = list_frames(tmp_path)
    assert whole == ['000000_0']
    assert read_frame(tmp_path, '000000_0')[1].shape == (60, 80)
    monkeypatch.undo()
    generate(tmp_path, options)
    assert len(list_frames(tmp_path)) == 4


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
        (lambda: SceneOptions(empty_share=1.5), 'empty_share is a share, 0 to 1, got 1.5'),
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
    scenes = [str(tmp_path / 'a'), '--scenes', '1', '--views', '2', '--physics', 'none', *size,
              '--empty-share', '1']
    assert main(['synthesize', *scenes]) == 0
    assert '2 frames in' in capsys.readouterr().out
    sequence = ['--sequence', '2', '--changes', '1', *size]
    assert main(['synthesize', str(tmp_path / 'b'), *sequence]) == 0
    assert list_frames(tmp_path / 'b') == ['000000', '000001']
    assert (tmp_path / 'a' / 'contact_sheet.png').stat().st_size > 1000
    assert not read_labels(tmp_path / 'a' / '000000_0-labels.png').any()
    assert read_labels(tmp_path / 'b' / '000001-labels.png').shape == (48, 64)


def test_the_command_refuses_no_workers(tmp_path, capsys):
    assert main(['synthesize', str(tmp_path), '--workers', '0']) != 0
    assert '--workers starts at 1' in capsys.readouterr().err


@settings(deadline=None)
@given(st.integers(0, 2**31))
def test_what_is_seen_of_objects_equals_a_count_by_label(seed):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random((6, 9)) < 0.2, rng.integers(1, 8, (6, 9)), 0).astype(np.int32)
    expected = []
    for label in range(1, 8):
        places = [(u, v) for v in range(6) for u in range(9) if labels[v, u] == label]
        if places:
            (x1, y1), (x2, y2) = np.min(places, axis=0), np.max(places, axis=0)
            expected.append({
                'label': label, 'area_px': len(places),
                'box_xyxy': [x1, y1, x2 + 1, y2 + 1],
                'touches_border': x1 == 0 or y1 == 0 or x2 == 8 or y2 == 5})
    seen = dataset_module.seen_objects(labels)
    assert seen == expected
    json.dumps(seen)
