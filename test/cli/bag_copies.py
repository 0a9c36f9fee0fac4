# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A bag of a camera and of other things, and everything that a bag holds."""

import cv2
import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from small_frames import CAMERA, small_frame

from seg_ros.bags.storage import Bag, typestore

START = 1_700_000_000_000_000_000
CUSTOM = '/gripper'
COLOR, DEPTH, INFO = '/camera/rgb/image_rect_color', '/camera/depth/image_raw', '/camera/rgb/info'
IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'


def qos(durability, reliability):
    forever = QosTime(2147483647, 4294967295)
    return Qos(QosHistory.KEEP_LAST, 7, reliability, durability, forever, forever,
               QosLiveliness.AUTOMATIC, forever, False)


LATCHED = qos(QosDurability.TRANSIENT_LOCAL, QosReliability.RELIABLE)
LOSSY = qos(QosDurability.VOLATILE, QosReliability.BEST_EFFORT)


def mixed_bag(path, storage, count=3, *, compressed=False, scale=1):
    """Write frames, a latched topic of a custom type, text and bytes that are no message."""
    types = get_typestore(Stores.ROS2_HUMBLE)
    types.register(get_types_from_msg('float32 torque\nstring[] fingers\n', 'robot_msgs/msg/Grip'))
    with Writer(path, version=8, storage_plugin=storage) as writer:
        def topic(name, kind, *profiles):
            return writer.add_connection(
                name, kind, typestore=types, offered_qos_profiles=profiles)

        def write(connection, log_ns, message):
            data = types.serialize_cdr(message, connection.msgtype)
            writer.write(connection, log_ns, bytes(data))

        kind = COMPRESSED if compressed else IMAGE
        color = topic(COLOR + '/compressed' * compressed, kind, LOSSY)
        depth = topic(DEPTH + '/compressedDepth' * compressed, kind, LOSSY, LOSSY)
        info = topic(INFO, 'sensor_msgs/msg/CameraInfo')
        grip = topic(CUSTOM, 'robot_msgs/msg/Grip', LATCHED)
        text = topic('/chatter', 'std_msgs/msg/String')
        write(grip, START, types.types['robot_msgs/msg/Grip'](0.5, ['left', 'right']))
        for index in range(count):
            stamp = START + index * 100_000_000
            made = frame_messages(types, index, stamp, compressed, scale)
            write(info, stamp, made[0])
            write(color, stamp + 10, made[1])
            # what the reader of a type cannot read is kept all the same
            writer.write(text, stamp + 15, b'\x00\x01\x00\x00broken' + bytes([index % 256]))
            write(depth, stamp + 20, made[2])
        write(grip, START + count * 10**8, types.types['robot_msgs/msg/Grip'](0.0, []))


def frame_messages(types, index, stamp, compressed, scale):
    """Return camera_info, colour and depth of a small frame, ``scale`` times as large."""
    time = types.types['builtin_interfaces/msg/Time'](stamp // 10**9, stamp % 10**9)
    header = types.types['std_msgs/msg/Header'](time, 'lens')
    frame, _ = small_frame(index)
    color = np.ascontiguousarray(frame.color.repeat(scale, 0).repeat(scale, 1))
    depth_mm = np.nan_to_num(np.rint(frame.depth * 1000)).astype(np.uint16)
    depth_mm = np.ascontiguousarray(depth_mm.repeat(scale, 0).repeat(scale, 1))
    return (camera_info(types, header, CAMERA.resized(64 * scale, 48 * scale)),
            *(packed if compressed else plain)(types, header, color, depth_mm))


def plain(types, header, color, depth_mm):
    height, width = depth_mm.shape
    return (types.types[IMAGE](header, height, width, 'rgb8', 0, width * 3, color.reshape(-1)),
            types.types[IMAGE](header, height, width, '16UC1', 0, width * 2,
                               depth_mm.reshape(-1).view(np.uint8)))


def packed(types, header, color, depth_mm):
    bgr = cv2.imencode('.png', color[..., ::-1])[1].ravel()
    grey = np.concatenate([np.zeros(12, np.uint8), cv2.imencode('.png', depth_mm)[1].ravel()])
    return (types.types[COMPRESSED](header, 'rgb8; png compressed bgr8', bgr),
            types.types[COMPRESSED](header, '16UC1; compressedDepth png', grey))


def camera_info(types, header, camera):
    roi = types.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    return types.types['sensor_msgs/msg/CameraInfo'](
        header, camera.height, camera.width, 'plumb_bob', np.zeros(5), camera.matrix.ravel(),
        np.eye(3).ravel(), np.hstack([camera.matrix, np.zeros((3, 1))]).ravel(), 0, 0, roi)


def everything(path):
    """Return topics (type, definition, QoS, count) and all messages of a bag."""
    with Bag(path) as bag:
        topics = {c.topic: (c.msgtype, c.msgdef.data, tuple(c.ext.offered_qos_profiles),
                            c.ext.serialization_format, c.msgcount) for c in bag.connections}
        messages = [(c.topic, log_ns, bytes(data)) for c, log_ns, data in bag.messages()]
    return {'topics': topics, 'messages': messages}


def results_of(path, topic):
    """Return (log time in ns, message) of a topic."""
    types = typestore()
    with Bag(path) as bag:
        return [(log_ns, types.deserialize_cdr(data, c.msgtype))
                for c, log_ns, data in bag.messages([topic])]
