# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seg_ros.core.rigid import RigidTransform
from seg_ros.core.transform_tree import NoTransform, TransformTree

S = 10**9


def moved(x, y=0.0, z=0.0, quaternion=(0, 0, 0, 1)):
    return RigidTransform.from_parts((x, y, z), quaternion)


def robot():
    """Return map > base > arm > camera; the arm turns by 90 degrees about z from 1 s to 3 s."""
    tree = TransformTree()
    tree.set('map', 'base', S, moved(1.0))
    tree.set('map', 'base', 3 * S, moved(3.0))
    tree.set('base', 'arm', 1 * S, moved(0, 0, 1))
    tree.set('base', 'arm', 3 * S, moved(0, 0, 1, (0, 0, 1, 1)))
    tree.set('/arm', '/camera', 0, moved(0.5), static=True)
    tree.set('base', 'tool', 0, moved(0, 0.2), static=True)
    return tree


@pytest.mark.parametrize(('target', 'source', 'stamp_ns', 'origin'), [
    ('base', 'camera', 1 * S, [0.5, 0, 1]),
    ('base', 'camera', 3 * S, [0, 0.5, 1]),
    ('base', 'camera', 2 * S, [0.5 * np.sqrt(0.5), 0.5 * np.sqrt(0.5), 1]),
    ('map', 'camera', 2 * S, [2 + 0.5 * np.sqrt(0.5), 0.5 * np.sqrt(0.5), 1]),
    ('tool', 'camera', 1 * S, [0.5, -0.2, 1]),
    ('camera', 'base', 1 * S, [-0.5, 0, -1]),
    ('/base', 'base', 99 * S, [0, 0, 0]),
    ('arm', 'camera', 99 * S, [0.5, 0, 0]),
], ids=str)
def test_where_a_frames_origin_is(target, source, stamp_ns, origin):
    found = robot().lookup(target, source, stamp_ns)
    np.testing.assert_allclose(found.translation, origin, atol=1e-9)


@pytest.mark.parametrize(('target', 'source', 'stamp_ns', 'text'), [
    ('base', 'camera', 3 * S + 50_000_000,
     "'arm' in 'base' is known from 1.000 to 3.000 s, the image is 0.050 s later"),
    ('base', 'camera', S // 2, 'the image is 0.500 s earlier'),
    ('base', 'lost', S, "frame 'lost' is not in TF"),
    ('gone', 'camera', S, "frame 'gone' is not in TF"),
    ('island', 'camera', S, "'camera' and 'island' are not connected in TF"),
])
def test_what_is_not_known_is_not_guessed(target, source, stamp_ns, text):
    tree = robot()
    tree.set('sea', 'island', S, moved(0))
    with pytest.raises(NoTransform, match=text):
        tree.lookup(target, source, stamp_ns)


def test_only_ten_seconds_are_kept():
    tree = TransformTree()
    for second in range(30):
        tree.set('base', 'camera', second * S, moved(float(second)))
    assert tree.lookup('base', 'camera', 19 * S).translation[0] == 19
    with pytest.raises(NoTransform, match=r'known from 19.000 to 29.000 s'):
        tree.lookup('base', 'camera', 18 * S)


def test_time_that_jumps_back_begins_anew():
    tree = TransformTree()
    tree.set('base', 'camera', 100 * S, moved(1.0))
    tree.set('base', 'camera', 5 * S, moved(2.0))
    assert tree.lookup('base', 'camera', 5 * S).translation[0] == 2
    with pytest.raises(NoTransform):
        tree.lookup('base', 'camera', 100 * S)


def test_transforms_may_come_out_of_order():
    tree = TransformTree()
    for second in (3, 1, 2):
        tree.set('base', 'camera', second * S, moved(float(second)))
    assert tree.lookup('base', 'camera', 5 * S // 2).translation[0] == pytest.approx(2.5)


def test_a_frame_may_get_another_parent_and_a_static_transform_another_value():
    tree = robot()
    tree.set('arm', 'camera', 0, moved(0.7), static=True)
    assert tree.lookup('arm', 'camera', S).translation[0] == 0.7
    tree.set('tool', 'camera', 0, moved(0.1), static=True)
    np.testing.assert_allclose(tree.lookup('base', 'camera', 99 * S).translation, [0.1, 0.2, 0])


def test_a_loop_is_told():
    tree = TransformTree()
    tree.set('a', 'b', S, moved(1.0))
    tree.set('b', 'a', S, moved(1.0))
    with pytest.raises(NoTransform, match='loop'):
        tree.lookup('c', 'a', S)


@pytest.mark.parametrize(('parent', 'child'), [('', 'a'), ('a', ''), ('a', '/a')])
def test_two_frames_are_needed(parent, child):
    with pytest.raises(ValueError, match='two frames are needed'):
        TransformTree().set(parent, child, 0, moved(0))


@settings(max_examples=30)
@given(st.integers(0, 3 * S), st.sampled_from(['map', 'base', 'arm', 'camera', 'tool']),
       st.sampled_from(['map', 'base', 'arm', 'camera', 'tool']))
def test_there_and_back_is_nowhere(stamp_ns, target, source):
    tree, stamp_ns = robot(), max(stamp_ns, S)
    there, back = tree.lookup(target, source, stamp_ns), tree.lookup(source, target, stamp_ns)
    np.testing.assert_allclose((back @ there).rotation, np.eye(3), atol=1e-9)
    np.testing.assert_allclose((back @ there).translation, 0, atol=1e-9)
