# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json

import cv2
import numpy as np
import pytest
from small_frames import CAMERA, small_frame

from seg_ros.cli import main
from seg_ros.core.drawing import draw_overlay
from seg_ros.core.io import read_color, read_labels, write_camera, write_color, write_depth
from seg_ros.segmenters import load


def segment(*words):
    return main(['segment', *map(str, words)])


def test_folder_gives_what_the_segmenter_gives(frames, tmp_path, capsys):
    out = tmp_path / 'deep' / 'out'
    assert segment(frames, '--method', 'trivial', '--output', out) == 0
    for index in range(3):
        frame, labels = small_frame(index)
        stored = cv2.imread(str(out / f'{index:03d}-labels.png'), cv2.IMREAD_UNCHANGED)
        assert stored.dtype == np.uint16
        np.testing.assert_array_equal(stored, labels)
        overlay = read_color(out / f'{index:03d}-overlay.png')
        result = load('trivial').segment(frame)
        np.testing.assert_array_equal(overlay, draw_overlay(frame.color, result))
    assert '3 of 3 frames' in capsys.readouterr().out


def test_objects_are_described_in_metres(frames, tmp_path):
    segment(frames, '--method', 'trivial', '--output', tmp_path / 'out', '--quiet')
    objects = json.loads((tmp_path / 'out' / 'objects.json').read_text())
    assert list(objects) == ['000', '001', '002']
    first, second = objects['000']
    # the first rectangle covers x 5..16, y 6..15 at 0.8 m: its centre is (10.5, 10.5)
    assert first == {
        'id': 1, 'class': 'object', 'score': 1.0, 'box_xyxy': [5, 6, 17, 16], 'area_px': 120,
        'centroid_m': pytest.approx([(10.5 - 31.5) / 60 * 0.8, (10.5 - 23.5) / 62 * 0.8, 0.8],
                                    abs=1e-4),
    }  # fmt: skip
    assert (second['id'], second['score'], second['area_px']) == (2, 0.5, 120)


def test_options_are_set_and_checked(frames, tmp_path, capsys):
    words = (frames, '--method', 'trivial', '--output', tmp_path / 'out')
    assert segment(*words, '--set', 'far_m=0.9') == 0
    assert read_labels(tmp_path / 'out' / '000-labels.png').max() == 1
    capsys.readouterr()
    for bad, text in (
        ('far_m=1000', 'far_m is 1000.0, accepted are 0.1 to 100'),
        ('fog=1', 'unknown option fog: known are redness, far_m'),
        ('far_m', "--set takes NAME=VALUE, got 'far_m'"),
    ):
        assert segment(*words, '--set', bad) == 2
        assert text in capsys.readouterr().err


def test_a_bad_frame_is_named_and_the_rest_goes_on(frames, tmp_path, capsys):
    whole = (frames / '001-color.png').read_bytes()
    (frames / '001-color.png').write_bytes(whole[: len(whole) // 8])
    (frames / '000-depth.png').unlink()
    assert segment(frames, '--method', 'trivial', '--output', tmp_path / 'out') == 1
    said = capsys.readouterr()
    assert '000: trivial needs depth' in said.err
    assert '001-color.png is not an image' in said.err
    assert '1 of 3 frames' in said.out
    assert not (tmp_path / 'out' / '001-labels.png').exists()
    assert list(json.loads((tmp_path / 'out' / 'objects.json').read_text())) == ['002']


@pytest.mark.parametrize(
    ('method', 'options', 'objects'),
    [('trivial_color', [], 2), ('trivial', ['--depth', '--camera'], 2)],
)
def test_one_image(method, options, objects, tmp_path):
    frame, _ = small_frame()
    write_color(tmp_path / 'photo.png', frame.color)
    write_depth(tmp_path / 'range.png', frame.depth)
    write_camera(tmp_path / 'lens.json', CAMERA)
    files = {'--depth': 'range.png', '--camera': 'lens.json'}
    words = [word for name in options for word in (name, tmp_path / files[name])]
    out = tmp_path / 'out'
    assert segment(tmp_path / 'photo.png', *words, '--method', method, '--output', out) == 0
    assert read_labels(out / 'photo-labels.png').max() == objects
    found = json.loads((out / 'objects.json').read_text())['photo']
    assert (found[0]['centroid_m'] is None) == (not options)


def test_an_image_of_a_folder_brings_its_depth(frames, tmp_path):
    assert segment(frames / '002-color.png', '--method', 'trivial', '--output', tmp_path) == 0
    np.testing.assert_array_equal(read_labels(tmp_path / '002-labels.png'), small_frame(2)[1])


@pytest.mark.parametrize(
    ('make', 'words', 'text'),
    [
        (lambda p: p / 'nowhere', [], 'no such folder, image or bag'),
        (lambda p: (p / 'notes.txt').write_text('x') and p / 'notes.txt', [], 'is no input'),
        (lambda p: (p / 'empty').mkdir() or p / 'empty', [], 'holds no frame'),
        (lambda p: (p / 'bad.mcap').write_text('x') and p / 'bad.mcap', [], 'readable rosbag2'),
        (lambda p: p / 'frames', ['--camera', 'c.json'], 'go with one image'),
        (lambda p: p / 'frames' / '000-color.png', ['--depth', 'd.png'], '--depth needs --camera'),
        (lambda p: p / 'frames', ['--method', 'magic'], "unknown method 'magic'"),
    ],
)
def test_bad_input_is_one_clear_line(make, words, text, frames, tmp_path, capsys):
    words = ['--method', 'trivial', *words]
    assert segment(make(tmp_path), '--output', tmp_path / 'out', *words) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count('\n') == 1


def test_single_image_without_depth_says_what_to_give(tmp_path, capsys):
    write_color(tmp_path / 'photo.jpg', small_frame()[0].color)
    out = tmp_path / 'out'
    assert segment(tmp_path / 'photo.jpg', '--method', 'trivial', '--output', out) == 1
    assert '--depth and --camera for a single image' in capsys.readouterr().err
