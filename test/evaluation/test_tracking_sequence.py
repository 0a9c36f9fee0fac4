# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The short form of the sequence in docs/tracking.md: a moving camera, an arm, changes, a swap."""

from dataclasses import replace

import numpy as np
import pytest

from seg_ros.core.geometry import oriented_box
from seg_ros.core.results import Instances
from seg_ros.core.tracking import Tracker, TrackingOptions
from seg_ros.evaluation.tracking_sequence import (
    SequenceFolder,
    evaluate_sequence,
    simulated_masks,
    true_masks,
)
from seg_ros.synthetic.changing import ChangingSequence, SequenceOptions, write_sequence
from seg_ros.synthetic.mask_errors import MaskErrors

pytest.importorskip('numba')
SHORT = SequenceOptions(frames=60, changes=2, seed=11, width=320, height=240, physics='none',
                        swaps=1, arms=1, arm_frames=24)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('sequence')
    write_sequence(path, SHORT)
    return SequenceFolder(path)


@pytest.mark.slow
@pytest.mark.parametrize('use_poses', [True, False])
def test_true_masks_keep_their_ids(folder, use_poses):
    scores = evaluate_sequence(folder, true_masks, Tracker(), use_poses=use_poses)
    assert scores.detection_f == 1.0
    assert scores.idf1 > 0.98
    assert scores.id_switches <= 1
    assert scores.object_seconds == pytest.approx(scores.objects / 15, rel=1e-3)


@pytest.mark.slow
def test_masks_with_a_segmenters_errors_lose_little_to_the_tracker(folder):
    tracker = Tracker(TrackingOptions(mask_smoothing=0.6))
    scores = evaluate_sequence(folder, simulated_masks(seed=1), tracker)
    assert scores.idf1 > 0.9
    assert scores.idf1 > scores.detection_f - 0.04


@pytest.mark.slow
def test_smoothing_makes_masks_with_ragged_rims_better(folder):
    rims = MaskErrors(miss=0.05, merge=0, split=0, ghost=0)
    found = {weight: evaluate_sequence(
        folder, simulated_masks(seed=2, errors=rims),
        Tracker(TrackingOptions(mask_smoothing=weight))) for weight in (0.0, 0.6)}
    assert found[0.6].mean_iou > found[0.0].mean_iou + 0.01
    assert found[0.6].misses < 0.7 * found[0.0].misses


@pytest.mark.slow
def test_boxes_of_a_still_scene_stand_still_in_the_sensors_noise():
    """Jitter: root mean square of a centre about its mean, after ten frames."""
    tracker, centers = Tracker(), {}
    still = replace(SHORT, frames=40, changes=0, swaps=0, arms=0, motion=0.0)
    for frame, labels, _ in ChangingSequence(still):
        step_labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
        tracked = tracker.update(Instances.from_labels(step_labels), frame)
        points = frame.points()
        boxes = [oriented_box(points[tracked.labels == row + 1]) for row in range(len(tracked))]
        for number, box in zip(tracked.ids, tracker.steady_boxes(tracked, boxes), strict=True):
            if box is not None:
                centers.setdefault(int(number), []).append(box.center)
    shown = [np.array(seen[10:]) for seen in centers.values() if len(seen) == 40]
    assert len(shown) >= 4
    jitter = [float(np.sqrt(((c - c.mean(axis=0)) ** 2).sum(axis=1).mean())) for c in shown]
    assert np.median(jitter) < 0.002
    near = [one for one, c in zip(jitter, shown, strict=True) if c[:, 2].mean() < 0.85]
    assert max(near) < 0.003, jitter
