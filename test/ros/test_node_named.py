# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects with class names and scores, and an option that is a list of names."""

import json

import numpy as np
import pytest
from ros_helpers import NodeProcess, Robot, scene, wait_until
from visualization_msgs.msg import Marker

from seg_ros.nodes.conversions import array_from_image

PARAMETERS = """\
/**:
  ros__parameters:
    method: named
    max_frame_age: 20.0
    classes: {classes}
"""


def kinds(*blues):
    """Return colour and depth of a box a class: 0 a mug, 30 a bottle, 60 a 44."""
    color, depth_mm = scene(objects=2)
    for number, blue in enumerate(blues):
        color[40:70, 20 + 60 * number:50 + 60 * number, 2] = blue
    return color, depth_mm


@pytest.fixture(scope='module')
def node(tmp_path_factory):
    path = tmp_path_factory.mktemp('parameters') / 'named.yaml'
    path.write_text(PARAMETERS.format(classes="'mug, bottle,44'"))
    process = NodeProcess('--params-file', str(path), name='named')
    yield process
    assert process.stop() == 0, process.log
    assert 'Traceback' not in process.log


@pytest.fixture(scope='module')
def robot(node):
    robot = Robot('named', topics=('label', 'markers', 'overlay', 'class_names'))
    robot.wait_state('active')
    robot.until_result('markers')
    yield robot
    robot.close()


def names_of(robot, stamp):
    """Return what ~/class_names says of the frame with a stamp."""
    def found():
        said = [json.loads(m.data) for m in list(robot.received['class_names'])]
        return [s for s in said if s['stamp']['sec'] * 10**9 + s['stamp']['nanosec'] == stamp]
    assert wait_until(found)
    return found()[-1]


def test_class_names_tell_what_each_id_of_the_label_image_is(robot):
    stamp = robot.send(*kinds(0, 30))
    label = array_from_image(robot.message('label', stamp))
    said = names_of(robot, stamp)
    assert said['frame_id'] == 'camera_color_optical_frame'
    assert said['objects'] == {str(label[50, 30]): {'class': 'mug', 'score': 0.934},
                               str(label[50, 90]): {'class': 'bottle', 'score': 0.5}}
    markers = robot.message('markers', stamp).markers
    assert {m.id: m.text for m in markers if m.ns == 'text' and m.action == Marker.ADD} == {
        1: '1 mug 0.93', 2: '2 bottle 0.50'}


def test_class_names_of_an_empty_frame(robot):
    assert names_of(robot, robot.send(*scene(objects=0)))['objects'] == {}


def test_a_late_joiner_and_a_caller_learn_the_classes(robot):
    stamp = robot.send(*kinds(60, 0))
    names_of(robot, stamp)
    reply = json.loads(robot.segment().message)
    assert (reply['ids'], reply['classes'], reply['scores']) == (
        [1, 2], ['44', 'mug'], [None, 0.934])
    robot.unlisten('class_names')
    robot.received['class_names'].clear()
    robot.listen('class_names')
    assert names_of(robot, stamp)['objects']['2']['class'] == 'mug'


def test_the_overlay_is_drawn_with_names(robot):
    stamp = robot.send(*kinds(0, 30))
    overlay = array_from_image(robot.message('overlay', stamp))
    assert (overlay != kinds(0, 30)[0]).any()


@pytest.mark.parametrize(('classes', 'expected'), [
    ('mug,bottle', ['mug', 'bottle']), ('bottle', ['bottle']), ('44', []), ('44, mug', ['mug']),
    ('', ['mug', 'bottle'])])
def test_a_list_of_names_changes_live(robot, classes, expected):
    """As `ros2 param set` does, which sends what YAML reads: 44 needs quotes there."""
    assert robot.set_parameters(classes=classes)[0].successful
    try:
        stamp = robot.send(*kinds(0, 30))
        robot.message('label', stamp)
        assert [o['class'] for o in names_of(robot, stamp)['objects'].values()] == expected
    finally:
        robot.set_parameters(classes='')


def test_names_that_are_no_string_are_refused_live(robot):
    result = robot.set_parameters(classes=44)[0]
    assert (result.successful, 'type' in result.reason) == (False, True)


def test_a_name_that_the_method_does_not_know_is_refused(robot):
    result = robot.set_parameters(classes='cup')[0]
    assert (result.successful, result.reason) == (
        False, "classes names ['cup']: known are ('mug', 'bottle', '44')")
    assert np.unique(array_from_image(robot.message('label', robot.send()))).size == 3


def test_names_that_look_like_a_number_end_the_start_unless_quoted(tmp_path):
    path = tmp_path / 'named.yaml'
    path.write_text(PARAMETERS.format(classes='44'))
    node = NodeProcess('--params-file', str(path), name='numbers')
    assert node.process.wait(60) == 1
    assert node.wait_log("classes is 44, a value of type str is accepted: write it as '44'", 5), (
        node.log)
    assert node.stop() == 1
