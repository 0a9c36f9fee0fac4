# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import copy
import json
import os

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_detectors import NAMES, frame_of, stirred, tiny_config, tiny_detector, write_tiny
from torchvision.models import detection

from seg_ros.mask_rcnn.checkpoint import (
    aggregation_for,
    check_class_count,
    detector_weights,
    load_detector,
    metadata_of,
    published_names,
    published_weights,
)
from seg_ros.mask_rcnn.masks import pasted_masks
from seg_ros.mask_rcnn.options import MaskRcnnOptions
from seg_ros.mask_rcnn.segmenter import MaskRcnnSegmenter
from seg_ros.networks.preprocessing import SMALL
from seg_ros.weights import Weights, load_weights, save_weights

V1, V2 = detection.MaskRCNN_ResNet50_FPN_Weights, detection.MaskRCNN_ResNet50_FPN_V2_Weights
CLASS_LAYER = 'roi_heads.box_predictor.cls_score.weight'


def load(path):
    return load_detector(load_weights(path, method='mask_rcnn'))


@pytest.mark.parametrize(('changes', 'roi'), [
    ({}, ('align', 'average')),
    ({'fusion': 'color', 'anchor_sizes': (4, 8, 16, 32, 64)}, ('pool', 'max')),
    ({'fusion': 'cat', 'raised_blocks': 1, 'mask_layers': 2}, ('warp', 'average')),
])
@torch.no_grad()
def test_what_is_saved_is_loaded(tmp_path, changes, roi):
    path = write_tiny(tmp_path / 'x.safetensors', roi=roi, **changes)
    loaded = load(path)
    assert (loaded.architecture, loaded.class_names) == ('mask_rcnn_small', NAMES)
    assert (loaded.fusion, loaded.roi) == (changes.get('fusion', 'add'), roi)
    assert (loaded.preprocessing, loaded.input_size) == (SMALL, (96, 64))
    assert not loaded.model.training
    expected = tiny_detector(roi=roi, **changes)
    state = {key: value.half().float() if value.is_floating_point() else value
             for key, value in expected.state_dict().items()}
    expected.load_state_dict(state)
    image = [torch.rand(6, 64, 96) + 0.1]
    found, wanted = loaded.model(image)[0], expected(image)[0]
    assert len(wanted['boxes']) > 0
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def changed_state(**changes):
    """Return a state with keys dropped (None), added or replaced."""
    state = {**tiny_detector().state_dict(), **changes}
    return {key: value for key, value in state.items() if value is not None}


MASK_LAYER = 'roi_heads.mask_predictor.mask_fcn_logits.bias'


@pytest.mark.parametrize(('changes', 'message'), [
    ({MASK_LAYER: None}, f'1 keys differ: missing {MASK_LAYER}'),
    ({'backbone.trunk.more': torch.zeros(2)}, '1 keys differ: extra backbone.trunk.more'),
    ({MASK_LAYER: torch.zeros(3)}, rf'{MASK_LAYER} is \(3,\), needed \(4,\)'),
    ({CLASS_LAYER: torch.zeros(6, 16)},
     'has 6 classes with background, 4 were expected: .*--init'),
    ({CLASS_LAYER: None}, f'is no Mask R-CNN: it has no matrix {CLASS_LAYER}'),
    ({CLASS_LAYER: torch.zeros(4)}, 'is no Mask R-CNN'),
])
def test_weights_that_do_not_fit_are_refused(tmp_path, changes, message):
    path = write_tiny(tmp_path / 'x.safetensors', state=changed_state(**changes))
    with pytest.raises(ValueError, match=message) as error:
        load(path)
    assert str(path) in str(error.value)


def with_config(**changes):
    metadata = copy.deepcopy(metadata_of(tiny_config(), NAMES, (96, 64)))
    metadata['config'].update(changes)
    metadata['config'] = {k: v for k, v in metadata['config'].items() if v is not None}
    return metadata


@pytest.mark.parametrize(('metadata', 'message'), [
    ({**with_config(), 'architecture': 'yolo'}, "a network 'yolo'; accepted: mask_rcnn_small"),
    ({'method': 'mask_rcnn'}, 'a network None'),
    ({'method': 'mask_rcnn', 'architecture': 'mask_rcnn_small'}, 'lacks config.class_names'),
    ({**with_config(), 'method': 'unseen_objects'}, 'weights of unseen_objects, not of mask_rcnn'),
    (with_config(preprocessing=None), 'lacks config.preprocessing'),
    (with_config(roi=None), 'lacks config.roi'),
    (with_config(depth_unit='mm'), 'unknown config.depth_unit'),
    (with_config(class_names=['cup']), '4 classes with background, 2 were expected'),
    (with_config(class_names='cup'), "class_names is 'cup', a list of names is accepted"),
    (with_config(class_names=['cup', 5, 'box']), 'a list of names is accepted'),
    (with_config(input_size=[96]), 'not enough values'),
    (with_config(input_size=[0, 64]), 'input_size 0x64'),
    (with_config(input_size=['a', 'b']), 'invalid literal'),
    (with_config(preprocessing={'gamma': 2}), 'unknown fields: gamma'),
    (with_config(preprocessing=3), 'fit no mask_rcnn_small'),
    (with_config(fusion='late'), "fusion 'late' is unknown"),
    (with_config(widths=3), 'fit no mask_rcnn_small'),
    (with_config(widths=[4, 6]), 'five positive channel counts'),
    (with_config(roi='bend'), "RoI operator 'bend' is none of"),
    (with_config(roi='pool'), "'pool' has no aggregation 'average'"),
])
def test_metadata_that_say_something_else_are_refused(tmp_path, metadata, message):
    path = tmp_path / 'x.safetensors'
    save_weights(path, tiny_detector().state_dict(), metadata)
    with pytest.raises(ValueError, match=message) as error:
        load(path)
    assert str(path) in str(error.value)


def test_a_count_of_classes_that_cannot_be_published_is_refused(tmp_path):
    weights = Weights({CLASS_LAYER: torch.zeros(65537, 1)}, {}, tmp_path / 'x')
    with pytest.raises(ValueError, match='65536 classes: at most 65535 can be published'):
        check_class_count(weights, 65537)
    check_class_count(Weights({CLASS_LAYER: torch.zeros(65536, 1)}, {}, tmp_path / 'x'), 65536)


class Trap:
    """Touch a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    torch.save({'model': {CLASS_LAYER: torch.zeros(3, 3)}, 'more': Trap(tmp_path / 'sprung')},
               tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='x.pth is not a checkpoint of tensors alone'):
        load(tmp_path / 'x.pth')
    assert not (tmp_path / 'sprung').exists()


@pytest.mark.parametrize(('name', 'content', 'message'), [
    ('x.pth', b'<html>not found</html>', 'not a checkpoint of tensors alone'),
    ('x.safetensors', b'<html>not found</html>', 'not a safetensors file'),
    ('x.safetensors', b'', 'has 0 bytes'),
])
def test_what_is_no_checkpoint_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / name)


def test_small_weights_without_their_metadata_are_refused(tmp_path):
    path = write_tiny(tmp_path / 'x.safetensors')
    save_file(load_file(path), path)
    with pytest.raises(ValueError, match='does not fit maskrcnn_resnet50_fpn'):
        load(path)


@pytest.mark.parametrize(('operator', 'asked', 'expected'), [
    ('pool', 'auto', 'max'), ('align', 'auto', 'average'), ('warp', 'auto', 'average'),
    ('align', 'max', 'max'), ('pool', 'average', 'average')])
def test_how_samples_are_joined(operator, asked, expected):
    assert aggregation_for(operator, asked) == expected


def test_metadata_are_json_and_take_more():
    metadata = metadata_of(tiny_config(), NAMES, (96, 64), 'pool', 'max', training={'step': 3})
    assert json.loads(json.dumps(metadata)) == metadata
    assert (metadata['method'], metadata['training']) == ('mask_rcnn', {'step': 3})
    assert metadata['config']['class_names'] == list(NAMES)


# What the keys of torchvision's published file are called since.
OLD_NAMES = {
    'rpn.head.conv.0.0.': 'rpn.head.conv.',
    **{f'roi_heads.mask_head.{n}.0.': f'roi_heads.mask_head.mask_fcn{n + 1}.' for n in range(4)},
    **{f'backbone.fpn.{blocks}.{n}.0.': f'backbone.fpn.{blocks}.{n}.'
       for blocks in ('inner_blocks', 'layer_blocks') for n in range(4)},
}


def as_published(state):
    """Return a state of maskrcnn_resnet50_fpn under the keys of the file with COCO weights."""
    found = {}
    for key, value in state.items():
        prefix = next((each for each in OLD_NAMES if key.startswith(each)), '')
        if not key.endswith('num_batches_tracked'):
            found[OLD_NAMES.get(prefix, '') + key.removeprefix(prefix)] = value
    return found


SMALL_IMAGES = {'min_size': 64, 'max_size': 96}
ENTRIES = {
    'coco': (detection.maskrcnn_resnet50_fpn, V1.COCO_V1),
    'coco_v2': (detection.maskrcnn_resnet50_fpn_v2, V2.COCO_V1),
}


def random_model(name):
    """Return torchvision's model of 91 classes with random weights that find something."""
    torch.manual_seed(1)
    model = ENTRIES[name][0](weights=None, weights_backbone=None, **SMALL_IMAGES)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    model.train().backbone(torch.rand(4, 3, 64, 96))
    model.backbone.body.bn1.running_var[:16] = 3e-5  # what is added to the variance matters
    return stirred(model, torch.rand(3, 64, 96))


@pytest.fixture(scope='module', params=list(ENTRIES))
def published(request, tmp_path_factory):
    """Return a name of published weights, torchvision's model of such, and a hub with the file."""
    name = request.param
    build, entry = ENTRIES[name]
    state = random_model(name).state_dict()
    state = as_published(state) if name == 'coco' else dict(state)
    hub = tmp_path_factory.mktemp('hub')
    (hub / 'checkpoints').mkdir()
    path = hub / 'checkpoints' / entry.url.rpartition('/')[2]
    torch.save(state, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(entry), 'get_state_dict', lambda *_, **__: copy.copy(state))
        model = build(weights=entry, **SMALL_IMAGES).eval()
    return name, model, hub


@pytest.fixture
def hub(published):
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(published[2]))
    yield published[2]
    torch.hub.set_dir(before)


def small_segmenter(loaded, **options):
    """Return a segmenter of torchvision's detector that resizes to small images."""
    loaded.model.transform.min_size = (SMALL_IMAGES['min_size'],)
    loaded.model.transform.max_size = SMALL_IMAGES['max_size']
    return MaskRcnnSegmenter(
        loaded, MaskRcnnOptions(**{'score_threshold': 0.05, **options}), runs=[])


def assert_finds_the_same(segmenter, model, frame):
    with torch.no_grad():
        expected = model([torch.from_numpy(frame.color.transpose(2, 0, 1)).float() / 255])[0]
    found = segmenter.detect(frame)
    assert len(found) == len(expected['boxes']) > 10
    assert len(set(found.class_ids.tolist())) > 1
    np.testing.assert_allclose(found.boxes, expected['boxes'], rtol=0, atol=1e-5)  # pixels
    np.testing.assert_allclose(found.scores, expected['scores'], atol=1e-5)
    assert (found.class_ids + 1).tolist() == expected['labels'].tolist()
    pasted = np.zeros(expected['masks'].shape, np.float32)
    for image, (window, part) in zip(
            pasted, pasted_masks(found.boxes, found.masks, frame.shape), strict=True):
        image[0][window] = part
    np.testing.assert_allclose(pasted, expected['masks'], atol=1e-5)


@pytest.mark.slow
def test_published_weights_give_what_torchvision_gives(published, hub):
    name, model, _ = published
    loaded = load_detector(detector_weights(name))
    entry = ENTRIES[name][1]
    assert loaded.class_names == tuple(entry.meta['categories'][1:])
    assert len(loaded.class_names) == 90 and '__background__' not in loaded.class_names
    assert (loaded.fusion, loaded.roi) == ('color', ('align', 'average'))
    assert (loaded.preprocessing, loaded.input_size) == (None, None)
    assert loaded.architecture == 'maskrcnn_resnet50_fpn' + ('_v2' if name == 'coco_v2' else '')
    segmenter = small_segmenter(loaded)
    for size in ((120, 80), (75, 97)):
        assert_finds_the_same(segmenter, model, frame_of(*size))


@pytest.mark.slow
def test_weights_of_torchvision_may_have_any_classes(tmp_path):
    model = random_model('coco').eval()
    for name, parameter in model.roi_heads.named_parameters():
        if 'predictor' in name and len(parameter) % 91 == 0:
            parameter.data = parameter.data[:len(parameter) * 7 // 91].clone()
    state = model.state_dict()
    path = tmp_path / 'own.pth'
    torch.save({'model': state, 'epoch': torch.tensor(3)}, path)
    loaded = load(path)
    assert loaded.class_names == tuple(f'class {number}' for number in range(1, 7))
    # trained from nothing: plain normalisation, whose numbers are others than the frozen one's
    assert_finds_the_same(small_segmenter(loaded), model, frame_of(120, 80))
    del state['rpn.head.bbox_pred.bias']
    torch.save({**state, 'head.more': torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r'(?s)own.pth does not fit maskrcnn_resnet50_fpn: '
                                         r'.*rpn.head.bbox_pred.bias.*head.more'):
        load(path)


def test_names_of_classes():
    names = published_names(91)
    assert (names[0], names[89], len(names)) == ('person', 'toothbrush', 90)
    assert published_names(3) == ('class 1', 'class 2')


@pytest.mark.parametrize(('name', 'file'), [
    ('coco', 'maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth'),
    ('coco_v1', 'maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth'),
    ('coco_v2', 'maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth')])
def test_without_network_the_file_and_its_place_are_named(refuses_download, name, file):
    refuses_download(lambda: published_weights(name), file)


def test_a_bad_download_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr('torch.hub._hub_dir', str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    path = tmp_path / 'checkpoints' / 'maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth'
    path.write_bytes(b'<html>please sign in</html>')
    with pytest.raises(ValueError, match='not a checkpoint of tensors alone'):
        published_weights('coco')
