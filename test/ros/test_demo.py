# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The demo with a method that needs no network: all its processes, files and its end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from ros_helpers import environment, wait_until

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import read_color, read_labels, write_frame, write_labels

TRIVIAL = Path(__file__).parents[1] / 'cli' / 'with_trivial'
CAMERA = CameraModel(64, 48, 60.0, 62.0, 31.5, 23.5)


def small_frame(shift):
    color = np.full((48, 64, 3), 120, np.uint8)
    depth = np.full((48, 64), 1.5, np.float32)
    labels = np.zeros((48, 64), np.int32)
    for label, x in ((1, 5 + shift), (2, 35 + shift)):
        color[10:20, x:x + 12] = (220, 30, 40)
        depth[10:20, x:x + 12] = 0.8
        labels[10:20, x:x + 12] = label
    return RgbdFrame(color, depth, CAMERA), labels


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / 'scene'
    path.mkdir()
    for index in range(3):
        frame, labels = small_frame(index)
        write_frame(path, f'{index:02d}', frame)
        write_labels(path / f'{index:02d}-labels.png', labels)
    return path


@pytest.fixture
def demo():
    """Start a demo with the trivial methods at hand; it is interrupted if it lives too long."""
    started = []

    def start(*words):
        env = environment()
        env['PYTHONPATH'] = os.pathsep.join([env['PYTHONPATH'], str(TRIVIAL)])
        command = [sys.executable, '-u', '-m', 'seg_ros', 'demo', '--method', 'trivial',
                   '--domain-id', '73', *map(str, words)]
        started.append(subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate()


def processes_that_name(path):
    """Return the command lines of living processes that mention the path."""
    found = []
    for entry in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            words = entry.read_bytes()
        except OSError:
            continue
        if str(path).encode() in words and b'demo' not in words.split(b'\0'):
            found.append(words)
    return found


@pytest.mark.slow
def test_the_demo_leaves_what_it_promises(demo, folder, tmp_path):
    out = tmp_path / 'out'
    process = demo('--input', folder, '--output', out)
    said, err = process.communicate(timeout=240)
    assert (process.returncode, err) == (0, ''), said
    assert ['scene', '3', '3', '0', '2.0', '2.0', '1.000'] in [
        line.split()[:7] for line in said.splitlines()]
    for index in range(3):
        frame, labels = small_frame(index)
        np.testing.assert_array_equal(read_labels(out / f'{index:02d}-labels.png'), labels)
        overlay = read_color(out / f'{index:02d}-overlay.png')
        assert (overlay[labels == 0] == frame.color[labels == 0]).mean() > 0.95
        assert (overlay[labels > 0] != frame.color[labels > 0]).any(axis=-1).all()
    objects = json.loads((out / 'objects.json').read_text())
    assert [entry['centroid_m'][2] for entry in objects['01']] == [0.8, 0.8]
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['exit_codes'] == {'player': 0, 'node': 0, 'recorder': 0}
    assert summary['node']['segmented'] == '3'
    with (out / 'bag' / 'bag.mcap').open('rb') as stream:
        counts = {}
        for _, channel, _ in make_reader(stream).iter_messages():
            counts[channel.topic] = counts.get(channel.topic, 0) + 1
    expected = {f'/trivial/{name}' for name in
                ('label', 'mask', 'overlay', 'markers', 'points', 'poses')}
    expected |= {'/rgb/image_rect_color', '/depth_registered/image_rect', '/rgb/camera_info'}
    assert {topic for topic, count in counts.items() if count == 3} >= expected - {
        '/trivial/markers'}
    assert counts['/trivial/markers'] >= 3 and counts['/diagnostics'] >= 1
    assert (out / 'bag' / 'metadata.yaml').is_file()


@pytest.mark.slow
def test_a_node_that_cannot_start_is_said_and_nothing_stays_behind(demo, folder, tmp_path):
    out = tmp_path / 'out'
    weights = tmp_path / 'none.safetensors'
    process = demo('--input', folder, '--output', out, '--weights', weights)
    said, err = process.communicate(timeout=240)
    assert process.returncode == 2, said
    assert 'the node does not publish its topics: it failed' in err
    assert str(weights) in err and 'Traceback' not in err
    assert processes_that_name(out) == []


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_its_children(number, demo, folder, tmp_path):
    out = tmp_path / 'out'
    process = demo('--input', folder, '--output', out)
    assert wait_until(lambda: len(processes_that_name(out)) >= 1, 90)
    time.sleep(0.5)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130 and 'Traceback' not in err
    assert wait_until(lambda: processes_that_name(out) == [], 5)


def test_a_folder_with_other_things_is_not_touched(demo, folder, tmp_path):
    (tmp_path / 'thesis.tex').write_text('years of work')
    process = demo('--input', folder, '--output', tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2 and 'holds something else' in err
    assert (tmp_path / 'thesis.tex').read_text() == 'years of work'
