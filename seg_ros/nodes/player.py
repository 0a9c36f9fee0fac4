# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Playing frames as the topics of a camera."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from seg_ros.bags.topics import CameraTopics
from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.nodes.conversions import image_from_array, time_message
from seg_ros.nodes.process import StopSignal, spin_until
from seg_ros.nodes.qos import reliable

DEPTH_ENCODINGS = ('16UC1', '32FC1')
DISCOVERY_TIMEOUT_S = 30.0
# between a camera_info of another camera and its first image, which travel on topics of their own
CAMERA_CHANGE_S = 0.3
LATE_S = 0.02
_NANOSECONDS = 10**9


@dataclass(frozen=True, eq=False)
class CameraMessages:
    """Hold the messages of one frame, due ``time_s`` seconds after the first frame."""

    name: str
    time_s: float
    color: Image
    depth: Image | None = None
    camera_info: CameraInfo | None = None


def messages_from_frame(
    name: str, time_s: float, frame: RgbdFrame, encoding: str = '16UC1'
) -> CameraMessages:
    """Return a frame as messages: rgb8, depth in 16UC1 (mm) or 32FC1 (metres), CameraInfo."""
    if encoding not in DEPTH_ENCODINGS:
        raise ValueError(f'depth encoding {encoding!r}: {" and ".join(DEPTH_ENCODINGS)} are known')
    depth = None
    if frame.depth is not None:
        depth = image_from_array(_encoded(frame.depth, encoding), encoding)
    info = None if frame.camera is None else camera_info_from_model(frame.camera)
    return CameraMessages(name, time_s, image_from_array(frame.color, 'rgb8'), depth, info)


def _encoded(depth_m: Any, encoding: str) -> Any:
    if encoding == '32FC1':
        return depth_m
    with np.errstate(invalid='ignore'):
        fits = (depth_m > 0) & (depth_m <= 65.535)
    return np.where(fits, np.rint(np.where(fits, depth_m, 0) * 1000), 0).astype(np.uint16)


def camera_info_from_model(camera: CameraModel) -> CameraInfo:
    """Return the CameraInfo of a rectified camera, or with D for what is not (plumb_bob)."""
    matrix = camera.matrix
    projection = np.hstack([matrix, np.zeros((3, 1))])
    return CameraInfo(
        width=camera.width,
        height=camera.height,
        distortion_model='plumb_bob',
        d=list(camera.distortion or (0.0,) * 5),
        k=matrix.ravel().tolist(),
        r=np.eye(3).ravel().tolist(),
        p=projection.ravel().tolist(),
    )


@dataclass
class Playing:
    """Say how to play: speed and stamps, what to wait for."""

    rate: float = 1.0
    subscribers: int = 1
    await_topic: str | None = None
    await_timeout_s: float = 10.0
    frame_id: str = 'camera_color_optical_frame'
    keep_stamps: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1000:
            raise ValueError(f'rate is {self.rate}: a factor above 0, at most 1000, is accepted')


@dataclass
class Player:
    """Publish the messages of a camera at their times, by a node that others own.

    Frames are stamped with the time at which they are sent (or keep their stamps). With
    ``await_topic`` the next frame is not sent before a message with the last one's stamp has come
    there, or its timeout is over. ``stamps`` keeps (NAME, stamp in ns) of what was sent.
    """

    node: Any
    topics: CameraTopics
    stop: StopSignal
    setting: Playing = field(default_factory=Playing)
    stamps: list[tuple[str, int]] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    report: Callable[[str], None] = lambda text: None

    def __post_init__(self) -> None:
        kinds = {self.topics.color: Image, self.topics.depth: Image,
                 self.topics.camera_info: CameraInfo}
        self._publishers = {
            name: self.node.create_publisher(kinds[name], name, reliable(10))
            for name in self.topics.names()
        }
        self._answered: set[int] = set()
        self._camera: Any = None
        if self.setting.await_topic is not None:
            self._subscription = self.node.create_subscription(
                Image, self.setting.await_topic, self._answer, reliable(10)
            )

    def wait_for_subscribers(self, timeout_s: float = DISCOVERY_TIMEOUT_S) -> None:
        """Wait until every topic has its subscribers; ValueError names those that have not."""
        wanted = self.setting.subscribers

        def missing() -> list[str]:
            return [p.topic_name for p in self._publishers.values()
                    if p.get_subscription_count() < wanted]

        spin_until(self.node, lambda: not missing(), self.stop, timeout_s)
        if missing() and not self.stop.is_set:
            raise ValueError(
                f'fewer than {wanted} subscribers on {", ".join(missing())} within '
                f'{timeout_s:g} s: start the node first, check topic names and ROS_DOMAIN_ID, or '
                'do not wait (--subscribers 0)'
            )

    def play(self, messages: Iterable[CameraMessages]) -> None:
        """Publish all messages, each at its time; a delay moves those after it."""
        start_s = time.monotonic()
        for item in messages:
            due_s = start_s + item.time_s / self.setting.rate
            spin_until(self.node, lambda: False, self.stop, due_s - time.monotonic())
            if self.stop.is_set:
                return
            late_s = time.monotonic() - due_s
            # what a wait has cost is not made good by a burst
            start_s += late_s if late_s > LATE_S else 0.0
            stamp_ns = self._publish(item)
            self.stamps.append((item.name, stamp_ns))
            self._follow(item.name, stamp_ns)

    def _follow(self, name: str, stamp_ns: int) -> None:
        """Wait for the answer to a frame where that is asked for, and report."""
        sent_s = time.monotonic()
        if self.setting.await_topic is None:
            self.report(f'{name}: sent')
        elif self._is_answered(stamp_ns):
            self.report(f'{name}: answered in {1e3 * (time.monotonic() - sent_s):.0f} ms')
        elif not self.stop.is_set:
            self.unanswered.append(name)
            self.report(f'{name}: no answer in {self.setting.await_timeout_s:g} s')

    def flush(self, timeout_s: float = 5.0) -> None:
        """Wait until the subscribers have what was sent, as far as they are reliable."""
        from rclpy.duration import Duration

        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=timeout_s))

    def _publish(self, item: CameraMessages) -> int:
        header = item.color.header
        if not self.setting.keep_stamps:
            header = Header(
                stamp=time_message(time.time_ns()),
                frame_id=header.frame_id or self.setting.frame_id,
            )
        self._send(self.topics.camera_info, item.camera_info, header)
        if item.camera_info is not None:
            self._settle(item.camera_info)
        self._send(self.topics.depth, item.depth, header)
        self._send(self.topics.color, item.color, header)
        return int(header.stamp.sec) * _NANOSECONDS + int(header.stamp.nanosec)

    def _send(self, topic: str | None, message: Any, header: Header) -> None:
        if topic is not None and message is not None:
            message.header = header
            self._publishers[topic].publish(message)

    def _settle(self, info: CameraInfo) -> None:
        camera = (info.width, info.height, tuple(info.k), tuple(info.p), tuple(info.d))
        if camera != self._camera:
            spin_until(self.node, lambda: False, self.stop, CAMERA_CHANGE_S)
        self._camera = camera

    def _answer(self, message: Any) -> None:
        stamp = message.header.stamp
        self._answered.add(int(stamp.sec) * _NANOSECONDS + int(stamp.nanosec))

    def _is_answered(self, stamp_ns: int) -> bool:
        timeout_s = self.setting.await_timeout_s
        return spin_until(self.node, lambda: stamp_ns in self._answered, self.stop, timeout_s)
