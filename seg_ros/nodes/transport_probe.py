# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Send images from a process to another and tell when they came; each role is a process.

``python -m seg_ros.nodes.transport_probe send|receive CASE`` with CASE as JSON; what was sent or
received is JSON on stdout. The middleware reads its profile when a process starts.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from typing import Any

import numpy as np
from rclpy.qos import QoSReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from seg_ros.benchmark.transport import RATE_HZ
from seg_ros.nodes.conversions import image_from_array, stamp_ns, time_message
from seg_ros.nodes.process import StopSignal, simple_node, spin_until
from seg_ros.nodes.qos import INPUT_DEPTH, input_profile

TOPICS = ('transport/color', 'transport/depth')
DISCOVERY_S, SILENCE_S = 30.0, 3.0
WARM_UP_FRAMES = 15


def send(node: Any, stop: StopSignal, case: dict[str, Any]) -> list[int]:
    """Send ``case['frames']`` frame sets at 30 Hz; return their stamps in ns."""
    publishers = [node.create_publisher(Image, name, _profile(case)) for name in TOPICS]
    if not spin_until(node, lambda: all(p.get_subscription_count() for p in publishers), stop,
                      DISCOVERY_S):
        raise ValueError(f'no receiver within {DISCOVERY_S:g} s')
    height, width = case['height'], case['width']
    images = [image_from_array(np.full((height, width, 3), 90, np.uint8), 'rgb8'),
              image_from_array(np.full((height, width), 900, np.uint16), '16UC1')]
    sent, began_s = [], time.monotonic()
    for number in range(WARM_UP_FRAMES + case['frames']):
        time.sleep(max(0.0, began_s + number / RATE_HZ - time.monotonic()))
        now_ns = time.time_ns()
        for image, publisher in zip(images, publishers, strict=True):
            image.header = Header(stamp=time_message(now_ns))
            publisher.publish(image)
        sent.append(now_ns)
    spin_until(node, lambda: False, stop, 1.0)
    return sent[WARM_UP_FRAMES:]


def receive(node: Any, stop: StopSignal, case: dict[str, Any]) -> dict[str, dict[int, int]]:
    """Receive until nothing comes any more; return arrival times in ns by topic and stamp."""
    arrivals: dict[str, dict[int, int]] = {name: {} for name in TOPICS}
    last_s = [time.monotonic() + DISCOVERY_S]

    def received(name: str, message: Any) -> None:
        arrivals[name][stamp_ns(message.header)] = time.time_ns()
        last_s[0] = time.monotonic()

    kept = [node.create_subscription(Image, name, partial(received, name), _profile(case))
            for name in TOPICS]
    sys.stdout.write('ready\n')
    sys.stdout.flush()
    spin_until(node, lambda: time.monotonic() - last_s[0] > SILENCE_S, stop, 600.0)
    del kept
    return arrivals


def _profile(case: dict[str, Any]) -> Any:
    reliability = getattr(QoSReliabilityPolicy, case['reliability'].upper())
    return input_profile(reliability, INPUT_DEPTH)


def main(role: str, text: str) -> int:
    """Play a role of a case and write what came of it."""
    with simple_node(f'transport_{role}') as (node, stop):
        found = (send if role == 'send' else receive)(node, stop, json.loads(text))
    sys.stdout.write(json.dumps(found) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:3]))
