# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""``seg_ros view`` of live topics: what it records of a camera and a node."""

import subprocess
import sys

import pytest
from ros_helpers import NodeProcess, Robot, environment

pytest.importorskip('rerun', reason='the Rerun viewer (rerun-sdk) is not installed')
chunk = pytest.importorskip('rerun.chunk', reason='this rerun-sdk cannot read recordings')


@pytest.mark.slow
def test_live_topics_become_a_recording(tmp_path):
    node = NodeProcess(method='blobs')
    robot = Robot(topics=())
    viewer = subprocess.Popen(
        [sys.executable, '-u', '-m', 'seg_ros', 'view', '--results', 'blobs', '--duration', '15',
         '--save', str(tmp_path / 'x.rrd')], env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    sent = []
    try:
        robot.wait_state('active')
        while viewer.poll() is None:
            sent.append(robot.send())
            with_pause(viewer)
    finally:
        robot.close()
        node_code = node.stop()
    out = viewer.communicate(timeout=60)[0]
    assert (viewer.returncode, node_code) == (0, 0), out
    assert 'nobody published it' not in out and 'not shown' not in out
    stamps = {}
    for part in chunk.RrdReader(tmp_path / 'x.rrd').stream():
        batch = part.to_record_batch()
        if 'stamp' in batch.schema.names:
            found = stamps.setdefault(part.entity_path, set())
            found.update(value.value for value in batch.column('stamp'))
    shown = ('/camera/color', '/camera/depth', '/camera/label', '/objects/points',
             '/objects/boxes', '/plots/latency_ms')
    for entity in shown:
        assert len(stamps[entity]) >= 5, (entity, out)
        assert stamps[entity] <= set(sent), entity
    assert stamps['/diagnostics']


def with_pause(viewer):
    """Wait for a frame's time, or the viewer's end."""
    try:
        viewer.wait(0.1)
    except subprocess.TimeoutExpired:
        return
