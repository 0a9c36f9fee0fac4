# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""``seg_ros segment BAG --output BAG``: the results added, everything else byte for byte."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bag_copies import CUSTOM, everything, mixed_bag, results_of
from rosbags.rosbag2 import StoragePlugin
from small_frames import small_frame
from test_segment_bag import write_camera_bag

from seg_ros.bags.storage import Bag, typestore
from seg_ros.cli import main

LABEL, OVERLAY = '/trivial/label', '/trivial/overlay'


def segment(*words):
    return main(['segment', *map(str, words), '--method', 'trivial', '--quiet'])


OUTPUTS = {'one.mcap': (), 'one.db3': (), 'folder': ('--storage', 'sqlite3'),
           'other': ('--storage', 'mcap')}


@pytest.mark.parametrize('storage', list(StoragePlugin))
@pytest.mark.parametrize('output', OUTPUTS)
def test_everything_is_kept_and_the_results_are_added(storage, output, tmp_path):
    mixed_bag(tmp_path / 'in', storage)
    assert segment(tmp_path / 'in', '--output', tmp_path / output, *OUTPUTS[output]) == 0
    before, after = everything(tmp_path / 'in'), everything(tmp_path / output)
    added = {LABEL, OVERLAY}
    assert set(after['topics']) - set(before['topics']) == added
    for topic, described in before['topics'].items():
        assert after['topics'][topic] == described, topic
    assert [m for m in after['messages'] if m[0] not in added] == before['messages']
    assert len(before['messages']) > 12 and CUSTOM in before['topics']
    labels = results_of(tmp_path / output, LABEL)
    assert len(labels) == 3
    for index, (_, label) in enumerate(labels):
        assert label.header.stamp.nanosec == index * 100_000_000
        pixels = label.data.view('<u2').reshape(48, 64)
        np.testing.assert_array_equal(pixels, small_frame(index)[1])


def test_a_result_stands_behind_what_it_was_made_of(tmp_path):
    mixed_bag(tmp_path / 'in', StoragePlugin.MCAP)
    assert segment(tmp_path / 'in', '--output', tmp_path / 'out.mcap') == 0
    messages = everything(tmp_path / 'out.mcap')['messages']
    times = [log_ns for _, log_ns, _ in messages]
    assert times == sorted(times)
    labelled = [log_ns for topic, log_ns, _ in messages if topic == LABEL]
    depths = [log_ns for topic, log_ns, _ in messages if topic.endswith('depth/image_raw')]
    assert labelled == depths


def test_results_of_an_earlier_run_are_not_mixed(tmp_path, capsys):
    bag = write_camera_bag(tmp_path / 'in', 1)
    assert segment(bag, '--output', tmp_path / 'out.mcap') == 0
    assert segment(tmp_path / 'out.mcap', '--output', tmp_path / 'again.mcap') == 2
    assert f'the bag has {LABEL}, {OVERLAY} already' in capsys.readouterr().err
    again = tmp_path / 'results.mcap'
    assert segment(tmp_path / 'out.mcap', '--output', again, '--results-only') == 0
    assert set(everything(again)['topics']) == {LABEL, OVERLAY}


def test_storage_and_suffix_must_agree(tmp_path, capsys):
    bag = write_camera_bag(tmp_path / 'in', 1)
    assert segment(bag, '--output', tmp_path / 'x.mcap', '--storage', 'sqlite3') == 2
    assert 'is of storage mcap by its suffix, asked for is sqlite3' in capsys.readouterr().err


def test_compressed_topics_are_segmented_where_there_are_no_others(tmp_path):
    mixed_bag(tmp_path / 'in', StoragePlugin.MCAP, compressed=True)
    assert segment(tmp_path / 'in', '--output', tmp_path / 'out.mcap') == 0
    for index, (_, label) in enumerate(results_of(tmp_path / 'out.mcap', LABEL)):
        pixels = label.data.view('<u2').reshape(48, 64)
        np.testing.assert_array_equal(pixels, small_frame(index)[1])


def peak_mib(bag, output):
    """Return the peak of resident memory of a command that segments a bag."""
    code = ('import sys, trivial_segmenter\nfrom seg_ros.cli import main\n'
            'code = main(sys.argv[1:])\n'
            'import resource\n'
            'print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n'
            'sys.exit(code)')
    here = Path(__file__).resolve().parent
    done = subprocess.run(
        [sys.executable, '-c', code, 'segment', str(bag), '--method', 'trivial', '--quiet',
         '--output', str(output)], capture_output=True, text=True, timeout=300,
        env={**os.environ, 'PYTHONPATH': f'{here}:{here.parents[1]}'})
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1]) / 1024


@pytest.mark.slow
@pytest.mark.parametrize('suffix', ['mcap', 'db3'])
def test_memory_does_not_grow_with_the_bag(suffix, tmp_path):
    few, many = tmp_path / 'few', tmp_path / 'many'
    storage = StoragePlugin.MCAP if suffix == 'mcap' else StoragePlugin.SQLITE3
    for path, count in ((few, 100), (many, 1600)):
        mixed_bag(path, storage, count=count, scale=4)
    assert sum(file.stat().st_size for file in many.iterdir()) > 300e6
    grown = (peak_mib(many, tmp_path / f'many-out.{suffix}')
             - peak_mib(few, tmp_path / f'few-out.{suffix}'))
    assert grown < 20


def test_a_bar_is_shown_on_a_terminal_and_lines_elsewhere(tmp_path, capsys, monkeypatch):
    bag = write_camera_bag(tmp_path / 'in', 2)
    words = ['segment', str(bag), '--method', 'trivial', '--output']
    assert main([*words, str(tmp_path / 'a')]) == 0
    out, err = capsys.readouterr()
    assert (out.count('2 objects'), err) == (2, '')
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    assert main([*words, str(tmp_path / 'b')]) == 0
    out, err = capsys.readouterr()
    assert out.count('2 objects') == 2 and '2/2' in err and '100%' in err
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True)
    assert main([*words, str(tmp_path / 'c')]) == 0
    assert capsys.readouterr().out.count('objects') == 0


def test_an_unknown_type_is_copied_with_its_definition(tmp_path):
    mixed_bag(tmp_path / 'in', StoragePlugin.MCAP, count=1)
    assert segment(tmp_path / 'in', '--output', tmp_path / 'out.mcap') == 0
    with Bag(tmp_path / 'out.mcap') as bag:
        (copied,) = [c for c in bag.connections if c.topic == CUSTOM]
    assert copied.msgtype not in typestore().fielddefs
    assert 'float32 torque' in copied.msgdef.data


def test_a_type_that_nobody_knows_is_copied_all_the_same(tmp_path):
    """Bags of Humble in sqlite3 hold no definitions."""
    mixed_bag(tmp_path / 'in', StoragePlugin.SQLITE3)
    file = tmp_path / 'in' / 'in.db3'
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE message_definitions SET encoded_message_definition = '', "
                         "type_description_hash = ''")
        database.execute("UPDATE topics SET type_description_hash = ''")
        database.commit()
    assert segment(file, '--output', tmp_path / 'out.mcap') == 0
    before, after = everything(file), everything(tmp_path / 'out.mcap')
    assert [m for m in after['messages'] if m[0] not in (LABEL, OVERLAY)] == before['messages']
    assert after['topics'][CUSTOM][0] == 'robot_msgs/msg/Grip'
    assert after['topics'][CUSTOM][1] == ''
    assert 'uint32 height' in next(
        described[1] for topic, described in after['topics'].items() if 'image' in topic)
