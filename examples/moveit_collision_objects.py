#!/usr/bin/env python3
# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Give MoveIt the boxes of the objects seen, as collision objects of its planning scene.

Needs moveit_msgs: apt install ros-$ROS_DISTRO-moveit-msgs. Start the camera, MoveIt, and

    ros2 launch seg_ros perception.launch.py
    ros2 param set /unseen_objects target_frame base_link
    python3 examples/moveit_collision_objects.py --ros-args -r markers:=/unseen_objects/markers

Objects are named seen_ID; one that is lost is removed. MoveIt transforms them from the markers'
frame at the time it gets them: with a camera that moves, set target_frame to a frame that does
not. The box of an object that is to be grasped is better taken out of the scene before.
"""

from __future__ import annotations

import sys
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from shape_msgs.msg import SolidPrimitive
from visualization_msgs.msg import Marker, MarkerArray


def moveit_messages() -> Any:
    """Return the module moveit_msgs.msg; SystemExit says how to install it."""
    try:
        import moveit_msgs.msg
    except ImportError:
        raise SystemExit(
            'moveit_msgs is not installed: apt install ros-$ROS_DISTRO-moveit-msgs') from None
    return moveit_msgs.msg


def collision_object(messages: Any, marker: Marker, padding_m: float) -> Any:
    """Return the box of a marker, larger by the padding at each side, or its removal."""
    found = messages.CollisionObject()
    found.header, found.id = marker.header, f'seen_{marker.id}'
    if marker.action == Marker.DELETE:
        found.operation = messages.CollisionObject.REMOVE
        return found
    size = (marker.scale.x, marker.scale.y, marker.scale.z)
    box = SolidPrimitive(type=SolidPrimitive.BOX, dimensions=[s + 2 * padding_m for s in size])
    found.primitives, found.primitive_poses = [box], [marker.pose]
    found.operation = messages.CollisionObject.ADD
    return found


class CollisionObjects(Node):
    """Turn ~/markers into changes of the planning scene."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__('seen_collision_objects', **arguments)
        self._messages = moveit_messages()
        self._padding_m = self.declare_parameter('padding', 0.005).value
        self._scene = self.create_publisher(self._messages.PlanningScene, 'planning_scene', 10)
        self.create_subscription(MarkerArray, 'markers', self.take, 10)

    def take(self, seen: MarkerArray) -> None:
        """Publish the boxes among the markers as a change of the scene."""
        boxes = [marker for marker in seen.markers if marker.ns == 'boxes']
        if not boxes:
            return
        scene = self._messages.PlanningScene()
        scene.is_diff = scene.robot_state.is_diff = True
        scene.world.collision_objects = [
            collision_object(self._messages, marker, self._padding_m) for marker in boxes]
        self._scene.publish(scene)


def main() -> None:
    """Run until interrupted."""
    rclpy.init(args=sys.argv)
    try:
        rclpy.spin(CollisionObjects())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
