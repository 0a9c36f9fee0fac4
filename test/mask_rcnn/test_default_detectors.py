# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The shipped detectors: complete, small, and good on real frames; random ones are not."""

import os
from pathlib import Path

import pytest

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.io import FrameFolder
from seg_ros.evaluation.coco_metrics import CocoScores, CocoTruth
from seg_ros.evaluation.unseen_metrics import evaluate_frame, mean_score
from seg_ros.mask_rcnn.checkpoint import load_detector, metadata_of, network_of
from seg_ros.mask_rcnn.network_small import small_detector
from seg_ros.mask_rcnn.segmenter import load_mask_rcnn
from seg_ros.weights import load_weights, save_weights

REAL = Path(os.environ.get('SEG_ROS_REAL', Path(__file__).parents[3] / 'shared' / 'real'))
needs_real_frames = pytest.mark.skipif(
    not REAL.is_dir(), reason=f'{REAL} is absent: SEG_ROS_REAL names a folder of real frames')


def scores_on_real_frames(weights):
    """Return overlap F and mask AP50 on the real frames with default options."""
    segmenter = load_mask_rcnn(weights, 'cpu', 'torch')
    folder, frames, coco = FrameFolder(REAL), [], CocoScores()
    for name in folder.names:
        frame, truth = folder.frame(name), folder.labels(name)
        if not segmenter.needs_depth:
            frame = RgbdFrame(frame.color, None, None)
        frames.append(evaluate_frame(truth, segmenter.segment(frame).labels))
        coco.add_candidates(CocoTruth.from_labels(truth), segmenter.candidates(frame))
    return mean_score(frames).overlap_f, coco.summary()['mask']['AP50']


@pytest.mark.parametrize(('name', 'fusion'), [('default', 'add'), ('color', 'color')])
def test_shipped_detectors_say_how_they_were_made(name, fusion):
    weights = load_weights(name, method='mask_rcnn')
    loaded = load_detector(weights)
    assert (loaded.fusion, loaded.class_names) == (fusion, ('object',))
    assert weights.path.stat().st_size < 8_000_000
    assert weights.metadata['training']['samples'] > 0
    assert weights.path.with_suffix('.md').read_text().startswith(f'# {weights.path.stem}')


@needs_real_frames
@pytest.mark.slow
@pytest.mark.parametrize(('name', 'least_f', 'least_ap50'), [
    ('default', 0.85, 0.9), ('color', 0.5, 0.4)])
def test_shipped_detectors_find_real_objects(name, least_f, least_ap50):
    overlap_f, ap50 = scores_on_real_frames(name)
    assert overlap_f >= least_f
    assert ap50 >= least_ap50


@needs_real_frames
@pytest.mark.slow
def test_random_detectors_find_none(tmp_path):
    weights = load_weights(method='mask_rcnn')
    config = network_of(weights.metadata['config'])
    path = tmp_path / 'random.safetensors'
    save_weights(path, small_detector(config).state_dict(),
                 metadata_of(config, ('object',), (640, 480)))
    assert scores_on_real_frames(path)[0] < 0.3
