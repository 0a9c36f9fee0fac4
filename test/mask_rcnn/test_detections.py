# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Detections become objects that share an image, or candidates that overlap."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny_detectors import frame_of, write_tiny

from seg_ros.evaluation.coco_metrics import CocoScores, CocoTruth
from seg_ros.mask_rcnn.detections import Detections
from seg_ros.mask_rcnn.options import MaskRcnnOptions
from seg_ros.mask_rcnn.segmenter import load_mask_rcnn
from seg_ros.segmenters import GivesCandidates

# Two boxes of 20x10 pixels that share half of each, and one apart.
BOXES = [[10, 10, 30, 20], [20, 10, 40, 20], [50, 30, 60, 40]]
NAMES = ('cup', 'bowl')


@pytest.fixture
def detections():
    return Detections.of_output({
        'boxes': torch.tensor(BOXES).float(), 'masks': torch.ones(3, 1, 28, 28),
        'scores': torch.tensor([0.9, 0.8, 0.06]), 'labels': torch.tensor([1, 2, 1])})


def test_an_output_becomes_arrays_at_the_frame_s_scale():
    output = {'boxes': torch.tensor([[1.0, 2.0, 3.0, 4.0]], dtype=torch.bfloat16),
              'masks': torch.ones(1, 1, 28, 28), 'scores': torch.tensor([0.5]),
              'labels': torch.tensor([2])}
    found = Detections.of_output(output, (2.0, 10.0))
    assert found.boxes.tolist() == [[2.0, 20.0, 6.0, 40.0]]
    assert (found.class_ids.tolist(), found.scores.tolist()) == ([1], [0.5])
    assert found.masks.shape == (1, 28, 28)


def test_candidates_overlap_and_objects_do_not(detections):
    candidates = detections.candidates((48, 64), NAMES)
    areas = candidates.masks.sum(axis=(1, 2))
    assert areas[0] == areas[1]
    assert 180 <= areas[0] <= 242  # 20 x 10 and up to half a cell of the mask's border around
    assert (candidates.masks[0] & candidates.masks[1]).sum() >= 90
    objects = detections.instances((48, 64), NAMES, min_visible=0.3)
    assert objects.areas()[0] == areas[0]
    assert objects.areas()[1] < areas[1]
    assert [objects.class_names[k] for k in objects.class_ids] == ['cup', 'bowl', 'cup']


def test_coco_s_measures_take_masks_that_overlap(detections):
    candidates = detections.candidates((48, 64), NAMES)
    truth = CocoTruth.from_masks(candidates.masks, candidates.class_ids + 1)
    scores = CocoScores(NAMES)
    scores.add_candidates(truth, candidates)
    assert scores.summary()['mask']['AP'] == 1.0


def test_rows_that_differ_in_number_are_refused(detections):
    candidates = detections.candidates((48, 64), NAMES)
    with pytest.raises(ValueError, match='must share a length'):
        dataclasses.replace(candidates, scores=np.zeros(2, np.float32))


def test_a_segmenter_gives_candidates_below_its_threshold(tmp_path):
    path = write_tiny(tmp_path / 'tiny.safetensors')
    segmenter = load_mask_rcnn(path, 'cpu', 'torch', MaskRcnnOptions(score_threshold=0.9))
    assert isinstance(segmenter, GivesCandidates)
    frame = frame_of()
    before = segmenter.segment(frame)
    candidates = segmenter.candidates(frame, 0.2)
    assert len(candidates) > len(before)
    assert 0.2 <= candidates.scores.min() < 0.9
    assert candidates.masks.shape == (len(candidates), 64, 96)
    after = segmenter.segment(frame)  # the threshold is in force again
    assert (after.labels == before.labels).all()
