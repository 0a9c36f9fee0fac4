# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Class images of all kinds, folders of frames and PASCAL VOC's layout."""

import json
import re

import cv2
import numpy as np
import pytest
from PIL import Image

from seg_ros.core.io import read_classes, write_color, write_labels
from seg_ros.core.results import SemanticMap
from seg_ros.evaluation.class_truth import VocFolder, open_class_frames
from seg_ros.evaluation.semantic_folder import evaluate_classes
from seg_ros.semantic.class_groups import ClassGroups
from seg_ros.semantic.foreign import VOC_CLASSES

CLASSES = np.array([[0, 1, 2], [2, 255, 1]], np.uint8)
GREY = np.full((2, 3, 3), 90, np.uint8)


def write_palette(path, classes, bits=8, **more):
    """Write a PNG with VOC's kind of palette: index 1 is dark red, 2 dark green ..."""
    image = Image.fromarray(classes, 'P')
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + [7, 8, 9] * 252)
    image.save(path, bits=bits, **more)


@pytest.mark.parametrize(('write', 'expected'), [
    (lambda path: write_palette(path, CLASSES), CLASSES),
    (lambda path: write_palette(path, CLASSES % 4, bits=2), CLASSES % 4),
    (lambda path: write_palette(path, CLASSES % 2, bits=1), CLASSES % 2),
    (lambda path: write_palette(path, CLASSES % 16, bits=4), CLASSES % 16),
    (lambda path: write_palette(path, CLASSES, transparency=2), CLASSES),
    (lambda path: cv2.imwrite(str(path), CLASSES), CLASSES),
    (lambda path: cv2.imwrite(str(path), CLASSES.astype(np.uint16)), CLASSES),
    (lambda path: write_palette(path, CLASSES[:1, 1:2]), CLASSES[:1, 1:2]),
])
def test_class_images_of_all_kinds_are_read(tmp_path, write, expected):
    write(tmp_path / 'a.png')
    found = read_classes(tmp_path / 'a.png')
    assert found.dtype == np.uint8 and np.array_equal(found, expected)


@pytest.mark.parametrize(('write', 'message'), [
    (lambda path: cv2.imwrite(str(path), np.zeros((2, 3, 4), np.uint8)),
     r'shape \(2, 3, 4\): classes are a single-channel PNG'),
    (lambda path: write_color(path, GREY), 'classes are a single-channel PNG'),
    (lambda path: cv2.imwrite(str(path), np.full((2, 3), 256, np.uint16)), 'has the class 256'),
    (lambda path: path.write_bytes(b'no image'), 'is not an image'),
])
def test_other_images_are_refused(tmp_path, write, message):
    write(tmp_path / 'a.png')
    with pytest.raises(ValueError, match=rf'a\.png.*{message}'):
        read_classes(tmp_path / 'a.png')


def test_a_palette_image_that_is_cut_off_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (90, 90), np.uint8)
    write_palette(tmp_path / 'a.png', noise)
    data = (tmp_path / 'a.png').read_bytes()
    for end in (30, 60, len(data) // 2, len(data) - 20, len(data) - 12, len(data) - 1):
        (tmp_path / 'a.png').write_bytes(data[:end])
        with pytest.raises(ValueError, match=r'a\.png is not an image'):
            read_classes(tmp_path / 'a.png')


@pytest.fixture
def voc(tmp_path):
    """Return a folder as PASCAL VOC's, of two images in val."""
    for name in ('JPEGImages', 'SegmentationClass', 'SegmentationObject',
                 'ImageSets/Segmentation'):
        (tmp_path / name).mkdir(parents=True)
    for name in ('b', 'a'):
        write_color(tmp_path / 'JPEGImages' / f'{name}.jpg', GREY)
        write_palette(tmp_path / 'SegmentationClass' / f'{name}.png', CLASSES)
    write_palette(tmp_path / 'SegmentationObject' / 'a.png', CLASSES)
    (tmp_path / 'ImageSets' / 'Segmentation' / 'val.txt').write_text('b\na 1\n\n')
    return tmp_path


def test_voc_folders_open(voc):
    frames = open_class_frames(voc, 'val')
    assert isinstance(frames, VocFolder) and frames.names == ['b', 'a']
    assert frames.class_names == VOC_CLASSES
    assert frames.frame('a').color.shape == (2, 3, 3) and frames.frame('a').depth is None
    assert np.array_equal(frames.classes('a'), CLASSES)
    assert frames.labels('a').tolist() == [[0, 1, 2], [2, 0, 1]]
    assert frames.labels('b') is None
    (voc / 'SegmentationClass' / 'b.png').unlink()
    assert frames.classes('b') is None
    (voc / 'classes.json').write_text('["background", "cup", "box"]')
    assert open_class_frames(voc, 'val').class_names == ('background', 'cup', 'box')


def test_bad_splits_and_classes_are_named(voc):
    with pytest.raises(FileNotFoundError, match=r'train\.txt is missing'):
        VocFolder(voc, 'train')
    (voc / 'ImageSets' / 'Segmentation' / 'train.txt').write_text('\n')
    with pytest.raises(ValueError, match=r'train\.txt is empty'):
        VocFolder(voc, 'train')
    (voc / 'classes.json').write_text('["background", "cup"]')
    with pytest.raises(ValueError, match=re.escape(
            'SegmentationClass/a.png has the class 2: 2 are named, 0 to 1, and 255 is ignored')):
        VocFolder(voc, 'val').classes('a')


@pytest.fixture
def folder(tmp_path):
    """Return frames: a, b with classes; c with objects alone; d without a truth."""
    for name in 'abcd':
        write_color(tmp_path / f'{name}-color.png', GREY)
    for name in 'ab':
        cv2.imwrite(str(tmp_path / f'{name}-classes.png'), CLASSES)
    write_labels(tmp_path / 'c-labels.png', np.array([[0, 5, 5], [0, 0, 0]]))
    (tmp_path / 'classes.json').write_text(json.dumps(['background', 'tin', 'mug']))
    return tmp_path


NAMES = ('background', 'cup', 'can', 'table')  # in another order than the data's
RIGHT = np.array([[0, 2, 1], [1, 0, 2]], np.int32)


def scored(folder, predict, choice='auto', **kwargs):
    frames = open_class_frames(folder, '')
    return evaluate_classes(frames, frames.names, predict, choice, **kwargs)


def test_classes_are_matched_by_name_and_what_they_stand_for(folder):
    found = scored(folder, lambda name: SemanticMap(RIGHT, NAMES))
    assert found.without_truth == ['d'] and not found.failed
    assert found.frames['a'] == {'pixel_accuracy': 1, 'mean_iu': 1, 'object_iu': 1}
    # of c two pixels of four that are predicted as objects are true, and none is missed
    assert found.frames['c'] == {'pixel_accuracy': None, 'mean_iu': None, 'object_iu': 0.5}
    summary = found.as_dict()['semantic']
    assert summary['pixel_accuracy'] == 1 and summary['mean_iu'] == 1
    assert [row['pixels'] for row in summary['classes']] == [2, 4, 4, 0]
    assert summary['classes'][3]['iu'] is None
    assert summary['object_iu'] == (4 + 4 + 2) / (4 + 4 + 4)


@pytest.mark.parametrize(('choice', 'accuracy'), [('auto', 0.0), ('coarse', 1.0)])
def test_weights_say_what_their_classes_stand_for_unless_asked_otherwise(
        folder, choice, accuracy):
    trained = ClassGroups({
        'background': ('background',), 'cup': ('tin',), 'can': ('mug',), 'table': ()})
    found = scored(folder, lambda name: SemanticMap(RIGHT, NAMES), choice, trained=trained)
    of_objects = {row['name']: row['accuracy'] for row in found.as_dict()['semantic']['classes']}
    assert of_objects['cup'] == of_objects['can'] == accuracy


def test_frames_that_cannot_be_scored_are_told(folder):
    cv2.imwrite(str(folder / 'b-classes.png'), CLASSES + 3)

    def predict(name):
        if name == 'c':
            return SemanticMap(RIGHT[:1], NAMES)
        return SemanticMap(RIGHT, NAMES)

    found = scored(folder, predict)
    assert list(found.frames) == ['a'] and list(found.failed) == ['b', 'c']
    assert 'b-classes.png has the class 3, 4, 5' in found.failed['b']
    assert 'shape (2, 3), the prediction (1, 3)' in found.failed['c']
    mixed = iter((NAMES, NAMES[:3], NAMES))
    found = scored(folder, lambda name: SemanticMap(RIGHT, next(mixed)) if name != 'b' else 1 / 0)
    assert 'not those of the first frame' in found.failed['c']


@pytest.mark.parametrize(('names', 'choice', 'message'), [
    (('background', 'tin', 'sofa'), 'auto', 'the data set has classes that none .* takes: mug'),
    (NAMES, 'fine', 'takes: tin, mug'),
    (('background', 'tin', 'sofa'), 'coarse', 'lack those of the weights: tin, sofa'),
])
def test_names_that_do_not_match_end_it(folder, names, choice, message):
    with pytest.raises(ValueError, match=message):
        scored(folder, lambda name: SemanticMap(np.zeros((2, 3), int), names), choice)


def test_a_folder_without_a_truth_is_refused(tmp_path):
    write_color(tmp_path / 'a-color.png', GREY)
    with pytest.raises(ValueError, match='1 frames have no ground truth: NAME-classes.png'):
        scored(tmp_path, lambda name: 1 / 0)
    cv2.imwrite(str(tmp_path / 'a-classes.png'), CLASSES)
    found = scored(tmp_path, lambda name: 1 / 0)
    assert 'needs classes.json beside it' in found.failed['a']
