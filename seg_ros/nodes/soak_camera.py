# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A camera of 30 Hz in a process of its own that misbehaves on command, for the soak.

Commands are JSON objects, one a line, on stdin: fields of ``CameraState`` and ``jump_s``. Each is
answered by the number of the first frame sent under it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from seg_ros.core.frame import CameraModel
from seg_ros.nodes.conversions import image_from_array, time_message
from seg_ros.nodes.latency import COLOR, DEPTH, INFO
from seg_ros.nodes.player import camera_info_from_model
from seg_ros.nodes.process import StopSignal, simple_node, spin_until
from seg_ros.nodes.qos import reliable
from seg_ros.nodes.soak_scene import draw, stamp_of_frame

RATE_HZ = 30.0
FRAME_ID = 'camera_color_optical_frame'
CORRUPTIONS = ('truncated color', 'truncated depth', 'wrong step', 'unknown encoding',
               'no measurement', 'sizes differ', 'not calibrated', 'empty image')


@dataclass(frozen=True)
class CameraState:
    """Say how the camera behaves: size in pixels, focal length, what it sends, what it loses."""

    width: int = 640
    height: int = 480
    focal: float = 600.0
    sends_color: bool = True
    sends_depth: bool = True
    corruption: str = ''
    loss: float = 0.0


class SoakCamera:
    """Publish frames at their times; ``obey`` takes a command."""

    def __init__(self, node: Any, seed: int) -> None:
        kinds = {COLOR: Image, DEPTH: Image, INFO: CameraInfo}
        self._publishers = {
            name: node.create_publisher(kind, name, reliable(10)) for name, kind in kinds.items()}
        self._rng = np.random.default_rng(seed)
        self._start_ns, self._offset_ns = time.time_ns(), 0
        self.state = CameraState()
        self.number = int(self._rng.integers(1000))

    def has_subscribers(self) -> bool:
        """Return whether every topic has one."""
        return all(p.get_subscription_count() > 0 for p in self._publishers.values())

    def obey(self, command: dict[str, Any]) -> None:
        """Take over a command."""
        self._offset_ns += int(1e9 * command.pop('jump_s', 0.0))
        self.state = replace(self.state, **command)

    def send(self, tick: int) -> None:
        """Publish the frame of a tick of the camera's clock as the state has it.

        Stamps are of the tick, as a camera's are, not of when this process came to send it.
        """
        self.number += 1
        state = self.state
        time_ns = self._start_ns + self._offset_ns + round(1e9 * tick / RATE_HZ)
        stamp_ns = stamp_of_frame(time_ns, self.number)
        header = Header(stamp=time_message(stamp_ns), frame_id=FRAME_ID)
        color, depth_mm = draw(stamp_ns, state.width, state.height)
        model = CameraModel(state.width, state.height, state.focal, state.focal,
                            state.width / 2 - 0.5, state.height / 2 - 0.5)
        messages = {INFO: camera_info_from_model(model),
                    COLOR: image_from_array(color, 'rgb8'),
                    DEPTH: image_from_array(depth_mm, '16UC1')}
        corrupt(messages, state.corruption)
        for name, message in messages.items():
            is_sent = state.sends_depth if name == DEPTH else state.sends_color
            if is_sent and self._rng.random() >= state.loss:
                message.header = header
                self._publishers[name].publish(message)


def corrupt(messages: dict[str, Any], kind: str) -> None:
    """Damage the messages of a frame in place, in one of the ways of ``CORRUPTIONS``."""
    color, depth, info = messages[COLOR], messages[DEPTH], messages[INFO]
    if kind == 'truncated color':
        color.data = color.data[:-7]
    elif kind == 'truncated depth':
        depth.data = depth.data[:-7]
    elif kind == 'wrong step':
        color.step = color.width
    elif kind == 'unknown encoding':
        color.encoding = 'nonsense'
    elif kind == 'no measurement':
        messages[DEPTH] = image_from_array(
            np.zeros((depth.height, depth.width), np.uint16), '16UC1')
    elif kind == 'sizes differ':
        messages[DEPTH] = image_from_array(
            np.full((depth.height // 2, depth.width // 2), 800, np.uint16), '16UC1')
    elif kind == 'not calibrated':
        info.k, info.p = [0.0] * 9, [0.0] * 12
    elif kind == 'empty image':
        messages[COLOR] = image_from_array(np.zeros((1, 1, 3), np.uint8), 'rgb8')
        messages[COLOR].width = messages[COLOR].height = 0


def read_commands(commands: deque[dict[str, Any]], stop: StopSignal) -> None:
    """Queue the commands of stdin; its end stops the camera."""
    for line in sys.stdin:
        commands.append(json.loads(line))
    stop.is_set = True


def main(seed: int) -> int:
    """Send frames from the first subscriber on until stdin ends or a signal comes."""
    commands: deque[dict[str, Any]] = deque()
    with simple_node('soak_camera') as (node, stop):
        camera = SoakCamera(node, seed)
        threading.Thread(target=read_commands, args=(commands, stop), daemon=True).start()
        spin_until(node, camera.has_subscribers, stop, float('inf'))
        began_s, tick = time.monotonic(), 0
        while not stop.is_set:
            answers = len(commands)
            for _ in range(answers):
                camera.obey(commands.popleft())
            camera.send(tick)
            sys.stdout.write(f'{camera.number}\n' * answers)
            sys.stdout.flush()
            # What a starved process has no time for is a frame less, not a burst.
            tick = max(tick + 1, int((time.monotonic() - began_s) * RATE_HZ))
            time.sleep(max(0.0, began_s + tick / RATE_HZ - time.monotonic()))
    return 0


if __name__ == '__main__':
    sys.exit(main(int(sys.argv[1])))
