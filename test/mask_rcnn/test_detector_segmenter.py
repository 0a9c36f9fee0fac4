# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import dataclasses

import numpy as np
import pytest
import torch
from tiny_detectors import NAMES, camera_of, frame_of, tiny_detector, write_tiny

from seg_ros import segmenters
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.options import Options
from seg_ros.core.results import Instances
from seg_ros.mask_rcnn.checkpoint import LoadedDetector, load_detector
from seg_ros.mask_rcnn.masks import label_image
from seg_ros.mask_rcnn.options import MaskRcnnOptions
from seg_ros.mask_rcnn.segmenter import (
    MaskRcnnSegmenter,
    chosen_roi,
    load_mask_rcnn,
    wanted_classes,
)
from seg_ros.networks.preprocessing import SMALL, network_inputs
from seg_ros.weights import load_weights

CERTAIN = {'score_threshold': 0.6}


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp('weights') / 'tiny.safetensors')


@pytest.fixture(scope='module')
def color_weights(tmp_path_factory):
    return write_tiny(
        tmp_path_factory.mktemp('weights') / 'color.safetensors', fusion='color')


@pytest.fixture
def segmenter(weights):
    return load_mask_rcnn(weights, 'cpu', 'torch', MaskRcnnOptions(**CERTAIN))


class Told(torch.nn.Module):
    """Stand for a detector: give the detections it was told, in pixels of its input."""

    def __init__(self, boxes, scores, labels, fusion='add', input_size=(96, 64)):
        super().__init__()
        detector = tiny_detector()
        self.roi_heads, self.transform = detector.roi_heads, detector.transform
        self.result = {
            'boxes': torch.tensor(boxes).float().reshape(-1, 4), 'scores': torch.tensor(scores),
            'labels': torch.tensor(labels, dtype=torch.int64),
            'masks': torch.ones(len(scores), 1, 28, 28)}
        self.loaded = LoadedDetector(
            self, 'told', NAMES, fusion, ('align', 'average'), SMALL, input_size)

    def forward(self, images):
        self.seen = images
        return [self.result]


def told(*arguments, options=None, **more):
    model = Told(*arguments, **more)
    return MaskRcnnSegmenter(model.loaded, options or MaskRcnnOptions(), runs=[])


def test_the_registry_builds_it(weights):
    found = segmenters.load('mask_rcnn', weights=weights, device='cpu', backend='torch')
    assert isinstance(found, MaskRcnnSegmenter)
    assert (found.method, found.device, found.backend) == ('mask_rcnn', 'cpu', 'torch')
    assert (found.needs_depth, found.class_names) == (True, NAMES)
    assert found.options == MaskRcnnOptions()
    assert segmenters.options_type('mask_rcnn') is MaskRcnnOptions


@pytest.mark.parametrize(('width', 'height'), [
    (96, 64), (640, 480), (161, 121), (320, 90), (97, 301), (40, 400), (3, 2), (1, 1)])
def test_any_camera_gives_rows_that_belong_together(segmenter, width, height):
    found = segmenter.segment(frame_of(width, height))
    assert isinstance(found, Instances)
    assert found.labels.shape == (height, width)
    assert found.labels.dtype == np.int32
    count = len(found)
    assert count > 0
    assert (found.scores.dtype, found.class_ids.dtype, found.ids.dtype) == (
        np.float32, np.int32, np.int32)
    assert found.scores.shape == found.class_ids.shape == found.ids.shape == (count,)
    assert found.ids.tolist() == list(range(1, count + 1))
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores.min() >= 0.6 and found.scores.max() <= 1
    assert set(found.class_ids.tolist()) <= {0, 1, 2}
    assert set(np.unique(found.labels)) - {0} == set(found.ids.tolist())
    assert found.class_names == NAMES


@pytest.mark.parametrize(('width', 'height'), [(96, 64), (333, 77)])
def test_the_result_is_the_detectors_pasted_at_the_frame(weights, segmenter, width, height):
    frame = frame_of(width, height)
    model = load_detector(load_weights(weights, method='mask_rcnn')).model
    model.roi_heads.score_thresh = 0.6
    size = segmenter._input(frame).shape[:0:-1]
    color, xyz = network_inputs(frame.color, frame.depth, frame.camera, size=size)
    with torch.no_grad():
        expected = {name: value.numpy() for name, value in
                    model([torch.cat([color, xyz], dim=1)[0]])[0].items()}
    boxes = expected['boxes'] * np.array([width / size[0], height / size[1]] * 2, np.float32)
    labels, kept = label_image(boxes, expected['masks'][:, 0], expected['scores'], frame.shape)
    found = segmenter.segment(frame)
    np.testing.assert_allclose(found.scores, expected['scores'][kept], atol=1e-4)
    assert found.class_ids.tolist() == (expected['labels'][kept] - 1).tolist()
    # torch folds the normalisations of one: probabilities at the threshold may round either way
    assert (found.labels != labels).mean() < 2e-3


@pytest.mark.parametrize(('width', 'height'), [(96, 64), (320, 90), (90, 320), (640, 480)])
def test_boxes_are_scaled_to_the_frame(width, height):
    # The whole input, and its second quarter: wherever the network's size comes from.
    model = Told([[0, 0, 1, 1], [0.5, 0, 1, 0.5]], [0.9, 0.95], [1, 3])
    segmenter = MaskRcnnSegmenter(model.loaded, MaskRcnnOptions(), runs=[])
    segmenter.segment(frame_of(width, height))
    h, w = model.seen[0].shape[1:]
    model.result['boxes'] = model.result['boxes'] * torch.tensor([w, h, w, h])
    found = segmenter.detect(frame_of(width, height))
    expected = [[0, 0, width, height], [width / 2, 0, width, height / 2]]
    np.testing.assert_allclose(found.boxes, expected, rtol=1e-5)
    result = segmenter.segment(frame_of(width, height))
    assert result.class_ids.tolist() == [2, 0]
    eighths = [slice(round(a * height / 8), round(b * height / 8)) for a, b in ((1, 3), (5, 7))]
    assert (result.labels[eighths[0], width * 5 // 8:width * 7 // 8] == 1).all()
    assert (result.labels[eighths[1], width // 8:width * 7 // 8] == 2).all()
    assert (result.labels[eighths[0], width // 8:width * 3 // 8] == 2).all()


def test_the_network_sees_the_frames_aspect_at_the_weights_area():
    model = Told([], [], [])
    segmenter = MaskRcnnSegmenter(model.loaded, MaskRcnnOptions(), runs=[])
    sizes = []
    for scale, (width, height) in [(1.0, (96, 64)), (1.0, (640, 480)), (2.0, (96, 64)),
                                   (0.5, (640, 480))]:
        segmenter.options = MaskRcnnOptions(input_scale=scale)
        segmenter.segment(frame_of(width, height))
        assert model.seen[0].shape[0] == 6 and model.seen[0].dtype == torch.float32
        sizes.append(tuple(model.seen[0].shape[:0:-1]))
    assert sizes == [(96, 64), (96, 64), (192, 128), (48, 32)]


def test_timings_name_the_stages(segmenter):
    segmenter.segment(frame_of())
    assert list(segmenter.timings) == ['preprocess', 'network', 'paste', 'total']
    stages = [segmenter.timings[stage] for stage in ('preprocess', 'network', 'paste')]
    assert min(stages) > 0 and sum(stages) <= segmenter.timings['total']


@pytest.mark.parametrize('options', [
    {'score_threshold': 1.0}, {'score_threshold': 0.999999, 'classes': 'cup'}])
def test_nothing_found_is_an_empty_result(segmenter, options):
    segmenter.options = MaskRcnnOptions(**options)
    found = segmenter.segment(frame_of())
    assert len(found) == 0 and not found.labels.any()
    assert found.labels.shape == (64, 96)
    assert found.scores.shape == found.ids.shape == found.class_ids.shape == (0,)
    assert found.class_names == NAMES
    assert len(segmenter.detect(frame_of())) == 0


def test_thresholds_hold_from_the_next_frame_on(segmenter):
    frame = frame_of()
    every = segmenter.detect(frame)
    assert len(every) > 20
    middle = float(np.median(every.scores))
    segmenter.options = MaskRcnnOptions(score_threshold=middle + 1e-6)
    assert len(segmenter.detect(frame)) == (every.scores > middle).sum()
    segmenter.options = MaskRcnnOptions(**CERTAIN, max_objects=3)
    np.testing.assert_array_equal(segmenter.detect(frame).scores, every.scores[:3])
    segmenter.options = MaskRcnnOptions(**CERTAIN, nms_threshold=0.0)
    apart = segmenter.detect(frame)
    assert 0 < len(apart) < len(every)
    segmenter.options = MaskRcnnOptions(**CERTAIN)
    np.testing.assert_array_equal(segmenter.detect(frame).scores, every.scores)


def test_mask_threshold_and_visible_share_hold_from_the_next_frame_on():
    segmenter = told([[0, 0, 60, 60], [35, 0, 95, 60]], [0.9, 0.8], [1, 1])
    frame = frame_of()
    assert len(segmenter.segment(frame)) == 2
    segmenter.options = MaskRcnnOptions(min_visible=0.7)
    assert len(segmenter.segment(frame)) == 1
    segmenter._loaded.model.result['masks'] *= 0.6
    segmenter.options = MaskRcnnOptions(mask_threshold=0.7)
    assert len(segmenter.segment(frame)) == 0
    segmenter.options = MaskRcnnOptions(mask_threshold=0.55)
    assert len(segmenter.segment(frame)) == 2


@pytest.mark.parametrize(('text', 'expected'), [
    ('', None), (' , ', None), ('cup', [0]), ('box,cup', [0, 2]), (' bowl , cup ', [0, 1])])
def test_wanted_classes(text, expected):
    found = wanted_classes(text, NAMES)
    assert (found if found is None else found.tolist()) == expected


@pytest.mark.parametrize(('text', 'message'), [
    ('mug', 'classes: mug unknown; these weights know cup, bowl, box$'),
    ('cup, mug, Bowl', 'classes: mug, Bowl unknown')])
def test_unknown_classes_are_refused_and_the_old_ones_stay(segmenter, text, message):
    segmenter.options = MaskRcnnOptions(**CERTAIN, classes='cup')
    with pytest.raises(ValueError, match=message):
        segmenter.options = MaskRcnnOptions(classes=text)
    assert segmenter.options.classes == 'cup'
    assert set(segmenter.segment(frame_of()).class_ids.tolist()) == {0}


def test_many_known_classes_are_not_all_named():
    names = tuple(f'c{number}' for number in range(30))
    with pytest.raises(ValueError, match=r'know c0, .*, c19, \.\.\.$'):
        wanted_classes('x', names)


def test_classes_are_chosen_from_the_next_frame_on(segmenter):
    frame = frame_of()
    every = segmenter.detect(frame)
    for text, wanted in (('cup', [0]), ('box,bowl', [1, 2]), ('', [0, 1, 2])):
        segmenter.options = MaskRcnnOptions(**CERTAIN, classes=text)
        found = segmenter.detect(frame)
        rows = np.isin(every.class_ids, wanted)
        np.testing.assert_array_equal(found.class_ids, every.class_ids[rows][:100])
        np.testing.assert_array_equal(found.scores, every.scores[rows][:100])


def test_other_classes_do_not_use_up_the_number_of_objects(segmenter):
    frame = frame_of()
    every = segmenter.detect(frame)
    last = NAMES[list(dict.fromkeys(every.class_ids.tolist()))[-1]]
    assert NAMES[every.class_ids[0]] != last
    segmenter.options = MaskRcnnOptions(**CERTAIN, classes=last, max_objects=1)
    found = segmenter.detect(frame)
    assert [NAMES[k] for k in found.class_ids] == [last]


def without_depth(frame):
    return RgbdFrame(frame.color)


def filled_depth(frame, value):
    return dataclasses.replace(frame, depth=np.full(frame.shape, value, np.float32))


@pytest.mark.parametrize(('change', 'message'), [
    (without_depth, 'has no depth, which these weights need: .*or weights trained with fusion c'),
    (lambda frame: filled_depth(frame, np.nan), 'depth image 96x64 has no valid pixel'),
    (lambda frame: filled_depth(frame, 812.0), '812 m: it looks like millimetres'),
    (lambda frame: filled_depth(frame, 0.0008), '0.80 mm, nearer than any depth camera'),
])
def test_depth_that_cannot_be_used_is_refused(segmenter, change, message):
    with pytest.raises(ValueError, match=message):
        segmenter.segment(change(frame_of()))


def test_a_colour_network_needs_no_depth_and_reads_none(color_weights):
    segmenter = load_mask_rcnn(color_weights, 'cpu', 'torch', MaskRcnnOptions(**CERTAIN))
    assert not segmenter.needs_depth
    frame = frame_of()
    expected = segmenter.segment(without_depth(frame))
    assert len(expected) > 3
    for change in (lambda f: f, lambda f: filled_depth(f, np.nan), lambda f: filled_depth(f, 2.0)):
        found = segmenter.segment(change(frame))
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_depth_changes_what_a_fused_network_finds(segmenter):
    frame = frame_of()
    flat = dataclasses.replace(frame, depth=np.full(frame.shape, 1.0, np.float32))
    assert not np.array_equal(segmenter.detect(frame).boxes, segmenter.detect(flat).boxes)


@pytest.mark.parametrize('value', [0, 128, 255])
def test_pictures_without_colour_are_taken(segmenter, value):
    gray = np.full((64, 96, 3), value, np.uint8)
    found = segmenter.segment(RgbdFrame(gray, frame_of().depth, camera_of(96, 64)))
    assert found.labels.shape == (64, 96)


def test_the_same_frame_gives_the_same_labels_of_its_own(segmenter):
    frame = frame_of()
    color, depth = frame.color.copy(), frame.depth.copy()
    first, second = segmenter.segment(frame), segmenter.segment(frame)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert not np.shares_memory(first.labels, second.labels)
    np.testing.assert_array_equal(frame.color, color)
    np.testing.assert_array_equal(frame.depth, depth)


@pytest.mark.parametrize(('trained', 'roi', 'aggregation', 'expected'), [
    (('align', 'average'), 'auto', 'auto', ('align', 'average')),
    (('align', 'max'), 'auto', 'auto', ('align', 'max')),
    (('align', 'max'), 'align', 'auto', ('align', 'max')),
    (('align', 'max'), 'warp', 'auto', ('warp', 'average')),
    (('align', 'average'), 'pool', 'auto', ('pool', 'max')),
    (('align', 'average'), 'auto', 'max', ('align', 'max')),
    (('pool', 'max'), 'align', 'auto', ('align', 'average')),
    (('pool', 'max'), 'auto', 'auto', ('pool', 'max')),
    (('pool', 'max'), 'warp', 'max', ('warp', 'max')),
])
def test_the_operator_is_as_told_or_as_trained(trained, roi, aggregation, expected):
    options = MaskRcnnOptions(roi=roi, roi_aggregation=aggregation)
    assert chosen_roi(trained, options) == expected


@pytest.mark.parametrize(('options', 'operator', 'aggregation'), [
    ({}, 'align', 'average'), ({'roi': 'pool'}, 'pool', 'max'),
    ({'roi': 'warp', 'roi_aggregation': 'max'}, 'warp', 'max')])
def test_the_operator_reaches_both_heads(weights, options, operator, aggregation):
    segmenter = load_mask_rcnn(weights, 'cpu', 'torch', MaskRcnnOptions(**CERTAIN, **options))
    heads = segmenter._loaded.model.roi_heads
    for pool in (heads.box_roi_pool, heads.mask_roi_pool):
        assert (pool.operator, pool.aggregation) == (operator, aggregation)
    assert (heads.box_roi_pool.output_size[0], heads.mask_roi_pool.output_size[0]) == (7, 14)
    plain = load_mask_rcnn(weights, 'cpu', 'torch', MaskRcnnOptions(**CERTAIN))
    same = np.array_equal(plain.detect(frame_of()).scores, segmenter.detect(frame_of()).scores)
    assert same == (operator == 'align')


@pytest.mark.parametrize(('roi', 'options'), [
    (('align', 'average'), {'roi': 'pool', 'roi_aggregation': 'average'}),
    (('pool', 'max'), {'roi_aggregation': 'average'})])
def test_pooling_knows_no_average(tmp_path, roi, options):
    path = write_tiny(tmp_path / 'x.safetensors', roi=roi)
    with pytest.raises(ValueError, match="'pool' has no aggregation 'average': choose 'max'"):
        load_mask_rcnn(path, 'cpu', 'torch', MaskRcnnOptions(**options))


@pytest.mark.parametrize(('values', 'message'), [
    ({'score_threshold': 1.1}, 'score_threshold is 1.1'), ({'mask_threshold': 0.0}, 'mask_thr'),
    ({'max_objects': 0}, 'max_objects is 0'), ({'roi': 'bend'}, "roi is 'bend', choose one of"),
    ({'input_scale': 0.1}, 'input_scale is 0.1'), ({'min_visible': -0.1}, 'min_visible')])
def test_options_out_of_range_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        MaskRcnnOptions(**values)


def test_other_options_are_refused(weights, segmenter):
    with pytest.raises(ValueError, match='options must be MaskRcnnOptions, got Options'):
        load_mask_rcnn(weights, 'cpu', 'torch', Options())
    with pytest.raises(ValueError, match='options must be MaskRcnnOptions, got Options'):
        segmenter.options = Options()


def test_unknown_classes_are_refused_at_the_start(weights):
    with pytest.raises(ValueError, match='classes: mug unknown'):
        load_mask_rcnn(weights, 'cpu', 'torch', MaskRcnnOptions(classes='mug'))


def test_backend_is_what_runs_now():
    class Named:
        name = 'openvino'

    runs = [Named()]
    segmenter = MaskRcnnSegmenter(
        Told([], [], []).loaded, MaskRcnnOptions(), runs=runs)
    assert segmenter.backend == 'openvino'
    runs[0].name = 'torch'
    assert segmenter.backend == 'torch'
    assert told([], [], []).backend == 'torch'


def test_torchvisions_sides_follow_the_input_scale():
    model = Told([], [], [], fusion='color', input_size=None)
    model.transform = torch.nn.Identity()
    model.transform.min_size, model.transform.max_size = (800,), 1333
    segmenter = MaskRcnnSegmenter(model.loaded, MaskRcnnOptions(), runs=[])
    for scale, expected in ((0.5, ((400,), 666)), (2.0, ((1600,), 2666)), (1.0, ((800,), 1333))):
        segmenter.options = MaskRcnnOptions(input_scale=scale)
        assert (model.transform.min_size, model.transform.max_size) == expected
    frame = frame_of()
    assert len(segmenter.segment(frame)) == 0
    # torchvision's are colours of 0 to 1 as the camera has them
    seen = model.seen[0]
    assert seen.dtype == torch.float32
    np.testing.assert_allclose(seen, frame.color.transpose(2, 0, 1) / 255.0, atol=1e-7)
