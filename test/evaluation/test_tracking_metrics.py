# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""CLEAR MOT and identity measures on cases counted by hand."""

import numpy as np
import pytest

from seg_ros.evaluation.tracking_metrics import TrackingCount


def line(*numbers):
    """Return an image of one row in which each number has ten pixels."""
    return np.repeat(np.array([numbers], np.int32), 10, axis=1)


def scored(frames, seconds=0.5, **options):
    count = TrackingCount(**options)
    for truth, result in frames:
        count.add(line(*truth), line(*result), seconds=seconds)
    return count.scores()


# Frames of (truth, result); IDF1, MOTA, id switches, misses, false positives.
CASES = {
    'all right': ([((1, 2, 0), (7, 8, 0))] * 3, 1.0, 1.0, 0, 0, 0),
    'a change after three of four frames':
        ([((1,), (7,))] * 3 + [((1,), (8,))], 6 / 8, 3 / 4, 1, 0, 0),
    'two exchange ids half way':
        ([((1, 2), (7, 8))] * 2 + [((1, 2), (8, 7))] * 2, 8 / 16, 1 - 2 / 8, 2, 0, 0),
    'there and back: two switches':
        ([((1,), (7,)), ((1,), (8,)), ((1,), (7,))], 4 / 6, 1 / 3, 2, 0, 0),
    'the id after a gap is compared with the one before it':
        ([((1,), (7,)), ((1,), (0,)), ((1,), (8,))], 2 * 1 / 5, 1 - 2 / 3, 1, 1, 0),
    'a miss and a ghost': ([((1, 2, 0), (7, 0, 9))], 2 * 1 / 4, 1 - 2 / 2, 0, 1, 1),
    'nothing found': ([((1, 2), (0, 0))], 0.0, 0.0, 0, 2, 0),
    'an id that goes from one object to another is right for one of them':
        ([((1, 0), (7, 0))] * 3 + [((0, 2), (0, 7))], 6 / 8, 1.0, 0, 0, 0),
}


@pytest.mark.parametrize('case', CASES)
def test_measures_are_as_counted_by_hand(case):
    frames, idf1, mota, switches, misses, false = CASES[case]
    found = scored(frames)
    assert (found.id_switches, found.misses, found.false_positives) == (switches, misses, false)
    assert found.idf1 == pytest.approx(idf1)
    assert found.mota == pytest.approx(mota)
    seconds = 0.5 * sum(len(set(truth) - {0}) for truth, _ in frames)
    assert found.object_seconds == pytest.approx(seconds)
    assert found.switches_per_100_object_seconds == pytest.approx(100 * switches / seconds)


def test_a_correspondence_is_kept_while_it_holds():
    """Half of an object each: the id that it had keeps it, though both have IoU 0.5."""
    count = TrackingCount()
    count.add(line(1, 1), line(7, 7))
    assert count.add(line(1, 1), line(8, 7)) == []
    assert count.add(line(1, 1), line(7, 8)) == []
    assert count.add(line(1, 1), line(8, 8)) == [1]
    assert count.scores().id_switches == 1


@pytest.mark.parametrize(('found', 'matches'), [((7, 7, 0, 0), 1), ((7, 0, 0, 0), 0)])
def test_half_an_object_is_enough(found, matches):
    scores = scored([((1, 1, 1, 0), found)])
    assert (scores.matches, scores.misses) == (matches, 1 - matches)
    if matches:
        assert scores.mean_iou == pytest.approx(2 / 3)


def test_precision_and_recall_of_ids_and_the_bound_that_detection_sets():
    found = scored([((1, 2, 0), (7, 0, 9)), ((1, 2, 0), (7, 8, 0)), ((1, 2, 0), (8, 0, 0))])
    # results 5, objects 6, matches 4 of which 3 have the id 7 or 8 of their object
    assert (found.results, found.objects, found.matches) == (5, 6, 4)
    assert found.id_precision == pytest.approx(3 / 5)
    assert found.id_recall == pytest.approx(3 / 6)
    assert found.idf1 == pytest.approx(6 / 11)
    assert found.detection_f == pytest.approx(8 / 11)


def test_what_is_ignored_counts_for_nothing():
    count = TrackingCount()
    ignore = line(0, 0, 1) > 0
    count.add(line(1, 0, 0), line(7, 0, 9), ignore=ignore)
    count.add(line(1, 0, 0), line(7, 9, 9), ignore=ignore)
    count.add(line(1, 0, 0), line(7, 9, 0), ignore=ignore)
    assert (count.scores().results, count.scores().false_positives) == (5, 2)


def test_slivers_of_objects_and_what_is_found_there_do_not_count():
    found = scored([((1, 2, 2), (7, 8, 8))], least_px=15)
    assert (found.objects, found.results, found.matches) == (1, 1, 1)


def test_nothing_at_all_is_not_a_number_and_null_in_json():
    found = TrackingCount().scores()
    assert np.isnan(found.idf1) and np.isnan(found.mota)
    assert found.as_dict()['idf1'] is None


def test_sizes_must_agree():
    with pytest.raises(ValueError, match='must have one size'):
        TrackingCount().add(line(1), line(1, 2))


def test_idf1_is_that_of_the_best_assignment_of_ids():
    """Compare with every assignment of results to objects, tried one by one."""
    from itertools import permutations

    rng = np.random.default_rng(0)
    for _ in range(20):
        frames = [(rng.permutation(4), rng.permutation(4)) for _ in range(6)]
        together = np.zeros((4, 4))
        for truth, result in frames:
            for a, b in zip(truth, result, strict=True):
                together[a, b] += 1
        best = max(sum(together[a, b] for a, b in zip((1, 2, 3), order, strict=True))
                   for order in permutations((1, 2, 3)))
        assert scored([(t, r) for t, r in frames]).idf1 == pytest.approx(2 * best / 36)
