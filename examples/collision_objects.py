#!/usr/bin/env python3
# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Keep the objects that are seen in MoveIt's planning scene, as boxes.

    python3 collision_objects.py --ros-args -p perception:=unseen_objects -p period:=2.0

Every `period` seconds the boxes of the newest frame replace those published before on
/collision_object (moveit_msgs/CollisionObject), grown by `margin` metres on every side. Needs
moveit_msgs: sudo apt install ros-$ROS_DISTRO-moveit-msgs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import rclpy
from geometry_msgs.msg import Point, Pose, Quaternion
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from shape_msgs.msg import SolidPrimitive

from seg_ros.client import PerceivedObject, Perception, PerceptionClient, PerceptionError


def collision_objects(
    found: Perception, shown: Iterable[str], margin_m: float, message_type: Any
) -> list[Any]:
    """Return the messages that add the objects seen and remove those shown but seen no more."""
    boxes = {name_of(thing): thing for thing in found if thing.box is not None}
    messages = [message_type(id=name, operation=message_type.REMOVE)
                for name in sorted(set(shown) - set(boxes))]
    for name, thing in boxes.items():
        primitive, pose = box_of(thing, margin_m)
        messages.append(message_type(
            id=name, operation=message_type.ADD, primitives=[primitive], primitive_poses=[pose]))
    for message in messages:
        message.header.frame_id = found.space_frame_id
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(found.stamp_ns, 10**9)
    return messages


def name_of(thing: PerceivedObject) -> str:
    """Return an object's name in the planning scene; ids stay while it is tracked."""
    return f'{thing.class_name}_{thing.id}'


def box_of(thing: PerceivedObject, margin_m: float) -> tuple[SolidPrimitive, Pose]:
    """Return an object's box, grown by a margin in metres, and its pose."""
    size = [float(extent_m) + 2 * margin_m for extent_m in thing.box.size]
    x, y, z, w = map(float, thing.box.quaternion_xyzw())
    center = dict(zip('xyz', map(float, thing.box.center), strict=True))
    pose = Pose(position=Point(**center), orientation=Quaternion(x=x, y=y, z=z, w=w))
    return SolidPrimitive(type=SolidPrimitive.BOX, dimensions=size), pose


class CollisionObjects(Node):
    """Publish the boxes that are seen, again and again."""

    def __init__(self, message_type: Any, **arguments) -> None:
        super().__init__('collision_objects', **arguments)
        name = self.declare_parameter('perception', 'unseen_objects').value
        period_s = self.declare_parameter('period', 2.0).value
        self.declare_parameter('margin', 0.01)
        self.message_type = message_type
        self.shown: set[str] = set()
        self.perception = PerceptionClient(self, name)
        self.scene = self.create_publisher(message_type, '/collision_object', 50)
        self.create_timer(period_s, self.update)

    def update(self) -> None:
        """Segment and publish what changed."""
        try:
            found = self.perception.segment()
        except (PerceptionError, TimeoutError) as error:
            self.get_logger().warning(str(error), throttle_duration_sec=10.0)
            return
        margin_m = self.get_parameter('margin').value
        for message in collision_objects(found, self.shown, margin_m, self.message_type):
            self.scene.publish(message)
        self.shown = {name_of(thing) for thing in found if thing.box is not None}

    def close(self) -> None:
        """End the client before the node."""
        self.perception.close()
        self.destroy_node()


def main() -> int:
    """Run the node until it is interrupted."""
    try:
        from moveit_msgs.msg import CollisionObject
    except ImportError:
        sys.exit('this needs moveit_msgs: sudo apt install ros-$ROS_DISTRO-moveit-msgs')
    rclpy.init()
    node = CollisionObjects(CollisionObject)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.close()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
