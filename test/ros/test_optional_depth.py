# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depth that may stay away, without the middleware."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.nodes.optional_depth import PatientSynchronizer, depth_use

MS = 1_000_000


@pytest.mark.parametrize(('wanted', 'needs_depth', 'expected'), [
    ('auto', True, 'required'), ('auto', False, 'optional'), ('required', False, 'required'),
    ('required', True, 'required'), ('ignored', False, 'ignored')])
def test_what_is_done_with_depth(wanted, needs_depth, expected):
    assert depth_use(wanted, needs_depth) == expected


def test_depth_that_is_needed_cannot_be_ignored():
    with pytest.raises(ValueError, match='this method needs it with these weights: set depth to'):
        depth_use('ignored', True)


class Bench:
    """Feed a synchroniser: the clock is the time of the event in milliseconds."""

    def __init__(self, is_waiting=True, patience_ms=400, slop_ms=20):
        self.now_ms = 0.0
        self.sync = PatientSynchronizer(
            slop_ms * MS, patience_ms / 1e3, is_waiting=is_waiting,
            clock=lambda: 100.0 + self.now_ms / 1e3)

    def feed(self, events):
        """Take ('c', 'd' or 'look', time, stamp); return pairs as (colour, depth or None)."""
        found = []
        for kind, at_ms, *stamp_ms in events:
            self.now_ms = at_ms
            if kind == 'look':
                pair = self.sync.overdue()
            else:
                ms = round(stamp_ms[0] if stamp_ms else at_ms)
                add = self.sync.add_color if kind == 'c' else self.sync.add_depth
                pair = add(ms * MS, (kind, ms))
            if pair is not None:
                assert pair.stamp_ns == pair.color[1] * MS
                assert pair.color[0] == 'c'
                found.append((pair.color[1], None if pair.depth is None else pair.depth[1]))
        return found


def camera(start, count, lag=None, period=33):
    """Return colour at each period and, with a lag, its depth that much later, in time order."""
    events = [('c', start + period * n) for n in range(count)]
    if lag is not None:
        events += [('d', ms + lag, ms) for _, ms in events]
    return sorted(events, key=lambda event: event[1])


def test_while_depth_comes_every_frame_has_it():
    bench = Bench()
    assert bench.feed(camera(0, 60, lag=100)) == [(33 * n, 33 * n) for n in range(60)]
    assert bench.sync.drops == {}


def test_without_a_publisher_colour_goes_at_once():
    bench = Bench(is_waiting=False)
    assert bench.feed(camera(0, 30)) == [(33 * n, None) for n in range(30)]
    assert bench.sync.drops == {}


def test_after_the_patience_colour_goes_alone_and_depth_is_taken_up_again():
    bench = Bench()
    assert len(bench.feed(camera(0, 10, lag=5))) == 10
    alone = bench.feed(camera(330, 30))
    first = alone[0][0]
    assert 330 + 400 < first <= 330 + 400 + 33
    assert alone == [(ms, None) for ms in range(first, 1320, 33)]
    # Nothing was served twice or lost but what came while it waited.
    assert bench.sync.drops == {'unpaired': (first - 330) // 33}
    assert not bench.sync.is_waiting
    back = bench.feed(camera(1320, 30, lag=60))
    # Three go alone before the first depth comes; theirs meets nobody.
    assert back[:2] == [(1320, None), (1353, None)]
    assert back[2:] == [(1320 + 33 * n, 1320 + 33 * n) for n in range(2, 30)]
    assert bench.sync.drops == {'unpaired': (first - 330) // 33}


def test_depth_that_comes_before_its_colour_is_taken_at_once():
    bench = Bench(is_waiting=False)
    assert bench.feed([('c', 0), ('d', 40, 33), ('c', 41, 33), ('c', 66), ('d', 70, 66)]) == [
        (0, None), (33, 33), (66, 66)]


def test_a_single_frame_goes_alone_when_looked_at():
    bench = Bench()
    assert bench.feed([('c', 0), ('look', 250), ('look', 400), ('look', 450), ('look', 500)]) == [
        (0, None)]


def test_a_slow_camera_waits_for_each_depth():
    """Patience is about a frame that waits, not about the time between frames."""
    bench = Bench()
    events = [e for n in range(5) for e in (
        ('c', 2000 * n), ('look', 2000 * n + 250), ('d', 2000 * n + 300, 2000 * n),
        ('look', 2000 * n + 500), ('look', 2000 * n + 1900))]
    assert bench.feed(events) == [(2000 * n, 2000 * n) for n in range(5)]


def test_depth_that_is_later_than_the_patience_is_not_waited_for():
    bench = Bench()
    found = bench.feed(camera(0, 100, lag=600))
    assert all(depth is None for _, depth in found)
    first = found[0][0]
    assert found == [(ms, None) for ms in range(first, 3300, 33)]


def test_stamps_that_never_meet_go_alone_and_tell_the_gap():
    bench = Bench()
    events = camera(0, 120)
    events += [('d', ms + 1, ms + 7000) for _, ms in events]
    found = bench.feed(sorted(events, key=lambda event: event[1]))
    assert found[-1] == (33 * 119, None)
    assert len(found) > 100
    assert bench.sync.never_met_gap_ns() > 1000 * MS


def test_a_clock_that_jumps_back_starts_anew():
    bench = Bench()
    assert bench.feed([('c', 0, 9000), ('d', 1, 9000), ('c', 33, 9033), ('c', 50, 10),
                       ('d', 60, 10), ('look', 470)]) == [(9000, 9000), (10, 10)]
    assert bench.sync.resets == 1


def test_an_older_colour_does_not_follow_a_newer_one_alone():
    bench = Bench(is_waiting=False)
    assert bench.feed([('c', 0, 100), ('c', 1, 67), ('c', 2, 133)]) == [(100, None), (133, None)]
    assert bench.sync.drops == {'late': 1}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 300)), min_size=1,
             max_size=60),
    st.booleans())
def test_frames_leave_in_order_once_and_none_waits_for_ever(frames, is_waiting):
    """Depth is missing or up to 0.3 s late, in any pattern."""
    bench = Bench(is_waiting=is_waiting)
    events = [('look', 50.0 * n) for n in range(60)]
    arrival = 0.0
    for n, (has_color, has_depth, lag) in enumerate(frames):
        if has_color:
            events.append(('c', 33.0 * n, 33 * n))
        if has_depth:
            arrival = max(arrival, 33 * n + lag + 0.5)
            events.append(('d', arrival, 33 * n))
    found = bench.feed(sorted(events, key=lambda event: event[1]))
    colors = [color for color, _ in found]
    assert all(a < b for a, b in itertools.pairwise(colors))
    assert all(depth in (None, color) for color, depth in found)
    sent = [33 * n for n, (has_color, *_) in enumerate(frames) if has_color]
    assert set(colors) <= set(sent)
    # The last one leaves after the patience at most.
    assert not sent or colors[-1] == sent[-1]
    assert len(found) + bench.sync.drops['unpaired'] + bench.sync.drops['late'] >= len(sent)
