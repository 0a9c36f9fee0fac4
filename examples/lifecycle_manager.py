#!/usr/bin/env python3
# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bring lifecycle nodes up in order, keep them up, and take them down at the end.

    ros2 launch seg_ros perception.launch.py cameras:=left,right autostart:=false respawn:=true
    python3 lifecycle_manager.py --ros-args -p nodes:="[left/unseen_objects, right/unseen_objects]"

A node that was started anew (respawn) is unconfigured: it is brought up again. With Nav2,
nav2_lifecycle_manager does the same: give it `node_names` and `bond_timeout: 0.0`.
"""

from __future__ import annotations

import sys
from typing import Any

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

# The transition that leads from a state towards active.
UP = {State.PRIMARY_STATE_UNCONFIGURED: Transition.TRANSITION_CONFIGURE,
      State.PRIMARY_STATE_INACTIVE: Transition.TRANSITION_ACTIVATE}
DOWN = {State.PRIMARY_STATE_ACTIVE: Transition.TRANSITION_DEACTIVATE,
        State.PRIMARY_STATE_INACTIVE: Transition.TRANSITION_CLEANUP}


class LifecycleManager(Node):
    """Lead each of `nodes` to active, one after the other, and look after them."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__('lifecycle_manager', **arguments)
        self.names = self.declare_parameter('nodes', Parameter.Type.STRING_ARRAY).value or []
        # Loading a model on a small computer takes a while.
        self.timeout_s = self.declare_parameter('timeout', 60.0).value
        self.clients_of = {
            name: (self.create_client(GetState, f'{name}/get_state'),
                   self.create_client(ChangeState, f'{name}/change_state'))
            for name in self.names}

    def bring_up(self) -> bool:
        """Lead all nodes to active in order; False where one does not follow."""
        return all(self.lead(name, UP, State.PRIMARY_STATE_ACTIVE) for name in self.names)

    def take_down(self) -> bool:
        """Lead all nodes to unconfigured, the last one first."""
        done = [self.lead(name, DOWN, State.PRIMARY_STATE_UNCONFIGURED)
                for name in reversed(self.names)]
        return all(done)

    def lead(self, name: str, steps: dict[int, int], goal: int) -> bool:
        """Take a node step by step to a state; False where it refuses or stays away."""
        for _ in range(len(steps) + 1):
            state = self.state(name)
            if state == goal:
                return True
            if state not in steps or not self.change(name, steps[state]):
                self.get_logger().warning(f'{name} is in state {state} and cannot be led on',
                                          throttle_duration_sec=10.0)
                return False
        return False

    def state(self, name: str) -> int | None:
        """Return a node's primary state, None where it does not answer."""
        answer = self.ask(self.clients_of[name][0], GetState.Request(), 5.0)
        return None if answer is None else answer.current_state.id

    def change(self, name: str, transition: int) -> bool:
        """Return whether a node made a transition."""
        request = ChangeState.Request(transition=Transition(id=transition))
        answer = self.ask(self.clients_of[name][1], request, self.timeout_s)
        return answer is not None and answer.success

    def ask(self, client: Any, request: Any, timeout_s: float) -> Any:
        """Return a service's answer, None where it does not come."""
        if not client.wait_for_service(timeout_s):
            return None
        future = client.call_async(request)
        rclpy.spin_until_future_complete(self, future, timeout_sec=timeout_s)
        if not future.done():
            client.remove_pending_request(future)
            return None
        return future.result()


def main() -> int:
    """Keep the nodes up until interrupted."""
    # Without rclpy's handler Ctrl-C leaves the context in use, to take the nodes down with.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = LifecycleManager()
    was_up = False
    try:
        while True:
            is_up = node.bring_up()
            if is_up != was_up:
                node.get_logger().info('all nodes are active' if is_up else 'a node is down')
            was_up = is_up
            rclpy.spin_once(node, timeout_sec=1.0)
    except (KeyboardInterrupt, ExternalShutdownException):
        node.take_down()
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
