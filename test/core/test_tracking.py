# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Ids that stay with objects: motion, occlusion, exchange, memory, reset, wrapping, classes."""

from dataclasses import replace

import numpy as np
import pytest
from track_scenes import BLUE, CAMERA, GREEN, RED, found, see

from seg_ros.core.results import Instances
from seg_ros.core.tracking import LAST_ID, Tracker, TrackingOptions

FRAME_S = 1 / 15


def ids_of(tracker, things, order, at, **view):
    """Return the ids that the tracker gives to things found in some order."""
    frame, labels = see(things, stamp_s=1 + at * FRAME_S, **view)
    return tracker.update(found(labels, *order), frame).ids.tolist()


@pytest.mark.parametrize('depth', [True, False])
def test_ids_follow_objects_in_whatever_order_they_come(depth):
    tracker = Tracker()
    things = [RED, BLUE, GREEN]
    assert ids_of(tracker, things, (1, 2, 3), 0, depth=depth) == [1, 2, 3]
    assert ids_of(tracker, things, (3, 1, 2), 1, depth=depth) == [3, 1, 2]
    assert ids_of(tracker, things, (2, 3), 2, depth=depth) == [2, 3]
    assert ids_of(tracker, things, (3, 2, 1), 3, depth=depth) == [3, 2, 1]


@pytest.mark.parametrize('depth', [True, False])
def test_ids_hold_while_the_camera_moves_past_twins(depth):
    """Twins side by side, and a camera that moves by their distance: only its motion tells."""
    twins = [RED, replace(RED, x=-0.06), replace(RED, x=0.08)]
    tracker = Tracker()
    for at in range(15):
        shown = ids_of(tracker, twins, (1, 2, 3), at, camera_x=0.01 * at, depth=depth)
        assert shown == [1, 2, 3]


@pytest.mark.parametrize('given', [True, False])
def test_twins_are_told_apart_over_a_jump_of_half_their_distance(given):
    """By the camera's pose, where that is given, or by its images."""
    twins, tracker = [RED, replace(RED, x=-0.06)], Tracker()
    for at, camera_x in enumerate((0.0, 0.07, 0.14)):
        frame, labels = see(twins, camera_x - 0.15, 1 + at * FRAME_S)
        pose = np.eye(4)
        pose[0, 3] = camera_x
        tracked = tracker.update(
            found(labels, 1, 2), frame, world_from_camera=pose if given else None)
        assert tracked.ids.tolist() == [1, 2]
        np.testing.assert_allclose(tracker.world_from_camera, pose, atol=0.002)


def test_an_object_hidden_for_less_than_the_memory_keeps_its_id():
    tracker = Tracker(TrackingOptions(track_memory=2.0))
    for at in range(4):
        ids_of(tracker, [RED, BLUE], (1, 2), at)
    for at in range(4, 30):
        assert ids_of(tracker, [RED, BLUE], (1,), at, camera_x=0.004 * (at - 4)) == [1]
    assert ids_of(tracker, [RED, BLUE], (1, 2), 31, camera_x=0.1) == [1, 2]


def test_an_object_hidden_for_longer_gets_a_new_id():
    tracker = Tracker(TrackingOptions(track_memory=1.0))
    for at in range(4):
        ids_of(tracker, [RED, BLUE], (1, 2), at)
    for at in range(4, 24):
        ids_of(tracker, [RED, BLUE], (1,), at)
    assert ids_of(tracker, [RED, BLUE], (1, 2), 25) == [1, 3]


def test_what_the_last_frame_had_is_known_however_long_ago_that_was():
    tracker = Tracker(TrackingOptions(track_memory=1.0))
    assert ids_of(tracker, [RED, BLUE], (1, 2), 0) == [1, 2]
    assert ids_of(tracker, [RED, BLUE], (2, 1), 9000) == [2, 1]


def test_things_that_exchange_places_take_their_ids_along():
    tracker = Tracker()
    for at in range(4):
        ids_of(tracker, [RED, BLUE], (1, 2), at)
    swapped = [replace(RED, x=BLUE.x), replace(BLUE, x=RED.x)]
    assert ids_of(tracker, swapped, (1, 2), 4) == [1, 2]


def test_another_thing_in_the_place_of_one_taken_away_is_new():
    tracker = Tracker()
    for at in range(4):
        ids_of(tracker, [RED, BLUE], (1, 2), at)
    assert ids_of(tracker, [RED, replace(GREEN, x=BLUE.x, y=BLUE.y)], (1, 2), 4) == [1, 3]


def test_the_hidden_part_of_an_object_does_not_cost_its_id():
    """A bar wanders over an object, which is first cut, then a sliver, then gone, then back."""
    tracker = Tracker()
    for at in range(4):
        ids_of(tracker, [RED, BLUE], (1, 2), at)
    for at in range(4, 40):
        bar = replace(GREEN, x=0.42 - 0.012 * (at - 4), y=0.0, side=0.2, z=0.5)
        frame, labels = see([RED, BLUE, bar], stamp_s=1 + at * FRAME_S)
        seen = [number for number in (1, 2) if (labels == number).sum() > 60]
        shown = tracker.update(found(labels, *seen, 3), frame).ids.tolist()
        assert shown[:len(seen)] == seen


@pytest.mark.parametrize('order', [(1, 2), (2, 1)])
def test_of_an_object_in_pieces_the_largest_keeps_the_id(order):
    tracker = Tracker()
    for at in range(4):
        ids_of(tracker, [RED], (1,), at)
    frame, labels = see([RED], stamp_s=1 + 4 * FRAME_S)
    columns = np.nonzero(labels)[1]
    cut = columns.min() + int(0.55 * np.ptp(columns))
    labels[:, cut:] *= 2
    tracked = tracker.update(found(labels, *order), frame)
    assert tracked.ids[order.index(1)] == 1
    assert ids_of(tracker, [RED], (1,), 5) == [1]


def test_ids_are_not_reused_before_65535_and_then_none_that_is_kept():
    tracker = Tracker()
    ids_of(tracker, [RED, BLUE], (1, 2), 0)
    tracker._last_id = LAST_ID - 1
    assert ids_of(tracker, [RED, BLUE, GREEN], (1, 2, 3), 1) == [1, 2, LAST_ID]
    far = replace(GREEN, color=(230, 230, 20), y=-0.15)
    assert ids_of(tracker, [RED, BLUE, GREEN, far], (1, 2, 3, 4), 2) == [1, 2, LAST_ID, 3]


def test_a_reset_forgets_tracks_but_goes_on_with_ids():
    tracker = Tracker()
    ids_of(tracker, [RED, BLUE], (1, 2), 0)
    assert (tracker.count, tracker.reset(), tracker.count) == (2, 2, 0)
    assert ids_of(tracker, [RED, BLUE], (1, 2), 1) == [3, 4]


def test_a_stamp_before_the_last_one_starts_anew():
    tracker = Tracker()
    ids_of(tracker, [RED, BLUE], (1, 2), 10)
    assert ids_of(tracker, [RED, BLUE], (1, 2), 0) == [3, 4]


def test_frames_may_change_their_size_be_empty_or_without_depth():
    tracker = Tracker()
    ids_of(tracker, [RED, BLUE], (1, 2), 0)
    assert ids_of(tracker, [RED, BLUE], (), 1) == []
    assert ids_of(tracker, [RED, BLUE], (1, 2), 2, depth=False) == [1, 2]
    frame, labels = see([RED, BLUE], stamp_s=1 + 3 * FRAME_S)
    big = replace(frame, color=frame.color.repeat(2, 0).repeat(2, 1),
                  depth=frame.depth.repeat(2, 0).repeat(2, 1), camera=CAMERA.resized(640, 480))
    tracked = tracker.update(found(labels.repeat(2, 0).repeat(2, 1), 2, 1), big)
    assert tracked.ids.tolist() == [2, 1]


def test_what_was_seen_whole_before_the_image_shrank_is_not_looked_for_outside_it():
    tracker = Tracker()
    for at in range(3):
        assert ids_of(tracker, [RED], (1,), at) == [1]
    columns = np.nonzero((see([RED])[1] > 0).any(axis=0))[0]
    end = int(columns[0] + 0.3 * len(columns))
    for at in range(3, 6):
        frame, labels = see([RED], stamp_s=1 + at * FRAME_S)
        part = replace(frame, color=frame.color[:, :end], depth=frame.depth[:, :end],
                       camera=frame.camera.cropped((0, 0, end, frame.shape[0])))
        assert len(tracker.update(found(labels[:, :end], 1), part).ids) == 1


def test_rows_without_pixels_are_left_out():
    frame, labels = see([RED, BLUE])
    assert Tracker().update(found(labels, 1, 9, 2), frame).ids.tolist() == [1, 2]


def test_the_class_is_that_of_most_frames_and_the_score_a_mean():
    tracker, shown = Tracker(), []
    for at, (kind, score) in enumerate([(1, 0.9), (2, 0.3), (1, 0.9), (2, np.nan), (2, 0.9)]):
        frame, labels = see([RED], stamp_s=1 + at * FRAME_S)
        tracked = tracker.update(
            found(labels, 1, scores=[score], class_ids=[kind], names=('a', 'b', 'c')), frame)
        shown.append((int(tracked.class_ids[0]), float(tracked.scores[0])))
    assert [kind for kind, _ in shown] == [1, 1, 1, 1, 2]
    expected = [0.9]
    for score in (0.3, 0.9, None, 0.9):
        expected.append(expected[-1] + (0.05 * (score - expected[-1]) if score else 0))
    np.testing.assert_allclose([score for _, score in shown], expected, rtol=1e-6)


def test_a_score_that_is_not_known_stays_so():
    frame, labels = see([RED])
    tracked = Tracker().update(found(labels, 1, scores=[np.nan]), frame)
    assert np.isnan(tracked.scores).all()


@pytest.mark.parametrize(('weight', 'bridged'), [(0.0, 0), (0.6, 1), (0.8, 3)])
def test_smoothing_bridges_frames_in_which_an_object_in_plain_sight_is_missed(weight, bridged):
    tracker = Tracker(TrackingOptions(mask_smoothing=weight))
    for at in range(4):
        ids_of(tracker, [RED, BLUE], (1, 2), at)
    shown = [len(ids_of(tracker, [RED, BLUE], (1,), at)) for at in range(4, 10)]
    assert shown == [2] * bridged + [1] * (6 - bridged)


def test_smoothing_bridges_nothing_that_was_taken_away_or_is_hidden():
    for other in ([RED], [RED, replace(GREEN, x=BLUE.x, y=BLUE.y, z=0.5, side=0.3)]):
        tracker = Tracker(TrackingOptions(mask_smoothing=0.8))
        for at in range(4):
            ids_of(tracker, [RED, BLUE], (1, 2), at)
        assert ids_of(tracker, other, (1,), 4) == [1]


def test_smoothing_keeps_an_object_whole_that_falls_to_pieces_for_a_frame():
    tracker = Tracker(TrackingOptions(mask_smoothing=0.6))
    for at in range(4):
        ids_of(tracker, [RED], (1,), at)
    frame, labels = see([RED], stamp_s=1 + 4 * FRAME_S)
    columns = np.nonzero(labels)[1]
    pieces = labels.copy()
    pieces[:, int(columns.mean()) + 5:] *= 2
    tracked = tracker.update(found(pieces, 2, 1), frame)
    assert tracked.ids.tolist() == [1]
    np.testing.assert_array_equal(tracked.id_image(), labels)


def test_smoothing_shows_a_new_object_at_once():
    tracker = Tracker(TrackingOptions(mask_smoothing=0.8))
    ids_of(tracker, [RED], (1,), 0)
    frame, labels = see([RED, BLUE], stamp_s=1 + FRAME_S)
    np.testing.assert_array_equal(tracker.update(found(labels, 1, 2), frame).id_image(), labels)


def test_smoothing_holds_a_rim_that_flickers_and_follows_the_camera():
    rng = np.random.default_rng(3)
    errors = {0.0: [], 0.6: []}
    for weight, wrong in errors.items():
        tracker = Tracker(TrackingOptions(mask_smoothing=weight))
        for at in range(20):
            frame, labels = see([RED, BLUE], 0.005 * at, 1 + at * FRAME_S)
            flicker = np.where(rng.random(labels.shape) < 0.2, 0, labels)
            tracked = tracker.update(Instances.from_labels(flicker), frame)
            wrong.append(np.mean(tracked.id_image() != labels) if at > 3 else 0)
    assert np.mean(errors[0.6]) < 0.5 * np.mean(errors[0.0])


def test_without_smoothing_masks_are_those_of_the_method():
    tracker = Tracker()
    for at in range(3):
        frame, labels = see([RED, BLUE], 0.01 * at, 1 + at * FRAME_S)
        tracked = tracker.update(found(labels, 2, 1), frame)
        np.testing.assert_array_equal(tracked.id_image(), np.array([0, 2, 1])[labels])


@pytest.mark.parametrize(('pose', 'text'), [
    (np.eye(3), r'finite \(4, 4\) matrix, got \(3, 3\)'),
    (np.full((4, 4), np.nan), 'leave it out where the pose is not known')])
def test_poses_that_are_none_are_refused(pose, text):
    frame, labels = see([RED])
    with pytest.raises(ValueError, match=text):
        Tracker().update(found(labels, 1), frame, world_from_camera=pose)


def test_labels_of_another_frame_are_refused():
    frame, labels = see([RED])
    with pytest.raises(ValueError, match='must have one size'):
        Tracker().update(found(labels[::2, ::2], 1), frame)
