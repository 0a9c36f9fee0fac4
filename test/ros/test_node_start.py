# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Start and end of the process: bad parameters, names, simulated time, Ctrl-C."""

import re
import signal
import time
from pathlib import Path

import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from rclpy.lifecycle import LifecycleNode
from ros_helpers import NodeProcess, Robot, wait_until

from seg_ros.nodes import segmentation_node


def test_a_bad_parameter_ends_the_process_with_the_reason():
    node = NodeProcess(method='blobs', threshold=256)
    assert node.process.wait(60) == 1
    assert node.wait_log('threshold is 256, accepted are 0 to 255', 5), node.log
    assert 'Traceback' not in node.log


def test_without_autostart_a_lifecycle_manager_starts_it():
    node = NodeProcess(name='managed', method='blobs', autostart=False)
    robot = Robot('managed', topics=('label',))
    try:
        assert robot.state() == 'unconfigured'
        assert 'is unconfigured: activate it' in robot.segment().message
        assert robot.change_state(Transition.TRANSITION_CONFIGURE)
        assert robot.state() == 'inactive'
        assert robot.change_state(Transition.TRANSITION_ACTIVATE)
        robot.until_result()
        assert robot.change_state(Transition.TRANSITION_ACTIVE_SHUTDOWN)
        assert robot.state() == 'finalized'
    finally:
        robot.close()
        assert node.stop() == 0, node.log
    assert 'Traceback' not in node.log


def test_a_method_that_cannot_be_loaded_leaves_the_node_unconfigured():
    node = NodeProcess(name='unloaded', method='blobs', weights='/no/such.safetensors')
    robot = Robot('unloaded')
    try:
        assert node.wait_log('configure failed: /no/such.safetensors is not there'), node.log
        assert robot.state() == 'unconfigured'
        assert wait_until(lambda: robot.status() is not None and robot.status()[0] == b'\x02')
    finally:
        robot.close()
        assert node.stop() == 0, node.log


def test_simulated_time_changes_no_stamp_and_stops_no_timer():
    node = NodeProcess(name='simulated', method='blobs', use_sim_time=True)
    robot = Robot('simulated', topics=('label', 'markers'))
    try:
        # No /clock at all: time stands still, the node works nevertheless.
        robot.wait_state('active')
        robot.until_result()
        stamp = robot.send()
        assert robot.message('label', stamp).header == robot.header(stamp)
        assert robot.segment().success
        assert wait_until(lambda: robot.status() is not None)
    finally:
        robot.close()
        assert node.stop() == 0, node.log


@pytest.mark.parametrize(('number', 'times'), [(signal.SIGINT, 3), (signal.SIGTERM, 1)])
def test_signals_end_it_cleanly_while_it_works(number, times):
    node = NodeProcess(name='interrupted', method='blobs', delay=0.3)
    robot = Robot('interrupted', topics=('label',))
    try:
        robot.wait_state('active')
        robot.until_result()
        for _ in range(3):
            robot.send()
        time.sleep(0.1)
        for _ in range(times):
            node.process.send_signal(number)
            time.sleep(0.02)
        assert node.process.wait(60) == 0, node.log
    finally:
        robot.close()
        node.stop()
    assert 'Traceback' not in node.log, node.log



def test_the_node_hides_nothing_of_rclpys_own():
    """An attribute of ours named as one of rclpy's Node breaks it in ways hard to see."""
    source = Path(segmentation_node.__file__).read_text()
    ours = set(re.findall(r'self\.(_\w+)\b(?: =|: )', source))
    context = rclpy.Context()
    rclpy.init(context=context)
    node = LifecycleNode('attributes', context=context)
    theirs = set(vars(node)) | set(dir(LifecycleNode))
    node.destroy_node()
    context.try_shutdown()
    assert '_pipeline' in ours
    assert ours & theirs == set()
