# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Data sets of Mask R-CNN: folders and COCO JSON, their classes and shares."""

import json
import logging
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from training_views import HEIGHT, WIDTH, view_of, write_view

from seg_ros.core.io import write_camera, write_color, write_depth
from seg_ros.networks.preprocessing import SMALL
from seg_ros.synthetic.coco import run_lengths
from seg_ros.training.detection_data import (
    CocoSource,
    DetectionBatches,
    FolderSource,
    Sources,
    open_source,
    whole_samples,
)
from seg_ros.training.detection_options import DetectionTrainOptions
from seg_ros.training.parallel import Team

OPTIONS = DetectionTrainOptions(width=64, height=64, batch=4, smallest_object=4, workers=0)


def write_folder(folder, seeds=(0, 1), classes=None, names=('cup', 'bowl')):
    """Write views as synthesize does; `classes` are those of the labels 1, 2, 3."""
    folder.mkdir(parents=True)
    for seed in seeds:
        write_view(folder, f'{seed:03d}', seed)
        if classes is not None:
            table = np.array([0, *classes], np.uint8)
            cv2.imwrite(str(folder / f'{seed:03d}-classes.png'), table[view_of(seed).labels])
    if classes is not None:
        (folder / 'classes.json').write_text(json.dumps(['background', *names]))
    (folder / 'dataset.json').write_text('{}')
    return folder


def write_coco_folder(folder, *, names=('bowl', 'cup'), crowd=(), seeds=(0,), depth=False):
    """Write views of discs; the categories of the discs are 1, 2, 1."""
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for seed in seeds:
        view = view_of(seed)
        write_color(folder / f'{seed:03d}-color.png', view.color)
        if depth:
            write_depth(folder / f'{seed:03d}-depth.png', view.depth_m)
            write_camera(folder / 'camera.json', view.camera)
        images.append({'id': seed, 'file_name': f'{seed:03d}-color.png', 'width': WIDTH,
                       'height': HEIGHT})
        annotations += [{
            'id': 10 * seed + label, 'image_id': seed, 'category_id': 2 - label % 2,
            'iscrowd': int(label in crowd),
            'segmentation': {'size': [HEIGHT, WIDTH], 'counts': run_lengths(view.labels == label)},
        } for label in (1, 2, 3)]
    categories = [{'id': number, 'name': name} for number, name in enumerate(names, start=1)]
    (folder / 'annotations.json').write_text(json.dumps(
        {'images': images, 'annotations': annotations, 'categories': categories}))
    return folder


@pytest.mark.parametrize(('named', 'names', 'ids'), [
    (True, ('cup', 'bowl'), [2, 1, 2]), (False, ('object',), [1, 1, 1])])
def test_a_folder_gives_its_objects(tmp_path, named, names, ids):
    folder = write_folder(tmp_path / 'train', classes=[2, 1, 2])
    source = FolderSource(folder, 'auto', named)
    assert (source.class_names, list(source.names)) == (names, ['000', '001'])
    objects = source.objects('001')
    labels = view_of(1).labels
    np.testing.assert_array_equal(objects.masks, labels == np.array([1, 2, 3])[:, None, None])
    assert objects.class_ids.tolist() == ids and objects.class_ids.dtype == np.int64
    np.testing.assert_array_equal(objects.view.labels, labels)
    assert source.describe()['views'] == 2


def test_classes_of_objects_json_are_taken(tmp_path):
    folder = write_folder(tmp_path / 'train', seeds=(0,))
    entries = [{'id': label, 'class': name, 'score': 1.0}
               for label, name in ((1, 'mug'), (2, 'can'), (3, 'mug'))]
    (folder / 'objects.json').write_text(json.dumps({'000': entries}))
    source = FolderSource(folder, 'auto', True)
    assert source.class_names == ('can', 'mug')
    assert source.objects('000').class_ids.tolist() == [2, 1, 2]


def test_a_folder_that_names_no_classes_is_refused(tmp_path):
    folder = write_folder(tmp_path / 'train')
    with pytest.raises(ValueError, match='names no classes .*: train with classes=object'):
        FolderSource(folder, 'auto', True)


@pytest.mark.parametrize(('named', 'names', 'ids'), [
    (True, ('bowl', 'cup'), [1, 1]), (False, ('object',), [1, 1])])
def test_crowds_are_not_taught(tmp_path, named, names, ids):
    source = CocoSource(write_coco_folder(tmp_path / 'x', crowd=[2]), 'auto', named)
    assert (source.class_names, list(source.names)) == (names, ['000'])
    objects = source.objects('000')
    labels = view_of(0).labels
    np.testing.assert_array_equal(objects.masks, [labels == 1, labels == 3])
    assert objects.class_ids.tolist() == ids and objects.class_ids.dtype == np.int64
    np.testing.assert_array_equal(objects.view.labels, np.select(
        [labels == 1, labels == 3], [1, 2], 0))
    assert np.isnan(objects.view.depth_m).all() and not objects.view.clean
    source.refresh()
    assert source.describe()['views'] == 1


def test_depth_beside_the_pictures_is_read(tmp_path):
    source = CocoSource(write_coco_folder(tmp_path / 'x', depth=True), 'auto', True)
    view = source.objects('000').view
    np.testing.assert_allclose(view.depth_m, view_of(0).depth_m, atol=6e-4)  # millimetres
    assert view.camera == view_of(0).camera


@pytest.mark.parametrize(('noise', 'made', 'depth', 'clean'), [
    ('auto', True, True, True), ('auto', False, True, False), ('always', False, True, True),
    ('never', True, True, False), ('auto', True, False, False), ('always', False, False, False)])
def test_noise_is_for_views_of_synthesize_and_where_there_is_depth(
        tmp_path, noise, made, depth, clean):
    folder = write_coco_folder(tmp_path / 'x', depth=depth)
    if made:
        (folder / 'dataset.json').write_text('{}')
    source = CocoSource(folder, noise, False)
    assert source.objects('000').view.clean is clean
    assert source.describe()['noise'] is (noise == 'always' or (made and noise == 'auto'))


def test_where_data_may_lie(tmp_path):
    write_folder(tmp_path / 'views' / 'train')
    write_coco_folder(tmp_path / 'coco' / 'train')
    opened = partial(open_source, part='train', sensor_noise='auto', named=False)
    assert isinstance(opened(tmp_path / 'views'), FolderSource)
    assert isinstance(opened(tmp_path / 'coco'), CocoSource)
    path = tmp_path / 'coco' / 'train' / 'annotations.json'
    assert isinstance(opened(path), CocoSource)
    # what `synthesize --coco` leaves is both: the labels are read
    (tmp_path / 'views' / 'train' / 'annotations.json').write_bytes(path.read_bytes())
    assert isinstance(opened(tmp_path / 'views'), FolderSource)
    with pytest.raises(FileNotFoundError, match='train: no such file or folder'):
        opened(tmp_path)
    (tmp_path / 'empty' / 'train').mkdir(parents=True)
    with pytest.raises(ValueError, match='holds no NAME-color.png with NAME-labels.png'):
        opened(tmp_path / 'empty')


@pytest.fixture
def two(tmp_path):
    """Return a folder of 2 views of cup and bowl, a COCO data set of 3 of bowl and can."""
    return [
        FolderSource(write_folder(tmp_path / 'a', classes=[1, 2, 1]), 'never', True),
        CocoSource(write_coco_folder(tmp_path / 'b', names=('bowl', 'can'), seeds=(0, 1, 2)),
                   'never', True)]


def test_classes_of_two_data_sets_are_joined_by_name(two):
    data = Sources(two)
    assert data.class_names == ('cup', 'bowl', 'can')
    assert len(data) == 5
    assert data.at(1).class_ids.tolist() == [1, 2, 1]
    assert data.at(2).class_ids.tolist() == [2, 3, 2]
    with pytest.raises(IndexError, match='there are 5 views'):
        data.at(5)


def test_classes_that_are_not_taught_are_left_out(two):
    data = Sources(two, class_names=('can', 'cup'))
    assert data.class_names == ('can', 'cup')
    first, second = data.at(0), data.at(2)
    assert first.class_ids.tolist() == [2, 2] and second.class_ids.tolist() == [1]
    labels = view_of(0).labels
    np.testing.assert_array_equal(first.masks, [labels == 1, labels == 3])
    np.testing.assert_array_equal(second.masks, [labels == 2])


@pytest.mark.parametrize(('shares', 'expected'), [
    (None, 0.4), ([1.0, 1.0], 0.5), ([30, 10], 0.75)])
def test_shares_decide_how_often_a_view_is_drawn(two, monkeypatch, shares, expected):
    data = Sources(two, shares)
    drawn = []
    monkeypatch.setattr(data, 'read', lambda source, name: drawn.append((source, name)))
    rng = np.random.default_rng(0)
    for _ in range(2000):
        data.random(rng)
    assert np.mean([source is two[0] for source, _ in drawn]) == pytest.approx(expected, abs=0.04)
    assert len(set(drawn)) == 5
    said = [each.get('share') for each in data.describe()]
    assert said == ([None, None] if shares is None else [expected, 1 - expected])


@pytest.mark.parametrize('shares', [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, np.inf],
                                    [np.nan, 1.0], []])
def test_shares_that_are_none_are_refused(two, shares):
    with pytest.raises(ValueError, match='give a positive number for each of the 2 data sets'):
        Sources(two, shares)


def same(first, second):
    """Compare images and targets of two batches."""
    images = torch.equal(first[0], second[0])
    return images and all(torch.equal(one[name], other[name]) for one, other in zip(
        first[1], second[1], strict=True) for name in one)


def test_a_step_fixes_its_batch(two):
    batches = [DetectionBatches(Sources(two), OPTIONS, SMALL) for _ in range(2)]
    images, targets = batches[0][5]
    assert images.shape == (4, 6, 64, 64) and images.dtype == torch.float32
    assert [list(target) for target in targets] == [['boxes', 'labels', 'masks']] * 4
    assert same(batches[0][5], batches[1][5])
    assert not torch.equal(images, batches[0][6][0])
    other = DetectionBatches(Sources(two), OPTIONS.replaced(seed=1), SMALL)
    assert not torch.equal(images, other[5][0])


@pytest.mark.parametrize('repeats', [1, 2])
def test_shares_of_a_team_together_are_the_batch_of_one(two, repeats):
    options = OPTIONS.replaced(samples_per_view=repeats)
    images, targets = DetectionBatches(Sources(two), options, SMALL)[3]
    parts = [DetectionBatches(Sources(two), options, SMALL, Team(rank, 2))[3]
             for rank in range(2)]
    assert [len(part[0]) for part in parts] == [2, 2]
    assert [len(part[1]) for part in parts] == [2, 2]

    def keys(images, targets):
        return [(image.numpy().tobytes(), target['boxes'].tolist())
                for image, target in zip(images, targets, strict=True)]

    assert sorted(keys(images, targets)) == sorted(keys(*parts[0]) + keys(*parts[1]))


@pytest.mark.parametrize(('changes', 'team', 'message'), [
    ({}, Team(0, 3), 'a batch of 4 samples, 1 of a view, cannot be shared by 3 processes: choose '
     'a multiple of 3'),
    ({'samples_per_view': 2}, Team(0, 4), 'a multiple of 8'),
    ({'samples_per_view': 3}, Team(), 'a multiple of 3')])
def test_a_batch_that_cannot_be_shared_is_refused(two, changes, team, message):
    with pytest.raises(ValueError, match=message):
        DetectionBatches(Sources(two), OPTIONS.replaced(**changes), SMALL, team)


def test_a_bad_view_is_named_and_left_out(tmp_path, caplog):
    folder = write_folder(tmp_path / 'a', seeds=range(4))
    (folder / '002-depth.png').write_bytes(b'no picture')
    data = Sources([FolderSource(folder, 'never', False)])
    batches = DetectionBatches(data, OPTIONS, SMALL)
    with caplog.at_level(logging.WARNING):
        assert len(batches[0][0]) == 4
        assert len(batches[1][0]) == 4
    assert '002-depth.png' in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert [index for index, _ in data.spread(4)] == [0, 1, 3]
    assert 'left out of the validation' in caplog.text and '002-depth.png' in caplog.text


def test_many_bad_views_end_the_training(tmp_path):
    folder = write_folder(tmp_path / 'a', seeds=range(3))
    for seed in range(3):
        (folder / f'{seed:03d}-depth.png').write_bytes(b'no picture')
    batches = DetectionBatches(Sources([FolderSource(folder, 'never', False)]), OPTIONS, SMALL)
    with pytest.raises(ValueError, match='views could not be read, the last one: .*-depth.png'):
        batches[0]


@pytest.mark.parametrize(('count', 'expected'), [(1, [0]), (2, [0, 4]), (5, [0, 1, 2, 3, 4]),
                                                 (50, [0, 1, 2, 3, 4]), (0, [])])
def test_validation_takes_views_from_all_over(two, count, expected):
    data = Sources(two)
    assert [index for index, _ in data.spread(count)] == expected
    samples = list(whole_samples(data, OPTIONS.replaced(validation_frames=count), SMALL))
    assert len(samples) == len(expected)
    for (image, target), objects in samples:
        assert image.shape == (6, 64, 64)
        assert target['labels'].tolist() == objects.class_ids.tolist()
