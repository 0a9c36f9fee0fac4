# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Compressed topics into the node, as image_transport's plugins publish them."""

import struct

import cv2
import numpy as np
import pytest
from ros_helpers import NodeProcess, Robot, camera_info, scene, stamp_of, wait_until
from sensor_msgs.msg import CompressedImage

from seg_ros.nodes.conversions import array_from_image

COLOR, DEPTH_MM = scene()
BGR = cv2.cvtColor(COLOR, cv2.COLOR_RGB2BGR)
DEPTH_A, DEPTH_B = 100.0 * 101.0, 1.0 - 100.0 * 101.0 / 10.0


def encoded(extension, picture):
    return cv2.imencode(extension, picture)[1].tobytes()


def inverse_png():
    """Return depth as compressed_depth_image_transport encodes 32FC1."""
    stored = np.rint(DEPTH_A / (np.where(DEPTH_MM == 0, 1, DEPTH_MM) / 1000) + DEPTH_B)
    stored = np.where(DEPTH_MM == 0, 0, stored).astype(np.uint16)
    return struct.pack('<iff', 0, DEPTH_A, DEPTH_B) + encoded('.png', stored)


JPEG = ('rgb8; jpeg compressed bgr8', encoded('.jpg', BGR))
PNG = ('rgb8; png compressed bgr8', encoded('.png', BGR))
MILLIMETRES = ('16UC1; compressedDepth png', bytes(12) + encoded('.png', DEPTH_MM))
INVERSE = ('32FC1; compressedDepth', inverse_png())


class CompressedRobot(Robot):
    """A camera behind image_transport's plugins; the node's topics are remapped to it."""

    def __init__(self, target, depth_transport):
        super().__init__(target, topics=('label',), settles=False)
        profile = 10
        self.jpeg = self.node.create_publisher(
            CompressedImage, f'/{target}_camera/color/compressed', profile)
        self.png = self.node.create_publisher(
            CompressedImage, f'/{target}_camera/depth/{depth_transport}', profile)

    def send_compressed(self, color=JPEG, depth=MILLIMETRES, info=None):
        stamp = self.next_stamp()
        info = info or camera_info()
        info.header = self.header(stamp)
        self.info.publish(info)
        for (kind, data), publisher in ((color, self.jpeg), (depth, self.png)):
            publisher.publish(CompressedImage(
                header=self.header(stamp), format=kind, data=data))
        return stamp

    def until_compressed_result(self, **messages):
        def answered():
            stamp = self.send_compressed(**messages)
            return wait_until(
                lambda: stamp in [stamp_of(m) for m in list(self.received['label'])], 0.4)
        assert wait_until(answered, 60.0), self.status()


def started(name, depth_transport):
    process = NodeProcess(
        '-r', f'rgb/image_rect_color:=/{name}_camera/color',
        '-r', f'depth_registered/image_rect:=/{name}_camera/depth', name=name, method='blobs',
        input_geometry='rectified', color_transport='compressed',
        depth_transport=depth_transport, input_reliability='reliable')
    return process, CompressedRobot(name, depth_transport)


@pytest.fixture(scope='module')
def robot():
    node, robot = started('packed', 'compressedDepth')
    robot.wait_state('active')
    robot.until_compressed_result()
    yield robot
    robot.close()
    assert node.stop() == 0, node.log
    assert 'Traceback' not in node.log


@pytest.mark.parametrize('color', [JPEG, PNG], ids=['jpeg', 'png'])
@pytest.mark.parametrize('depth', [MILLIMETRES, INVERSE], ids=['16UC1', '32FC1'])
def test_objects_are_those_of_raw_images(robot, color, depth):
    labels = array_from_image(robot.message('label', robot.send_compressed(color, depth)))
    inner = np.zeros(labels.shape, bool)
    for x in (20, 80):
        inner[42:68, x + 2:x + 28] = True
    assert (labels[inner] > 0).all()
    assert labels.max() == 2


FAULTS = {
    'colour is damaged': ({'color': ('jpeg', b'no picture')}, 'dropped_color',
                          'is no readable jpeg or png'),
    'colour is truncated': ({'color': (JPEG[0], JPEG[1][:-200])}, 'dropped_color',
                            'the message is truncated'),
    'depth is truncated': ({'depth': (MILLIMETRES[0], MILLIMETRES[1][:-30])}, 'dropped_depth',
                           'the message is truncated'),
    'depth is a jpeg': ({'depth': ('16UC1; jpeg compressed ', JPEG[1])}, 'dropped_depth',
                        'jpeg loses depth'),
    'depth of another size': (
        {'depth': (MILLIMETRES[0], bytes(12) + encoded('.png', DEPTH_MM[::2]))}, 'dropped_size',
        'depth image 16UC1; compressedDepth png 160x60, colour image 160x120'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_a_bad_frame_is_dropped_counted_and_named(robot, fault):
    messages, key, text = FAULTS[fault]

    def dropped():
        status = robot.status()
        return int(status[2].get(key, 0)) if status else 0

    before = dropped()
    bad = robot.send_compressed(**messages)
    assert wait_until(lambda: dropped() > before and text in robot.status()[1]), robot.status()
    assert robot.status()[0] == b'\x01'
    robot.message('label', robot.send_compressed())
    assert bad not in [stamp_of(m) for m in robot.received['label']]


def test_a_missing_topic_is_named_with_its_transport(robot):
    assert wait_until(
        lambda: 'no message for' in robot.status()[1]
        and '/packed_camera/color/compressed' in robot.status()[1]), robot.status()


@pytest.mark.slow
def test_depth_comes_by_the_transport_compressed_too():
    node, robot = started('plain', 'compressed')
    try:
        robot.wait_state('active')
        robot.until_compressed_result(depth=('16UC1; png compressed ', encoded('.png', DEPTH_MM)))
    finally:
        robot.close()
        assert node.stop() == 0
