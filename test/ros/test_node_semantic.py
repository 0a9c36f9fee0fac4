# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Semantic segmentation in the node: classes, their names, confidence and points."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from ros_helpers import FOCAL, HEIGHT, WIDTH, NodeProcess, Robot, scene, stamp_of, wait_until

from seg_ros.core.frame import RgbdFrame
from seg_ros.nodes.conversions import array_from_image, image_from_array
from seg_ros.nodes.pointcloud import POINT
from seg_ros.semantic.options import SemanticOptions
from seg_ros.semantic.segmenter import load_semantic

PROGRAM = Path(__file__).parents[1] / 'semantic' / 'tiny_semantic.py'
sys.path.append(str(PROGRAM.parent))
TINY = importlib.import_module('tiny_semantic')
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return TINY.write_model(tmp_path_factory.mktemp('weights') / 'red.safetensors',
                            TINY.red_model(), (WIDTH, HEIGHT))


@pytest.fixture(scope='module')
def node(weights):
    node = NodeProcess(name='semantic', program=(str(PROGRAM),), method='semantic',
                       weights=weights, backend='torch', device='cpu', network='tiny',
                       depth_timeout=2.0, max_frame_age=60.0)
    assert node.wait_log('semantic on cpu by torch', 120), node.log
    assert 'depth optional' in node.log
    yield node
    assert node.stop() == 0, node.log
    assert 'Traceback' not in node.log


@pytest.fixture(scope='module')
def robot(node):
    robot = Robot('semantic', topics=('label', 'confidence', 'class_names', 'overlay', 'points'))
    robot.wait_state('active', 120)
    robot.until_result(wait_s=2.0)
    yield robot
    robot.close()


def expected_of(weights, **options):
    return load_semantic(weights, 'cpu', 'torch', SemanticOptions(**options)).segment(
        RgbdFrame(scene()[0]))


def test_every_pixel_has_the_class_that_the_segmenter_gives(robot, weights):
    expected = expected_of(weights)
    assert np.unique(expected.labels).tolist() == [0, 1]
    stamp = robot.send()
    label = robot.message('label', stamp)
    assert label.encoding == 'mono8'
    np.testing.assert_array_equal(array_from_image(label), expected.labels)
    confidence = robot.message('confidence', stamp)
    assert confidence.encoding == 'mono8'
    np.testing.assert_allclose(
        array_from_image(confidence), expected.confidence * 255.0, atol=0.51)
    overlay = array_from_image(robot.message('overlay', stamp))
    changed = (overlay != scene()[0]).any(axis=2)
    assert changed[expected.labels == 1].all() and changed.mean() < 0.3


def test_the_names_are_a_list_and_latched(robot):
    robot.message('label', robot.send())
    robot.unlisten('class_names')
    robot.received['class_names'].clear()
    robot.listen('class_names')  # a late joiner: no frame is sent
    assert wait_until(lambda: len(robot.received['class_names']) == 1)
    assert json.loads(robot.received['class_names'][0].data) == list(TINY.NAMES)


def test_points_are_of_all_classes_but_the_background(robot, weights):
    expected, depth_m = expected_of(weights).labels, scene()[1] / np.float32(1000)
    cloud = robot.message('points', robot.send())
    points = np.frombuffer(cloud.data, POINT)
    inside = (expected == 1) & (depth_m > 0)
    assert len(points) == inside.sum() > 0
    assert set(points['label'].tolist()) == {1}
    np.testing.assert_allclose(points['z'], depth_m[inside], rtol=1e-5)
    columns = np.nonzero(inside)[1]
    np.testing.assert_allclose(
        points['x'], (columns - WIDTH / 2 + 0.5) / FOCAL * depth_m[inside], atol=1e-5)


def test_there_are_no_boxes_of_classes(robot):
    topics = {name for name, _ in robot.node.get_topic_names_and_types()
              if name.startswith('/semantic/')}
    assert {'/semantic/label', '/semantic/mask', '/semantic/points'} <= topics
    assert not topics & {'/semantic/markers', '/semantic/poses'}


def test_the_service_names_the_classes_that_occur(robot):
    robot.message('label', robot.send())
    reply = json.loads(robot.segment().message)
    assert (reply['ids'], reply['classes'], reply['count']) == ([0, 1], ['background', 'cup'], 2)


def test_options_change_live_and_the_network_does_not(robot, weights):
    doubt = 1.0
    expected = expected_of(weights, min_confidence=doubt).labels
    assert not expected.any()
    assert robot.set_parameters(min_confidence=doubt)[0].successful
    try:
        label = robot.message('label', robot.send())
        np.testing.assert_array_equal(array_from_image(label), expected)
    finally:
        assert robot.set_parameters(min_confidence=0.0)[0].successful
    refused, = robot.set_parameters(network='auto')
    assert not refused.successful and 'network is fixed after configure' in refused.reason


def test_colour_alone_gives_classes_without_points(robot, weights):
    color = image_from_array(scene()[0], 'rgb8')
    color.header.frame_id = 'camera'
    stamp = robot.send_messages(color, None)
    label = robot.message('label', stamp)  # after depth_timeout
    np.testing.assert_array_equal(array_from_image(label), expected_of(weights).labels)
    assert stamp not in [stamp_of(message) for message in robot.received['points']]


@pytest.mark.parametrize(('parameters', 'text'), [
    ({'network': 'huge'}, "network 'huge' is unknown; known are"),
    ({'weights': 'nowhere.pth'}, 'no weights at nowhere.pth'),
])
def test_what_cannot_be_loaded_is_told(parameters, text):
    node = NodeProcess(name='broken', program=(str(PROGRAM),), method='semantic', device='cpu',
                       **parameters)
    try:
        assert node.wait_log(f'configure failed: {text}', 60), node.log
    finally:
        assert node.stop() == 0, node.log
