# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Play a camera to a node frame by frame and time its answers, matched by stamp."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seg_ros.core.frame import RgbdFrame

# A domain of its own: a measurement must neither disturb a robot nor be disturbed.
BENCHMARK_DOMAIN = '87'
COLOR, DEPTH, INFO = 'rgb/image_rect_color', 'depth_registered/image_rect', 'rgb/camera_info'


def ros_environment(profile: Path | None) -> dict[str, str]:
    """Return the variables for a measurement: own domain, this machine only, image profile."""
    found = {
        'ROS_DOMAIN_ID': os.environ.get('SEG_ROS_BENCHMARK_DOMAIN', BENCHMARK_DOMAIN),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    }
    if 'AMENT_PREFIX_PATH' not in os.environ and (
            Path(sys.prefix) / 'share' / 'ament_index').is_dir():
        found['AMENT_PREFIX_PATH'] = sys.prefix
    if profile is not None:
        found[profile_variable()] = str(profile)
    return found


def profile_variable() -> str:
    """Return the variable that names the middleware's profile file in this ROS distribution.

    Fast DDS 3 (Kilted, rclpy 9) reads both names, and a file named by both twice, with errors.
    """
    from importlib import metadata

    recent = int(metadata.version('rclpy').split('.')[0]) >= 9
    return 'FASTDDS_DEFAULT_PROFILES_FILE' if recent else 'FASTRTPS_DEFAULT_PROFILES_FILE'


class CameraProbe:
    """Publish frames as camera topics and wait for the label image of each.

    `namespace/rgb/image_rect_color`, `depth_registered/image_rect` and `rgb/camera_info` out,
    `label_topic` in; with `also` the node's other outputs are subscribed to as well, so that it
    computes them. Use as a context manager; `ros_environment` must be set before.
    """

    def __init__(self, label_topic: str = 'unseen_objects/label', *, also: bool = False) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.executors import SingleThreadedExecutor
        from sensor_msgs.msg import CameraInfo, Image

        from seg_ros.nodes.qos import latched, reliable

        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node('seg_ros_benchmark', context=self._context)
        self._color = self._node.create_publisher(Image, COLOR, reliable(10))
        self._depth = self._node.create_publisher(Image, DEPTH, reliable(10))
        self._info = self._node.create_publisher(CameraInfo, INFO, reliable(10))
        self._label = self._node.create_subscription(
            Image, label_topic, self._received, latched())
        self.diagnostics: dict[str, str] = {}
        self._diagnostics = self._node.create_subscription(
            DiagnosticArray, '/diagnostics', self._diagnosed, reliable(10))
        self._others = self._subscribed(label_topic.rsplit('/', 1)[0]) if also else []
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._arrivals: dict[int, float] = {}

    def _subscribed(self, name: str) -> list[Any]:
        from geometry_msgs.msg import PoseArray
        from sensor_msgs.msg import Image, PointCloud2
        from visualization_msgs.msg import MarkerArray

        from seg_ros.nodes.qos import reliable

        kinds = {'mask': Image, 'overlay': Image, 'markers': MarkerArray, 'points': PointCloud2,
                 'poses': PoseArray}
        return [
            self._node.create_subscription(
                kind, f'{name}/{topic}', lambda _: None, reliable(1), raw=True)
            for topic, kind in kinds.items()
        ]

    def __enter__(self) -> CameraProbe:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def wait_for_node(self, timeout_s: float, still_alive: Callable[[], None]) -> float:
        """Wait until the node subscribes and publishes; return the seconds it took."""
        started = time.perf_counter()
        while not self._connected():
            still_alive()
            if time.perf_counter() - started > timeout_s:
                raise RuntimeError(f'no node took the camera topics within {timeout_s:g} s')
            self._executor.spin_once(timeout_sec=0.05)
        return time.perf_counter() - started

    def _connected(self) -> bool:
        publishers = (self._color, self._depth, self._info)
        return self._node.count_publishers(self._label.topic_name) > 0 and all(
            publisher.get_subscription_count() > 0 for publisher in publishers)

    def messages(self, frame: RgbdFrame) -> tuple[int, tuple[Any, Any, Any]]:
        """Return a new stamp in nanoseconds and colour, depth and camera_info that carry it."""
        from std_msgs.msg import Header

        from seg_ros.nodes.conversions import time_message
        from seg_ros.nodes.player import messages_from_frame

        stamp_ns = time.time_ns()
        made = messages_from_frame('', 0.0, frame)
        header = Header(stamp=time_message(stamp_ns), frame_id='camera_color_optical_frame')
        messages: tuple[Any, Any, Any] = (made.color, made.depth, made.camera_info)
        for message in messages:
            message.header = header
        return stamp_ns, messages

    def publish(self, messages: tuple[Any, Any, Any]) -> None:
        """Publish camera_info, depth and colour."""
        color, depth, info = messages
        self._info.publish(info)
        self._depth.publish(depth)
        self._color.publish(color)

    def latency_s(self, frame: RgbdFrame, timeout_s: float = 5.0) -> float | None:
        """Return the seconds from publishing a frame to holding its label image, None if lost."""
        stamp_ns, messages = self.messages(frame)
        before = time.perf_counter()
        self.publish(messages)
        while stamp_ns not in self._arrivals:
            left = timeout_s - (time.perf_counter() - before)
            if left <= 0:
                return None
            self._executor.spin_once(timeout_sec=left)
        return self._arrivals.pop(stamp_ns) - before

    def node_figures(self, wait_s: float = 3.0) -> dict[str, float]:
        """Return what the node says of its own times, milliseconds, from fresh diagnostics."""
        self.diagnostics.clear()
        end = time.perf_counter() + wait_s
        while not self.diagnostics and time.perf_counter() < end:
            self._executor.spin_once(timeout_sec=0.1)
        names = ('segment_p50_ms', 'latency_p50_ms', 'latency_p95_ms', 'memory_mb')
        return {name: float(self.diagnostics[name]) for name in names if name in self.diagnostics}

    def _diagnosed(self, message: Any) -> None:
        for status in message.status:
            self.diagnostics.update((pair.key, pair.value) for pair in status.values)

    def _received(self, message: Any) -> None:
        arrived = time.perf_counter()
        stamp = message.header.stamp
        self._arrivals[stamp.sec * 1_000_000_000 + stamp.nanosec] = arrived
