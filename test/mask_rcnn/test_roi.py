# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from roi_by_definition import PAIRS, noise, roi_by_definition, round_as_c
from torch.nn.functional import max_pool2d
from torchvision.ops import roi_align, roi_pool

from seg_ros.mask_rcnn import roi as module
from seg_ros.mask_rcnn.roi import roi_features

OURS = [('align', 'max'), ('warp', 'average'), ('warp', 'max')]
HEIGHT, WIDTH, SCALE = 7, 10, 0.5  # of the feature map; the image is 20x14

# x1, y1, x2, y2 in image pixels
BOXES = {
    'inside': (3.2, 2.7, 14.1, 10.3),
    'top left': (0, 0, 5, 4),
    'bottom right': (13, 9, 20, 14),
    'the image': (0, 0, 20, 14),
    'halves on the feature grid': (3, 5, 13, 11),
    'x2 < x1': (12, 3, 5, 9),
    'both reversed': (12, 9, 5, 3),
    'a point': (7, 6, 7, 6),
    'one pixel': (8, 6, 9, 7),
    'within a feature pixel': (8.1, 6.1, 8.3, 6.7),
    'partly outside left, top': (-9, -7, 6, 5),
    'partly outside right, bottom': (15, 8, 29, 23),
    'less than a pixel outside': (-1.9, -1.7, -0.2, -0.1),
    'wholly outside left': (-30, 2, -20, 9),
    'wholly outside below': (2, 40, 9, 55),
    'larger than the image': (-15, -20, 40, 37),
}


def table_of_rois(dtype=torch.float64):
    rows = [(number % 2, *box) for number, box in enumerate(BOXES.values())]
    return torch.tensor(rows, dtype=dtype)


def noise_in_a_ring_of_zeros():
    """Return a map that does not jump where samples turn 0, so that rounding decides nothing."""
    features = noise(2, 3, HEIGHT, WIDTH)
    features[:, :, [0, -1]] = 0
    features[..., [0, -1]] = 0
    return features


def random_rois(number, images, seed=0, dtype=torch.float32):
    """Return RoIs of any size and place around a 20x14 image; some are empty."""
    found = torch.rand((number, 5), dtype=dtype, generator=torch.Generator().manual_seed(seed))
    found = found * torch.tensor([images, 30, 24, 30, 24]) - torch.tensor([0, 5, 5, 3, 3])
    found[:, 0] = found[:, 0].floor().clamp(0, images - 1)
    return found


def rounded_boxes(rois):
    """Return the boxes that RoIWarp reads, in feature pixels."""
    boxes = rois[:, 1:].double() * SCALE
    boxes = torch.sign(boxes) * torch.floor(boxes.abs() + 0.5)
    boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    return torch.cat([rois[:, :1], boxes.to(rois.dtype)], dim=1)


@pytest.mark.parametrize(('operator', 'aggregation'), PAIRS)
@pytest.mark.parametrize('sampling_ratio', [1, 2, 3])
@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('output_size', [(3, 2), (1, 4), (7, 7)])
def test_operators_follow_their_definition(operator, aggregation, sampling_ratio, aligned,
                                           output_size):
    features = noise(2, 3, HEIGHT, WIDTH) - 1  # mostly negative: outside's 0 wins a maximum
    settings_ = {'spatial_scale': SCALE, 'operator': operator, 'aggregation': aggregation,
                 'sampling_ratio': sampling_ratio, 'aligned': aligned}
    found = roi_features(features, table_of_rois(), output_size, **settings_)
    expected = roi_by_definition(features, table_of_rois(), output_size, **settings_)
    assert found.dtype == torch.float64
    assert found.is_contiguous()
    for name, one, other in zip(BOXES, found.numpy(), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(('operator', 'aggregation'), PAIRS)
def test_float32_agrees_with_float64(operator, aggregation):
    features, rois = noise_in_a_ring_of_zeros(), random_rois(100, 2)
    options = {'spatial_scale': SCALE, 'operator': operator, 'aggregation': aggregation}
    found = roi_features(features.float(), rois, (3, 2), **options)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), roi_features(features, rois, (3, 2), **options),
                               rtol=0, atol=1e-4)


@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('sampling_ratio', [2, 0, -1])
def test_align_average_is_torchvisions(aligned, sampling_ratio):
    features, rois = noise(2, 3, HEIGHT, WIDTH, dtype=torch.float32), random_rois(100, 2)
    if sampling_ratio <= 0:
        rois[:, 3:] = torch.maximum(rois[:, 1:3], rois[:, 3:])
    found = roi_features(features, rois, (3, 2), spatial_scale=SCALE, aligned=aligned,
                         sampling_ratio=sampling_ratio)
    assert torch.equal(found, roi_align(features, rois, (3, 2), SCALE, sampling_ratio, aligned))


def test_pool_is_torchvisions_whatever_the_samples():
    features, rois = noise(2, 3, HEIGHT, WIDTH, dtype=torch.float32), random_rois(100, 2)
    expected = roi_pool(features, rois, (3, 2), SCALE)
    for sampling_ratio, aligned in [(2, False), (0, True), (5, False)]:
        found = roi_features(features, rois, (3, 2), spatial_scale=SCALE, operator='pool',
                             aggregation='max', sampling_ratio=sampling_ratio, aligned=aligned)
        assert torch.equal(found, expected)


@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('ratio', [1, 2, 3])
def test_warp_average_is_torchvisions_align_of_the_rounded_box(aligned, ratio):
    features, rois = noise(2, 3, HEIGHT, WIDTH), random_rois(200, 2, dtype=torch.float64)
    found = roi_features(features, rois, (3, 2), spatial_scale=SCALE, operator='warp',
                         sampling_ratio=ratio, aligned=aligned)
    expected = roi_align(features, rounded_boxes(rois), (3, 2), 1.0, ratio, aligned)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize('operator', ['align', 'warp'])
@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('ratio', [1, 2, 3])
def test_max_is_the_maximum_of_torchvisions_samples(operator, aligned, ratio):
    features, rois = noise_in_a_ring_of_zeros(), random_rois(200, 2, dtype=torch.float64)
    found = roi_features(features, rois, (3, 2), spatial_scale=SCALE, operator=operator,
                         aggregation='max', sampling_ratio=ratio, aligned=aligned)
    box, scale = (rois, SCALE) if operator == 'align' else (rounded_boxes(rois), 1.0)
    samples = roi_align(features, box, (3 * ratio, 2 * ratio), scale, 1, aligned)
    torch.testing.assert_close(found, max_pool2d(samples, ratio), rtol=0, atol=1e-12)


@pytest.mark.parametrize(('operator', 'aggregation'), [('warp', 'average'), ('pool', 'max')])
@pytest.mark.parametrize(('coordinate', 'pixel'), [
    (0.5, 1), (1.5, 2), (2.5, 3), (3.5, 4), (2.4999998, 2), (0.49999997, 0), (-0.49999997, 0),
    (-0.5, 0),  # -1: warp's sample takes the border's value, pool's second pixel is 0
])
def test_halves_are_rounded_away_from_zero(operator, aggregation, coordinate, pixel):
    ramp = torch.arange(10.0).expand(1, 1, 3, 10)
    last = 0.0 if coordinate == -0.5 else coordinate
    found = roi_features(ramp, torch.tensor([[0, coordinate, 1, last, 1]]), (1, 1),
                         operator=operator, aggregation=aggregation, sampling_ratio=1,
                         aligned=True)
    assert found.item() == pixel


@pytest.mark.parametrize(('operator', 'aggregation'), OURS)
@pytest.mark.parametrize(('x1', 'expected'), [
    # the one sample is at x1 + 0.5 of a row 5, 6, 7, 8
    (-1.5, 5), (-2, 0), (-1.5 - 2**-20, 0), (-1, 5), (-0.5, 5), (0, 5.5),
    (2.5, 8), (3, 8), (3.5, 8), (3.5 + 2**-20, 0), (float('nan'), 0), (float('inf'), 0),
])
def test_samples_take_the_borders_value_up_to_one_pixel_outside(operator, aggregation, x1,
                                                                expected):
    row = torch.arange(5.0, 9).reshape(1, 1, 1, 4)
    if operator == 'warp':  # rounds: ask for the pixels -1, 0, .. only
        x1 = math.floor(x1) if math.isfinite(x1) else x1
        centre = x1 + 0.5
        expected = 0 if not -1 <= centre <= 4 else min(max(5 + centre, 5), 8)
    found = roi_features(row, torch.tensor([[0, x1, -0.4, x1, -0.4]]), (1, 1), operator=operator,
                         aggregation=aggregation, sampling_ratio=1)
    assert found.item() == expected


def test_a_small_roi_grows_to_one_pixel_unless_aligned():
    row = torch.arange(10.0).reshape(1, 1, 1, 10)
    box = torch.tensor([[0, 4.0, 0, 4.2, 0]])
    grown = roi_features(row, box, (1, 2), aggregation='max', sampling_ratio=1)
    exact = roi_features(row, box, (1, 2), aggregation='max', sampling_ratio=1, aligned=True)
    torch.testing.assert_close(grown.flatten(), torch.tensor([4.25, 4.75]))
    torch.testing.assert_close(exact.flatten(), torch.tensor([3.55, 3.65]))


@pytest.mark.parametrize(('operator', 'aggregation'), PAIRS)
def test_gradients(operator, aggregation):
    # no two samples are alike, so that no maximum is tied
    features = noise(2, 2, 5, 6).requires_grad_()
    rois = torch.tensor([[0, 0.7, 0.3, 7.9, 6.1], [1, -3.1, 2.2, 5.3, 13.4], [1, 3, 3, 3, 3]],
                        dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: roi_features(x, rois, (2, 3), spatial_scale=SCALE, operator=operator,
                               aggregation=aggregation), features)


def test_one_of_the_samples_that_share_the_maximum_gets_the_gradient():
    features = torch.ones(1, 1, 6, 6, requires_grad=True)
    found = roi_features(features, torch.tensor([[0.0, 0, 0, 4, 4]]), (1, 1), aggregation='max')
    gradient, = torch.autograd.grad(found.sum(), features)
    assert sorted(gradient.flatten().tolist()) == [0] * 35 + [1]


@pytest.mark.parametrize(('operator', 'aggregation'), OURS)
def test_blocks_hold_few_values_and_change_nothing(operator, aggregation, monkeypatch):
    features, rois = noise(2, 64, HEIGHT, WIDTH).requires_grad_(), random_rois(50, 2)
    options = {'spatial_scale': SCALE, 'operator': operator, 'aggregation': aggregation}
    whole = roi_features(features, rois, (3, 2), **options)
    expected, = torch.autograd.grad(whole.square().sum(), features)
    samples = []

    def spy(pixels, where, weights, *others, original=module._aggregated):
        samples.append(weights.numel() // 4)
        return original(pixels, where, weights, *others)

    monkeypatch.setattr(module, '_aggregated', spy)
    monkeypatch.setattr(module, 'VALUES_AT_ONCE', 10_000)
    blocks = roi_features(features, rois, (3, 2), **options)
    found, = torch.autograd.grad(blocks.square().sum(), features)
    assert len(samples) > 2
    assert sum(samples) == 50 * 24
    assert max(samples) * (32 + (64 if aggregation == 'max' else 0)) <= 10_000
    assert torch.equal(blocks, whole)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(('operator', 'aggregation'), PAIRS)
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float32])
def test_autocast_computes_in_float32_and_keeps_the_features_dtype(operator, aggregation, dtype):
    features, rois = noise(2, 3, HEIGHT, WIDTH).to(dtype), random_rois(50, 2)
    options = {'spatial_scale': SCALE, 'operator': operator, 'aggregation': aggregation}
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = roi_features(features, rois, (3, 2), **options)
        torchvisions = roi_align(features, rois, (3, 2), SCALE, 2)
    assert found.dtype == torchvisions.dtype == dtype
    assert torch.equal(found, roi_features(features.float(), rois, (3, 2), **options).to(dtype))


@pytest.mark.parametrize(('operator', 'aggregation'), PAIRS)
@pytest.mark.parametrize('images', [0, 2])
def test_no_rois_give_no_features_that_still_have_a_gradient(operator, aggregation, images):
    features = noise(images, 3, HEIGHT, WIDTH).requires_grad_()
    found = roi_features(features, torch.zeros(0, 5), (3, 2), operator=operator,
                         aggregation=aggregation)
    assert found.shape == (0, 3, 3, 2)
    gradient, = torch.autograd.grad(found.sum(), features)
    assert torch.equal(gradient, torch.zeros_like(features))


@pytest.mark.parametrize(('changes', 'message'), [
    ({'operator': 'crop'}, "'crop' is none of align, warp, pool"),
    ({'aggregation': 'sum'}, "'sum' is none of average, max"),
    ({'operator': 'pool'}, "no aggregation 'average': choose 'max'"),
    ({'aggregation': 'max', 'sampling_ratio': 0}, 'sampling_ratio is 0.*1 or more'),
    ({'operator': 'warp', 'sampling_ratio': -1}, 'sampling_ratio is -1.*1 or more'),
    ({'features': torch.zeros(3, 4, 5)}, r'\(3, 4, 5\).*\(B, C, h, w\)'),
    ({'features': torch.zeros(1, 3, 4, 5, dtype=torch.int32)}, 'int32.*floating point'),
    ({'features': torch.zeros(1, 3, 0, 5)}, 'at least one channel and pixel'),
    ({'rois': torch.zeros(2, 4)}, r'\(2, 4\).*batch index, x1'),
    ({'rois': torch.zeros(2, 5, dtype=torch.int64)}, 'int64.*floating point'),
    ({'rois': torch.tensor([[0.0, 1, 1, 2, 2], [2, 1, 1, 2, 2]])}, 'index 2 .* none of the 2'),
    ({'rois': torch.tensor([[-1.0, 1, 1, 2, 2]])}, 'index -1 .* none of the 2'),
    ({'rois': torch.tensor([[float('nan'), 1, 1, 2, 2]])}, 'index nan'),
    ({'output_size': (0, 2)}, r'\(0, 2\).*from 1'),
    ({'output_size': (2,)}, 'two numbers'),
])
def test_refusals(changes, message):
    arguments = {'features': torch.zeros(2, 3, 4, 5), 'rois': torch.zeros(1, 5),
                 'output_size': (2, 2)}
    with pytest.raises(ValueError, match=message):
        roi_features(**{**arguments, **changes})


@st.composite
def boxes_inside(draw, least=0.0, smallest=0.0):
    """Draw x1, y1, x2, y2 in feature pixels between the outermost pixels' centres."""
    corners = []
    for length in (WIDTH, HEIGHT):
        first = draw(st.floats(least, length - 1 - smallest))
        corners.append((first, draw(st.floats(first + smallest, length - 1))))
    (x1, x2), (y1, y2) = corners
    return x1, y1, x2, y2


@settings(max_examples=50, deadline=None)
@given(box=boxes_inside(), pair=st.sampled_from(PAIRS), value=st.floats(0.5, 100),
       ratio=st.integers(1, 3), aligned=st.booleans())
def test_a_constant_map_gives_the_constant(box, pair, value, ratio, aligned):
    features = torch.full((1, 2, HEIGHT, WIDTH), value, dtype=torch.float64)
    features[:, 1] *= -1
    rois = torch.tensor([(0, *box)], dtype=torch.float64)
    found = roi_features(features, rois, (2, 3), operator=pair[0], aggregation=pair[1],
                         sampling_ratio=ratio, aligned=aligned)
    expected = features[:, :, :2, :3]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@settings(max_examples=50, deadline=None)
@given(box=boxes_inside(least=0.5, smallest=1.0), aligned=st.booleans(), ratio=st.integers(1, 3),
       slope_x=st.floats(-5, 5), slope_y=st.floats(-5, 5))
def test_align_average_of_a_ramp_is_the_ramp_at_the_bins_centres(box, aligned, ratio, slope_x,
                                                                 slope_y):
    ramp = (slope_x * torch.arange(WIDTH, dtype=torch.float64)
            + slope_y * torch.arange(HEIGHT, dtype=torch.float64)[:, None])
    x1, y1, x2, y2 = box
    found = roi_features(ramp[None, None], torch.tensor([(0, *box)], dtype=torch.float64), (2, 3),
                         sampling_ratio=ratio, aligned=aligned)
    shift = 0.5 if aligned else 0.0
    for i in range(2):
        for j in range(3):
            x = x1 - shift + (j + 0.5) * (x2 - x1) / 3
            y = y1 - shift + (i + 0.5) * (y2 - y1) / 2
            assert found[0, 0, i, j].item() == pytest.approx(slope_x * x + slope_y * y, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(box=boxes_inside(smallest=1.0), ratio=st.integers(1, 3), slope_x=st.floats(-5, 5),
       slope_y=st.floats(-5, 5))
def test_warp_is_centred_on_the_pixels_that_pool_covers(box, ratio, slope_x, slope_y):
    ramp = (slope_x * torch.arange(WIDTH, dtype=torch.float64)
            + slope_y * torch.arange(HEIGHT, dtype=torch.float64)[:, None])
    x1, y1, x2, y2 = map(round_as_c, box)
    covered = ramp[y1:y2 + 1, x1:x2 + 1]
    found = roi_features(ramp[None, None], torch.tensor([(0, *box)], dtype=torch.float64), (2, 3),
                         operator='warp', sampling_ratio=ratio)
    assert found.mean().item() == pytest.approx(covered.mean().item(), abs=1e-9)
