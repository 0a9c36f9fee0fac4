# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node of trivial methods, with a buffer of our own for tf2_ros, of which there is no wheel.

It listens to TransformStamped on /transforms: tf2_msgs has no wheel either.
"""

import sys

import trivial_methods
from geometry_msgs.msg import TransformStamped

from seg_ros.nodes import segmentation_node
from seg_ros.nodes.transforms import TransformBuffer


class StandIn(TransformBuffer):
    """Take transforms of a topic; a child frame that ends in 'fixed' never changes."""

    def __init__(self, ros_node) -> None:
        super().__init__()
        ros_node.create_subscription(TransformStamped, '/transforms', self._heard, 50)

    def _heard(self, message):
        self.take(message, static=message.child_frame_id.endswith('fixed'))


if __name__ == '__main__':
    trivial_methods.register_all()
    segmentation_node.open_transforms = StandIn
    sys.exit(segmentation_node.main())
