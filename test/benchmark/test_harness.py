# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The harness's arithmetic, with clocks that are set by hand."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_ros.benchmark.harness import Clock, Subject, measure, paired_ratio, spread


class HandClock:
    """Advance only where a subject says so; CPU runs at twice the wall's pace."""

    def __init__(self):
        self.now = 100.0

    def spend(self, seconds):
        self.now += seconds

    def clock(self):
        return Clock(wall=lambda: self.now, cpu=lambda: 2 * self.now)


@pytest.mark.parametrize(('samples', 'expected'), [
    ([3.0], (3, 3, 3, 3, 3, 1)),
    ([4.0, 1.0, 3.0, 2.0, 5.0], (3, 1, 2, 4, 4.8, 5)),
    ([1.0, 2.0], (1.5, 1, 1.25, 1.75, 1.95, 2)),
    ([1.0] * 99 + [1000.0], (1, 1, 1, 1, 1, 100)),
])
def test_spread(samples, expected):
    found = spread(samples)
    assert (found.median, found.least, found.q1, found.q3, found.p95, found.count) == (
        pytest.approx(expected))


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=40), st.floats(1e-3, 1e3))
def test_spread_is_ordered_and_scales(samples, factor):
    found = spread(samples)
    assert found.median == pytest.approx(statistics.median(samples))
    slack = 1 + 1e-12
    assert found.least <= found.q1 * slack <= found.median * slack**2 <= found.q3 * slack**3
    assert found.q3 <= found.p95 * slack
    assert found.scaled(factor).p95 == pytest.approx(found.p95 * factor)
    assert found.scaled(factor).count == len(samples)


@pytest.mark.parametrize(('samples', 'peer', 'median'), [
    ([2.0, 4.0, 8.0], [1.0, 2.0, 4.0], 2.0),      # the machine slows down: the ratio stands
    ([1.0, 1.0, 1.0], [2.0, 1.0, 4.0], 0.5),
])
def test_paired_ratio(samples, peer, median):
    assert paired_ratio(samples, peer).median == median


@pytest.mark.parametrize(('samples', 'peer', 'expected'), [
    ([1.0], [1.0, 2.0], '1 samples against 2'), ([1.0], [0.0], 'too short for this clock'),
    ([], [], 'no samples')])
def test_ratios_that_cannot_be_made(samples, peer, expected):
    with pytest.raises(ValueError, match=expected):
        paired_ratio(samples, peer)


def test_measures_in_turns_with_fresh_inputs():
    hand, order = HandClock(), []

    def subject(name, seconds):
        def prepare(iteration):
            hand.spend(50)  # preparing is not measured
            return (name, iteration)

        def run(prepared):
            order.append(prepared)
            hand.spend(seconds * (1 + prepared[1]))

        return Subject(name, run, prepare, stages=lambda: {'network': seconds / 4})

    quick, slow = measure(
        [subject('quick', 1), subject('slow', 3)], iterations=3, warmup=1, clock=hand.clock())
    assert order == [('quick', 0), ('slow', 0), ('slow', 1), ('quick', 1),
                     ('quick', 2), ('slow', 2), ('slow', 3), ('quick', 3)]
    assert (quick.name, quick.wall_s, quick.cpu_s) == ('quick', [2, 3, 4], [4, 6, 8])
    assert (slow.name, slow.wall_s, slow.cpu_s) == ('slow', [6, 9, 12], [12, 18, 24])
    assert quick.stages_s == {'network': [0.25, 0.25, 0.25]}
    assert paired_ratio(slow.wall_s, quick.wall_s).median == 3


@pytest.mark.parametrize(('iterations', 'warmup'), [(0, 1), (1, -1)])
def test_rounds_out_of_range(iterations, warmup):
    with pytest.raises(ValueError, match='at least 1 and 0'):
        measure([], iterations=iterations, warmup=warmup)


def test_the_real_clocks_count_work_and_not_sleep():
    import time

    def work(_):
        before = time.process_time()
        while time.process_time() - before < 0.02:
            pass

    busy, idle = measure(
        [Subject('busy', work), Subject('idle', lambda _: time.sleep(0.02))], iterations=1)
    assert busy.cpu_s[0] >= 0.02
    assert idle.wall_s[0] >= 0.02
    assert idle.cpu_s[0] < 0.02
