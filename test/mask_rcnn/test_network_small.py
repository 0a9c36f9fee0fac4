# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import torch
from tiny_detectors import tiny_config, tiny_detector
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from seg_ros.mask_rcnn.checkpoint import metadata_of
from seg_ros.mask_rcnn.network_small import (
    SameSize,
    SmallDetectorConfig,
    SmallPyramid,
    small_detector,
)
from seg_ros.networks.inputs import example_inputs
from seg_ros.networks.preprocessing import SMALL
from seg_ros.weights import save_weights


def images(width=96, height=64, count=1, seed=0):
    scene = torch.cat(example_inputs(SMALL, (width, height)), dim=1)[0]
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand((count, 6, height, width), generator=generator) - 0.5
    noise[:, 3:] *= 0.02
    return list(scene + noise)


def plain(detector):
    """Give a detector torchvision's own transform, that resizes and normalises nothing."""
    detector.transform = GeneralizedRCNNTransform(
        64, 96, [0.0] * 6, [1.0] * 6, size_divisible=16, fixed_size=(96, 64), _skip_resize=True)
    return detector.eval()


@torch.no_grad()
def test_the_result_is_torchvisions_with_its_own_transform():
    given = images(count=2)
    found, expected = tiny_detector()(given), plain(tiny_detector())(given)
    for mine, theirs in zip(found, expected, strict=True):
        assert len(mine['boxes']) > 20
        for name in ('boxes', 'scores', 'labels'):
            assert torch.equal(mine[name], theirs[name])
        # torchvision's transform has pasted the masks already
        pasted = paste_masks_in_image(mine['masks'], mine['boxes'], (64, 96))
        assert torch.equal(pasted, theirs['masks'])


def test_the_losses_are_torchvisions_with_its_own_transform():
    masks = torch.zeros(2, 64, 96, dtype=torch.uint8)
    masks[0, 10:30, 20:50], masks[1, 40:60, 5:30] = 1, 1
    target = {'boxes': torch.tensor([[20.0, 10, 50, 30], [5, 40, 30, 60]]),
              'labels': torch.tensor([1, 3]), 'masks': masks}
    losses = []
    for model in (tiny_detector(), plain(tiny_detector())):
        torch.manual_seed(7)  # which regions are sampled
        parts = model.train()(images(), [target])
        losses.append({name: value.item() for name, value in parts.items()})
    assert losses[0] == losses[1]
    assert len(losses[0]) == 5 and min(losses[0].values()) > 0


def test_an_image_without_objects_can_be_taught():
    target = {'boxes': torch.zeros(0, 4), 'labels': torch.zeros(0, dtype=torch.int64),
              'masks': torch.zeros(0, 64, 96, dtype=torch.uint8)}
    losses = tiny_detector().train()(images(), [target])
    assert losses['loss_objectness'] > 0 and losses['loss_classifier'] > 0
    assert [losses[name].item() for name in ('loss_box_reg', 'loss_rpn_box_reg', 'loss_mask')] == [
        0, 0, 0]
    sum(losses.values()).backward()


@pytest.mark.parametrize(('width', 'height'), [(96, 64), (64, 64), (80, 48), (160, 32), (32, 32)])
@torch.no_grad()
def test_the_pyramid_has_strides_4_to_64(width, height):
    pyramid = SmallPyramid(tiny_config()).eval()
    levels = pyramid(torch.stack(images(width, height, 2)))
    assert list(levels) == ['0', '1', '2', '3', 'pool']
    for stride, level in zip((4, 8, 16, 32, 64), levels.values(), strict=True):
        assert level.shape == (2, 8, -(-height // stride), -(-width // stride))
    assert torch.equal(levels['pool'], levels['3'][:, :, ::2, ::2])


@pytest.mark.parametrize('size', [(96, 64), (32, 32), (160, 48)])
@torch.no_grad()
def test_outputs_are_boxes_inside_and_masks_of_the_head(size):
    result, = tiny_detector()(images(*size))
    count = len(result['scores'])
    assert count > 0
    assert result['boxes'].shape == (count, 4)
    assert result['masks'].shape == (count, 1, 28, 28)
    assert result['labels'].dtype == torch.int64 and result['labels'].min() >= 1
    assert result['labels'].max() <= 3
    assert (result['scores'].diff() <= 0).all()
    assert result['masks'].min() >= 0 and result['masks'].max() <= 1
    limits = torch.tensor([*size, *size])
    assert (result['boxes'] >= 0).all() and (result['boxes'] <= limits).all()


@torch.no_grad()
def test_settings_reach_torchvision():
    model = small_detector(tiny_config(), box_detections_per_img=3, box_score_thresh=0.0)
    found, = model.eval()(images())
    assert len(found['boxes']) == 3


@pytest.mark.parametrize('fusion', ['add', 'cat', 'early', 'color', 'depth'])
@torch.no_grad()
def test_a_fusion_reads_what_it_says(fusion):
    pyramid = SmallPyramid(tiny_config(fusion=fusion)).eval()
    image = torch.stack(images())
    other_color, other_depth = image.clone(), image.clone()
    other_color[:, :3] += torch.rand(3, 64, 96)
    other_depth[:, 3:] += 0.1 * torch.rand(3, 64, 96)
    base = pyramid(image)['0']
    assert torch.equal(pyramid(other_color)['0'], base) == (fusion == 'depth')
    assert torch.equal(pyramid(other_depth)['0'], base) == (fusion == 'color')


def test_the_default_detectors_weights_are_small(tmp_path):
    config = SmallDetectorConfig()
    path = tmp_path / 'x.safetensors'
    state = {key: value for key, value in small_detector(config).state_dict().items()
             if not key.endswith('num_batches_tracked')}
    save_weights(path, state, metadata_of(config, ['object'], (480, 368)))
    assert path.stat().st_size < 20e6


@pytest.mark.parametrize(('changes', 'message'), [
    ({'fusion': 'late'}, "fusion 'late' is unknown; accepted: add, cat"),
    ({'widths': (4, 4, 4)}, 'give five positive channel counts'),
    ({'blocks': (0, 0, 0, -1)}, 'give four counts'),
    ({'blocks': (0, 0, 0, 65)}, 'at most 4096 channels and 64 blocks'),
    ({'widths': (4, 4, 4, 4, 4097)}, 'at most 4096 channels'),
    ({'box_width': 4097}, 'at most 4096, 4096, 64 and 65536'),
    ({'num_classes': 65537}, 'at most 4096, 4096, 64 and 65536'),
    ({'anchor_sizes': (8, 16, 32, 64)}, 'give 5 positive sides'),
    ({'anchor_sizes': (0, 16, 32, 64, 128)}, 'give 5 positive sides'),
    ({'channels': 0}, 'channels 0, box_width 16, mask_layers 1, num_classes 4: give at least 1'),
    ({'box_width': 0}, 'box_width 0'),
    ({'mask_layers': 0}, 'mask_layers 0'),
    ({'num_classes': 1}, 'num_classes 1'),
])
def test_what_cannot_be_built_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_config(**changes)


def test_the_stand_in_for_the_transform_changes_nothing():
    given = images(count=2)
    batch, targets = SameSize()(given, [{}, {}])
    assert torch.equal(batch.tensors, torch.stack(given))
    assert batch.image_sizes == [(64, 96)] * 2
    assert targets == [{}, {}]
    assert SameSize()(given)[1] is None
