# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""``seg_ros play`` and ``seg_ros record`` as processes over the middleware."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import rclpy
from mcap.reader import make_reader
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.serialization import deserialize_message
from ros_helpers import environment, wait_until
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from seg_ros.bags.storage import Bag
from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import write_frame
from seg_ros.nodes.conversions import color_from_image, depth_from_image, stamp_ns
from seg_ros.nodes.recorder import matching_profile

CAMERA = CameraModel(12, 10, 20.0, 21.0, 5.5, 4.5)
COLOR, DEPTH, INFO = '/rgb/image_rect_color', '/depth_registered/image_rect', '/rgb/camera_info'
DOMAIN = int(os.environ['ROS_DOMAIN_ID']) + 1


class Cli:
    """Run a command of the command line in a process; output is kept."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [sys.executable, '-u', '-m', 'seg_ros', *map(str, words)], text=True,
            env={**environment(), 'ROS_DOMAIN_ID': str(DOMAIN)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def wait(self, timeout_s=120):
        out, err = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, out, err

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def read_until(self, text):
        """Read its output up to a line that begins with the text."""
        for line in self.process.stdout:
            if line.startswith(text):
                return
        raise AssertionError(f'{text!r} never came: {self.process.stderr.read()}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        with contextlib.suppress(ValueError):
            self.process.communicate()


@pytest.fixture
def node():
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    made = rclpy.create_node('tester', context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / 'frames'
    path.mkdir()
    for index, frame in enumerate(frames()):
        write_frame(path, f'{index:02d}', frame)
    return path


def frames():
    rng = np.random.default_rng(0)
    for _ in range(4):
        depth = rng.integers(300, 3000, (10, 12)).astype(np.float32) / np.float32(1000)
        depth[0, :3] = np.nan
        yield RgbdFrame(rng.integers(0, 255, (10, 12, 3), np.uint8), depth, CAMERA)


def recorded(path):
    """Return {topic: [(log time, message)]} and {topic: channel} by a reader that is not ours."""
    kinds = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CameraInfo': CameraInfo,
             'std_msgs/msg/String': String}
    found, channels = {}, {}
    with path.open('rb') as stream:
        for schema, channel, record in make_reader(stream).iter_messages():
            message = deserialize_message(record.data, kinds[schema.name])
            found.setdefault(channel.topic, []).append((record.log_time, message))
            channels[channel.topic] = channel
    return found, channels


@pytest.mark.parametrize('encoding', ['16UC1', '32FC1'])
def test_what_is_played_is_recorded(encoding, folder, tmp_path):
    bag, stamps = tmp_path / 'bag', tmp_path / 'stamps.json'
    with Cli('record', COLOR, DEPTH, INFO, '--output', bag) as recorder:
        with Cli('play', folder, '--encoding', encoding, '--rate', '4', '--stamps', stamps,
                 '--frame-id', 'lens', '--timeout', '90') as player:
            assert player.wait()[0] == 0
        recorder.interrupt()
        code, out, err = recorder.wait()
    assert code == 0 and 'Traceback' not in err
    assert f'{COLOR}: 4 messages' in out
    found, _ = recorded(bag / 'bag.mcap')
    sent = json.loads(stamps.read_text())
    assert [name for name, _ in sent] == ['00', '01', '02', '03']
    for index, frame in enumerate(frames()):
        color, depth, info = (found[topic][index][1] for topic in (COLOR, DEPTH, INFO))
        assert color.header == depth.header == info.header
        assert (stamp_ns(color.header), color.header.frame_id) == (sent[index][1], 'lens')
        assert depth.encoding == encoding
        np.testing.assert_array_equal(color_from_image(color), frame.color)
        np.testing.assert_allclose(depth_from_image(depth), frame.depth, atol=1e-6)
        np.testing.assert_array_equal(info.k, CAMERA.matrix.ravel())
    assert (np.diff([stamp for _, stamp in sent]) > 0).all()


def test_a_bag_is_played_under_its_own_names_and_answers_are_awaited(folder, node, tmp_path):
    bag = tmp_path / 'bag.mcap'
    with Cli('record', '/cam/rgb/image_rect_color', '/cam/depth_registered/image_rect',
             '/cam/rgb/camera_info', '--output', bag) as recorder:
        with Cli('play', folder, '--namespace', '/cam', '--timeout', '90') as player:
            assert player.wait()[0] == 0
        recorder.interrupt()
        assert recorder.wait()[0] == 0
    answers = node.create_publisher(Image, '/answer', 10)
    seen = []

    def answer(message):
        seen.append(message)
        # the third frame gets no answer
        if len(seen) != 3:
            answers.publish(Image(header=message.header))

    node.create_subscription(Image, '/cam/rgb/image_rect_color', answer, 10)
    for topic, kind in (('depth_registered/image_rect', Image), ('rgb/camera_info', CameraInfo)):
        node.create_subscription(kind, f'/cam/{topic}', lambda _: None, 10)
    awaiting = ['--await', '/answer', '--await-timeout', '4']
    with Cli('play', bag, *awaiting, '--timeout', '90') as player:
        assert spin(node, lambda: player.process.poll() is not None, 120)
        code, out, _ = player.wait()
    assert code == 1
    said = [line.split(': ')[1] for line in out.splitlines()[:4]]
    assert [text.startswith('answered in') for text in said] == [True, True, False, True]
    assert said[2] == 'no answer in 4 s'
    for message, frame in zip(seen, frames(), strict=True):
        np.testing.assert_array_equal(color_from_image(message), frame.color)
    # stamped anew, in order
    found, _ = recorded(bag)
    first = found['/cam/rgb/image_rect_color'][0][1]
    assert stamp_ns(seen[0].header) > stamp_ns(first.header)


def spin(node, done, timeout_s=60.0):
    executor = rclpy.executors.SingleThreadedExecutor(context=node.context)
    executor.add_node(node)

    def ready():
        executor.spin_once(timeout_sec=0.02)
        return done()

    ended = wait_until(ready, timeout_s)
    executor.remove_node(node)
    return ended


def test_nobody_listens_is_said(folder):
    with Cli('play', folder, '--timeout', '0.5') as player:
        code, out, err = player.wait()
    assert (code, out) == (2, '')
    assert f'fewer than 1 subscribers on {COLOR}, {DEPTH}, {INFO} within 0.5 s' in err.replace(
        f'{INFO}, {COLOR}, {DEPTH}', f'{COLOR}, {DEPTH}, {INFO}')


def test_a_loop_ends_by_ctrl_c(folder):
    with Cli('play', folder, '--loop', '--subscribers', '0', '--rate', '10') as player:
        for _ in range(6):
            player.process.stdout.readline()
        player.interrupt()
        player.interrupt()
        code, out, err = player.wait()
    assert code == 0 and 'Traceback' not in err
    assert int(out.splitlines()[-1].split()[0]) >= 6


def test_latched_and_best_effort_topics_and_missing_ones(node, tmp_path):
    latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    lossy = QoSProfile(depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    names = node.create_publisher(String, '/names', latched)
    fast = node.create_publisher(String, '/fast', lossy)
    names.publish(String(data='said before anybody listened'))
    bag = tmp_path / 'bag'
    with Cli('record', '/names', '/fast', '/never', '--output', bag) as recorder:
        assert spin(node, lambda: fast.get_subscription_count() == 1)
        for index in range(3):
            fast.publish(String(data=str(index)))
            spin(node, lambda: False, 0.1)
        recorder.read_until('recording /names')
        spin(node, lambda: False, 0.5)
        recorder.interrupt()
        code, _, err = recorder.wait()
    assert code == 1 and '/never: nobody published it' in err
    found, channels = recorded(bag / 'bag.mcap')
    assert [m.data for _, m in found['/names']] == ['said before anybody listened']
    assert [m.data for _, m in found['/fast']] == ['0', '1', '2']
    # rosbag2 numbers: durability 1 transient local, 2 volatile; reliability 1 reliable, 2 not
    assert 'durability: 1' in channels['/names'].metadata['offered_qos_profiles']
    assert 'reliability: 2' in channels['/fast'].metadata['offered_qos_profiles']


@pytest.mark.parametrize('output', ['all.db3', 'all'])
def test_every_topic_but_those_excluded(node, output, tmp_path):
    first = node.create_publisher(String, '/soup/first', 10)
    bag = tmp_path / output
    words = ('--storage', 'sqlite3') if output == 'all' else ()
    with Cli('record', '--all', '--exclude', 'secret|rosout', '--output', bag, *words) as recorder:
        recorder.read_until('recording /soup/first')
        late = node.create_publisher(String, '/soup/late', 10)
        hidden = node.create_publisher(String, '/secret', 10)
        assert spin(node, lambda: late.get_subscription_count() == 1)
        for publisher in (first, late, hidden):
            publisher.publish(String(data='said'))
        spin(node, lambda: False, 0.5)
        recorder.interrupt()
        code, _, err = recorder.wait()
    assert (code, err) == (0, '')
    with Bag(bag) as written:
        counts = {c.topic: c.msgcount for c in written.connections}
    assert counts['/soup/first'] == counts['/soup/late'] == 1
    assert not {'/secret', '/rosout'} & set(counts)
    for publisher in (first, late, hidden):
        node.destroy_publisher(publisher)


@pytest.mark.parametrize(('words', 'text'), [
    ((), 'no topics: name them, or record --all'),
    (('/a', '--exclude', 'b'), '--exclude goes with --all'),
    (('--all', '--exclude', '('), 'is no regular expression'),
])
def test_what_is_to_be_recorded_must_be_clear(words, text, tmp_path):
    with Cli('record', *words, '--output', tmp_path / 'bag') as recorder:
        code, _, err = recorder.wait()
    assert code == 2 and text in err
    assert not (tmp_path / 'bag').exists()


@pytest.mark.skipif(os.environ.get('ROS_DISTRO') == 'humble', reason='Humble has no type hashes')
def test_recorded_types_have_the_hash_of_the_running_distribution(node, tmp_path):
    from diagnostic_msgs.msg import DiagnosticArray
    from geometry_msgs.msg import PoseArray
    from sensor_msgs.msg import PointCloud2
    from visualization_msgs.msg import MarkerArray

    from seg_ros.bags.storage import typestore

    types = typestore()
    for kind in (Image, CameraInfo, MarkerArray, PointCloud2, PoseArray, DiagnosticArray, String):
        name = f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'
        publisher = node.create_publisher(kind, '/hash', 1)
        info, = node.get_publishers_info_by_topic('/hash')
        assert str(info.topic_type_hash) == types.hash_rihs01(name), name
        node.destroy_publisher(publisher)


@pytest.mark.parametrize(
    ('offered', 'expected'),
    [
        ('rl', 'rl'), ('rv', 'rv'), ('bv', 'bv'), ('rl rl', 'rl'), ('rl rv', 'rv'),
        ('rv bl', 'bv'), ('bl bl', 'bl'),
    ],
)
def test_a_recorder_asks_for_no_more_than_all_publishers_offer(offered, expected):
    found = matching_profile([profile(word) for word in offered.split()])
    assert (found.reliability, found.durability) == (
        profile(expected).reliability, profile(expected).durability)


def profile(word):
    return QoSProfile(
        depth=1,
        reliability=QoSReliabilityPolicy.RELIABLE if word[0] == 'r'
        else QoSReliabilityPolicy.BEST_EFFORT,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if word[1] == 'l'
        else QoSDurabilityPolicy.VOLATILE,
    )
