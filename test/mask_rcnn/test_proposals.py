# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Proposals equal torchvision's, whatever the image's size and the network's limits."""

import pytest
import torch
from torchvision.models.detection.image_list import ImageList

from seg_ros.mask_rcnn.network_small import SmallDetectorConfig, small_detector
from seg_ros.mask_rcnn.proposals import Proposals, rows_by_anchor

CONFIG = SmallDetectorConfig(
    widths=(4, 6, 8, 8, 8), blocks=(0, 0, 0, 0), raised_blocks=0, channels=8, box_width=16,
    mask_layers=1, anchor_sizes=(8, 16, 32, 48, 64))
SIZES = ((96, 128), (64, 64), (96, 128))


def network(**settings):
    torch.manual_seed(3)
    rpn = small_detector(CONFIG, **settings).eval().rpn
    # as they come, all logits are nearly 0 and all boxes nearly their anchors
    for layer, spread in ((rpn.head.cls_logits, 3.0), (rpn.head.bbox_pred, 0.6)):
        torch.nn.init.normal_(layer.weight, std=spread)
    return rpn


def levels(height, width, batch, seed):
    generator = torch.Generator().manual_seed(seed)
    return {str(number): torch.rand(batch, 8, height // stride, width // stride,
                                    generator=generator)
            for number, stride in enumerate((4, 8, 16, 32, 64))}


@pytest.mark.parametrize(('settings', 'batch'), [
    ({}, 1),
    ({'rpn_pre_nms_top_n_test': 20, 'rpn_post_nms_top_n_test': 7}, 1),
    ({'rpn_score_thresh': 0.6}, 2),
    ({'rpn_nms_thresh': 0.2}, 2),
])
def test_the_same_boxes_as_torchvision(settings, batch):
    rpn = network(**settings)
    proposals = Proposals(rpn)
    for seed, (height, width) in enumerate(SIZES):
        features = levels(height, width, batch, seed)
        # the second image is smaller than its batch: boxes are clipped to it
        sizes = [(height, width), (height - 20, width - 10)][:batch]
        images = ImageList(torch.zeros(batch, 6, height, width), sizes)
        with torch.inference_mode():
            expected, _ = rpn(images, features)
            found, losses = proposals(images, features)
        assert losses == {}
        assert len(found) == batch
        for ours, theirs in zip(found, expected, strict=True):
            assert len(theirs) > 1
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_boxes_too_small_are_left_out():
    rpn = network()
    proposals = Proposals(rpn)
    rpn.min_size = proposals.min_size = 30.0  # limits may change later
    features = levels(96, 128, 1, 0)
    images = ImageList(torch.zeros(1, 6, 96, 128), [(96, 128)])
    with torch.inference_mode():
        expected = rpn(images, features)[0][0]
        found = proposals(images, features)[0][0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert (found[:, 2:] - found[:, :2]).min() >= 30


def test_rows_are_laid_as_anchors_are():
    # value v of anchor a at row y, column x is 1000 v + 100 a + 10 y + x
    axes = (torch.arange(size) for size in (2, 4, 3, 5))
    a, v, y, x = torch.meshgrid(*axes, indexing='ij')
    level = (1000 * v + 100 * a + 10 * y + x).reshape(8, 3, 5)
    rows = rows_by_anchor(level, 4)
    assert rows.shape == (30, 4)
    assert rows[0].tolist() == [0, 1000, 2000, 3000]
    assert rows[1].tolist() == [100, 1100, 2100, 3100]   # the next anchor of the same place
    assert rows[2].tolist() == [1, 1001, 2001, 3001]     # then the next column
    assert rows[-1].tolist() == [124, 1124, 2124, 3124]
