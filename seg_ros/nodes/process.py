# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A process with one ROS node that ends cleanly when it is told to."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class StopSignal:
    """Remember that SIGINT or SIGTERM came; nothing is interrupted in the middle."""

    def __init__(self) -> None:
        self.is_set = False

    def __call__(self, *_: object) -> None:
        """Handle a signal."""
        self.is_set = True


@contextmanager
def stop_signal() -> Iterator[StopSignal]:
    """Yield what remembers SIGINT and SIGTERM inside the block."""
    stop = StopSignal()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def simple_node(name: str, namespace: str = '') -> Iterator[tuple[Any, StopSignal]]:
    """Yield a node and the signal to stop; both are gone afterwards, whatever happened."""
    rclpy = imported_rclpy()
    from rclpy.signals import SignalHandlerOptions

    with stop_signal() as stop:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node(name, namespace=namespace)
        try:
            yield node, stop
        finally:
            node.destroy_node()
            rclpy.shutdown()


def imported_rclpy() -> Any:
    """Return rclpy; ImportError says how to get it."""
    try:
        import rclpy
    except ImportError:
        raise ImportError(
            'this needs ROS 2 (rclpy): source /opt/ros/$ROS_DISTRO/setup.bash, or install '
            'the wheels ros-rclpy, ros-rmw-fastrtps-cpp and ros-common-interfaces'
        ) from None
    return rclpy


def spin_until(
    node: Any, done: Callable[[], bool], stop: StopSignal, timeout_s: float
) -> bool:
    """Spin the node until done() (True), the stop signal or the timeout (False)."""
    import rclpy

    end = time.monotonic() + timeout_s
    while not done():
        left = end - time.monotonic()
        if stop.is_set or left <= 0:
            return False
        rclpy.spin_once(node, timeout_sec=min(left, 0.05))
    return True
