# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""For a robot's own nodes: ask a running segmentation node for objects, as numpy.

    from seg_ros.client import PerceptionClient

    client = PerceptionClient(node, name='unseen_objects')
    for thing in client.segment():
        print(thing.id, thing.mask.sum(), thing.points.shape, thing.box)

ROS 2 is imported when a client is made.
"""

from seg_ros.nodes.client import PerceptionClient, PerceptionError
from seg_ros.nodes.perception import PerceivedObject, Perception

__all__ = ['PerceivedObject', 'Perception', 'PerceptionClient', 'PerceptionError']
