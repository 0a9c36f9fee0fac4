# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Run nodes of a process until it is told to end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor


def run_nodes(make: Callable[[], Iterable[Any]], args: list[str] | None, name: str) -> int:
    """Spin the nodes that ``make`` yields until they are interrupted; return the exit code.

    A node has ``close()``. ValueError while one is made is a fault of the arguments: it is logged
    under ``name`` and the code is 1.
    """
    nodes: list[Any] = []
    rclpy.init(args=args)
    try:
        executor = SingleThreadedExecutor()
        for node in make():
            nodes.append(node)
            executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        # An interrupt between two calls of rclpy leaves it without a context: that is no fault.
        if rclpy.ok():
            raise
    except ValueError as error:
        rclpy.logging.get_logger(name).fatal(str(error))
        return 1
    finally:
        # Launch and the terminal both send SIGINT: a second one must not interrupt the teardown.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for node in nodes:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
