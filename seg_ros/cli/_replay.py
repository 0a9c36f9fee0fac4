# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The messages of a bag's camera, to be published again as they are."""

from __future__ import annotations

import array
from collections.abc import Iterator
from typing import Any

from seg_ros.bags.frames import BagFrames
from seg_ros.bags.storage import Bag
from seg_ros.bags.topics import CameraTopics
from seg_ros.nodes.player import CameraMessages


def bag_messages(bag: Bag, topics: CameraTopics, slop_s: float) -> Iterator[CameraMessages]:
    """Yield the camera's messages, timed by their colour stamps.

    Depth without colour is left out. Colour without depth is played alone: what a camera lost is
    part of the recording.
    """
    first_ns: int | None = None
    for record in BagFrames(bag, topics, lambda *found: found, slop_s, needs_pairs=False):
        color, depth, info = record.converted or (None, None, None)
        if color is None:
            continue
        first_ns = record.stamp_ns if first_ns is None else first_ns
        yield CameraMessages(
            record.name,
            max(0, record.stamp_ns - first_ns) / 1e9,
            image_message(color),
            None if depth is None else image_message(depth),
            None if info is None else camera_info_message(info),
        )


def image_message(stored: Any) -> Any:
    """Return a message of the bag library as sensor_msgs/Image."""
    from sensor_msgs.msg import Image

    message = Image(height=stored.height, width=stored.width, encoding=stored.encoding,
                    is_bigendian=stored.is_bigendian, step=stored.step)
    message.header = header_message(stored.header)
    data = array.array('B')
    data.frombytes(stored.data.tobytes())
    message.data = data
    return message


def header_message(stored: Any) -> Any:
    """Return a header of the bag library as std_msgs/Header."""
    from builtin_interfaces.msg import Time
    from std_msgs.msg import Header

    stamp = Time(sec=stored.stamp.sec, nanosec=stored.stamp.nanosec)
    return Header(stamp=stamp, frame_id=stored.frame_id)


def camera_info_message(stored: Any) -> Any:
    """Return a message of the bag library as sensor_msgs/CameraInfo."""
    from sensor_msgs.msg import CameraInfo, RegionOfInterest

    roi = stored.roi
    return CameraInfo(
        header=header_message(stored.header),
        height=stored.height, width=stored.width, distortion_model=stored.distortion_model,
        d=stored.d.tolist(), k=stored.k.tolist(), r=stored.r.tolist(), p=stored.p.tolist(),
        binning_x=stored.binning_x, binning_y=stored.binning_y,
        roi=RegionOfInterest(x_offset=roi.x_offset, y_offset=roi.y_offset, height=roi.height,
                             width=roi.width, do_rectify=roi.do_rectify),
    )  # fmt: skip
