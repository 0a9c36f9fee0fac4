# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Small bags for tests, written by the rosbags library alone."""

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

TYPES = get_typestore(Stores.ROS2_HUMBLE)
COLOR, DEPTH, INFO = '/rgb/image_rect_color', '/depth_registered/image_rect', '/rgb/camera_info'
IMAGE, CAMERA_INFO = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo'


def header(stamp_ns, frame_id='optical'):
    time = TYPES.types['builtin_interfaces/msg/Time'](stamp_ns // 10**9, stamp_ns % 10**9)
    return TYPES.types['std_msgs/msg/Header'](time, frame_id)


def image(pixels, encoding, stamp_ns):
    pixels = np.ascontiguousarray(pixels)
    return TYPES.types[IMAGE](
        header(stamp_ns), pixels.shape[0], pixels.shape[1], encoding, 0, pixels.strides[0],
        pixels.reshape(-1).view(np.uint8),
    )


def camera_info(camera, stamp_ns, d=(0.0,) * 5):
    matrix = camera.matrix
    roi = TYPES.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    return TYPES.types[CAMERA_INFO](
        header(stamp_ns), camera.height, camera.width, 'plumb_bob', np.array(d),
        matrix.ravel(), np.eye(3).ravel(), np.hstack([matrix, np.zeros((3, 1))]).ravel(),
        0, 0, roi,
    )


def write_bag(path, messages, storage=StoragePlugin.MCAP):
    """Write (topic, type, log time in ns, message) in the order given."""
    with Writer(path, version=8, storage_plugin=storage) as writer:
        connections = {}
        for topic, kind, log_ns, message in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=TYPES)
            data = message if isinstance(message, bytes) else TYPES.serialize_cdr(message, kind)
            writer.write(connections[topic], log_ns, data)


def rgbd_messages(frames, start_ns=1_700_000_000_000_000_000, period_ns=100_000_000,
                  depth_late_ns=5_000_000):
    """Yield the messages of frames; depth has another stamp and arrives after its colour image."""
    for index, frame in enumerate(frames):
        stamp = start_ns + index * period_ns
        yield INFO, CAMERA_INFO, stamp, camera_info(frame.camera, stamp)
        yield COLOR, IMAGE, stamp + 1000, image(frame.color, 'rgb8', stamp)
        millimetres = np.nan_to_num(np.rint(frame.depth * 1000)).astype(np.uint16)
        yield DEPTH, IMAGE, stamp + 2000, image(millimetres, '16UC1', stamp + depth_late_ns)
