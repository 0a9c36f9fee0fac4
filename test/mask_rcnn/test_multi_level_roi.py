# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math
from collections import OrderedDict

import pytest
import torch
from roi_by_definition import PAIRS, noise
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from seg_ros.mask_rcnn.roi import MultiLevelRoi, roi_features


def pyramid(images, levels, height=256, width=320, channels=4):
    """Return random levels of stride 4, 8, .. named 0, 1, .. and one that no pool asks for."""
    found = OrderedDict(
        (str(number), noise(images, channels, height >> number + 2, width >> number + 2,
                            dtype=torch.float32, seed=number))
        for number in range(levels)
    )
    found['pool'] = noise(images, channels, 2, 3, dtype=torch.float32)
    return found


def boxes_of_all_sizes(number, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sides = 2 ** (torch.rand((number, 2), generator=generator) * 6 + 3.5)
    start = torch.rand((number, 2), generator=generator) * torch.tensor([200.0, 150])
    return torch.cat([start, start + sides], dim=1)


def level_by_equation_1(box, levels):
    """Return the number of a box's level, of those of stride 4, 8, .. (k = 2, 3, ..)."""
    x1, y1, x2, y2 = box
    k = math.floor(4 + math.log2(math.sqrt((x2 - x1) * (y2 - y1)) / 224) + 1e-6)
    return min(max(k, 2), levels + 1) - 2


BOX_LISTS = {
    'one image': [40],
    'several images': [20, 1, 30],
    'an image without boxes': [20, 0, 30],
    'no boxes': [0, 0],
}


@pytest.mark.parametrize('numbers', BOX_LISTS.values(), ids=BOX_LISTS)
@pytest.mark.parametrize('levels', [1, 2, 4])
@pytest.mark.parametrize('sampling_ratio', [2, 0])
def test_multi_level_roi_equals_torchvisions(numbers, levels, sampling_ratio):
    names = [str(number) for number in range(levels)]
    inputs = (pyramid(len(numbers), levels),
              [boxes_of_all_sizes(number, seed=i) for i, number in enumerate(numbers)],
              [(256, 320), (170, 300), (200, 318)][:len(numbers)])
    expected = MultiScaleRoIAlign(names, 7, sampling_ratio)(*inputs)
    assert torch.equal(MultiLevelRoi(names, 7, sampling_ratio)(*inputs), expected)


@pytest.mark.parametrize(('operator', 'aggregation'), PAIRS)
@pytest.mark.parametrize('levels', [1, 4])
def test_multi_level_roi_reads_each_box_from_its_level(operator, aggregation, levels):
    features = pyramid(2, levels)
    boxes = [boxes_of_all_sizes(30), boxes_of_all_sizes(20, seed=1)]
    pool = MultiLevelRoi([str(number) for number in range(levels)], 3, operator=operator,
                         aggregation=aggregation)
    found = pool(features, boxes, [(256, 320), (256, 320)])
    used = set()
    rows = [(image, *box) for image, of_image in enumerate(boxes) for box in of_image.tolist()]
    for row, one in zip(rows, found, strict=True):
        level = level_by_equation_1(row[1:], levels)
        used.add(level)
        expected = roi_features(features[str(level)], torch.tensor([row]), (3, 3),
                                spatial_scale=1 / (4 << level), operator=operator,
                                aggregation=aggregation)
        torch.testing.assert_close(one, expected[0])
    assert used == set(range(levels))


def test_multi_level_roi_takes_its_canonical_box():
    features, boxes, shapes = pyramid(1, 4), [boxes_of_all_sizes(40)], [(256, 320)]
    names = list('0123')
    options = {'canonical_scale': 100, 'canonical_level': 3}
    found = MultiLevelRoi(names, 3, **options)(features, boxes, shapes)
    assert torch.equal(found, MultiScaleRoIAlign(names, 3, 2, **options)(features, boxes, shapes))
    assert not torch.equal(found, MultiLevelRoi(names, 3)(features, boxes, shapes))


def test_multi_level_roi_keeps_the_first_levels_dtype():
    features = pyramid(1, 2)
    features['1'] = features['1'].bfloat16()
    boxes = [boxes_of_all_sizes(40)]
    found = MultiLevelRoi(['0', '1'], 3)(features, boxes, [(256, 320)])
    features['1'] = features['1'].float()
    expected = MultiLevelRoi(['0', '1'], 3)(features, boxes, [(256, 320)])
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


@pytest.mark.parametrize(('names', 'lists', 'shapes', 'message'), [
    (['3'], 2, 2, 'no feature map is named 3'),
    (['0'], 2, 0, '0 image shapes'),
    (['0'], 1, 2, '1 lists of boxes .* 2 images'),
])
def test_multi_level_roi_refuses(names, lists, shapes, message):
    with pytest.raises(ValueError, match=message):
        MultiLevelRoi(names, 3)(pyramid(2, 1), [torch.zeros(0, 4)] * lists, [(256, 320)] * shapes)


@pytest.mark.parametrize('options', [
    {'operator': 'pool'}, {'operator': 'crop'}, {'operator': 'warp', 'sampling_ratio': 0},
])
def test_multi_level_roi_refuses_pairs_that_do_not_exist_when_made(options):
    with pytest.raises(ValueError, match='operator'):
        MultiLevelRoi(['0'], 7, **options)


class OneConvolution(nn.Sequential):
    """A backbone of stride 8 with one level, which torchvision names 0."""

    out_channels = 8

    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 8, stride=8))


def small_mask_rcnn(pool, **options):
    torch.manual_seed(0)
    model = MaskRCNN(
        OneConvolution(), 3, min_size=64, max_size=96, box_score_thresh=0.0,
        box_detections_per_img=5, box_roi_pool=pool(['0'], 7, 2, **options),
        mask_roi_pool=pool(['0'], 14, 2, **options),
        rpn_anchor_generator=AnchorGenerator(((16, 32, 64),), ((0.5, 1.0, 2.0),)))
    return model.eval()


@torch.no_grad()
def test_multi_level_roi_drops_into_torchvisions_mask_rcnn():
    images = [noise(3, 64, 96, dtype=torch.float32)]
    expected = small_mask_rcnn(MultiScaleRoIAlign)(images)[0]
    found = small_mask_rcnn(MultiLevelRoi)(images)[0]
    assert len(expected['scores']) == 5
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    warped = small_mask_rcnn(MultiLevelRoi, operator='warp', aggregation='max')(images)[0]
    assert warped['masks'].shape == (5, 1, 64, 96)
    assert not torch.equal(warped['scores'], expected['scores'])


def test_multi_level_roi_says_what_it_is():
    assert repr(MultiLevelRoi(['0'], 7, operator='pool', aggregation='max')) == (
        "MultiLevelRoi(featmap_names=['0'], output_size=(7, 7), sampling_ratio=2, "
        "operator='pool', aggregation='max')")
