# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of Mask R-CNN: what is pasted, the share's arithmetic, a short run of it all."""

import functools
import json
import sys

import numpy as np
import pytest
import torch
from torchvision.models import detection

from seg_ros.benchmark import detecting
from seg_ros.benchmark.frames import FreshFrames
from seg_ros.benchmark.harness import Measurement
from seg_ros.benchmark.report import Report
from seg_ros.cli import main
from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import write_frame
from seg_ros.core.options import Options
from seg_ros.mask_rcnn.checkpoint import metadata_of
from seg_ros.mask_rcnn.network_small import SmallDetectorConfig, small_detector
from seg_ros.mask_rcnn.options import MaskRcnnOptions
from seg_ros.weights import save_weights


def frame(width=64, height=48):
    color = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    depth = np.full((height, width), 0.8, np.float32)
    return RgbdFrame(color, depth, CameraModel(width, height, 60, 60, 32, 24))


@pytest.fixture
def frames():
    return FreshFrames([frame()], 'one')


@pytest.fixture
def tiny_weights(tmp_path):
    config = SmallDetectorConfig(
        widths=(4, 6, 8, 8, 8), blocks=(0, 0, 0, 0), raised_blocks=0, channels=8, box_width=16,
        mask_layers=1, anchor_sizes=(8, 16, 32, 48, 64))
    torch.manual_seed(0)
    state = {name: value for name, value in small_detector(config).state_dict().items()
             if not name.endswith('num_batches_tracked')}
    save_weights(tmp_path / 'tiny.safetensors', state, metadata_of(config, ('object',), (64, 48)))
    return tmp_path / 'tiny.safetensors'


class Pretended:
    """Tell stages of round numbers and remember frames and options."""

    method, backend, device, needs_depth = 'mask_rcnn', 'numpy', 'cpu', True

    def __init__(self):
        self.options: Options = MaskRcnnOptions(classes='mug')
        self.timings, self.seen, self.options_seen = {}, [], []

    def segment(self, frame):
        self.seen.append(frame.color)
        self.options_seen.append(self.options)
        self.timings = {'preprocess': 1.0, 'network': 1000.0, 'paste': 50.0}

    def detect(self, frame):
        return detecting.made_up_detections(self.options.max_objects, frame.shape)


def test_made_up_detections_are_inside_mixed_and_reproducible():
    found = detecting.made_up_detections(200, (480, 640), seed=3)
    again = detecting.made_up_detections(200, (480, 640), seed=3)
    other = detecting.made_up_detections(200, (480, 640), seed=4)
    assert np.array_equal(found.boxes, again.boxes)
    assert np.array_equal(found.masks, again.masks)
    assert not np.array_equal(found.boxes, other.boxes)
    assert found.boxes.min() >= 0
    assert (found.boxes[:, 2:] <= [640, 480]).all()
    heights = found.boxes[:, 3] - found.boxes[:, 1]
    ratios = (found.boxes[:, 2] - found.boxes[:, 0]) / heights
    assert 0.05 * 480 <= heights.min() < 50
    assert 200 < heights.max() <= 0.6 * 480
    assert ratios.min() >= 0.5 - 1e-5
    assert ratios.max() <= 2 + 1e-4
    assert found.masks.shape == (200, 28, 28)
    assert (found.masks[:, 14, 14] > 0.9).all()  # an object in the middle, none in the corner
    assert (found.masks[:, 0, 0] < 0.5).all()
    assert (np.diff(found.scores) < 0).all()


def test_the_share_is_taken_round_by_round():
    whole = Measurement('whole', stages_s={
        'preprocess': [1.0, 2.0, 1.0], 'network': [7.0, 2.0, 97.0], 'paste': [9.0, 9.0, 9.0]})
    paste = Measurement('paste', wall_s=[2.0, 1.0, 2.0])
    assert detecting.share_around(whole, paste) == pytest.approx(0.3)  # of 0.3, 0.6, 0.03


def test_pasting_agrees_with_torchvision_and_a_difference_shows(monkeypatch):
    found = detecting.made_up_detections(30, (120, 160))
    assert detecting.paste_difference(found, (120, 160)) < 1e-4
    monkeypatch.setattr(detecting, 'pasted_masks', lambda boxes, masks, shape: (
        ((slice(0, 1), slice(0, 1)), np.full((1, 1), 0.25, np.float32)) for _ in boxes))
    assert detecting.paste_difference(found, (120, 160)) > 0.9  # the middle of a mask


def test_torchvision_and_ours_see_the_same_frames(frames):
    ours, theirs, report = Pretended(), [], Report('mask_rcnn', {})
    detecting.measure_beside(
        report, ours, lambda frame: theirs.append(frame.color), frames, iterations=2)
    assert len(ours.seen) == len(theirs) == 3
    assert all(np.array_equal(*pair) for pair in zip(ours.seen, theirs, strict=True))
    assert not np.array_equal(theirs[0], theirs[1])
    assert [(row.section, row.name, row.peer) for row in report.rows] == [
        (detecting.PEER, detecting.TORCHVISION, None),
        (detecting.PEER, 'frame to labels', detecting.TORCHVISION)]
    assert report.findings == {}


def test_the_share_with_thirty_objects(frames):
    ours, report = Pretended(), Report('mask_rcnn', {})
    detecting.measure_share(report, ours, frames, iterations=2, warmup=1)
    assert {(o.score_threshold, o.nms_threshold, o.min_visible, o.max_objects, o.classes)
            for o in ours.options_seen} == {(0.0, 1.0, 0.0, 30, '')}
    assert ours.options == MaskRcnnOptions(classes='mug')
    found = report.findings
    assert found['detections in a frame of 30'] == 30
    paste_s = report.rows[-1].wall_ms.median / 1e3
    assert found['share of preprocessing and pasting'] == pytest.approx(
        (1 + paste_s) / (1001 + paste_s), rel=0.01)
    assert found["paste: largest difference from torchvision's"] < 1e-4
    assert report.rows[-1].peer == "torchvision's paste_masks_in_image of them"


SETTINGS = {'weights': 'default', 'device': 'cpu', 'backend': 'torch', 'threads': 1,
            'options': {'max_objects': '3', 'mask_threshold': '0.4'}}
# In place of the process that is measured: tells a detection for each frame and each cached file.
CHILD = """
import json, os, sys
from pathlib import Path
asked = json.loads(sys.argv[-1])
cache = Path(os.environ['SEG_ROS_CACHE'])
assert asked['options'] == {'mask_threshold': '0.4', 'score_threshold': 0.0, 'min_visible': 0.0,
                            'nms_threshold': 1.0, 'classes': '', 'max_objects': 100}
assert len(list(Path(asked['folder']).glob('frame-depth.png'))) == 1
started = len(list(cache.glob('*')))
cache.mkdir(exist_ok=True)
(cache / 'choice').touch()
print('a word of the runtime')
print(json.dumps({'load_s': 9.0 - started, 'peak_mib': 500.0 + started, 'detections': 100}))
"""


def test_a_process_with_an_empty_cache_and_one_after_it(monkeypatch):
    monkeypatch.setattr(detecting, 'python_command', lambda *arguments: [
        sys.executable, '-c', CHILD, *arguments])
    report = Report('mask_rcnn', {})
    detecting.measure_peak(report, SETTINGS, frame())
    assert report.findings == {
        'first start: seconds to load': 9.0, 'first start: peak resident MiB': 500.0,
        'later start: seconds to load': 8.0, 'later start: peak resident MiB': 501.0,
        'detections in a frame of 100': 100,
        'peak resident MiB, allowed': pytest.approx(1430.5, abs=0.1)}


def test_a_process_that_fails_says_what_it_wrote(monkeypatch):
    monkeypatch.setattr(detecting, 'python_command', lambda *_: [
        sys.executable, '-c', 'raise SystemExit("no camera")'])
    with pytest.raises(RuntimeError, match='exit code 1:\nno camera'):
        detecting.measure_peak(Report('mask_rcnn', {}), SETTINGS, frame())


@pytest.mark.slow
def test_the_command(tmp_path, capsys, monkeypatch, tiny_weights):
    monkeypatch.setattr(detection, 'maskrcnn_resnet50_fpn', functools.partial(
        detection.maskrcnn_resnet50_fpn, min_size=64, max_size=96))
    (tmp_path / 'frames').mkdir()
    write_frame(tmp_path / 'frames', 'one', frame())
    code = main(['benchmark', 'mask_rcnn', '--weights', str(tiny_weights), '--device', 'cpu',
                 '--backend', 'torch', '--input', str(tmp_path / 'frames'), '--iterations', '2',
                 '--warmup', '1', '--peer-iterations', '1', '--json', str(tmp_path / 'b.json')])
    assert code == 0, capsys.readouterr().err
    found = json.loads((tmp_path / 'b.json').read_text())
    rows = {(row['section'], row['name']): row for row in found['results']}
    stages = {name.split(': ')[1] for _, name in rows if name.startswith('torch: ')}
    assert {'preprocess', 'network', 'paste', 'total'} == stages
    assert rows['Beside torchvision', 'frame to labels']['wall_ratio']['count'] == 1
    findings = found['findings']
    assert findings["objects that torchvision's random weights found"] in range(101)
    assert findings['detections in a frame of 30'] == 30
    assert findings['detections in a frame of 100'] == 100
    for start in ('first start', 'later start'):
        assert 100 < findings[f'{start}: peak resident MiB'] < 1500
        assert findings[f'{start}: seconds to load'] > 0


@pytest.mark.parametrize(('words', 'expected'), [
    (['mask_rcnn', '--parts', 'mean_shift'],
     '--parts mean_shift: mask_rcnn has backends, peer, paste, memory'),
    (['unseen_objects', '--parts', 'node', 'peer'],
     '--parts peer: unseen_objects has segment, backends, mean_shift, node'),
    (['node', '--parts', 'node'], '--parts node: node has no parts'),
])
def test_parts_of_another_subject(words, expected, capsys):
    assert main(['benchmark', *words]) == 2
    assert expected in capsys.readouterr().err
