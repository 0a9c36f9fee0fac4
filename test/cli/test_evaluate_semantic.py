# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`seg_ros evaluate --method semantic`: of a method, of files, of VOC folders, objects alone."""

import json
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from seg_ros.cli import main
from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import write_color, write_frame, write_labels
from seg_ros.core.options import Options
from seg_ros.core.results import SemanticMap
from seg_ros.segmenters import METHODS, Method, register

NAMES = ('background', 'table', 'can')
# Red pixels are cans, green ones the table.
COLORS = np.array([[40, 40, 40], [30, 200, 30], [200, 30, 30]], np.uint8)
CLASSES = np.array([[0] * 8, [1] * 8, [1, 1, 2, 2, 2, 1, 1, 1]] * 3, np.uint8)


@dataclass(frozen=True)
class NoOptions(Options):
    """Nothing to choose."""


class ByColor:
    method, needs_depth, device, backend = 'trivial_semantic', False, 'cpu', 'none'

    def __init__(self, options):
        self.options, self.timings = options, {}

    def segment(self, frame):
        red, green = (frame.color[..., k] > 128 for k in (0, 1))
        return SemanticMap(np.where(red, 2, np.where(green, 1, 0)), NAMES)


def load(weights, device, backend, options):
    return ByColor(options)


if 'trivial_semantic' not in METHODS:
    register(Method('trivial_semantic', f'{__name__}:load', f'{__name__}:NoOptions', False,
                    'semantic', 'classes by colour'))
METHOD = ['--method', 'trivial_semantic']


@pytest.fixture
def folder(tmp_path):
    """Return two frames with classes of the data's own names; the second has a pixel wrong."""
    folder = tmp_path / 'frames'
    folder.mkdir()
    camera = CameraModel(8, 9, 9.0, 9.0, 3.5, 4.0)
    for name in 'ab':
        shown = CLASSES.copy()
        if name == 'b':
            shown[2, 2] = 1
        depth = np.full(CLASSES.shape, 0.8, np.float32)
        write_frame(folder, name, RgbdFrame(COLORS[shown], depth, camera))
        write_labels(folder / f'{name}-labels.png', (CLASSES == 2).astype(int) * 5)
        number = np.array([0, 2, 1], np.uint8)[CLASSES]
        cv2.imwrite(str(folder / f'{name}-classes.png'), number)
    (folder / 'classes.json').write_text(json.dumps(['background', 'tin', 'table']))
    return folder


def figures(out):
    """Return the words of each line of the report by the first one."""
    return {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.split()}


def test_a_method_is_scored_by_classes(folder, tmp_path, capsys):
    report = tmp_path / 'r.json'
    assert main(['evaluate', str(folder), *METHOD, '--json', str(report)]) == 0
    lines = figures(capsys.readouterr().out)
    assert lines['a'] == ['1.000', '1.000', '1.000']
    assert lines['b'] == [f'{71 / 72:.3f}', f'{(1 + 39 / 40 + 8 / 9) / 3:.3f}', f'{8 / 9:.3f}']
    assert lines['pixel'] == ['accuracy', f'{143 / 144:.3f}']
    assert lines['can'] == [f'{17 / 18:.3f}', f'{17 / 18:.3f}', '18', '17']
    content = json.loads(report.read_text())
    assert content['method'] == 'trivial_semantic' and content['class_names'] == list(NAMES)
    assert content['semantic']['pixel_accuracy'] == 143 / 144
    assert content['semantic']['object_iu'] == 17 / 18
    assert content['semantic']['confusion'] == [[48, 0, 0], [0, 78, 0], [0, 1, 17]]
    assert content['frames']['a'] == {'pixel_accuracy': 1, 'mean_iu': 1, 'object_iu': 1}
    assert content['frames_as_seen'] == {'sensor': '', 'noise_seed': 0, 'blank': 'none'}


def test_classes_made_earlier_are_scored(folder, tmp_path, capsys):
    made = tmp_path / 'made'
    made.mkdir()
    (made / 'classes.json').write_text(json.dumps(NAMES))
    cv2.imwrite(str(made / 'a-classes.png'), CLASSES)
    assert main(['evaluate', str(folder), *METHOD, '--predictions', str(made)]) == 1
    done = capsys.readouterr()
    assert figures(done.out)['mean'][-1] == '1.000' and 'b-classes.png: no such file' in done.err


def test_objects_alone_give_one_figure(folder, capsys):
    for path in folder.glob('*-classes.png'):
        path.unlink()
    assert main(['evaluate', str(folder), *METHOD, '--sensor', 'clean', '--frames', '1']) == 0
    lines = figures(capsys.readouterr().out)
    assert lines['a'][:2] == ['-', '-'] and 'pixel' not in lines and 'class' not in lines
    assert lines['object'][0] == 'iu'


def test_voc_folders_are_scored(tmp_path, capsys):
    for part in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
        (tmp_path / part).mkdir(parents=True)
    write_color(tmp_path / 'JPEGImages' / 'x.png', COLORS[CLASSES])
    truth = CLASSES.copy()
    truth[0] = 255
    cv2.imwrite(str(tmp_path / 'SegmentationClass' / 'x.png'), truth)
    (tmp_path / 'classes.json').write_text(json.dumps(NAMES))
    (tmp_path / 'ImageSets' / 'Segmentation' / 'test.txt').write_text('x\n')
    assert main(['evaluate', str(tmp_path), *METHOD, '--split', 'test']) == 0
    assert figures(capsys.readouterr().out)['background'] == ['1.000', '1.000', '16', '16']
    assert main(['evaluate', str(tmp_path), *METHOD]) != 0
    assert 'val.txt is missing' in capsys.readouterr().err


@pytest.mark.parametrize(('words', 'message'), [
    (['--failures'], '--failures: of methods that give objects'),
    (['--metrics', 'coco'], '--metrics: of methods that give objects'),
    (['--classes', 'none.yaml'], "'none.yaml' is no file"),
    (['--classes', 'fine'], 'the data set has classes that none of background, table, can takes'),
])
def test_what_cannot_be_scored_is_refused(folder, capsys, words, message):
    assert main(['evaluate', str(folder), *METHOD, *words]) != 0
    assert message in capsys.readouterr().err
