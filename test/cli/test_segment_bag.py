# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_frames import CAMERA, small_frame

from seg_ros.bags.storage import Bag, typestore
from seg_ros.bags.writer import BagWriter
from seg_ros.cli import _inputs, main
from seg_ros.core.io import read_labels
from seg_ros.core.results import Instances

START = 1_700_000_000_000_000_000
COLOR, DEPTH = '/camera/camera/color/image_raw', '/camera/camera/aligned_depth_to_color/image_raw'
INFO = '/camera/camera/color/camera_info'
IMAGE = 'sensor_msgs/msg/Image'


def write_camera_bag(path, count=3, distortion=(0.0,) * 5, lost=()):
    """Write a RealSense-like bag of small frames; depth of the frames in lost is left out."""
    with BagWriter(path) as writer:
        types = writer.types
        for topic in (COLOR, DEPTH):
            writer.add_topic(topic, IMAGE)
        writer.add_topic(INFO, 'sensor_msgs/msg/CameraInfo')
        writer.add_topic('/chatter', 'std_msgs/msg/String')
        for index in range(count):
            stamp = START + index * 100_000_000
            time = types['builtin_interfaces/msg/Time'](stamp // 10**9, stamp % 10**9)
            header = types['std_msgs/msg/Header'](time, 'lens')
            roi = types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
            matrix = CAMERA.matrix
            writer.write_message(INFO, stamp, types['sensor_msgs/msg/CameraInfo'](
                header, 48, 64, 'plumb_bob', np.array(distortion), matrix.ravel(),
                np.eye(3).ravel(), np.hstack([matrix, np.zeros((3, 1))]).ravel(), 0, 0, roi))
            frame, _ = small_frame(index)
            bgr = np.ascontiguousarray(frame.color[..., ::-1])
            writer.write_message(COLOR, stamp + 10, types[IMAGE](
                header, 48, 64, 'bgr8', 0, 64 * 3, bgr.reshape(-1)))
            if index not in lost:
                writer.write_message(DEPTH, stamp + 20, types[IMAGE](
                    header, 48, 64, '32FC1', 0, 64 * 4, frame.depth.reshape(-1).view(np.uint8)))
    return path


def segment(*words):
    return main(['segment', *map(str, words), '--method', 'trivial'])


@pytest.mark.parametrize('name', ['bag', 'bag.mcap'])
def test_a_bag_becomes_files(name, tmp_path):
    bag = write_camera_bag(tmp_path / name)
    assert segment(bag, '--output', tmp_path / 'out') == 0
    for index in range(3):
        labels = read_labels(tmp_path / 'out' / f'1700000000.{index}00000000-labels.png')
        np.testing.assert_array_equal(labels, small_frame(index)[1])
    objects = json.loads((tmp_path / 'out' / 'objects.json').read_text())
    assert objects['1700000000.000000000'][0]['centroid_m'][2] == pytest.approx(0.8)


def test_a_bag_becomes_a_bag_with_the_original_stamps(tmp_path):
    bag = write_camera_bag(tmp_path / 'bag', lost=[1])
    assert segment(bag, '--output', tmp_path / 'out.mcap', '--results-only') == 1
    types = typestore()
    with Bag(tmp_path / 'out.mcap') as written:
        assert len(written.connections) == 2
        found = [(c.topic, log_ns, types.deserialize_cdr(data, c.msgtype))
                 for c, log_ns, data in written.messages(['/trivial/label', '/trivial/overlay'])]
    assert [(topic, log_ns - START) for topic, log_ns, _ in found] == [
        ('/trivial/label', 10), ('/trivial/overlay', 10),
        ('/trivial/label', 200_000_010), ('/trivial/overlay', 200_000_010),
    ]  # fmt: skip
    label = found[2][2]
    assert (label.header.stamp.nanosec, label.header.frame_id) == (200_000_000, 'lens')
    assert (label.encoding, label.step) == ('mono16', 128)
    np.testing.assert_array_equal(label.data.view('<u2').reshape(48, 64), small_frame(2)[1])
    assert (found[3][2].encoding, found[3][2].data.size) == ('rgb8', 48 * 64 * 3)


def test_labels_of_a_distorted_camera_lie_on_the_image_as_it_came(tmp_path):
    bag = write_camera_bag(tmp_path / 'bag', 1, distortion=(-0.25, 0.05, 0.0, 0.0, 0.0))
    assert segment(bag, '--output', tmp_path / 'out') == 0
    labels = read_labels(tmp_path / 'out' / '1700000000.000000000-labels.png')
    truth = small_frame(0)[1]
    # there and back by nearest pixels: all but the rims agree
    assert ((labels > 0) == (truth > 0)).mean() > 0.985
    assert Instances.from_labels(labels).areas() == pytest.approx([120, 120], abs=25)


def test_topics_may_be_named(tmp_path, capsys):
    bag = write_camera_bag(tmp_path / 'bag', 1)
    assert segment(bag, '--output', tmp_path / 'out', '--color-topic', '/chatter') == 2
    assert f'colour topic /chatter is not in the bag: of that type it has {COLOR}, {DEPTH}' in (
        capsys.readouterr().err)


def test_bags_need_no_ros(tmp_path):
    """Reading and writing bags imports neither rclpy nor a message package."""
    bag = write_camera_bag(tmp_path / 'bag', 2)
    code = (
        'import sys\n'
        'class NoRos:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        '        if name.split(".")[0] in ("rclpy", "sensor_msgs", "std_msgs", '
        '"builtin_interfaces"):\n'
        '            raise ModuleNotFoundError(name)\n'
        'sys.meta_path.insert(0, NoRos())\n'
        'import trivial_segmenter\n'
        'from seg_ros.cli import main\n'
        f'sys.exit(main(["segment", {str(bag)!r}, "--method", "trivial", '
        f'"--output", {str(tmp_path / "o.mcap")!r}]))'
    )
    here = Path(__file__).resolve().parent
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=60,
        env={'PYTHONPATH': f'{here}:{here.parent.parent}', 'PATH': '/usr/bin'},
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert '2 of 2 frames' in done.stdout


class Interrupted(_inputs.BagSource):
    """A source that gets a SIGINT while its second frame is under way."""

    def __init__(self, source):
        super().__init__(source.frames)
        self.source = source

    def __len__(self):
        return len(self.source)

    def __iter__(self):
        for index, named in enumerate(self.source):
            if index == 1:
                os.kill(os.getpid(), signal.SIGINT)
            yield named


@pytest.mark.parametrize('output', ['out', 'out.mcap'])
def test_ctrl_c_ends_after_a_whole_frame_and_leaves_a_readable_result(
    output, tmp_path, monkeypatch, capsys
):
    bag = write_camera_bag(tmp_path / 'bag', 5)
    plain = _inputs.open_input

    @contextlib.contextmanager
    def open_input(args):
        with plain(args) as source:
            yield Interrupted(source)

    monkeypatch.setattr(_inputs, 'open_input', open_input)
    assert segment(bag, '--output', tmp_path / output) == 130
    assert '1 of 5 frames' in capsys.readouterr().out
    if output == 'out':
        assert len(json.loads((tmp_path / 'out' / 'objects.json').read_text())) == 1
    else:
        with Bag(tmp_path / 'out.mcap') as written:
            counts = {c.topic: c.msgcount for c in written.connections}
        assert counts['/trivial/label'] == counts['/trivial/overlay'] == 1
        assert 1 <= counts[COLOR] <= 2
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith('.')] == []


def test_frames_of_a_folder_are_stamped_a_tenth_of_a_second_apart(frames, tmp_path):
    assert segment(frames, '--output', tmp_path / 'out.mcap') == 0
    types = typestore()
    with Bag(tmp_path / 'out.mcap') as written:
        stamps = [types.deserialize_cdr(data, c.msgtype).header.stamp
                  for c, _, data in written.messages(['/trivial/label'])]
    assert [(s.sec, s.nanosec) for s in stamps] == [(1, 0), (1, 10**8), (1, 2 * 10**8)]
