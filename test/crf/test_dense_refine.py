# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.results import Instances, SemanticMap
from seg_ros.crf.dense_options import InstanceCrfOptions, SemanticCrfOptions
from seg_ros.crf.dense_refine import border_distance, refine_instances, refine_semantic, windows

ON = InstanceCrfOptions(refine='crf')
SIZE = 60, 80


def scene(depth=True, color=True):
    """Return a frame of two boxes and their true labels."""
    rng = np.random.default_rng(0)
    truth = np.zeros(SIZE, np.int32)
    truth[10:30, 12:36], truth[32:52, 40:70] = 1, 2
    shades = np.array([[90, 90, 90], [200, 60, 50], [60, 80, 200]])
    image = shades[truth] if color else np.full((*SIZE, 3), 100)
    noisy = (image + rng.integers(-4, 5, image.shape)).astype(np.uint8)
    distance = np.array([1.0, 0.8, 0.85], np.float32)[truth] if depth else None
    camera = CameraModel(80, 60, 80.0, 80.0, 39.5, 29.5)
    return RgbdFrame(noisy, distance, camera if depth else None), truth


def moved(truth, by=2):
    """Return labels that lie aside of the truth: the borders are wrong by some pixels."""
    return Instances.from_labels(np.roll(truth, (by, -by), (0, 1)))


@pytest.mark.parametrize(('depth', 'color'), [(True, True), (False, True), (True, False)])
def test_borders_go_where_colour_or_depth_change(depth, color):
    frame, truth = scene(depth, color)
    found = moved(truth)
    refined = refine_instances(frame, found, ON)
    before, after = ((each.labels != truth).mean() for each in (found, refined))
    assert before > 0.05
    assert after < 0.3 * before


@pytest.mark.parametrize('options', [InstanceCrfOptions(), ON])
def test_rows_stay(options):
    frame, truth = scene()
    found = replace(moved(truth), scores=np.array([0.3, 0.9], np.float32),
                    ids=np.array([7, 4], np.int32))
    refined = refine_instances(frame, found, options)
    assert refined.ids.tolist() == [7, 4]
    assert refined.scores is found.scores
    assert (options.refine == 'none') == np.array_equal(refined.labels, found.labels)


def test_nothing_found_stays_nothing():
    frame, _ = scene()
    empty = Instances.from_labels(np.zeros(SIZE, np.int32))
    assert len(refine_instances(frame, empty, ON)) == 0
    rows = Instances(np.zeros(SIZE, np.int32), np.ones(1, np.float32), np.zeros(1, np.int32),
                     np.ones(1, np.int32))
    assert not refine_instances(frame, rows, ON).labels.any()


def test_an_object_that_nothing_speaks_for_keeps_its_mask():
    frame, truth = scene()
    labels = truth.copy()
    labels[4:7, 60:63] = 3  # on plain background
    refined = refine_instances(frame, Instances.from_labels(labels), ON)
    assert ((refined.labels == 3) == (labels == 3)).all()


def test_pixels_far_from_borders_do_not_change():
    frame, truth = scene()
    found = moved(truth)
    refined = refine_instances(frame, found, ON)
    far = border_distance(found.labels) > 2 * ON.refine_edge_px
    assert far.any()
    assert (refined.labels[far] == found.labels[far]).all()


@pytest.mark.parametrize(('boxes', 'rows'), [
    ([(2, 2), (200, 150)], [1, 2]), ([(30, 30), (48, 30)], [None])])
def test_small_things_far_apart_get_crops(boxes, rows):
    labels = np.zeros((200, 300), np.int32)
    for row, (x, y) in enumerate(boxes, 1):
        labels[y:y + 12, x:x + 18] = row
    found = windows(Instances.from_labels(labels), 5)
    assert [row for _, row in found] == rows
    for window, row in found:
        inside = labels[window]
        assert (inside == (row or 1)).sum() == 12 * 18


def test_crops_and_one_window_agree():
    frame, truth = scene()
    found = moved(truth)
    crops = [window for window, row in windows(found, 8)]
    alone = [refine_instances(frame, found[[row]], ON).labels > 0 for row in (0, 1)]
    together = refine_instances(frame, found, ON).labels
    assert len(crops) >= 1
    assert np.mean(alone[0] != (together == 1)) < 0.002
    assert np.mean(alone[1] != (together == 2)) < 0.002


def distance_by_definition(labels):
    rows, columns = np.indices(labels.shape)
    found = np.full(labels.shape, np.inf)
    for y, x in np.ndindex(labels.shape):
        other = labels != labels[y, x]
        if other.any():
            found[y, x] = np.hypot(rows - y, columns - x)[other].min()
    return found


def test_border_distance_is_about_the_distance_to_another_label():
    labels = np.zeros((20, 24), np.int32)
    labels[5:14, 6:15], labels[8:20, 15:20] = 1, 2
    expected = distance_by_definition(labels) - 0.5
    assert np.abs(border_distance(labels) - expected).max() < 0.6


def semantic_map(truth):
    """Return probabilities that know the classes but for a wide band at the borders."""
    soft = np.stack([(moved(truth, 3).labels == label) for label in range(3)]).astype(np.float32)
    soft = 0.5 * soft + 0.5 / 3
    return SemanticMap(soft.argmax(0).astype(np.uint8), ('background', 'a', 'b'), soft)


@pytest.mark.parametrize('depth_m', [0.0, 0.05])
def test_classes_get_the_borders_of_the_image(depth_m):
    frame, truth = scene()
    options = SemanticCrfOptions(
        crf='dense', crf_bilateral_px=20.0, crf_bilateral_color=15.0, crf_depth_m=depth_m)
    found = semantic_map(truth)
    refined = refine_semantic(frame, found, options)
    assert (refined.labels != truth).mean() < 0.3 * (found.labels != truth).mean()
    assert refined.labels.dtype == np.uint8
    np.testing.assert_allclose(refined.probabilities.sum(0), 1, atol=1e-4)
    np.testing.assert_array_equal(refined.confidence, refined.probabilities.max(0))


def test_the_grid_too():
    pytest.importorskip('seg_ros.crf.grid')
    frame, truth = scene()
    found = semantic_map(truth)
    refined = refine_semantic(frame, found, SemanticCrfOptions(crf='grid'))
    assert (refined.labels != truth).mean() < (found.labels != truth).mean()


def test_without_a_crf_or_probabilities():
    frame, truth = scene()
    found = semantic_map(truth)
    assert refine_semantic(frame, found, SemanticCrfOptions()) is found
    with pytest.raises(ValueError, match='probabilities of all classes'):
        refine_semantic(frame, SemanticMap(found.labels, found.class_names),
                        SemanticCrfOptions(crf='dense'))


def test_unsure_pixels_stay_background():
    frame, truth = scene()
    found = replace(semantic_map(truth), threshold=1.1)
    assert not refine_semantic(frame, found, SemanticCrfOptions(crf='dense')).labels.any()
