# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.bags.pairing import StampPairer


def paired(arrivals, slop=20, window=30):
    """Feed ('c' or 'd', stamp) arrivals; the item is the stamp itself."""
    pairer = StampPairer(slop, window)
    found = []
    for kind, stamp in arrivals:
        (pairer.add_color if kind == 'c' else pairer.add_depth)(stamp, stamp)
        found += pairer.ready()
    return found + list(pairer.ready(finished=True))


@pytest.mark.parametrize(
    ('arrivals', 'expected'),
    [
        ('', []),
        ('c0 d0 c100 d100', [(0, 0), (100, 100)]),
        ('d0 c0', [(0, 0)]),
        # late depth, within and beyond the slop of 20
        ('c0 c100 d15 d121', [(0, 15), (100, None)]),
        # the nearer of two
        ('d0 d18 c10 d11', [(10, 18)]),
        ('d0 d9 c10 d200', [(10, 9)]),
        # a depth image serves once
        ('d5 c0 c10', [(0, 5), (10, None)]),
        ('c0 c100 c200', [(0, None), (100, None), (200, None)]),
    ],
)
def test_pairs(arrivals, expected):
    words = [(word[0], int(word[1:])) for word in arrivals.split()]
    assert paired(words) == expected


def test_a_pair_is_given_out_before_the_end():
    pairer = StampPairer(20)
    pairer.add_color(0, 'c')
    assert list(pairer.ready()) == []
    pairer.add_depth(3, 'd')
    assert list(pairer.ready()) == [('c', 'd')]


def test_what_waits_is_bounded():
    pairer = StampPairer(20, window=5)
    given_out = 0
    for stamp in range(1000, 101000, 1000):
        pairer.add_color(stamp, stamp)
        given_out += len(list(pairer.ready()))
    assert given_out == 95
    for stamp in range(-1000, 0):
        pairer.add_depth(stamp, stamp)
    assert len(pairer._depths) == 5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-25, 25)), max_size=25))
def test_every_colour_comes_out_once_in_order_and_within_slop(steps):
    arrivals = []
    for index, (has_depth, offset) in enumerate(steps):
        arrivals.append(('c', 1000 * index))
        if has_depth:
            arrivals.append(('d', 1000 * index + offset))
    found = paired(arrivals)
    expected = [
        (1000 * i, 1000 * i + offset if has_depth and abs(offset) <= 20 else None)
        for i, (has_depth, offset) in enumerate(steps)
    ]
    assert found == expected
