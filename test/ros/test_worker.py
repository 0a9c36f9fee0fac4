# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import threading

from seg_ros.nodes.worker import NewestWorker


class Work:
    """Hold each item until it is let go."""

    def __init__(self):
        self.done, self.dropped = [], []
        self.began = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.worker = NewestWorker(self.handle, self.dropped.append)

    def handle(self, item):
        self.began.release()
        assert self.go.acquire(timeout=5)
        self.done.append(item)

    def finish(self, count=1):
        for _ in range(count):
            self.go.release()


def test_the_newest_item_is_next_and_the_others_are_dropped():
    work = Work()
    work.worker.offer('a')
    assert work.began.acquire(timeout=5)
    for item in 'bcd':
        work.worker.offer(item)
    work.finish()
    assert work.began.acquire(timeout=5)
    work.finish()
    assert work.worker.stop(5)
    assert work.done == ['a', 'd']
    assert work.dropped == ['b', 'c']


def test_offering_the_same_item_again_drops_nothing():
    work = Work()
    item = object()
    work.worker.offer('a')
    assert work.began.acquire(timeout=5)
    work.worker.offer(item)
    work.worker.offer(item)
    work.finish(2)
    assert work.began.acquire(timeout=5)
    assert work.worker.stop(5)
    assert work.dropped == []


def test_stop_waits_for_the_current_item_and_forgets_the_next():
    work = Work()
    work.worker.offer('a')
    assert work.began.acquire(timeout=5)
    work.worker.offer('b')
    assert not work.worker.stop(0.05)
    work.finish()
    assert work.worker.stop(5)
    assert work.done == ['a']
    work.worker.offer('c')
    assert work.done == ['a']


def test_clear_forgets_what_waits():
    work = Work()
    work.worker.offer('a')
    assert work.began.acquire(timeout=5)
    work.worker.offer('b')
    work.worker.clear()
    work.finish(2)
    assert work.worker.stop(5)
    assert work.done == ['a']
