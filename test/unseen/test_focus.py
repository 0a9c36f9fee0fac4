# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tabletop import knowing_stage, raised_boxes

from seg_ros.evaluation.unseen_metrics import evaluate_frame
from seg_ros.unseen.focus import (
    LEAST_SHARE,
    both_looks,
    box_of,
    framed_box,
    placed,
    scene_box,
    window_of,
)
from seg_ros.unseen.options import UnseenOptions
from seg_ros.unseen.segmenter import UnseenSegmenter

SHAPE = (480, 640)


@pytest.mark.parametrize(('filled', 'expected'), [
    ([], None), ([(0, 0)], (0, 0, 1, 1)), ([(2, 1), (4, 7)], (1, 2, 8, 5))])
def test_the_box_of_labels(filled, expected):
    labels = np.zeros((6, 9), np.int32)
    for row, column in filled:
        labels[row, column] = 3
    assert box_of(labels) == expected


@pytest.mark.parametrize(('box', 'padding', 'expected'), [
    ((200, 150, 520, 390), 0.0, (200, 150, 520, 390)),  # its aspect already
    ((200, 150, 520, 200), 0.0, (200, 55, 520, 295)),  # grown upwards and downwards
    ((0, 0, 320, 240), 0.25, (0, 0, 480, 360)),  # shifted inside
    ((600, 440, 640, 480), 0.0, (448, 336, 640, 480)),  # the least part
    ((10, 10, 600, 300), 0.2, (0, 0, 640, 480)),  # the whole
])
def test_parts_have_the_images_aspect(box, padding, expected):
    assert framed_box(box, SHAPE, padding) == expected


@given(x=st.integers(0, 638), y=st.integers(0, 478), w=st.integers(1, 640),
       h=st.integers(1, 480), padding=st.floats(0, 0.5))
def test_parts_hold_the_box_and_stay_inside(x, y, w, h, padding):
    box = x, y, min(x + w, 640), min(y + h, 480)
    x1, y1, x2, y2 = framed_box(box, SHAPE, padding)
    assert 0 <= x1 <= box[0] < box[2] <= x2 <= 640
    assert 0 <= y1 <= box[1] < box[3] <= y2 <= 480
    assert x2 - x1 >= round(LEAST_SHARE * 640)
    assert abs((x2 - x1) * 480 - (y2 - y1) * 640) <= 640


def foreground_of(*boxes):
    probability = np.zeros((120, 160), np.float32)
    for x1, y1, x2, y2 in boxes:
        probability[y1:y2, x1:x2] = 1
    return probability


@pytest.mark.parametrize(('boxes', 'expected'), [
    ([], (0, 0, 640, 480)),
    ([(60, 40, 100, 70)], framed_box((240, 160, 400, 280), SHAPE)),
    ([(60, 40, 80, 60), (90, 50, 100, 70)], framed_box((240, 160, 400, 280), SHAPE)),
    ([(60, 40, 100, 70), (0, 0, 2, 2)], framed_box((240, 160, 400, 280), SHAPE)),  # a speck
    ([(5, 5, 150, 110)], (0, 0, 640, 480)),
])
def test_the_part_to_look_at_again(boxes, expected):
    assert scene_box(foreground_of(*boxes), SHAPE, UnseenOptions()) == expected


def test_an_image_goes_where_its_box_is():
    image = np.ones((2, 3), np.float32)
    full = placed(image, (1, 2, 4, 4), (5, 6))
    assert full.sum() == 6 and (full[2:4, 1:4] == 1).all()
    assert placed(image, (0, 0, 3, 2), (2, 3)) is image


@pytest.mark.parametrize(('box', 'size'), [
    ((0, 0, 640, 480), (120, 160)), ((100, 50, 420, 290), (120, 160)),
    ((33, 7, 161, 471), (9, 7))])
def test_windows_of_a_ramp_stay_on_it(box, size):
    v, u = np.mgrid[:120, :160].astype(np.float32) * 4 + 1.5  # centres of cells, pixels
    maps = torch.from_numpy(np.stack([u, v])[None])
    x1, y1, x2, y2 = box
    columns = x1 + (np.arange(size[1]) + 0.5) / size[1] * (x2 - x1) - 0.5
    rows = y1 + (np.arange(size[0]) + 0.5) / size[0] * (y2 - y1) - 0.5
    found = window_of(maps, box, SHAPE, size)[0].numpy()
    inner = np.s_[:, 1:-1, 1:-1]  # beyond the outermost centres the border's value stays
    expected = np.stack(np.meshgrid(columns, rows))
    np.testing.assert_allclose(found[inner], expected[inner], atol=2e-2)


@pytest.mark.parametrize('share', [0.0, 0.3, 1.0])
def test_cosines_and_logits_of_both_looks_are_weighed(share):
    generator = torch.Generator().manual_seed(0)
    looks = [(torch.nn.functional.normalize(torch.randn(1, 4, 6, 8, generator=generator), dim=1),
              torch.randn(1, 1, 6, 8, generator=generator)) for _ in range(2)]
    embedding, logits = both_looks(*looks, (0, 0, 640, 480), SHAPE, share)
    torch.testing.assert_close(logits, share * looks[0][1] + (1 - share) * looks[1][1])
    cosine = [torch.einsum('bchw,bc->bhw', e, e[:, :, 2, 3])
              for e in (looks[0][0], looks[1][0], embedding)]
    torch.testing.assert_close(cosine[2], share * cosine[0] + (1 - share) * cosine[1])


class Looks:
    """Answer the first look by the whole truth, the second by its part in the box; keep sizes."""

    def __init__(self, truth, box):
        x1, y1, x2, y2 = box
        whole, part = knowing_stage(truth), knowing_stage(truth[y1:y2, x1:x2])
        self.runs, self.sizes = [whole.run, part.run], []
        self.stage = dataclasses.replace(whole, run=self)

    def __call__(self, color, xyz):
        self.sizes.append(tuple(color.shape[2:]))
        return self.runs[len(self.sizes) - 1](color, xyz)


@pytest.mark.parametrize('width', [320, 640])
def test_the_second_look_sees_the_objects_larger_and_puts_them_where_they_are(width):
    boxes = [(0.3, 0.3, 0.4, 0.5), (0.5, 0.4, 0.6, 0.6)]
    frame, truth = raised_boxes(width, width * 3 // 4, boxes)
    foreground = (truth[::2, ::2] > 0).astype(np.float32)
    looks = Looks(truth, scene_box(foreground, truth.shape, UnseenOptions()))
    found = UnseenSegmenter(looks.stage, UnseenOptions()).segment(frame)
    assert looks.sizes[0] == looks.sizes[1] and len(looks.sizes) == 2
    assert evaluate_frame(truth, found.labels).overlap_f > 0.95
    assert (found.scores > 0.9).all()


@pytest.mark.parametrize(('options', 'head', 'looks'), [
    ({}, True, 2), ({'zoom': 'none'}, True, 1), ({}, False, 1),
    ({'background': 'foreground_head'}, True, 2), ({'background': 'support_plane'}, True, 1)])
def test_who_looks_again(options, head, looks):
    frame, truth = raised_boxes(320, 240, [(0.3, 0.3, 0.4, 0.5)])
    stage, sizes = knowing_stage(truth, head=head), []

    def run(color, xyz):
        sizes.append(color.shape)
        return stage.run(color, xyz)

    segmenter = UnseenSegmenter(dataclasses.replace(stage, run=run), UnseenOptions(**options))
    segmenter.segment(frame)
    assert len(sizes) == looks
