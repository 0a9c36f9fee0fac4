# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""``seg_ros view``: what a recording of the Rerun viewer holds, and the page in a browser."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_copies import START, mixed_bag
from headless import Page
from rosbags.rosbag2 import StoragePlugin
from small_frames import small_frame

from seg_ros.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def rerun():
    return pytest.importorskip('rerun', reason='the Rerun viewer (rerun-sdk) is not installed')


@pytest.fixture
def bag(tmp_path):
    mixed_bag(tmp_path / 'in', StoragePlugin.MCAP)
    assert main(['segment', str(tmp_path / 'in'), '--method', 'trivial', '--quiet', '--output',
                 str(tmp_path / 'bag.mcap')]) == 0
    return tmp_path / 'bag.mcap'


def rows_of(path):
    """Return by entity a list of (stamp in ns or None, {component: value})."""
    chunk = pytest.importorskip('rerun.chunk', reason='this rerun-sdk cannot read recordings')
    found = {}
    for part in chunk.RrdReader(path).stream():
        batch = part.to_record_batch()
        names = [name for name in batch.schema.names if ':' in name]
        stamps = batch.column('stamp') if 'stamp' in batch.schema.names else None
        for row in range(batch.num_rows):
            values = {name: batch.column(name)[row] for name in names}
            stamp = None if stamps is None else stamps[row].value
            found.setdefault(part.entity_path, []).append((stamp, values))
    return {entity: sorted(rows, key=lambda row: row[0] or 0) for entity, rows in found.items()}


def flat(value):
    return np.array(value.as_py()).ravel()


def test_a_bag_becomes_a_recording(rerun, bag, tmp_path, capsys):
    assert main(['view', str(bag), '--save', str(tmp_path / 'new' / 'x.rrd')]) == 0
    assert 'shown: camera_info 3, color 3, depth 3, label 3' in capsys.readouterr().out
    rows = rows_of(tmp_path / 'new' / 'x.rrd')
    stamps = [START + index * 100_000_000 for index in range(3)]
    for entity in ('/camera/color', '/camera/depth', '/camera/label', '/objects/points',
                   '/camera/label/boxes', '/plots/latency_ms', '/plots/objects'):
        assert [stamp for stamp, _ in rows[entity]] == stamps, entity
    for index in range(3):
        frame, truth = small_frame(index)
        label = flat(rows['/camera/label'][index][1]['SegmentationImage:buffer'])
        ids = label.astype(np.uint8).tobytes()
        np.testing.assert_array_equal(np.frombuffer(ids, '<u2').reshape(48, 64), truth)
        depth = flat(rows['/camera/depth'][index][1]['DepthImage:buffer']).astype(np.uint8)
        expected_mm = np.nan_to_num(np.rint(frame.depth * 1000)).astype(np.uint16)
        np.testing.assert_array_equal(
            np.frombuffer(depth.tobytes(), '<u2').reshape(48, 64), expected_mm)
        jpeg = flat(rows['/camera/color'][index][1]['EncodedImage:blob']).astype(np.uint8)
        rgb = cv2.cvtColor(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert np.abs(rgb.astype(int) - frame.color).mean() < 10
        assert float(flat(rows['/plots/objects'][index][1]['Scalars:scalars'])[0]) == truth.max()
        # the label was written with its depth image, 10 ns after the colour image
        latency = flat(rows['/plots/latency_ms'][index][1]['Scalars:scalars'])[0]
        assert latency == pytest.approx(1e-5)
        check_points(rows['/objects/points'][index][1], frame, truth)
    ((_, pinhole),) = rows['/camera']
    assert flat(pinhole['Pinhole:resolution']).tolist() == [64, 48]


def check_points(values, frame, truth):
    ids = flat(values['Points3D:class_ids'])
    positions = np.array(values['Points3D:positions'].as_py(), np.float32).reshape(-1, 3)
    keep = (truth > 0) & np.isfinite(frame.depth)
    np.testing.assert_array_equal(ids, truth[keep])
    np.testing.assert_allclose(positions[:, 2], frame.depth[keep], atol=6e-4)


def test_what_is_wrong_is_said(rerun, bag, tmp_path, capsys):
    mine = tmp_path / 'mine.rrd'
    mine.write_text('mine')
    for words, text in (
        ([str(bag), '--save', str(mine)], 'exists already'),
        ([str(bag), '--web', '--save', str(tmp_path / 'x.rrd')], 'exclude each other'),
        ([str(tmp_path / 'none'), '--save', str(tmp_path / 'x.rrd')], 'no such bag'),
        ([str(bag), '--results', 'nobody', '--save', str(tmp_path / 'x.rrd')],
         'no /nobody/label in the bag: it has results of /trivial'),
    ):
        assert main(['view', *words]) == 2
        assert text in capsys.readouterr().err
    assert mine.read_text() == 'mine'


def test_without_the_viewer_the_package_is_named(bag, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'rerun', None)
    assert main(['view', str(bag), '--save', str(tmp_path / 'x.rrd')]) == 2
    assert "pip install 'seg_ros[view]'" in capsys.readouterr().err


def colors_in(picture):
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    return len(np.unique(pixels.reshape(-1, 3), axis=0))


@pytest.mark.slow
def test_the_page_shows_something_in_a_browser(rerun, bag, tmp_path):
    program = shutil.which('chromium') or shutil.which('chromium-browser')
    if program is None:
        pytest.skip('Chromium is not installed')
    path = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    server = subprocess.Popen(
        [sys.executable, '-u', '-m', 'seg_ros', 'view', str(bag), '--web', '--port', '9093'],
        stdout=subprocess.PIPE, text=True, env={**os.environ, 'PYTHONPATH': path})
    try:
        address = next(found.group(0) for line in server.stdout
                       if (found := re.search(r'http://localhost:9093\S*', line)))
        with urllib.request.urlopen('http://localhost:9093/', timeout=30) as answer:
            assert answer.status == 200
        page = Page(program, address, tmp_path / 'profile', (800, 600))
        try:
            # the page alone, before anything is shown, has some hundred greys
            picture = page.picture_when(lambda seen: colors_in(seen) > 1500, 180.0)
        finally:
            page.close()
        (tmp_path / 'view.png').write_bytes(picture)
        assert colors_in(picture) > 1500
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
