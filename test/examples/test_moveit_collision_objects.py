# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The MoveIt example, by stand-ins with the fields of moveit_msgs, of which there is no wheel."""

import importlib.util
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from shape_msgs.msg import SolidPrimitive
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

PATH = Path(__file__).parents[2] / 'examples' / 'moveit_collision_objects.py'
HEADER = Header(frame_id='base_link')


@dataclass
class CollisionObject:
    header: Header = None
    id: str = ''
    primitives: list = field(default_factory=list)
    primitive_poses: list = field(default_factory=list)
    operation: bytes = None
    ADD, REMOVE = b'\x00', b'\x01'


@dataclass
class PlanningScene:
    is_diff: bool = False
    robot_state: types.SimpleNamespace = field(
        default_factory=lambda: types.SimpleNamespace(is_diff=False))
    world: types.SimpleNamespace = field(
        default_factory=lambda: types.SimpleNamespace(collision_objects=[]))


@pytest.fixture
def example(monkeypatch):
    messages = types.SimpleNamespace(CollisionObject=CollisionObject, PlanningScene=PlanningScene)
    monkeypatch.setitem(sys.modules, 'moveit_msgs', types.SimpleNamespace(msg=messages))
    monkeypatch.setitem(sys.modules, 'moveit_msgs.msg', messages)
    spec = importlib.util.spec_from_file_location('moveit_collision_objects', PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cube(number=3, action=Marker.ADD, space='boxes'):
    return Marker(header=HEADER, ns=space, id=number, type=Marker.CUBE, action=action,
                  pose=Pose(position=Point(x=0.5, y=0.1, z=0.04),
                            orientation=Quaternion(z=1.0, w=0.0)),
                  scale=Vector3(x=0.1, y=0.06, z=0.08))


class Taking:
    """The node without the middleware."""

    def __init__(self, example, padding_m):
        self.sent = []
        self.node = example.CollisionObjects.__new__(example.CollisionObjects)
        self.node._messages = example.moveit_messages()
        self.node._padding_m = padding_m
        self.node._scene = types.SimpleNamespace(publish=self.sent.append)

    def take(self, *markers):
        self.node.take(MarkerArray(markers=list(markers)))
        return self.sent


@pytest.mark.parametrize('padding_m', [0.0, 0.01])
def test_boxes_become_collision_objects(example, padding_m):
    (scene,) = Taking(example, padding_m).take(
        cube(3), cube(4, Marker.DELETE), cube(3, space='text'))
    assert scene.is_diff and scene.robot_state.is_diff
    added, removed = scene.world.collision_objects
    assert (added.id, added.operation, added.header) == ('seen_3', CollisionObject.ADD, HEADER)
    assert added.primitives[0].type == SolidPrimitive.BOX
    assert list(added.primitives[0].dimensions) == pytest.approx(
        [0.1 + 2 * padding_m, 0.06 + 2 * padding_m, 0.08 + 2 * padding_m])
    assert added.primitive_poses == [cube().pose]
    assert (removed.id, removed.operation, removed.primitives) == (
        'seen_4', CollisionObject.REMOVE, [])


def test_nothing_is_sent_without_boxes(example):
    assert Taking(example, 0.0).take(cube(3, space='text')) == []


def test_without_moveit_it_says_what_to_install(example, monkeypatch):
    monkeypatch.setitem(sys.modules, 'moveit_msgs', None)
    monkeypatch.setitem(sys.modules, 'moveit_msgs.msg', None)
    with pytest.raises(SystemExit, match='moveit_msgs is not installed: apt install'):
        example.moveit_messages()
