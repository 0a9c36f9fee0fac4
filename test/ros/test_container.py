# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Several cameras' nodes in one process, over the real middleware."""

import contextlib

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from ros_helpers import HERE, Camera, NodeProcess, Robot, scene, wait_until

from seg_ros.nodes.container import nodes_of
from seg_ros.nodes.conversions import array_from_image

PROGRAM = (str(HERE / 'trivial_methods.py'), 'container')
NODE = '--node'


@pytest.mark.parametrize(('words', 'nodes'), [
    (['left'], [['-r', '__ns:=/left']]),
    (['left', '/arm/right/'], [['-r', '__ns:=/left'], ['-r', '__ns:=/arm/right']]),
    ([NODE], [[]]),
    ([NODE, '-r', 'a:=b', '-p', 'c:=d', NODE, '-r', 'e:=f'],
     [['-r', 'a:=b', '-p', 'c:=d'], ['-r', 'e:=f']]),
    (['left', NODE, '-r', 'a:=b', '--ros-args', '-p', 'x:=1', NODE],
     [['-r', '__ns:=/left'], ['-r', 'a:=b']]),
])
def test_words_are_nodes(words, nodes):
    assert nodes_of(words) == nodes


@pytest.mark.parametrize(('words', 'message'), [
    ([], 'no node asked for; usage: segmentation_container'),
    (['--ros-args', '-p', 'x:=1'], 'no node asked for'),
    (['left', '-p', 'x:=1'], "'-p' is no namespace"),
])
def test_words_that_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        nodes_of(words)


@pytest.mark.parametrize(('words', 'message'), [
    ((), 'no node asked for'),
    (('left', '--node', '-r', '__ns:=/right', '-p', 'threshold:=256'),
     'threshold is 256, accepted are 0 to 255'),
])
def test_a_bad_start_ends_the_process_with_the_reason(words, message):
    node = NodeProcess(program=(*PROGRAM, *words), method='blobs')
    assert node.process.wait(60) == 1
    assert node.wait_log(message, 5), node.log
    assert 'Traceback' not in node.log


def robots(stack, *names, **arguments):
    """Return a camera with a listener for each namespace, its node active."""
    found = []
    for name in names:
        robot = Robot(f'{name}/blobs', topics=('label',), namespace=name, **arguments)
        stack.callback(robot.close)
        robot.wait_state('active')
        found.append(robot)
    return found


def values(robot):
    robot.received['diagnostics'].clear()
    assert wait_until(lambda: robot.status() is not None)
    return robot.status()[2]


def test_two_cameras_share_one_model_and_nothing_else():
    node = NodeProcess(
        program=(*PROGRAM, 'left', NODE, '-r', '__ns:=/right', '-p', 'far:=0.82',
                 '-r', 'rgb/camera_info:=/right/rgb/camera_info'),
        method='blobs')
    with contextlib.ExitStack() as stack:
        stack.callback(node.stop)
        left, right = robots(stack, 'left', 'right')
        for robot, objects in ((left, 2), (right, 1)):
            assert array_from_image(robot.until_result()).max() == objects
            assert values(robot)['model_users'] == '2'
        assert node.log.count('blobs are loaded') == 1
        # Frames, options and lifecycles are apart.
        color, depth_mm = scene(shift=9)
        stamp = left.send(color, depth_mm)
        np.testing.assert_array_equal(
            array_from_image(left.message('label', stamp)) > 0, color[..., 0] == 250)
        assert left.set_parameters(threshold=255)[0].successful
        assert array_from_image(left.message('label', left.send())).max() == 0
        assert array_from_image(right.message('label', right.send())).max() == 1
        for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
            assert left.change_state(transition)
        assert array_from_image(right.message('label', right.send())).max() == 1
        assert values(right)['model_users'] == '1'
        for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            assert left.change_state(transition)
        left.until_result()
        assert node.log.count('blobs are loaded') == 1
        # One camera's failing frame is the other's model built anew: both go on.
        assert left.set_parameters(fail='cuda')[0].successful
        left.send()
        assert wait_until(lambda: 'device failed' in left.status()[1])
        assert array_from_image(right.message('label', right.send())).max() == 1
        assert values(right)['model_rebuilds'] == '1'
        assert node.stop() == 0, node.log
        assert node.log.count('blobs are loaded') == 2
    assert 'Traceback' not in node.log, node.log
    # rcl says so of a rule that it takes for one of all nodes.
    assert 'deprecated' not in node.log, node.log


@pytest.mark.slow
def test_no_camera_starves():
    """Cameras of 12, 8 and 5 Hz on a model that manages 4: each gets a third of its frames."""
    node = NodeProcess(program=(*PROGRAM, 'left', 'right', 'back'), method='blobs', delay=0.25)
    with contextlib.ExitStack() as stack:
        stack.callback(node.stop)
        found = robots(stack, 'left', 'right', 'back')
        for robot, rate_hz in zip(found, (12, 8, 5), strict=True):
            robot.until_result(wait_s=3.0)
            stack.enter_context(Camera(robot, rate_hz))
        wait_until(lambda: False, 1.0)
        for robot in found:
            robot.received['label'].clear()
        # However slow the machine: until the least served has had eleven turns.
        assert wait_until(lambda: min(len(r.received['label']) for r in found) >= 11, 120.0)
        counts = [len(robot.received['label']) for robot in found]
        dropped = [int(values(robot).get('dropped_overtaken', 0)) for robot in found]
    assert max(counts) / min(counts) <= 1.2, (counts, dropped)
    assert min(dropped) > 0, 'a camera that is not overloaded shows no fairness'
