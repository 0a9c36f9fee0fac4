# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sources of transforms: our buffer, tf2_ros by a stand-in of its interface, topics, none."""

import sys
import threading
import time
import types

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped

from seg_ros.core.rigid import RigidTransform
from seg_ros.core.transform_tree import NoTransform
from seg_ros.nodes.conversions import time_message
from seg_ros.nodes.transforms import (
    NoTransforms,
    Tf2Transforms,
    TopicTransforms,
    TransformBuffer,
    open_transforms,
)

S = 10**9


def stamped(x, stamp=S, parent='base', child='camera', w=1.0):
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id, message.header.stamp = parent, time_message(stamp)
    message.transform.translation.x, message.transform.rotation.w = x, w
    return message


def x_of(source, stamp=S, timeout_s=0.0):
    return source.lookup('base', 'camera', stamp, timeout_s).translation[0]


def test_a_buffer_takes_messages_and_leaves_out_what_is_no_rotation():
    buffer = TransformBuffer()
    buffer.take(stamped(1.0), static=False)
    buffer.take(stamped(2.0, 2 * S), static=False)
    buffer.take(stamped(9.0, 3 * S, w=0.0), static=False)
    assert x_of(buffer, 3 * S // 2) == pytest.approx(1.5)
    with pytest.raises(NoTransform, match='1.000 s later'):
        x_of(buffer, 3 * S)


def test_a_buffer_wakes_who_waits_and_gives_up_in_time():
    buffer = TransformBuffer()
    threading.Timer(0.1, lambda: buffer.take(stamped(1.0), static=True)).start()
    assert x_of(buffer, 5 * S, 10.0) == 1.0
    began = time.monotonic()
    with pytest.raises(NoTransform, match="'lost' is not in TF"):
        buffer.lookup('base', 'lost', S, 0.2)
    assert time.monotonic() - began >= 0.2


class Missing(Exception):
    pass


class Tf2Buffer:
    """Stand for tf2_ros.Buffer: known after some questions."""

    def __init__(self):
        self.asked, self.known_after = [], 0

    def lookup_transform(self, target, source, stamp):
        self.asked.append((target, source, stamp.nanoseconds))
        if len(self.asked) <= self.known_after:
            raise Missing('would require extrapolation into the future')
        return stamped(4.0)


class Tf2Listener:
    def __init__(self, buffer, node):
        self.buffer, self.node, self.ended = buffer, node, False

    def unregister(self):
        self.ended = True


TF2 = types.SimpleNamespace(
    Buffer=Tf2Buffer, TransformListener=Tf2Listener, TransformException=Missing)


def test_tf2_is_asked_at_the_images_stamp_until_it_knows():
    source = Tf2Transforms('node', TF2)
    assert source._listener.node == 'node' and source._listener.buffer is source._buffer
    source._buffer.known_after = 3
    assert x_of(source, 7 * S, 5.0) == 4.0
    assert source._buffer.asked == [('base', 'camera', 7 * S)] * 4
    source._buffer.known_after = 10**6
    with pytest.raises(NoTransform, match='extrapolation into the future'):
        x_of(source, 7 * S, 0.03)
    source.close()
    assert source._listener.ended


class Node:
    def __init__(self):
        self.subscribed = {}

    def create_subscription(self, kind, topic, callback, profile):
        self.subscribed[topic] = (kind, callback)
        return topic

    def destroy_subscription(self, topic):
        del self.subscribed[topic]


def test_topics_alone_serve_where_tf2_ros_is_missing(monkeypatch):
    messages = types.SimpleNamespace(TFMessage='TFMessage')
    monkeypatch.setitem(sys.modules, 'tf2_ros', None)
    monkeypatch.setitem(sys.modules, 'tf2_msgs', types.SimpleNamespace(msg=messages))
    monkeypatch.setitem(sys.modules, 'tf2_msgs.msg', messages)
    node = Node()
    source = open_transforms(node)
    assert isinstance(source, TopicTransforms)
    assert {topic: kind for topic, (kind, _) in node.subscribed.items()} == dict.fromkeys(
        ('/tf', '/tf_static'), 'TFMessage')
    node.subscribed['/tf'][1](types.SimpleNamespace(transforms=[
        stamped(1.0, parent='arm'), stamped(3.0, 2 * S, parent='arm')]))
    node.subscribed['/tf_static'][1](types.SimpleNamespace(transforms=[
        stamped(10.0, 0, parent='base', child='arm')]))
    assert x_of(source, 3 * S // 2) == pytest.approx(12.0)
    source.close()
    assert node.subscribed == {}


def test_tf2_ros_is_taken_where_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tf2_ros', TF2)
    assert isinstance(open_transforms('node'), Tf2Transforms)


def test_without_either_it_says_what_to_install(monkeypatch):
    for name in ('tf2_ros', 'tf2_msgs', 'tf2_msgs.msg'):
        monkeypatch.setitem(sys.modules, name, None)
    source = open_transforms(Node())
    assert isinstance(source, NoTransforms)
    with pytest.raises(NoTransform, match='tf2_ros is not installed: apt install ros-'):
        source.lookup('base', 'camera', S, 9.0)


def test_our_buffer_and_tf2_agree():
    tf2_ros = pytest.importorskip('tf2_ros', reason='tf2_ros is not installed: no wheel has it')
    rng = np.random.default_rng(0)
    ours, theirs = TransformBuffer(), tf2_ros.Buffer()
    for second in range(1, 5):
        message = stamped(float(rng.normal()), second * S)
        q = rng.normal(size=4)
        for name, value in zip('xyzw', q / np.linalg.norm(q), strict=True):
            setattr(message.transform.rotation, name, float(value))
        ours.take(message, static=False)
        theirs.set_transform(message, 'test')
    for stamp in rng.integers(S, 4 * S, 20):
        from rclpy.time import Time

        from seg_ros.nodes.transforms import rigid_transform
        found = ours.lookup('base', 'camera', int(stamp), 0)
        true = rigid_transform(theirs.lookup_transform(
            'base', 'camera', Time(nanoseconds=int(stamp))).transform)
        np.testing.assert_allclose(found.rotation, true.rotation, atol=1e-9)
        np.testing.assert_allclose(found.translation, true.translation, atol=1e-9)


def test_a_transform_of_a_message():
    buffer = TransformBuffer()
    buffer.set('base', 'camera', S, RigidTransform.from_parts((1, 2, 3), (0, 0, 1, 1)))
    np.testing.assert_allclose(buffer.lookup('base', 'camera', S, 0).points(np.eye(3)),
                               [[1, 3, 3], [0, 2, 3], [1, 2, 4]], atol=1e-12)
