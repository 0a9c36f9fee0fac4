# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What semantic trainings read: views, classes, samples; what is bad is named."""

import json
import logging
import re
from unittest.mock import patch

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from semantic_parts import COLORS, NAMES, OPTIONS, view_of, write_class_view, write_set

from seg_ros.core.io import write_color, write_labels
from seg_ros.networks.preprocessing import SMALL
from seg_ros.training.parallel import Team
from seg_ros.training.samples import View
from seg_ros.training.semantic_data import (
    ClassSources,
    FolderClasses,
    SemanticBatches,
    VocClasses,
    has_part,
    open_class_source,
    whole_views,
)
from seg_ros.training.semantic_options import SemanticTrainOptions
from seg_ros.training.semantic_samples import ClassView, joint_labels, semantic_sample, taken_apart
from seg_ros.training.semantic_weights import class_weights_of, pixel_loss, root_weights

STEADY = OPTIONS.replaced(
    focus_share=0.0, zoom_min=1.0, zoom_max=1.0, drop_color=0.0, drop_depth=0.0)


@pytest.fixture
def data(tmp_path):
    return write_set(tmp_path)


def sources_of(root, **kwargs):
    return ClassSources([open_class_source(root, 'train', 'never')], **kwargs)


def batches(sources, options=OPTIONS, **kwargs):
    return SemanticBatches(sources, options, SMALL, True, **kwargs)


def write_voc(root, names, classes=None, size=(48, 64)):
    """Write VOC's layout: images named, all in train.txt."""
    for part in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
        (root / part).mkdir(parents=True, exist_ok=True)
    for name in names:
        write_color(root / 'JPEGImages' / f'{name}.jpg', np.full((*size, 3), 99, np.uint8))
        image = np.full(size, 15, np.uint8) if classes is None else classes
        cv2.imwrite(str(root / 'SegmentationClass' / f'{name}.png'), image)
    (root / 'ImageSets' / 'Segmentation' / 'train.txt').write_text('\n'.join(names))
    return root


def test_a_view_has_classes_instances_and_depth(data):
    sources = sources_of(data, classes='fine')
    assert (len(sources), sources.class_names) == (4, NAMES)
    item = sources.at(2)
    frame, labels, classes = view_of(2)
    assert np.array_equal(item.classes, classes) and item.has_instances
    assert np.array_equal(item.view.labels, labels)
    assert np.array_equal(item.view.color, frame.color)
    np.testing.assert_allclose(item.view.depth_m, frame.depth, atol=1e-3)
    assert has_part(data, 'val') and not has_part(data, 'test')


def test_depth_and_labels_may_be_missing(data):
    for suffix in ('depth', 'labels'):
        (data / 'train' / f'000-{suffix}.png').unlink()
    (data / 'train' / '000-camera.json').unlink()
    item = sources_of(data, classes='fine').at(0)
    assert not np.isfinite(item.view.depth_m).any() and not item.has_instances
    # where instances are not known, crops look for objects: neither background nor table
    assert np.array_equal(item.view.labels > 0, view_of(0)[2] > 1)
    (data / 'train' / '001-camera.json').unlink()
    with pytest.raises(ValueError, match=r'001-depth\.png needs NAME-camera\.json'):
        sources_of(data).at(1)


def test_classes_are_grouped_and_joined_by_name(data, tmp_path):
    other = tmp_path / 'other'
    write_class_view(other / 'train', 'x', 7)
    (other / 'train' / 'classes.json').write_text(
        json.dumps(['background', 'mug', 'tin', 'table']))
    sources = ClassSources(
        [open_class_source(root, 'train', 'never') for root in (data, other)], classes='auto')
    assert sources.class_names[:4] == ('background', 'table', 'box', 'can')
    names = np.array(sources.class_names)
    first, last = sources.at(0), sources.at(4)
    expected = np.array(['background', 'table', 'can', 'box'])[view_of(0)[2]]
    assert np.array_equal(names[first.classes], expected)
    expected = np.array(['background', 'cup', 'can', 'table'])[view_of(7)[2]]
    assert np.array_equal(names[last.classes], expected)


def test_voc_images_have_no_depth_and_ignored_pixels(tmp_path):
    classes = np.zeros((48, 64), np.uint8)
    classes[:10], classes[10:20] = 255, 5
    source = open_class_source(write_voc(tmp_path, ['a'], classes), 'train', 'auto')
    assert isinstance(source, VocClasses) and source.names == ['a']
    sources = ClassSources([source])
    assert len(sources.class_names) == 21 and sources.class_names[5] == 'bottle'
    item = sources.at(0)
    assert np.array_equal(item.classes, classes) and not item.view.clean
    assert item.view.labels[15, 0] == 1 and item.view.labels[5, 0] == 0
    color, xyz, found, weights = batches(sources)[0]
    assert set(found.unique().tolist()) <= {0, 5, 255} and (found == 255).any()
    assert not xyz.any() and not weights.any() and color.shape == (2, 3, 48, 64)


@pytest.mark.parametrize('size', [(1, 1), (1, 40), (33, 2)])
def test_tiny_images_are_enlarged(tmp_path, size):
    root = write_voc(tmp_path, ['a'], np.full(size, 7, np.uint8), size)
    sources = ClassSources([open_class_source(root, 'train', 'auto')])
    color, _, classes, _ = batches(sources)[0]
    assert color.shape == (2, 3, 48, 64) and torch.isfinite(color).all()
    assert (classes == 7).all()


def test_instances_and_classes_are_cut_alike():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 65536, (5, 6)).astype(np.int32)
    classes = rng.integers(0, 256, (5, 6)).astype(np.uint8)
    frame, _, _ = view_of(0)
    view = FolderView(frame, labels)
    found, instances = taken_apart(joint_labels(ClassView(view, classes)))
    assert np.array_equal(found, classes) and np.array_equal(instances, labels)


class FolderView:
    def __init__(self, frame, labels):
        self.labels = labels


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31))
def test_colour_and_classes_of_a_sample_belong_together(seed):
    frame, labels, classes = view_of(seed)
    exact = COLORS[classes]
    item = ClassView(View(exact, frame.depth, labels, frame.camera, clean=False), classes)
    rng = np.random.default_rng(seed)
    with patch('seg_ros.training.samples.augment_color', lambda color, rng: color):
        color, xyz, found, weights = semantic_sample(
            item, STEADY.replaced(zoom_max=2.0), SMALL, True, rng)
    assert color.shape == xyz.shape == (3, 48, 64) and found.shape == weights.shape == (48, 64)
    assert found.dtype == np.int64 and set(np.unique(found)) <= {0, 1, 2, 3}
    # inside of an object the colour is even: red is the can, blue the box
    inner = np.zeros(found.shape, bool)
    for number in (2, 3):
        inner |= cv2.erode((found == number).astype(np.uint8), np.ones((7, 7))) > 0
    redder = color[0] > color[2]
    assert np.array_equal(redder[inner], found[inner] == 2)
    depth = xyz[2][inner]
    assert depth.size == 0 or np.ptp(depth) < 1e-4  # objects lie at one depth


def test_borders_and_lines_between_touching_instances(data):
    item = sources_of(data, classes='fine').at(0)
    rng = np.random.default_rng
    plain = semantic_sample(item, STEADY, SMALL, True, rng(3))
    weighed = semantic_sample(item, STEADY.replaced(border_weights=True), SMALL, True, rng(3))
    parted = semantic_sample(item, STEADY.replaced(part_touching=True), SMALL, True, rng(3))
    assert not plain[3].any() and np.array_equal(plain[2], weighed[2])
    can, box = plain[2] == 2, plain[2] == 3
    near = cv2.dilate(can.astype(np.uint8), np.ones((3, 3))) > 0
    touching = near & box
    assert touching.sum() > 10 and weighed[3][touching].min() > 8
    assert weighed[3][~(can | box)].max() < 10 and weighed[3][0].max() < 1
    assert (parted[2][touching] == 0).all()
    kept = parted[2] == plain[2]
    assert 0.9 < kept.mean() < 1
    alone = ClassView(item.view, item.classes, has_instances=False)
    with pytest.raises(ValueError, match='border_weights and part_touching need instances'):
        semantic_sample(alone, STEADY.replaced(border_weights=True), SMALL, True, rng(0))


def test_a_step_is_the_same_each_time_and_for_a_team(data):
    sources = sources_of(data, classes='fine')
    options = OPTIONS.replaced(batch=4, samples_per_view=2)
    whole = batches(sources, options)[5]
    again = batches(sources, options)[5]
    parts = [batches(sources, options, team=Team(rank, 2))[5] for rank in range(2)]
    for one, other, shared in zip(whole, again, zip(*parts, strict=True), strict=True):
        assert torch.equal(one, other) and torch.equal(one, torch.cat(shared))
    assert not torch.equal(whole[0], batches(sources, options)[6][0])
    with pytest.raises(ValueError, match='cannot be shared by 3 processes'):
        batches(sources, options, team=Team(0, 3))


def test_networks_without_depth_keep_their_colour(data):
    sources = sources_of(data, classes='fine')
    options = STEADY.replaced(drop_color=1.0)
    color, xyz, *_ = SemanticBatches(sources, options, SMALL, False)[0]
    assert color.any() and xyz.any()
    color, xyz, *_ = SemanticBatches(sources, options, SMALL, True)[0]
    assert not color.any() and xyz.any()


def break_class(train):
    cv2.imwrite(str(train / '003-classes.png'), np.full((48, 64), 9, np.uint8))


@pytest.mark.parametrize(('harm', 'message'), [
    (break_class, r'003-classes\.png has the class 9: 4 are named, 0 to 3'),
    (lambda train: (train / '003-color.png').write_bytes(b'x'), r'003-color\.png is not an image'),
    (lambda train: write_labels(train / '003-labels.png', np.zeros((3, 3), int)),
     '003: colour, classes, depth, labels and camera differ in size'),
])
def test_bad_views_are_named_counted_and_not_fatal(data, caplog, harm, message):
    harm(data / 'train')
    sources = sources_of(data, classes='fine')
    with pytest.raises(ValueError, match=message):
        sources.at(3)
    reader = batches(sources)
    with caplog.at_level(logging.WARNING):
        for step in range(4):
            assert len(reader[step][0]) == 2
    assert re.search('left out: .*' + message, caplog.text)
    assert [index for index, _ in sources.spread(4)] == [0, 1, 2]


def test_a_set_of_bad_views_ends_the_training(data):
    for index in range(4):
        (data / 'train' / f'{index:03d}-classes.png').write_bytes(b'x')
    with pytest.raises(ValueError, match='6 of 6 views could not be read, the last one'):
        batches(sources_of(data, classes='fine'))[0]


@pytest.mark.parametrize(('harm', 'error', 'message'), [
    (lambda train: (train / 'classes.json').unlink(), FileNotFoundError,
     r'classes\.json is missing'),
    (lambda train: [path.unlink() for path in train.glob('*-classes.png')], ValueError,
     r'holds no NAME-color\.png with NAME-classes\.png'),
])
def test_folders_that_cannot_be_taught_from_are_refused(data, harm, error, message):
    harm(data / 'train')
    with pytest.raises(error, match=message):
        FolderClasses(data / 'train', 'auto')


def test_empty_splits_and_missing_images_of_voc_are_named(tmp_path):
    root = write_voc(tmp_path, ['a', 'b'])
    (root / 'SegmentationClass' / 'a.png').unlink()
    (root / 'JPEGImages' / 'b.jpg').unlink()
    sources = ClassSources([open_class_source(root, 'train', 'auto')])
    for index, message in enumerate(('SegmentationClass/a.png is missing', 'b.jpg: no such file')):
        with pytest.raises(FileNotFoundError, match=message):
            sources.at(index)
    (root / 'ImageSets' / 'Segmentation' / 'train.txt').write_text('')
    with pytest.raises(ValueError, match=r'train\.txt is empty'):
        open_class_source(root, 'train', 'auto')


def test_whole_views_are_evenly_spaced_and_repeatable(data):
    sources = sources_of(data, classes='fine')
    first, second = (list(whole_views(sources, OPTIONS, SMALL, 2)) for _ in range(2))
    assert [item.classes.tolist() for _, _, item in first] == [
        view_of(seed)[2].tolist() for seed in (0, 3)]
    assert torch.equal(first[1][0], second[1][0]) and first[0][0].shape == (1, 3, 48, 64)


@pytest.mark.parametrize(('values', 'config'), [
    ({'config': '{backbone: light, output_stride: 8}'}, {'backbone': 'light', 'output_stride': 8}),
    ({'config': '{"rates": [6, 12], "aspp": true}'}, {'rates': [6, 12], 'aspp': True}),
    ({'config': {'backbone': 'light'}}, {'backbone': 'light'}),
    ({'config.output_stride': '8', 'config.backbone': 'light'},
     {'backbone': 'light', 'output_stride': 8}),
    ({'config': '{a: 1, b: 2}', 'config.b': '3'}, {'a': 1, 'b': 3}),
    ({'config': ''}, {}),
])
def test_the_configuration_of_the_network(values, config):
    assert SemanticTrainOptions().replaced(**values).network_config() == config


@pytest.mark.parametrize(('values', 'message'), [
    ({'config': 'light'}, 'a mapping is accepted'), ({'config': '{a: ['}, 'which is no YAML'),
    ({'config': '{1: 2}'}, 'a mapping is accepted'), ({'configs.a': '1'}, 'unknown option'),
])
def test_other_configurations_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        SemanticTrainOptions().replaced(**values).network_config()


def test_class_weights(data):
    sources = sources_of(data, classes='fine')
    assert class_weights_of('', sources).tolist() == [1, 1, 1, 1]
    assert class_weights_of('{can: 2, box: 0.5}', sources).tolist() == [1, 1, 2, 0.5]
    weights = class_weights_of('balanced', sources).double().numpy()
    counts = sum(np.bincount(view_of(seed)[2].ravel(), minlength=4) for seed in range(4))
    np.testing.assert_allclose((weights * counts).sum() / counts.sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(weights ** 2 * counts, (weights ** 2 * counts)[0], rtol=1e-5)
    assert root_weights([4, 0, 1]).tolist() == pytest.approx([5 / 6, 1, 5 / 3])
    for option, message in (('{sofa: 1}', 'name sofa: classes are background'),
                            ('{can: -1}', 'can is -1'), ('{can: x}', "can is 'x'"),
                            ('heavy', 'a mapping is accepted')):
        with pytest.raises(ValueError, match=message):
            class_weights_of(option, sources)


def test_the_loss_equals_a_loop():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 5, 6, generator=generator, dtype=torch.float64)
    classes = torch.randint(0, 4, (3, 5, 6), generator=generator)
    classes[0, :3], classes[2] = 255, 255
    borders = torch.rand(3, 5, 6, generator=generator, dtype=torch.float64)
    of_classes = torch.tensor([1.0, 0.5, 2.0, 0.0], dtype=torch.float64)
    total = plain = 0.0
    for b in range(3):
        known = [(v, u) for v in range(5) for u in range(6) if classes[b, v, u] != 255]
        for v, u in known:
            k = classes[b, v, u]
            value = -logits[b, :, v, u].log_softmax(0)[k]
            total += (of_classes[k] + borders[b, v, u]) * value / len(known) / 3
            plain += value / len(known) / 3
    assert torch.allclose(pixel_loss(logits, classes, of_classes, borders), total)
    assert torch.allclose(pixel_loss(logits, classes), plain)
    assert pixel_loss(logits[2:], classes[2:]) == 0


def test_the_samples_of_a_view_share_its_noise(data, monkeypatch):
    called = []

    def counted(depth_m, *args, **kwargs):
        called.append(1)
        return depth_m

    monkeypatch.setattr('seg_ros.training.samples.corrupt_depth', counted)
    sources = ClassSources([open_class_source(data, 'train', 'always')])
    batches(sources, OPTIONS.replaced(batch=6, samples_per_view=3))[0]
    assert len(called) == 2
