# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_ros.cli import main
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.io import read_color, read_labels, write_color
from seg_ros.grabcut.marks import marks_of, parse_box, read_scribbles
from seg_ros.grabcut.options import GrabCutOptions
from seg_ros.grabcut.segmenter import known_labels
from seg_ros.segmenters import load

REAL = Path(os.environ.get('SEG_ROS_REAL', '../shared/real'))


def picture():
    """Return a noisy image (60, 80, 3) of a red and a blue disc on grey, and its labels."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:60, :80]
    labels = np.zeros((60, 80), np.int32)
    labels[(y - 25) ** 2 + (x - 22) ** 2 < 14**2] = 1
    labels[(y - 35) ** 2 + (x - 58) ** 2 < 12**2] = 2
    colors = np.array([[120, 120, 120], [200, 60, 50], [50, 60, 200]])
    image = colors[labels] + rng.normal(0, 12, (60, 80, 3))
    return np.clip(image, 0, 255).astype(np.uint8), labels


def iou(found, truth):
    return (found & truth).sum() / (found | truth).sum()


def strokes():
    image = np.zeros((60, 80), np.uint8)
    image[24:27, 15:30] = 7
    image[34:37, 52:64] = 3
    image[2:4, 5:75] = image[56:58, 5:75] = image[:, 39:41] = 255
    return image


def segmented(**options):
    image, _ = picture()
    return load('grabcut_crf', options=GrabCutOptions(**options)).segment(RgbdFrame(image))


def test_a_box_is_enough_for_one_object():
    found = segmented(box='5,8,35,35')
    assert found.ids.tolist() == [1]
    assert iou(found.labels > 0, picture()[1] == 1) > 0.97


def test_strokes_name_several_objects(tmp_path):
    cv2.imwrite(str(tmp_path / 'strokes.png'), strokes())
    found = segmented(scribbles=str(tmp_path / 'strokes.png'))
    truth = picture()[1]
    assert found.ids.tolist() == [3, 7]
    assert iou(found.id_image() == 7, truth == 1) > 0.97
    assert iou(found.id_image() == 3, truth == 2) > 0.97


def test_marked_pixels_keep_their_label(tmp_path):
    marks = strokes()
    marks[5:8, 60:70] = 7  # on grey
    marks[20:22, 18:24] = 255  # on the red disc
    cv2.imwrite(str(tmp_path / 'strokes.png'), marks)
    found = segmented(scribbles=str(tmp_path / 'strokes.png')).id_image()
    for value, expected in ((7, 7), (3, 3), (255, 0)):
        assert (found[marks == value] == expected).all()


def test_an_object_that_nothing_is_left_of_is_left_out():
    """All inside the box looks as the outside does, and a border costs."""
    flat = RgbdFrame(np.full((30, 40, 3), 90, np.uint8))
    found = load('grabcut_crf', options=GrabCutOptions(box='18,13,3,3')).segment(flat)
    assert len(found) == int(found.labels.any())
    assert found.areas().sum() in (0, 9)


@pytest.mark.skipif(not (REAL / '000000-color.png').exists(), reason='no SEG_ROS_REAL frames')
@pytest.mark.parametrize(('label', 'least'), [(7, 0.94), (8, 0.94), (9, 0.94)])
def test_real_objects_are_cut_out(label, least):
    color = read_color(REAL / '000000-color.png')
    truth = read_labels(REAL / '000000-labels.png') == label
    x, y, width, height = cv2.boundingRect(truth.astype(np.uint8))
    box = f'{x - 8},{y - 8},{width + 16},{height + 16}'
    found = load('grabcut_crf', options=GrabCutOptions(box=box)).segment(RgbdFrame(color))
    assert iou(found.labels > 0, truth) > least


def test_the_command_writes_the_object(tmp_path, capsys):
    image, labels = picture()
    write_color(tmp_path / 'disc.png', image)
    words = ['segment', str(tmp_path / 'disc.png'), '--output', str(tmp_path / 'out')]
    assert main([*words, '--method', 'grabcut_crf', '--box', '5,8,35,35']) == 0
    assert iou(read_labels(tmp_path / 'out' / 'disc-labels.png') == 1, labels == 1) > 0.97
    assert (tmp_path / 'out' / 'disc-overlay.png').exists()
    assert main([*words, '--method', 'grabcut_crf']) == 1
    assert 'needs to know what to cut out: --box' in capsys.readouterr().err
    for more, text in (
            (['--box', '1,2,3,4'], '--box goes with --method grabcut_crf, not unseen_objects'),
            (['--method', 'grabcut_crf', '--box', '1,2,3'], "box is '1,2,3': x,y,w,h"),
            (['--method', 'grabcut_crf', '--box', '1,2,3,4', '--weights', 'x.pth'], 'has none')):
        assert main([*words, *more]) == 2
        assert text in capsys.readouterr().err


@pytest.mark.parametrize(('call', 'message'), [
    (lambda: parse_box('a,b,c,d'), 'x,y,w,h in pixels'),
    (lambda: parse_box('1,2,0,4'), 'start at 1'),
    (lambda: GrabCutOptions(box='1,2'), 'x,y,w,h in pixels'),
    (lambda: marks_of((4, 5), '', None), 'needs to know what to cut out'),
    (lambda: marks_of((4, 5), '10,10,3,3', None), 'beside the image of 5x4'),
    (lambda: marks_of((4, 5), '-9,-9,3,3', None), 'beside the image of 5x4'),
    (lambda: marks_of((4, 5), '0,0,5,4', None), 'nothing is marked as background'),
    (lambda: marks_of((4, 5), '', np.full((5, 4), 1, np.uint8)), 'scribbles 4x5, image 5x4'),
    (lambda: marks_of((1, 2), '', np.array([[255, 0]], np.uint8)), 'no object is marked'),
    (lambda: marks_of((1, 2), '', np.array([[1, 0]], np.uint8)), 'nothing is marked as backgr'),
    (lambda: load('grabcut_crf', device='cuda'), 'runs on the CPU'),
])
def test_a_mistake_is_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_scribbles_are_one_8_bit_channel(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file of scribbles'):
        read_scribbles(tmp_path / 'none.png')
    for image in (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint16)):
        cv2.imwrite(str(tmp_path / 'wrong.png'), image)
        with pytest.raises(ValueError, match='one 8-bit channel'):
            read_scribbles(tmp_path / 'wrong.png')
    (tmp_path / 'text.png').write_text('no image')
    with pytest.raises(ValueError, match='is no image'):
        read_scribbles(tmp_path / 'text.png')


def test_a_box_may_reach_over_the_border():
    marks = marks_of((4, 5), '-2,1,4,9', None)
    expected = np.full((4, 5), 255)
    expected[1:, :2] = 0
    np.testing.assert_array_equal(marks, expected)


def test_known_labels_of_marks():
    marks = np.array([[0, 255, 9, 4]], np.uint8)
    np.testing.assert_array_equal(known_labels(marks, [4, 9]), [[-1, 0, 2, 1]])
