# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import dataclasses

import numpy as np
import pytest
import torch
from tabletop import camera_of, frame_of, knowing_stage, raised_boxes

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.options import Options
from seg_ros.evaluation.unseen_metrics import evaluate_frame
from seg_ros.unseen.checkpoint import build_network, metadata_of
from seg_ros.unseen.options import UnseenOptions
from seg_ros.unseen.segmenter import UnseenSegmenter, load_unseen
from seg_ros.weights import save_weights

BOXES = [(0.1, 0.2, 0.35, 0.6), (0.45, 0.3, 0.6, 0.7), (0.7, 0.5, 0.85, 0.9)]


def segmenter_of(labels, *, head=True, fusion='add', **options):
    return UnseenSegmenter(
        knowing_stage(labels, head=head, fusion=fusion), UnseenOptions(**options))


@pytest.mark.parametrize(('width', 'height'), [
    (640, 480), (320, 240), (161, 121), (1280, 720), (97, 301), (64, 48),
])
def test_a_knowing_network_gives_the_truth_at_any_size(width, height):
    frame, truth = raised_boxes(width, height, BOXES)
    found = segmenter_of(truth).segment(frame)
    assert found.labels.shape == truth.shape
    assert len(found) == 3
    assert evaluate_frame(truth, found.labels).overlap_f > 0.93
    assert (found.scores > 0.9).all() and (found.scores <= 1).all()


@pytest.mark.parametrize('rule', ['support_plane', 'largest_cluster'])
def test_a_network_without_head_gives_the_truth(rule):
    frame, truth = raised_boxes(320, 240, BOXES)
    found = segmenter_of(truth, head=False, background=rule).segment(frame)
    assert evaluate_frame(truth, found.labels).overlap_f > 0.95


@pytest.mark.parametrize(('options', 'head', 'kept'), [
    ({}, True, True),
    ({}, False, True),
    ({'background': 'largest_cluster'}, True, False),
    ({'background': 'largest_cluster'}, False, False),
])
def test_a_close_up_is_kept_by_default_and_lost_by_the_published_rule(options, head, kept):
    frame, truth = raised_boxes(320, 240, [(0.1, 0.05, 0.9, 0.9)])
    found = segmenter_of(truth, head=head, **options).segment(frame)
    covered = (found.labels > 0)[truth == 1].mean()
    assert covered > 0.95 if kept else covered < 0.05


def test_timings_name_the_stages():
    frame, truth = raised_boxes(160, 120, BOXES)
    segmenter = segmenter_of(truth)
    segmenter.segment(frame)
    stages = ['preprocess', 'network', 'clustering', 'refine']
    assert list(segmenter.timings) == [*stages, 'total']
    assert sum(segmenter.timings[stage] for stage in stages) <= segmenter.timings['total']
    segmenter.options = segmenter.options.replaced(zoom='objects')
    segmenter.segment(frame)
    assert list(segmenter.timings) == [*stages, 'zoom', 'total']


def test_options_hold_from_the_next_frame_on():
    frame, truth = raised_boxes(160, 120, BOXES)
    segmenter = segmenter_of(truth)
    assert len(segmenter.segment(frame)) == 3
    segmenter.options = segmenter.options.replaced(min_area=100000)
    assert len(segmenter.segment(frame)) == 0
    with pytest.raises(ValueError, match='options must be UnseenOptions'):
        segmenter.options = Options()


def test_zoom_splits_what_the_first_stage_joined():
    frame, truth = raised_boxes(320, 240, [(0.3, 0.3, 0.45, 0.6), (0.45, 0.3, 0.6, 0.6)])
    joined = (truth > 0).astype(np.int32)
    x1, y1, x2, y2 = 72, 54, 216, 162  # the joined box, padded by a quarter
    stage, zoom_stage = knowing_stage(joined), knowing_stage(truth[y1:y2, x1:x2])
    segmenter = UnseenSegmenter(stage, UnseenOptions(), zoom_stage=zoom_stage)
    assert len(segmenter.segment(frame)) == 1
    segmenter.options = UnseenOptions(zoom='objects', zoom_size=96)
    found = segmenter.segment(frame)
    assert len(found) == 2 and found.ids.tolist() == [1, 2]
    assert evaluate_frame(truth, found.labels).overlap_f > 0.95


def test_zoom_takes_more_objects_than_one_batch():
    boxes = [(x / 5 + 0.05, y / 3 + 0.1, x / 5 + 0.15, y / 3 + 0.25)
             for x in range(5) for y in range(2)]
    frame, truth = raised_boxes(320, 240, boxes)
    everything = np.ones((32, 32), np.int32)
    segmenter = UnseenSegmenter(knowing_stage(truth), UnseenOptions(zoom='objects', zoom_size=32),
                                zoom_stage=knowing_stage(everything))
    # The second stage sees one cluster, mostly outside the mask: the first stage stays.
    assert evaluate_frame(truth, segmenter.segment(frame).labels).overlap_f > 0.93


def test_nothing_found_is_an_empty_result():
    frame, truth = raised_boxes(160, 120, [])
    for zoom in ('none', 'scene', 'objects'):
        found = segmenter_of(truth, zoom=zoom).segment(frame)
        assert len(found) == 0 and found.scores.shape == (0,) and not found.labels.any()


def without_depth(frame):
    return RgbdFrame(frame.color)


def filled_depth(frame, value):
    return dataclasses.replace(frame, depth=np.full(frame.shape, value, np.float32))


@pytest.mark.parametrize(('change', 'message'), [
    (without_depth, 'has no depth, which these weights need'),
    (lambda frame: filled_depth(frame, np.nan), 'depth image 160x120 has no valid pixel'),
    (lambda frame: filled_depth(frame, 0.0), 'no valid pixel'),
    (lambda frame: filled_depth(frame, 812.0), '812 m: it looks like millimetres'),
    (lambda frame: filled_depth(frame, 0.0008), '0.80 mm, nearer than any depth camera'),
])
def test_depth_that_cannot_be_used_is_refused(change, message):
    frame, truth = raised_boxes(160, 120, BOXES)
    with pytest.raises(ValueError, match=message):
        segmenter_of(truth).segment(change(frame))


@pytest.mark.parametrize('change', [
    without_depth, lambda frame: filled_depth(frame, np.nan), lambda frame: frame])
def test_a_colour_network_needs_no_depth(change):
    frame, truth = raised_boxes(160, 120, BOXES)
    segmenter = UnseenSegmenter(
        knowing_stage(truth, fusion='color'), UnseenOptions(zoom='objects', zoom_size=32),
        zoom_stage=knowing_stage(np.ones((32, 32), np.int32), fusion='color'))
    assert not segmenter.needs_depth
    assert len(segmenter.segment(change(frame))) == 3


def test_the_input_scale_holds_from_the_next_frame_on():
    frame, truth = raised_boxes(160, 120, BOXES)
    sizes, stage = [], knowing_stage(truth)

    def run(color, xyz):
        sizes.append(tuple(color.shape[2:]))
        return stage.run(color, xyz)

    segmenter = UnseenSegmenter(dataclasses.replace(stage, run=run), UnseenOptions())
    segmenter.segment(frame)
    segmenter.options = UnseenOptions(input_scale=2.0)
    segmenter.segment(frame)
    assert sizes == [(120, 160), (240, 320)]


@pytest.fixture(scope='module')
def random_weights(tmp_path_factory):
    torch.manual_seed(0)
    network = build_network('ucn_small')
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    save_weights(path, network.state_dict(), metadata_of(network, 'ucn_small', (320, 240)))
    return path


@pytest.mark.parametrize(('width', 'height'), [(640, 480), (333, 77), (3, 2), (1, 1), (40, 400)])
def test_the_small_network_takes_any_camera(random_weights, width, height):
    segmenter = load_unseen(random_weights, 'cpu', 'torch')
    rng = np.random.default_rng(0)
    color = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    depth = rng.uniform(0.5, 1.5, (height, width)).astype(np.float32)
    depth[::7, 1::5] = np.nan
    found = segmenter.segment(RgbdFrame(color, depth, camera_of(width, height)))
    assert found.labels.shape == (height, width)
    assert segmenter.device == 'cpu' and segmenter.backend == 'torch' and segmenter.needs_depth


@pytest.mark.slow
@pytest.mark.parametrize('fusion', ['add', 'cat', 'color'])
def test_the_published_network_runs_at_its_size(tmp_path, fusion):
    torch.manual_seed(0)
    network = build_network('ucn_resnet34', fusion=fusion)
    path = tmp_path / 'published.safetensors'
    save_weights(path, network.state_dict(), metadata_of(network, 'ucn_resnet34', (160, 120)))
    segmenter = load_unseen(path, 'cpu', 'torch', UnseenOptions(min_depth_share=0.8))
    frame, _ = raised_boxes(160, 120, BOXES)
    found = segmenter.segment(frame if fusion != 'color' else RgbdFrame(frame.color))
    assert found.labels.shape == (120, 160)
    assert segmenter.needs_depth == (fusion != 'color')


def test_the_fusion_option_reaches_the_network(random_weights):
    with pytest.raises(ValueError, match="was trained with fusion 'add', not 'depth'"):
        load_unseen(random_weights, 'cpu', 'torch', UnseenOptions(fusion='depth'))


def test_backend_is_what_runs_now():
    class Failing:
        name = 'openvino'

        def __init__(self, run):
            self.run = run

        def __call__(self, *inputs):
            self.name = 'torch'
            return self.run(*inputs)

    frame, truth = raised_boxes(160, 120, BOXES)
    stage = knowing_stage(truth)
    segmenter = UnseenSegmenter(
        dataclasses.replace(stage, run=Failing(stage.run)), UnseenOptions())
    assert segmenter.backend == 'openvino'
    segmenter.segment(frame)
    assert segmenter.backend == 'torch'


def test_zoom_weights_may_be_their_own(random_weights):
    options = UnseenOptions(zoom='objects', zoom_weights=str(random_weights), zoom_size=64)
    segmenter = load_unseen(random_weights, 'cpu', 'torch', options)
    frame, _ = raised_boxes(160, 120, BOXES)
    assert segmenter.segment(frame).labels.shape == (120, 160)


def test_other_options_are_refused(random_weights):
    with pytest.raises(ValueError, match='options must be UnseenOptions, got Options'):
        load_unseen(random_weights, 'cpu', 'torch', Options())


def test_the_same_frame_gives_the_same_labels():
    frame, truth = raised_boxes(320, 240, BOXES)
    segmenter = segmenter_of(truth)
    first, second = segmenter.segment(frame), segmenter.segment(frame)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert not np.shares_memory(first.labels, second.labels)


def test_depth_far_from_flat_frames_keeps_its_frame():
    frame, truth = raised_boxes(160, 120, BOXES)
    depth = frame.depth.copy()
    segmenter_of(truth).segment(frame_of(depth, frame.camera))
    np.testing.assert_array_equal(depth, frame.depth)
