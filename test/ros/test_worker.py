# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import threading
from collections import Counter

import pytest

from seg_ros.nodes.worker import FairWorker


class Work:
    """Hold each item until it is let go."""

    def __init__(self, worker=None):
        self.done, self.dropped = [], []
        self.began = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.worker = worker or FairWorker()
        self.lane = self.worker.lane(self.handle, self.dropped.append)

    def handle(self, item):
        self.began.release()
        assert self.go.acquire(timeout=5)
        self.done.append(item)

    def finish(self, count=1):
        for _ in range(count):
            self.go.release()


def test_the_newest_item_is_next_and_the_others_are_dropped():
    work = Work()
    work.lane.offer('a')
    assert work.began.acquire(timeout=5)
    for item in 'bcd':
        work.lane.offer(item)
    work.finish()
    assert work.began.acquire(timeout=5)
    work.finish()
    assert work.lane.stop(5)
    assert work.done == ['a', 'd']
    assert work.dropped == ['b', 'c']
    assert work.worker.stop(5)


def test_offering_the_same_item_again_drops_nothing():
    work = Work()
    item = object()
    work.lane.offer('a')
    assert work.began.acquire(timeout=5)
    work.lane.offer(item)
    work.lane.offer(item)
    work.finish(2)
    assert work.began.acquire(timeout=5)
    assert work.lane.stop(5)
    assert work.dropped == []
    assert work.worker.stop(5)


def test_stop_waits_for_the_current_item_and_forgets_the_next():
    work = Work()
    work.lane.offer('a')
    assert work.began.acquire(timeout=5)
    work.lane.offer('b')
    assert not work.lane.stop(0.05)
    work.finish()
    assert work.lane.stop(5)
    assert work.done == ['a']
    work.lane.offer('c')
    assert work.worker.stop(5)
    assert work.done == ['a']


def test_the_worker_ends_after_its_current_item():
    work = Work()
    work.lane.offer('a')
    assert work.began.acquire(timeout=5)
    work.lane.offer('b')
    assert not work.worker.stop(0.05)
    work.finish()
    assert work.worker.stop(5)
    assert work.done == ['a']


def test_clear_forgets_what_waits():
    work = Work()
    work.lane.offer('a')
    assert work.began.acquire(timeout=5)
    work.lane.offer('b')
    work.lane.clear()
    work.finish(2)
    assert work.worker.stop(5)
    assert work.done == ['a']


def test_a_lane_may_leave_from_its_own_work():
    """As a node is closed whose segmenter failed: nothing waits for itself."""
    worker, left = FairWorker(), []
    lane = worker.lane(lambda item: left.append(lane.stop(5)), left.append)
    lane.offer('a')
    other = Work(worker)
    other.finish()
    other.lane.offer('b')
    assert other.began.acquire(timeout=5)
    assert worker.stop(5)
    assert (left, other.done) == ([False], ['b'])


@pytest.mark.parametrize('lanes', [2, 3, 5])
def test_lanes_that_always_have_an_item_take_turns(lanes):
    """The first is offered ten times as many items as the others; all get as many turns."""
    worker, turns, enough = FairWorker(), [], threading.Event()

    def handle(number):
        turns.append(number)
        for other, lane in enumerate(places):
            for _ in range(10 if other == 0 else 1):
                lane.offer(other)
        if len(turns) == 20 * lanes:
            enough.set()
            worker.stop(0)

    places = [worker.lane(handle, lambda item: None) for _ in range(lanes)]
    places[0].offer(0)
    assert enough.wait(10)
    assert worker.stop(5)
    # The first item went alone: the others came while it was at work.
    assert Counter(turns[1:1 + 19 * lanes]) == dict.fromkeys(range(lanes), 19)
    assert turns[1:1 + lanes] == [*range(1, lanes), 0]


def test_a_lane_that_left_takes_no_turn():
    worker = FairWorker()
    first, second = Work(worker), Work(worker)
    first.lane.offer('a')
    assert first.began.acquire(timeout=5)
    second.lane.offer('b')
    assert second.lane.stop(5)
    first.lane.offer('c')
    first.finish(2)
    assert first.began.acquire(timeout=5)
    assert worker.stop(5)
    assert (first.done, second.done) == (['a', 'c'], [])


@pytest.mark.parametrize(('rate_hz', 'passed_s', 'delay_s'), [
    (0.0, 0.0, 0.0),
    (10.0, 0.0, 0.1),
    (10.0, 0.075, 0.025),
    (10.0, 0.1, 0.0),
    (10.0, 7.0, 0.0),
    (0.5, 0.5, 1.5),
])
def test_max_rate_keeps_the_next_item_for_a_period(rate_hz, passed_s, delay_s):
    worker = FairWorker(clock=lambda: 100.0)
    try:
        lane = worker.lane(lambda item: None, lambda item: None, lambda: rate_hz)
        assert lane.delay_s(100.0) == 0
        lane.take(100.0)
        assert lane.delay_s(100.0 + passed_s) == pytest.approx(delay_s)
    finally:
        assert worker.stop(5)


def test_under_max_rate_the_newest_waits_and_an_urgent_item_does_not():
    done, dropped, at_work = [], [], threading.Semaphore(0)
    worker = FairWorker(clock=lambda: 100.0)

    def handle(item):
        done.append(item)
        at_work.release()

    lane = worker.lane(handle, dropped.append, lambda: 10.0)
    lane.offer('a')
    assert at_work.acquire(timeout=5)
    # Time stands still: nothing passes but what is urgent.
    lane.offer('b')
    lane.offer('c')
    assert not at_work.acquire(timeout=0.3)
    assert (lane.is_held(), dropped) == (True, ['b'])
    lane.offer('d', urgent=True)
    assert at_work.acquire(timeout=5)
    lane.offer('e', urgent=True)
    assert at_work.acquire(timeout=5)
    assert worker.stop(5)
    assert done == ['a', 'd', 'e']
    assert dropped == ['b', 'c']


def test_what_replaces_an_urgent_item_is_urgent():
    work = Work()
    limited = work.worker.lane(work.handle, work.dropped.append, lambda: 0.01)
    limited.take(work.worker.clock())
    work.lane.offer('other')
    assert work.began.acquire(timeout=5)
    limited.offer('call', urgent=True)
    limited.offer('newer')
    work.finish(2)
    assert work.began.acquire(timeout=5)
    assert work.worker.stop(5)
    assert work.done == ['other', 'newer']
