# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seg_ros.core import io
from seg_ros.core.frame import CameraModel, RgbdFrame

CAMERA = CameraModel(6, 4, fx=5.5, fy=5.25, cx=2.5, cy=1.5)


def frame():
    rng = np.random.default_rng(0)
    depth = rng.integers(300, 2000, (4, 6)).astype(np.float32) / 1000
    depth[0, 0] = np.nan
    return RgbdFrame(rng.integers(0, 255, (4, 6, 3), np.uint8), depth, CAMERA)


def test_a_frame_comes_back(tmp_path):
    io.write_frame(tmp_path, 'a', frame())
    io.write_labels(tmp_path / 'a-labels.png', np.full((4, 6), 300))
    folder = io.FrameFolder(tmp_path)
    back = folder.frame('a')
    assert folder.names == ['a'] and len(folder) == 1
    np.testing.assert_array_equal(back.color, frame().color)
    np.testing.assert_allclose(back.depth, frame().depth, atol=1e-6)
    assert back.camera == CAMERA
    assert (folder.labels('a') == 300).all()


@settings(max_examples=30, deadline=None)
@given(depth_mm=arrays(np.uint16, (3, 5), elements=st.integers(0, 65535)))
def test_every_millimetre_survives(tmp_path_factory, depth_mm):
    path = tmp_path_factory.mktemp('depth') / 'x-depth.png'
    depth_m = np.where(depth_mm == 0, np.nan, depth_mm / 1000).astype(np.float32)
    io.write_depth(path, depth_m)
    np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), depth_mm)
    np.testing.assert_allclose(io.read_depth(path), depth_m, rtol=1e-6)


def test_depth_beyond_sixteen_bits_is_none(tmp_path):
    io.write_depth(tmp_path / 'd.png', np.array([[79.0, np.inf, -1.0, 0.5]], np.float32))
    np.testing.assert_array_equal(
        cv2.imread(str(tmp_path / 'd.png'), cv2.IMREAD_UNCHANGED), [[0, 0, 0, 500]])


def test_own_camera_wins_and_colour_alone_is_a_frame(tmp_path):
    io.write_frame(tmp_path, 'a', frame())
    io.write_camera(tmp_path / 'camera.json', CAMERA.resized(60, 40))
    assert io.FrameFolder(tmp_path).frame('a').camera == CAMERA
    io.write_color(tmp_path / 'photo-color.jpg', np.zeros((4, 6, 3), np.uint8))
    (tmp_path / 'camera.json').unlink()
    lone = io.FrameFolder(tmp_path).frame('photo')
    assert lone.depth is None and lone.camera is None


def test_distortion_survives(tmp_path):
    camera = CameraModel(6, 4, 5, 5, 2, 1, distortion=(0.1, -0.2, 0.0, 0.0, 0.05))
    io.write_camera(tmp_path / 'camera.json', camera)
    assert io.read_camera(tmp_path / 'camera.json') == camera


@pytest.mark.parametrize(('change', 'error'), [
    (lambda f: (f / 'a-depth.png').write_bytes(b'no'), 'a-depth.png is not an image'),
    (lambda f: io.write_labels(f / 'a-depth.png', np.ones((2, 2), int)), 'a-color.png: depth 2x2'),
    (lambda f: cv2.imwrite(str(f / 'a-depth.png'), np.ones((4, 6), np.uint8)),
     'depth is a 16-bit grey PNG'),
    (lambda f: (f / 'a-camera.json').unlink(), 'needs a-camera.json or camera.json'),
    (lambda f: (f / 'a-camera.json').write_text('{"width": 6}'), "lacks 'height'"),
    (lambda f: (f / 'a-camera.json').write_text('[]'), 'is not a camera'),
    (lambda f: (f / 'a-camera.json').write_text('text'), 'is not a camera'),
    (lambda f: (f / 'a-color.png').write_bytes((f / 'a-color.png').read_bytes()[:60]),
     'a-color.png is not an image'),
])
def test_bad_files_are_named(tmp_path, change, error):
    io.write_frame(tmp_path, 'a', frame())
    change(tmp_path)
    with pytest.raises(ValueError, match=error):
        io.FrameFolder(tmp_path).frame('a')


def test_a_huge_png_is_refused_by_its_header(tmp_path):
    head = b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + b'IHDR'
    (tmp_path / 'a-color.png').write_bytes(head + struct.pack('>II', 60000, 60000) + b'\x08\x02')
    with pytest.raises(ValueError, match='declares 60000x60000'):
        io.FrameFolder(tmp_path).frame('a')


def test_folders_without_frames(tmp_path):
    with pytest.raises(ValueError, match='holds no frame'):
        io.FrameFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match='is not a folder'):
        io.FrameFolder(tmp_path / 'absent')


@pytest.mark.parametrize('labels', [np.array([[-1]]), np.array([[65536]])])
def test_labels_that_do_not_fit(tmp_path, labels):
    with pytest.raises(ValueError, match='holds 0..65535'):
        io.write_labels(tmp_path / 'x-labels.png', labels)


def test_the_highest_label_fits():
    labels = io.labels_of_16_bits(np.array([[0, 65535]], np.int32))
    assert (labels.dtype, labels.tolist()) == (np.uint16, [[0, 65535]])


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full_disk(*_):
        raise OSError(28, 'No space left on device')

    (tmp_path / 'x.json').write_text('old')
    monkeypatch.setattr('os.replace', full_disk)
    with pytest.raises(OSError, match='No space left'):
        io.write_atomically(tmp_path / 'x.json', b'new')
    assert [path.name for path in tmp_path.iterdir()] == ['x.json']
    assert (tmp_path / 'x.json').read_text() == 'old'
