# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The real method: what the node publishes is what the command line writes."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from ros_helpers import NodeProcess, Robot, camera_info, environment

from seg_ros.cli._demo_input import arc2017
from seg_ros.core.io import write_frame
from seg_ros.nodes.conversions import array_from_image

# The same kernels in both processes: other numbers of threads sum in another order.
SAME = {'backend': 'torch', 'device': 'cpu'}


@pytest.fixture(scope='module')
def frame():
    return arc2017()[0]


@pytest.fixture(scope='module')
def written(tmp_path_factory, frame):
    """Return the depth in millimetres and the label image that ``seg_ros segment`` writes."""
    folder = tmp_path_factory.mktemp('frames')
    write_frame(folder, 'one', frame)
    options = [word for name, value in SAME.items() for word in (f'--{name}', value)]
    subprocess.run(
        [sys.executable, '-m', 'seg_ros', 'segment', str(folder), '--output',
         str(folder / 'out'), *options],
        check=True, timeout=300, env={**environment(), 'OMP_NUM_THREADS': '1'})
    read = [cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED)
            for name in ('one-depth.png', 'out/one-labels.png')]
    assert read[1].max() >= 3
    return read


@pytest.fixture(scope='module')
def robot():
    node = NodeProcess(name='unseen_objects', program=('-m', 'seg_ros.nodes.segmentation_node'),
                       max_frame_age=60.0, **SAME)
    robot = Robot('unseen_objects', topics=('label', 'markers'))
    robot.wait_state('active', 180)
    yield robot
    robot.close()
    assert node.stop() == 0, node.log


def info_of(camera):
    k = camera.matrix.ravel().tolist()
    p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    return camera_info(camera.width, camera.height, k=k, p=p)


@pytest.mark.slow
@pytest.mark.parametrize('depth_encoding', ['16UC1', '32FC1'])
def test_the_node_publishes_what_the_command_line_writes(robot, frame, written, depth_encoding):
    depth_mm, expected = written
    depth = depth_mm
    if depth_encoding == '32FC1':
        depth = np.where(depth_mm > 0, depth_mm * np.float32(0.001), np.nan).astype(np.float32)
    message = robot.until_result(color=frame.color, depth=depth, depth_encoding=depth_encoding,
                                 info=info_of(frame.camera), wait_s=60.0, timeout_s=240.0)
    np.testing.assert_array_equal(array_from_image(message), expected)
    reply = robot.segment(60.0)
    assert reply.success, reply.message
