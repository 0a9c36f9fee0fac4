# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.nodes.synchronizer import PairSynchronizer

MS = 1_000_000


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def run(events, slop_ms=20, depth=10, clock=None):
    """Feed events ('c' or 'd', stamp in ms) and return the synchroniser and the pairs in ms."""
    sync = PairSynchronizer(slop_ms * MS, depth, clock or Clock())
    pairs = []
    for kind, ms in events:
        add = sync.add_color if kind == 'c' else sync.add_depth
        pair = add(round(ms * MS), (kind, ms))
        if pair is not None:
            assert pair.color[0] == 'c'
            assert pair.depth[0] == 'd'
            assert pair.stamp_ns == pair.color[1] * MS
            assert pair.gap_ns == (pair.depth[1] - pair.color[1]) * MS
            pairs.append((pair.color[1], pair.depth[1]))
    return sync, pairs


@pytest.mark.parametrize(('events', 'expected', 'drops'), [
    ([('c', 0), ('d', 0)], [(0, 0)], {}),
    ([('d', 5), ('c', 0)], [(0, 5)], {}),
    ([('c', 0), ('d', 20)], [(0, 20)], {}),
    ([('c', 0), ('d', 21)], [], {}),
    # Aligned depth comes three frames later.
    ([('c', 0), ('c', 33), ('c', 66), ('d', 0), ('c', 99), ('d', 33)], [(0, 0), (33, 33)], {}),
    # The nearest one, not the first within the slop.
    ([('c', 0), ('c', 15), ('d', 16)], [(15, 16)], {'unpaired': 1}),
    # A colour image lost on the way.
    ([('d', 0), ('c', 33), ('d', 33), ('c', 66), ('d', 66)], [(33, 33), (66, 66)],
     {'unpaired': 1}),
    # A message serves once.
    ([('c', 0), ('d', 0), ('d', 4)], [(0, 0)], {}),
    # What pairs after a newer pair is late.
    ([('c', 100), ('d', 100), ('c', 50), ('d', 50)], [(100, 100)], {'late': 1}),
    # Stamps that jump back start anew: a looped bag.
    ([('c', 1000), ('d', 1000), ('c', 0), ('d', 0), ('c', 33), ('d', 33)],
     [(1000, 1000), (0, 0), (33, 33)], {}),
    # An old message of the time before must not meet one of the new time.
    ([('c', 5000), ('d', 5033), ('c', 10), ('d', 12)], [(10, 12)], {'unpaired': 2}),
    # The same stamp again, as a repeated picture has.
    ([('c', 0), ('d', 0), ('c', 0), ('d', 0)], [(0, 0), (0, 0)], {}),
])
def test_pairs(events, expected, drops):
    sync, pairs = run(events)
    assert pairs == expected
    assert dict(sync.drops) == drops


def test_slop_is_a_parameter():
    events = [('c', 0), ('d', 30)]
    assert run(events, slop_ms=29)[1] == []
    assert run(events, slop_ms=30)[1] == [(0, 30)]


def test_queues_keep_ten():
    waiting = [('c', 33 * n) for n in range(11)]
    assert run([*waiting, ('d', 0)])[1] == []
    assert run([*waiting, ('d', 33)])[1] == [(33, 33)]
    assert run(waiting)[0].drops == {'unpaired': 1}


def test_resets_are_counted():
    sync, _ = run([('c', 1000), ('d', 1000), ('c', 600), ('d', 600), ('c', 0)])
    assert sync.resets == 1


def test_colour_alone_is_passed_on_and_a_jump_noticed():
    sync = PairSynchronizer(20 * MS, clock=Clock())
    for ms in (1000, 1033, 10, 43):
        pair = sync.add_alone(ms * MS, ms)
        assert (pair.color, pair.depth, pair.stamp_ns) == (ms, None, ms * MS)
    assert sync.resets == 1


@settings(max_examples=100, deadline=None)
@given(st.sets(st.integers(0, 59), max_size=12), st.sets(st.integers(0, 59), max_size=12),
       st.booleans(), st.integers(10, 16), st.integers(-3, 3))
def test_frames_of_a_fast_camera_are_never_mixed(lost_c, lost_d, depth_first, period, offset):
    """The slop of 20 ms is longer than the period: what was lost must not be replaced."""
    lost_c, lost_d = {n for n in lost_c if n > 8}, {n for n in lost_d if n > 8}
    events = []
    for n in range(60):
        frame = [('c', period * n)] * (n not in lost_c)
        frame += [('d', period * n + offset)] * (n not in lost_d)
        events += frame[::-1] if depth_first else frame
    _, pairs = run(events)
    # Before a period is known nothing is lost here.
    whole = [period * n for n in range(60) if n not in lost_c | lost_d]
    assert pairs == [(ms, ms + offset) for ms in whole]


@pytest.mark.parametrize(('events', 'reach_ms'), [
    ([('c', 33 * n) for n in range(4)], 20),
    ([('c', 33 * n) for n in range(5)], 16.5),
    ([('c', 100 * n) for n in range(9)], 20),
    ([('c', 33 * n) for n in range(9)] + [('d', 264 + 16 * n) for n in range(9)], 8),
    # The mean: a driver that stamps two frames at a time keeps its slop.
    ([('c', ms) for n in range(5) for ms in (66 * n, 66 * n + 1)], 265 / 18),
    # Repeated stamps tell no period.
    ([('c', 33 * (n // 3)) for n in range(9)], 20),
    # A clock that jumped back starts anew.
    ([('c', 1000 + 10 * n) for n in range(9)] + [('c', 0)], 20),
])
def test_the_reach_is_half_a_period_at_most(events, reach_ms):
    assert run(events)[0].reach_ns() == pytest.approx(reach_ms * MS, rel=1e-3)


def test_stamps_that_never_meet_tell_the_gap():
    clock = Clock()
    sync = PairSynchronizer(20 * MS, clock=clock)
    for n in range(60):
        clock.now += 0.033
        sync.add_color(n * 33 * MS, None)
        sync.add_depth(n * 33 * MS + 5_000 * MS + 7 * MS, None)
    assert sync.never_met_gap_ns() is None
    for n in range(60, 70):
        clock.now += 0.033
        sync.add_color(n * 33 * MS, None)
        sync.add_depth(n * 33 * MS + 5_000 * MS + 7 * MS, None)
    # The nearest stamps were those of the last colour and the oldest depth still kept.
    gap = sync.never_met_gap_ns()
    assert gap is not None
    assert 4_000 * MS < gap <= 5_007 * MS
    sync.add_color(69 * 33 * MS + 5_007 * MS, None)
    assert sync.never_met_gap_ns() is None


def test_one_topic_alone_is_no_gap():
    clock = Clock()
    sync = PairSynchronizer(20 * MS, clock=clock)
    for n in range(200):
        clock.now += 0.033
        sync.add_color(n * 33 * MS, None)
    assert sync.never_met_gap_ns() is None


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(-9, 9), st.integers(0, 6)),
             min_size=1, max_size=40))
def test_no_frame_is_lost_while_each_topic_is_in_order(frames):
    """Depth comes up to six frames later, jitters within the slop, either may be missing."""
    events = []
    arrival = 0.0
    for n, (has_color, has_depth, jitter, lag) in enumerate(frames):
        if has_color:
            events.append((float(n), n, 'c', 33 * n))
        if has_depth:
            arrival = max(arrival, n + lag + 0.1)
            events.append((arrival, n, 'd', 33 * n + jitter))
    sync, pairs = run([(kind, ms) for _, _, kind, ms in sorted(events)], slop_ms=12)
    expected = [33 * n for n, (c, d, _, _) in enumerate(frames) if c and d]
    assert [color for color, _ in pairs] == expected
    assert all(abs(c - d) <= 9 for c, d in pairs)
    assert all(a < b for (a, _), (b, _) in itertools.pairwise(pairs))
