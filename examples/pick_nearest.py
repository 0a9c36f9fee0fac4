#!/usr/bin/env python3
# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Publish a grasp pose for the nearest object, when asked.

    ros2 launch seg_ros perception.launch.py params_file:=on_request.yaml    # mode: on_request
    python3 pick_nearest.py --ros-args -p perception:=unseen_objects
    ros2 service call /pick_nearest/pick std_srvs/srv/Trigger

`~/grasp` (geometry_msgs/PoseStamped, latched) is where a two-finger gripper that comes along the
line of sight should close: z is the direction of approach, x the direction in which the fingers
close, the origin the middle of the object's box. The parameter `max_width` (metres) is what the
fingers span.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import rclpy
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

from seg_ros.client import PerceivedObject, Perception, PerceptionClient, PerceptionError
from seg_ros.core.geometry import OrientedBox, quaternion_from_matrix


def grasp_axes(box: OrientedBox) -> tuple[npt.NDArray[np.float64], float]:
    """Return the gripper's axes (3, 3) as columns and the width in metres that it must span.

    It comes along the ray from the frame's origin (z) and closes (x) along that axis of the box
    which is the shortest of those across the ray.
    """
    approach = box.center / np.linalg.norm(box.center)
    # Of the box's axes the one along the ray cannot be closed upon: its part across is small.
    across = box.axes - np.outer(approach, approach @ box.axes)
    lengths = np.linalg.norm(across, axis=0)
    widths = np.where(lengths > 0.7, box.size, np.inf)
    best = int(np.argmin(widths))
    close = across[:, best] / lengths[best]
    return np.stack([close, np.cross(approach, close), approach], axis=1), float(box.size[best])


def nearest_graspable(
    found: Perception, max_width_m: float
) -> tuple[PerceivedObject, npt.NDArray[np.float64]] | None:
    """Return the nearest object that fits between the fingers and the grasp's axes, else None."""
    graspable = []
    for thing in found:
        if thing.box is not None:
            axes, width_m = grasp_axes(thing.box)
            if width_m <= max_width_m:
                graspable.append((float(np.linalg.norm(thing.box.center)), thing.id, thing, axes))
    return min(graspable)[2:] if graspable else None


class PickNearest(Node):
    """Answer `~/pick` with the nearest object's grasp."""

    def __init__(self, **arguments) -> None:
        super().__init__('pick_nearest', **arguments)
        name = self.declare_parameter('perception', 'unseen_objects').value
        self.declare_parameter('max_width', 0.10)
        self.declare_parameter('timeout', 15.0)
        # Spun by a thread of its own: it may be called from the callback below.
        self.perception = PerceptionClient(self, name)
        latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self.grasps = self.create_publisher(PoseStamped, '~/grasp', latched)
        self.create_service(Trigger, '~/pick', self.pick)

    def pick(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Segment, choose, publish."""
        try:
            found = self.perception.segment(self.get_parameter('timeout').value)
        except (PerceptionError, TimeoutError) as error:
            response.message = str(error)
            return response
        chosen = nearest_graspable(found, self.get_parameter('max_width').value)
        if chosen is None:
            response.message = f'none of {len(found)} objects fits between the fingers'
            return response
        self.grasps.publish(grasp_message(found, *chosen))
        response.success = True
        response.message = f'object {chosen[0].id} ({chosen[0].class_name})'
        return response

    def close(self) -> None:
        """End the client before the node."""
        self.perception.close()
        self.destroy_node()


def grasp_message(
    found: Perception, thing: PerceivedObject, axes: npt.NDArray[np.float64]
) -> PoseStamped:
    """Return the grasp in the frame of the boxes, with the stamp of the image."""
    message = PoseStamped()
    message.header.frame_id = found.space_frame_id
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(found.stamp_ns, 10**9)
    x, y, z, w = map(float, quaternion_from_matrix(axes))
    center = dict(zip('xyz', map(float, thing.box.center), strict=True))
    message.pose = Pose(position=Point(**center), orientation=Quaternion(x=x, y=y, z=z, w=w))
    return message


def main() -> int:
    """Run the node until it is interrupted."""
    rclpy.init()
    node = PickNearest()
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
