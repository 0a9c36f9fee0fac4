# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json

import cv2
import numpy as np
import pytest

from seg_ros.benchmark.touching import draw_touching
from seg_ros.benchmark.unet_borders import (
    VARIANTS,
    BorderOptions,
    foreground,
    found_share,
    run,
    train,
    unseen_drawings,
)
from seg_ros.semantic.border_weights import instances_of_foreground

SMALL = BorderOptions(width=2, steps=1, batch=1, test_drawings=2)


@pytest.mark.parametrize('seed', range(5))
def test_drawn_objects_touch(seed):
    drawing = draw_touching(np.random.default_rng(seed))
    count = drawing.labels.max()
    assert set(np.unique(drawing.labels)) == set(range(count + 1)) and count >= 4
    assert instances_of_foreground((drawing.labels > 0).astype(float)).max() < count
    background, objects = (drawing.color[mask].mean()
                           for mask in (drawing.labels == 0, drawing.labels > 0))
    assert objects > background + 50


@pytest.mark.parametrize(('labels', 'found', 'share'), [
    ([[1, 1, 2, 2]], [[1, 1, 2, 2]], 1.0),
    ([[1, 1, 2, 2]], [[1, 1, 1, 1]], 0.0),  # joined: an IoU of 0.5 is not above it
    ([[1, 1, 1, 0]], [[5, 5, 0, 0]], 1.0),
    ([[1, 1, 1, 2]], [[1, 1, 1, 0]], 0.5),
    ([[1, 1, 0, 0]], [[0, 0, 0, 0]], 0.0),
    ([[0, 0, 0, 0]], [[1, 0, 0, 0]], 1.0),
])
def test_objects_found_apart(labels, found, share):
    assert found_share(np.array(labels, np.int32), np.array(found, np.int32)) == share


def test_unseen_drawings_are_the_same_each_time():
    for first, again in zip(unseen_drawings(2), unseen_drawings(2), strict=True):
        assert np.array_equal(first.color, again.color)


def test_variants_start_alike_and_differ_by_their_weights():
    drawing = unseen_drawings(1)[0]
    no_term = BorderOptions(width=2, steps=1, batch=1, w0=0.0)
    none, everywhere, background, same, alike = (
        foreground(train(options, variant, 0), drawing) for options, variant in (
            *((SMALL, variant) for variant in VARIANTS),
            (no_term, 'everywhere'), (no_term, 'background')))
    assert np.array_equal(none, same) and np.array_equal(none, alike)
    assert not np.array_equal(none, everywhere) and not np.array_equal(everywhere, background)


def test_a_run_writes_figures(tmp_path):
    results = run(tmp_path, [3], SMALL)
    assert json.loads((tmp_path / 'unet_borders.json').read_text()) == results
    assert [(one['seed'], one['border_term']) for one in results['runs']] == [
        (3, variant) for variant in VARIANTS]
    assert all(0 <= one['objects_apart'] <= 1 for one in results['runs'])
    assert cv2.imread(str(tmp_path / 'unet_borders.png')).shape == (22 + 2 * 196, 9 * 196, 3)
