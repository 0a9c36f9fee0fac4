# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mask R-CNN trained by the command line, and by two processes as by one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from detection_parts import STEADY, rows_of, tiny_weights, trainer_of
from test_detection_data import write_coco_folder, write_folder
from training_views import view_of

from seg_ros.cli import main
from seg_ros.core.frame import RgbdFrame
from seg_ros.mask_rcnn.options import MaskRcnnOptions
from seg_ros.mask_rcnn.segmenter import load_mask_rcnn
from seg_ros.training.trainer import BEST, CHECKPOINT, WEIGHTS
from seg_ros.weights import load_weights

HERE = Path(__file__).parent


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp('tiny'))


def test_the_command_trains_a_detector_that_runs(tiny, tmp_path, capsys):
    write_folder(tmp_path / 'views' / 'train', classes=[1, 2, 1])
    write_folder(tmp_path / 'views' / 'val', seeds=(100,), classes=[1, 2, 1])
    coco = write_coco_folder(tmp_path / 'coco', names=('bowl', 'can'), seeds=(0, 1), depth=True)
    config = tmp_path / 'tiny.yaml'
    config.write_text('width: 64\nheight: 64\nbatch: 2\nclasses: named\nvalidation_frames: 1\n'
                      'proposals: 50\nrois: 32\nsmallest_object: 4\nroi: warp\n')
    out = tmp_path / 'out'
    words = ['train', 'mask_rcnn', '--data', f'{tmp_path / "views"}:3',
             '--data', f'{coco / "annotations.json"}:1', '--out', str(out), '--config',
             str(config), '--samples', '4', '--workers', '0', '--threads', '1', '--device', 'cpu',
             '--init', str(tiny.path)]
    assert main(words) == 0
    assert '4 samples in' in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} >= {
        CHECKPOINT, WEIGHTS, BEST, 'card.md', 'curves.csv', 'validation.csv', 'validation.png'}
    card = (out / 'card.md').read_text()
    assert card.startswith('# mask_rcnn: mask_rcnn_small, fusion add\n')
    for text in ('64x64 pixels', '**Started from**: tiny.safetensors', '4 samples in 2 steps',
                 'train: 2 views', "'share': 0.75", 'coco: 2 views', "'share': 0.25",
                 '`classes`: named', '`roi`: warp', '| ap | ap50 |'):
        assert text in card, text
    segmenter = load_mask_rcnn(
        out / WEIGHTS, 'cpu', 'torch', MaskRcnnOptions(score_threshold=0.0))
    assert segmenter.class_names == ('cup', 'bowl', 'can')
    view = view_of(0)
    found = segmenter.segment(RgbdFrame(view.color, view.depth_m, view.camera))
    assert found.labels.shape == view.labels.shape
    assert segmenter._loaded.roi == ('warp', 'average')


@pytest.mark.parametrize(('words', 'message'), [
    (['--stage', 'zoom'], '--stage: mask_rcnn has no option stage'),
    (['--set', 'crop_share=1'], 'unknown option crop_share'),
    (['--set', 'classes=named'], 'names no classes'),
    (['--set', 'roi=bend'], "roi is 'bend', choose one of")])
def test_the_command_refuses(data, tmp_path, capsys, words, message):
    out = tmp_path / 'out'
    assert main(['train', 'mask_rcnn', '--data', str(data), '--out', str(out), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (out / CHECKPOINT).exists()


# Run by torchrun in each process. Which regions are taught is drawn at random: here the first.
SCRIPT = """
import sys
import torch
from test_detection_command import TEAM, first_gradients
from detection_parts import tiny_weights
from seg_ros.training.detection_task import DetectionTask
from seg_ros.training.parallel import join_team, leave_team
from seg_ros.training.trainer import Trainer
from seg_ros.weights import load_weights

data, out, init = sys.argv[1:]
team, device = join_team('cpu')
trainer = Trainer(DetectionTask(TEAM), data, out, team=team,
                  init=load_weights(init, method='mask_rcnn'))
gradients = first_gradients(trainer)
if team.leads:
    torch.save(gradients, out + '/gradients.pt')
assert trainer.run()
leave_team(team)
"""
# Two of 8 regions show an object in every sample, so that means of means are means.
TEAM = STEADY.replaced(batch=4, rois=8, proposals=16, freeze_norm=True)


def first_gradients(trainer):
    """Return the gradients of the first batch, with the first of the regions to choose from."""
    randperm = torch.randperm
    torch.randperm = torch.arange
    try:
        batch = next(iter(trainer.task.loader(trainer.progress, trainer.team)))
        trainer.task.train_mode(trainer.network)
        trainer.task.losses_of(trainer.shared, batch, trainer.device)['loss'].backward()
    finally:
        torch.randperm = randperm
    found = {name: p.grad.clone() for name, p in trainer.network.named_parameters()}
    trainer.network.zero_grad(set_to_none=True)
    return found


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(tiny, data, tmp_path):
    out = tmp_path / 'two'
    out.mkdir()
    script = tmp_path / 'two.py'
    script.write_text(SCRIPT)
    environment = {**os.environ, 'PYTHONPATH': f'{HERE}{os.pathsep}{HERE.parents[1]}',
                   'OMP_NUM_THREADS': '1', 'GLOO_SOCKET_IFNAME': 'lo'}
    subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2',
         str(script), str(data), str(out), str(tiny.path)],
        check=True, env=environment, timeout=240, capture_output=True)
    single = trainer_of(data, tmp_path / 'one', TEAM, init=tiny)
    expected = first_gradients(single)
    found = torch.load(out / 'gradients.pt', weights_only=True)
    assert found.keys() == expected.keys()
    assert sum(value.abs().max() > 1e-4 for value in expected.values()) > 0.5 * len(expected)
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-3, atol=1e-3 * float(value.abs().max()) + 1e-7, msg=name)
    # together they took the steps of one and left one set of files
    assert [row['samples'] for row in rows_of(out, 'curves.csv')] == ['4', '8']
    assert len(rows_of(out, 'validation.csv')) == 1
    weights = load_weights(out / WEIGHTS, method='mask_rcnn')
    assert weights.metadata['training']['processes'] == 2
