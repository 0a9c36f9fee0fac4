# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mask R-CNN with the trainer: what it learns, starts from, keeps and resumes."""

import csv
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from detection_parts import OPTIONS, STEADY, tiny_weights
from test_detection_data import write_coco_folder, write_folder
from training_views import view_of, write_view

from seg_ros.cli import main
from seg_ros.core.frame import RgbdFrame
from seg_ros.mask_rcnn.options import MaskRcnnOptions
from seg_ros.mask_rcnn.segmenter import load_mask_rcnn
from seg_ros.networks.small_trunk import SmallTrunkConfig
from seg_ros.training.detection_task import LOSSES, MEASURES, DetectionTask, trunk_of
from seg_ros.training.trainer import BEST, CHECKPOINT, WEIGHTS, Trainer
from seg_ros.unseen.checkpoint import build_network
from seg_ros.unseen.checkpoint import metadata_of as ucn_metadata
from seg_ros.weights import Weights, load_weights, save_weights

HERE = Path(__file__).parent


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp('tiny'))


def trainer_of(data, out, options=OPTIONS, **more):
    return Trainer(DetectionTask(options), data, out, **more)


def rows_of(folder, name):
    """Return the rows of a curve without the clock's column."""
    with (folder / name).open(encoding='utf-8') as file:
        return [{k: v for k, v in row.items() if k != 'seconds'} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_the_losses_fall_on_one_repeated_view(tiny, tmp_path):
    (tmp_path / 'train').mkdir()
    write_view(tmp_path / 'train', 'one', 0)
    options = STEADY.replaced(samples=120, learning_rate=5e-3, warmup_steps=5)
    trainer = trainer_of(tmp_path, tmp_path / 'out', options, init=tiny)
    assert trainer.run()
    rows = rows_of(tmp_path / 'out', 'curves.csv')
    assert list(rows[0]) == ['step', 'samples', 'rate', *LOSSES]
    assert len(rows) == 60

    def means(part):
        return {name: np.mean([float(row[name]) for row in part]) for name in LOSSES}

    first, last = means(rows[:5]), means(rows[-5:])
    assert last['loss'] < 0.5 * first['loss']
    assert last['loss_mask'] < 0.8 * first['loss_mask']
    assert last['loss_objectness'] < 0.5 * first['loss_objectness']
    for row in rows:
        parts = sum(float(row[name]) for name in LOSSES[1:])
        assert float(row['loss']) == pytest.approx(parts, rel=1e-4)


@pytest.mark.slow
def test_a_resumed_training_has_the_same_curve(tiny, data, tmp_path):
    options = OPTIONS.replaced(validation_samples=4)
    whole = trainer_of(data, tmp_path / 'whole', options, init=tiny)
    assert whole.run()
    parts = trainer_of(data, tmp_path / 'parts', options, init=tiny)
    assert not parts.run(max_steps=1)
    torch.manual_seed(12345)  # what another process would have drawn
    resumed = trainer_of(data, tmp_path / 'parts', options, resume=True)
    assert (resumed.progress.step, resumed.started_from) == (1, 'tiny.safetensors')
    assert resumed.run()
    for name, count in (('curves.csv', 4), ('validation.csv', 2)):
        rows = rows_of(tmp_path / 'whole', name)
        assert len(rows) == count
        assert rows == rows_of(tmp_path / 'parts', name)
    states = [load_weights(tmp_path / run / WEIGHTS, method='mask_rcnn').state
              for run in ('whole', 'parts')]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


def test_validation_measures_and_draws(tiny, data, tmp_path):
    trainer = trainer_of(data, tmp_path, OPTIONS.replaced(pictures=1), init=tiny)
    value = trainer.validate()
    row, = rows_of(tmp_path, 'validation.csv')
    assert [name for name in row if row[name]] == ['step', 'samples', *MEASURES]
    assert 0 <= value <= 1
    assert value == pytest.approx(float(row['ap']))
    assert (tmp_path / 'validation.png').is_file()


@pytest.mark.parametrize('folder', ['val', 'nothing readable'])
def test_without_readable_validation_data_there_is_no_measure(tiny, data, tmp_path, folder):
    shutil.copytree(data, tmp_path / 'views')
    if folder == 'val':
        shutil.rmtree(tmp_path / 'views' / 'val')
    else:
        for path in (tmp_path / 'views' / 'val').glob('*-depth.png'):
            path.write_bytes(b'')
    trainer = trainer_of(tmp_path / 'views', tmp_path / 'out', init=tiny)
    assert math.isnan(trainer.validate())
    assert rows_of(tmp_path / 'out', 'validation.csv') == []


class Perfect(torch.nn.Module):
    """Stand for a detector that finds the views of a folder as they are, in their order."""

    def __init__(self, seeds, found=(1, 2, 3)):
        super().__init__()
        self.found, self.seeds = found, list(seeds)

    def forward(self, images):
        labels = view_of(self.seeds.pop(0)).labels
        boxes, masks = [], []
        for label in self.found:
            rows, columns = np.nonzero(labels == label)
            x1, y1, x2, y2 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            boxes.append([x1, y1 * 64 / 48, x2, y2 * 64 / 48])
            crop = torch.from_numpy((labels[y1:y2, x1:x2] == label).astype(np.float32))
            masks.append(torch.nn.functional.interpolate(crop[None, None], (28, 28))[0])
        return [{'boxes': torch.tensor(boxes), 'masks': torch.stack(masks),
                 'scores': torch.full((len(boxes),), 0.9),
                 'labels': torch.ones(len(boxes), dtype=torch.int64)}]


@pytest.mark.parametrize(('found', 'low', 'high'), [((1, 2, 3), 0.5, 1.0), ((1,), 0.15, 1 / 3 + 0.01)])
def test_the_measures_are_those_of_the_views(data, tmp_path, found, low, high):
    task = DetectionTask(OPTIONS)
    task.open([data], None)
    values = task.validate(
        Perfect((100, 101), found), torch.device('cpu'), tmp_path / 'x.png')
    assert list(values) == list(MEASURES)
    assert low <= values['ap'] <= high
    assert values['ap50'] == pytest.approx(len(found) / 3, abs=0.01)
    assert (values['overlap_f'] > 0.8) == (len(found) == 3)


def test_classes_that_are_not_taught_are_not_missed(tmp_path):
    write_folder(tmp_path / 'train', classes=[1, 1, 1], names=('cup',))
    write_folder(tmp_path / 'val', seeds=(100,), classes=[1, 2, 2])
    task = DetectionTask(OPTIONS.replaced(classes='named'))
    task.open([tmp_path], None)
    values = task.validate(Perfect((100,), (1,)), torch.device('cpu'), tmp_path / 'x.png')
    assert values['ap50'] == pytest.approx(1.0)
    assert values['overlap_f'] > 0.8


@pytest.fixture
def ucn(tmp_path):
    """Return weights of an Unseen Clustering Network of other widths than the detector's."""
    torch.manual_seed(5)
    config = SmallTrunkConfig(fusion='cat', widths=(4, 6, 8, 10, 12), blocks=(0, 1, 0, 0))
    network = build_network('ucn_small', **config.as_dict())
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor += 0.01 * torch.rand(tensor.shape)
    path = tmp_path / 'ucn.safetensors'
    save_weights(path, network.state_dict(), ucn_metadata(network, 'ucn_small', (64, 64)))
    return load_weights(path, method='unseen_objects')


def assert_trunk_is_of(network, init):
    state = trunk_of(network).state_dict()
    assert len(state) > 50
    for name, value in state.items():
        if not name.endswith('num_batches_tracked'):  # not shipped
            assert torch.equal(value, init.state[name]), name


def test_weights_of_unseen_objects_start_the_trunk(ucn, data, tmp_path):
    trainer = trainer_of(data, tmp_path / 'out', init=ucn)
    assert_trunk_is_of(trainer.network, ucn)
    assert_trunk_is_of(trainer.average.network, ucn)
    assert trainer.started_from == 'ucn.safetensors'
    config = trainer.task.config
    assert (config.fusion, config.widths, config.blocks) == (
        'cat', (4, 6, 8, 10, 12), (0, 1, 0, 0))
    trainer.save()
    loaded = load_weights(tmp_path / 'out' / WEIGHTS, method='mask_rcnn')
    assert loaded.metadata['config']['fusion'] == 'cat'


def test_the_shipped_weights_can_start_a_detector(data, tmp_path):
    init = load_weights('default', method='unseen_objects')
    task = DetectionTask(OPTIONS)
    task.open([data], None)
    assert_trunk_is_of(task.network(None, init), init)


def test_a_trunk_that_lacks_something_starts_nothing(ucn, data, tmp_path):
    state = {name: value for name, value in ucn.state.items() if not name.startswith('up8.mix')}
    with pytest.raises(ValueError, match=r'ucn.safetensors does not fit SmallTrunk: .*up8.mix'):
        trainer_of(data, tmp_path / 'out', init=Weights(state, ucn.metadata, ucn.path))


@pytest.mark.parametrize('names', [('object',), ('cup', 'bowl')])
def test_weights_of_a_detector_start_all_but_other_classes(tmp_path, data, names):
    init = tiny_weights(tmp_path, names)
    trainer = trainer_of(data, tmp_path / 'out', init=init)
    state = trainer.network.state_dict()
    assert trainer.task.config.num_classes == 2
    other = {name for name in init.state if state[name].shape != init.state[name].shape}
    assert all('predictor' in name for name in other)
    assert len(other) == (0 if len(names) == 1 else 6)
    for name in init.state.keys() - other:
        assert torch.equal(state[name], init.state[name]), name
    trainer.save()
    saved = load_weights(tmp_path / 'out' / WEIGHTS, method='mask_rcnn')
    assert saved.metadata['config']['class_names'] == ['object']
    assert saved.metadata['training']['started_from'] == 'tiny.safetensors'


@pytest.mark.parametrize(('change', 'message'), [
    (lambda w: Weights(w.state, {}, w.path), 'a network None: weights of mask_rcnn or of unseen'),
    (lambda w: Weights({}, w.metadata, w.path), 'is no Mask R-CNN'),
    (lambda w: Weights(dict(list(w.state.items())[1:]), w.metadata, w.path), '1 keys differ'),
    (lambda w: Weights(w.state, {**w.metadata, 'config': {}}, w.path), 'metadata lacks config'),
    (lambda w: Weights(w.state, {**w.metadata, 'architecture': 'ucn_resnet34'}, w.path),
     "'ucn_resnet34'")])
def test_weights_that_cannot_start_it_are_refused(tiny, data, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        trainer_of(data, tmp_path / 'out', init=change(tiny))


@pytest.mark.parametrize(('changes', 'frozen'), [
    ({'trunk_rate': 0.0}, 'backbone.trunk.'), ({'freeze_stems': True}, 'backbone.trunk.stems.'),
    ({}, 'none')])
def test_what_is_frozen_stays(tiny, data, tmp_path, changes, frozen):
    trainer = trainer_of(data, tmp_path, OPTIONS.replaced(**changes), init=tiny)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    trainer.run(max_steps=2)
    states = trainer.network.state_dict(), trainer.average.network.state_dict()
    for name, value in before.items():
        for state in states:
            if name.startswith(frozen):
                assert torch.equal(state[name], value), name
    moved = {name for name, value in before.items() if not torch.equal(states[0][name], value)}
    # what is not frozen learns, statistics too
    for part in ('rpn.head.conv', 'roi_heads.box_head', 'backbone.lateral'):
        assert any(name.startswith(part) for name in moved), part
    for part in ('backbone.trunk.up4.mix.0.weight', 'backbone.trunk.up4.norm.running_mean'):
        assert (part in moved) == (not part.startswith(frozen)), part
    assert ('backbone.trunk.stems.color.entry.1.running_var' in moved) == (frozen == 'none')


def test_the_trunk_has_a_rate_of_its_own(tiny, data, tmp_path):
    options = OPTIONS.replaced(trunk_rate=0.25, warmup_steps=0, weight_decay=0.0)
    trainer = trainer_of(data, tmp_path, options, init=tiny)
    groups = trainer.optimizer.param_groups
    counted = sum(len(group['params']) for group in groups)
    assert counted == len(list(trainer.network.parameters()))
    before = {name: p.detach().clone() for name, p in trainer.network.named_parameters()}
    trainer.run(max_steps=1)
    moved = {name: float((p.detach() - before[name]).abs().max())
             for name, p in trainer.network.named_parameters()}
    # Adam's first step is the rate
    assert moved['backbone.trunk.up4.mix.0.weight'] == pytest.approx(0.25 * 2e-3, rel=0.02)
    assert moved['rpn.head.conv.0.0.weight'] == pytest.approx(2e-3, rel=0.02)


@pytest.mark.parametrize(('changes', 'expected'), [
    ({}, ['align', 'average']), ({'roi': 'pool'}, ['pool', 'max']),
    ({'roi': 'warp', 'roi_aggregation': 'max'}, ['warp', 'max'])])
def test_the_operator_is_trained_kept_and_resumed(tiny, data, tmp_path, changes, expected):
    trainer = trainer_of(data, tmp_path, OPTIONS.replaced(**changes), init=tiny)
    trainer.run(max_steps=1)
    config = load_weights(tmp_path / WEIGHTS, method='mask_rcnn').metadata['config']
    assert [config['roi'], config['roi_aggregation']] == expected
    resumed = trainer_of(data, tmp_path, resume=True)  # the options do not say it again
    for pool in (resumed.network.roi_heads.box_roi_pool, resumed.network.roi_heads.mask_roi_pool):
        assert [pool.operator, pool.aggregation] == expected
    resumed.save()
    config = load_weights(tmp_path / WEIGHTS, method='mask_rcnn').metadata['config']
    assert [config['roi'], config['roi_aggregation']] == expected


def test_pooling_an_average_is_refused(tiny, data, tmp_path):
    with pytest.raises(ValueError, match="'pool' has no aggregation 'average'"):
        trainer_of(data, tmp_path, OPTIONS.replaced(roi='pool', roi_aggregation='average'),
                   init=tiny)


def test_other_classes_cannot_be_resumed(tiny, tmp_path):
    folder = write_folder(tmp_path / 'data' / 'train', classes=[1, 2, 1])
    named = OPTIONS.replaced(classes='named')
    trainer = trainer_of(tmp_path / 'data', tmp_path / 'out', named, init=tiny)
    assert trainer.task.described(trainer.network)['config']['class_names'] == ['cup', 'bowl']
    trainer.save()
    (folder / 'classes.json').write_text(json.dumps(['background', 'cup', 'can']))
    with pytest.raises(ValueError, match=r'the checkpoint has 2 classes \(cup, bowl ...\), the '
                                         r'data 2 \(cup, can ...\): give the same data'):
        trainer_of(tmp_path / 'data', tmp_path / 'out', named, resume=True)


def test_a_mask_weight_weighs_the_masks(tiny, data, tmp_path):
    losses = []
    for weight in (1.0, 0.5, 0.0):
        trainer = trainer_of(data, tmp_path / str(weight), STEADY.replaced(mask_weight=weight),
                             init=tiny)
        task = trainer.task
        batch = next(iter(task.loader(trainer.progress, trainer.team)))
        torch.manual_seed(0)
        trainer.network.train()
        losses.append(task.losses_of(trainer.network, batch, torch.device('cpu')))
    masks = [parts['loss_mask'].item() for parts in losses]
    assert masks == pytest.approx([masks[0], masks[0] / 2, 0.0])
    for parts in losses:
        assert list(parts) and set(parts) == set(LOSSES)
        others = sum(value.item() for name, value in parts.items() if name != 'loss')
        assert parts['loss'].item() == pytest.approx(others, rel=1e-5)


def test_the_networks_own_fusion_decides_what_may_be_left_out(ucn, data, tmp_path):
    """Weights at the start may be of one input, whatever the options say."""
    metadata = {**ucn.metadata, 'config': {**ucn.metadata['config'], 'fusion': 'color'}}
    config = SmallTrunkConfig(fusion='color', widths=(4, 6, 8, 10, 12), blocks=(0, 1, 0, 0))
    state = build_network('ucn_small', **config.as_dict()).state_dict()
    init = Weights(state, metadata, ucn.path)
    options = OPTIONS.replaced(drop_color=1.0)
    trainer = trainer_of(data, tmp_path / 'out', options, init=init)
    images, _ = next(iter(trainer.task.loader(trainer.progress, trainer.team)))
    assert all(image[:3].any() for image in images)


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
from test_detection_task import TEAM, first_gradients
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
