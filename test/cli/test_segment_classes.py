# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Classes on the command line: files, a bag, and the choice of a network."""

import json

import cv2
import numpy as np
import pytest
from small_frames import small_frame
from test_segment_bag import write_camera_bag

from seg_ros.bags.storage import Bag, typestore
from seg_ros.cli import main
from seg_ros.core.drawing import draw_classes
from seg_ros.core.io import read_color


def segment(*words, method='trivial_classes'):
    return main(['segment', *map(str, words), '--method', method])


def classes_of(index):
    return (small_frame(index)[1] > 0).astype(np.uint8)


def test_a_folder_gives_class_images_their_names_and_overlays(frames, tmp_path):
    out = tmp_path / 'out'
    assert segment(frames, '--output', out) == 0
    for index in range(3):
        stored = cv2.imread(str(out / f'{index:03d}-classes.png'), cv2.IMREAD_UNCHANGED)
        assert stored.dtype == np.uint8
        np.testing.assert_array_equal(stored, classes_of(index))
        overlay = draw_classes(small_frame(index)[0].color, stored, ('background', 'cup'))
        np.testing.assert_array_equal(read_color(out / f'{index:03d}-overlay.png'), overlay)
    assert json.loads((out / 'classes.json').read_text()) == ['background', 'cup']
    assert not (out / 'objects.json').exists()
    assert not list(out.glob('*-labels.png'))


def test_a_bag_gets_labels_overlays_and_once_the_names(tmp_path):
    bag = write_camera_bag(tmp_path / 'bag')
    assert segment(bag, '--output', tmp_path / 'out.mcap', '--results-only') == 0
    types = typestore()
    with Bag(tmp_path / 'out.mcap') as written:
        counts = {c.topic: (c.msgtype, c.msgcount) for c in written.connections}
        found = {topic: [types.deserialize_cdr(data, c.msgtype)
                         for c, _, data in written.messages([topic])] for topic in counts}
    image = 'sensor_msgs/msg/Image'
    assert counts == {'/trivial_classes/label': (image, 3), '/trivial_classes/overlay': (image, 3),
                      '/trivial_classes/class_names': ('std_msgs/msg/String', 1)}
    assert json.loads(found['/trivial_classes/class_names'][0].data) == ['background', 'cup']
    for index, label in enumerate(found['/trivial_classes/label']):
        assert (label.encoding, label.step, label.header.frame_id) == ('mono8', 64, 'lens')
        assert label.header.stamp.nanosec == index * 100_000_000
        np.testing.assert_array_equal(label.data.reshape(48, 64), classes_of(index))
    overlay = found['/trivial_classes/overlay'][1]
    assert (overlay.encoding, overlay.data.size) == ('rgb8', 48 * 64 * 3)


def test_classes_of_a_distorted_camera_lie_on_the_image_as_it_came(tmp_path):
    bag = write_camera_bag(tmp_path / 'bag', 1, distortion=(-0.25, 0.05, 0.0, 0.0, 0.0))
    assert segment(bag, '--output', tmp_path / 'out') == 0
    found = cv2.imread(str(tmp_path / 'out' / '1700000000.000000000-classes.png'),
                       cv2.IMREAD_UNCHANGED)
    assert (found == classes_of(0)).mean() > 0.985


def test_a_network_is_chosen(frames, tmp_path):
    assert segment(frames, '--output', tmp_path, '--network', 'can') == 0
    assert json.loads((tmp_path / 'classes.json').read_text()) == ['background', 'can']


@pytest.mark.parametrize(('words', 'method', 'message'), [
    (['--network', 'can'], 'trivial',
     '--network can: the method trivial has no choice of networks; semantic, trivial_classes has'),
    (['--network', 'can', '--set', 'network=cup'], 'trivial_classes',
     '--network and --set network=NAME say the same: give one of them'),
    (['--network', 'huge'], 'semantic', "network 'huge' is unknown; known are"),
])
def test_a_network_that_cannot_be_chosen(frames, tmp_path, capsys, words, method, message):
    assert segment(frames, '--output', tmp_path, *words, method=method) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
