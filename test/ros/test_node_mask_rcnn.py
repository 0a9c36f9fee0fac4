# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mask R-CNN in the node: the objects, classes and options are those of the segmenter."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from ros_helpers import HEIGHT, WIDTH, NodeProcess, Robot, camera_info, scene, wait_until

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.mask_rcnn.options import MaskRcnnOptions
from seg_ros.mask_rcnn.segmenter import load_mask_rcnn
from seg_ros.nodes.conversions import array_from_image

TINY = runpy.run_path(str(Path(__file__).parents[1] / 'mask_rcnn' / 'tiny_detectors.py'))
OPTIONS = {'score_threshold': 0.7, 'max_objects': 30}


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return TINY['write_tiny'](
        tmp_path_factory.mktemp('weights') / 'tiny.safetensors', size=(WIDTH, HEIGHT))


@pytest.fixture(scope='module')
def robot(weights):
    node = NodeProcess(
        name='mask_rcnn', program=('-m', 'seg_ros.nodes.segmentation_node'), method='mask_rcnn',
        weights=weights, backend='torch', device='cpu', max_frame_age=60.0, **OPTIONS)
    robot = Robot('mask_rcnn', topics=('label', 'class_names'))
    robot.wait_state('active', 180)
    yield robot
    robot.close()
    assert node.stop() == 0, node.log
    assert 'Traceback' not in node.log


def expected_of(weights, **options):
    """Return what the segmenter finds in the scene that the robot sends."""
    color, depth_mm = scene()
    k = camera_info().k
    camera = CameraModel(WIDTH, HEIGHT, k[0], k[4], k[2], k[5])
    depth_m = np.where(depth_mm > 0, depth_mm * np.float32(0.001), np.nan).astype(np.float32)
    return load_mask_rcnn(weights, 'cpu', 'torch', MaskRcnnOptions(**OPTIONS, **options)).segment(
        RgbdFrame(color, depth_m, camera))


def published(robot):
    """Return the label image of a frame and the names of its ids."""
    message = robot.until_result(wait_s=30.0, timeout_s=120.0)
    stamp = {'sec': message.header.stamp.sec, 'nanosec': message.header.stamp.nanosec}

    def said():
        every = [json.loads(text.data) for text in list(robot.received['class_names'])]
        return [each for each in every if each['stamp'] == stamp]

    assert wait_until(said)
    return array_from_image(message), said()[-1]


def classes_of(labels, found):
    """Return the class at each pixel of a segmenter's result, -1 for none."""
    return np.append(found.class_ids, -1)[labels - 1]


@pytest.mark.slow
def test_the_node_publishes_the_objects_with_their_classes(robot, weights):
    labels, said = published(robot)
    expected = expected_of(weights)
    assert len(expected) > 3 and len(set(expected.class_ids.tolist())) > 1
    # ids of tracked objects may be any, the pixels and the classes are the segmenter's
    pairs = set(zip(expected.labels.ravel().tolist(), labels.ravel().tolist(), strict=True))
    assert len(pairs) == len(expected) + 1 and (0, 0) in pairs
    names = {entry['id']: entry['class'] for entry in said['objects']}
    assert {names[new] for _, new in pairs if new} <= set(TINY['NAMES'])
    for old, new in pairs - {(0, 0)}:
        assert names[new] == expected.class_names[expected.class_ids[old - 1]]


@pytest.mark.slow
def test_classes_are_chosen_while_it_runs(robot, weights):
    kept = expected_of(weights).class_names[expected_of(weights).class_ids[0]]
    refused, = robot.set_parameters(classes='mug')
    assert not refused.successful and 'mug unknown' in refused.reason
    accepted, = robot.set_parameters(classes=kept)
    assert accepted.successful, accepted.reason
    labels, said = published(robot)
    np.testing.assert_array_equal(labels > 0, expected_of(weights, classes=kept).labels > 0)
    assert {entry['class'] for entry in said['objects']} == {kept}
