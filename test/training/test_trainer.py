# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The trainer: learns, resumes to the same curve, survives being killed, refuses bad input."""

import csv
import math

import numpy as np
import pytest
import torch
from training_views import write_view

from seg_ros.cli import main
from seg_ros.networks.preprocessing import SMALL
from seg_ros.training.data import BatchPlan, PlannedBatches, ViewFolder, Views, batch_plans
from seg_ros.training.options import TrainOptions, read_train_options
from seg_ros.training.progress import Progress
from seg_ros.training.state import AveragedModel, Curve, load_checkpoint, save_checkpoint
from seg_ros.training.trainer import CHECKPOINT, WEIGHTS, Trainer
from seg_ros.training.unseen_task import UnseenTask
from seg_ros.unseen.checkpoint import network_of_weights
from seg_ros.weights import load_weights

TINY = TrainOptions(
    width=64, height=48, crop_width=48, crop_height=32, crop_batch=2, full_batch=2, samples=16,
    crop_share=0.5, warmup_steps=2, log_steps=1, validation_samples=8, validation_frames=2,
    workers=0, device='cpu', threads=1, checkpoint_s=0.0)


def curve(folder, name='curves.csv'):
    """Return the rows of a curve without the clock's column."""
    with (folder / name).open(encoding='utf-8') as file:
        return [{k: v for k, v in row.items() if k != 'seconds'} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_overfits_one_view(data, tmp_path):
    folder = tmp_path / 'one' / 'train'
    folder.mkdir(parents=True)
    write_view(folder, 'a', 1)
    options = TINY.replaced(
        samples=80, crop_share=0.0, zoom_max=1.0, drop_color=0.0, drop_depth=0.0,
        learning_rate=5e-3, checkpoint_s=1e9)
    Trainer(UnseenTask(options), tmp_path / 'one', tmp_path / 'out').run()
    losses = [float(row['loss']) for row in curve(tmp_path / 'out')]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.55 * np.mean(losses[:5])


@pytest.mark.slow
def test_a_resumed_run_has_the_curve_of_one_that_was_not_stopped(data, tmp_path):
    Trainer(UnseenTask(TINY), data, tmp_path / 'whole').run()
    first = Trainer(UnseenTask(TINY), data, tmp_path / 'parts')
    first.run(max_steps=3)
    first.curve.add({'step': 4, 'samples': 8, 'loss': 99.0})  # written after the checkpoint
    Trainer(UnseenTask(TINY), data, tmp_path / 'parts', resume=True).run()
    whole, parts = curve(tmp_path / 'whole'), curve(tmp_path / 'parts')
    assert [row['step'] for row in whole] == [str(step) for step in range(1, 9)]
    assert whole == parts
    states = [load_weights(tmp_path / run / WEIGHTS, method='unseen_objects').state
              for run in ('whole', 'parts')]
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key


@pytest.mark.slow
def test_a_run_killed_at_any_time_goes_on(data, tmp_path, monkeypatch):
    trainer = Trainer(UnseenTask(TINY), data, tmp_path)

    def killed(*_args, **_kwargs):
        raise KeyboardInterrupt

    trainer.run(max_steps=2)
    monkeypatch.setattr(torch, 'save', killed)  # dies while the next checkpoint is written
    with pytest.raises(KeyboardInterrupt):
        trainer.run(max_steps=1)
    monkeypatch.undo()
    resumed = Trainer(UnseenTask(TINY), data, tmp_path, resume=True)
    assert resumed.progress.step == 2
    resumed.run()
    assert resumed.progress.samples == TINY.samples


def test_weights_of_a_training_are_complete(data, tmp_path):
    Trainer(UnseenTask(TINY.replaced(samples=2, fusion='early')), data, tmp_path).run()
    weights = load_weights(tmp_path / WEIGHTS, method='unseen_objects')
    loaded = network_of_weights(weights)
    assert (loaded.input_size, loaded.fusion) == ((64, 48), 'early')
    assert weights.metadata['training']['samples'] == 2


def test_validation_has_the_losses_of_the_averaged_network(data, tmp_path):
    trainer = Trainer(UnseenTask(TINY), data, tmp_path)
    trainer.validate()
    row = curve(tmp_path, 'validation.csv')[0]
    expected = (10 * float(row['intra']) + 10 * float(row['inter'])
                + TINY.border_weight * float(row['border']) + float(row['foreground'])
                + TINY.contact_weight * float(row['contact']))
    assert float(row['loss']) == pytest.approx(expected, rel=1e-4)
    assert all(0 <= float(row[name]) <= 1
               for name in ('foreground_iou', 'overlap_f', 'share_above_75'))


@pytest.mark.parametrize(('stage', 'kinds'), [
    ('frames', ['crop'] * 4 + ['full'] * 4), ('zoom', ['zoom'] * 8)])
def test_crops_come_first_and_the_zoom_stage_has_its_own(stage, kinds):
    options = TINY.replaced(stage=stage)
    plans = batch_plans(options, Progress(options))
    assert [next(plans).kind for _ in range(8)] == kinds


@pytest.mark.parametrize(('step', 'samples', 'share'), [
    (0, 0, 0.5 * 1.0), (1, 0, 1.0), (1, 8, 0.01 + 0.99 * 0.5), (1, 16, 0.01)])
def test_rate_warms_up_and_follows_a_cosine(data, tmp_path, step, samples, share):
    trainer = Trainer(UnseenTask(TINY), data, tmp_path)
    trainer.progress.step, trainer.progress.samples = step, samples
    assert trainer.rate() == pytest.approx(TINY.learning_rate * share)


def test_a_time_budget_decides_alone():
    progress = Progress(TINY.replaced(time_budget_s=100.0))
    progress.restore({'step': 5, 'samples': 10 ** 6, 'seconds': 40.0})
    assert progress.share == pytest.approx(0.4, abs=0.01)


def test_the_same_plan_gives_the_same_batch_and_another_step_another(data):
    batches = PlannedBatches(Views([ViewFolder(data / 'train')]), TINY, SMALL)
    plans = [BatchPlan(step, 'crop', 48, 32, 3) for step in (4, 4, 5)]
    first, second, third = (batches[plan] for plan in plans)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[1], third[1])
    assert first[0].shape == (3, 3, 32, 48)


def test_a_growing_folder_is_listed_again(tmp_path, monkeypatch):
    monkeypatch.setattr('seg_ros.training.data._REFRESH_S', 0.0)
    write_view(tmp_path, 'a', 0)
    folder = ViewFolder(tmp_path)
    write_view(tmp_path, 'b', 1)
    folder.refresh()
    assert folder.names == ['a', 'b']
    (tmp_path / 'dataset.json').write_text('{}')
    folder.refresh()
    write_view(tmp_path, 'c', 2)
    folder.refresh()
    assert folder.names == ['a', 'b']


def test_average_follows_the_network():
    network = torch.nn.BatchNorm1d(1)
    average = AveragedModel(network, 0.5)
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.num_batches_tracked.fill_(7)
    average.update(network, step=100)
    assert average.network.weight.item() == pytest.approx(2.0)
    assert average.network.num_batches_tracked.item() == 7


def test_curve_drops_what_came_after_the_checkpoint(tmp_path):
    path = tmp_path / 'c.csv'
    path.write_text('step,loss\n1,0.5\n2,0.4\n3,0.3\n1')
    Curve(path, ('step', 'loss'), resume_step=2).add({'step': 3, 'loss': 0.25})
    assert path.read_text().split() == ['step,loss', '1,0.5', '2,0.4', '3,0.25']


def test_a_checkpoint_is_one_or_refused(tmp_path):
    save_checkpoint(tmp_path / 'a.pt', {'optimizer': {}, 'x': torch.ones(2)})
    assert load_checkpoint(tmp_path / 'a.pt')['x'].sum() == 2
    (tmp_path / 'b.pt').write_text('no checkpoint')
    with pytest.raises(ValueError, match='b.pt is no training checkpoint'):
        load_checkpoint(tmp_path / 'b.pt')


def test_an_output_folder_in_use_is_refused(data, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b'')
    with pytest.raises(ValueError, match='add --resume'):
        Trainer(UnseenTask(TINY), data, tmp_path)


@pytest.mark.parametrize(('words', 'message'), [
    (['--out', '{out}', '--resume'], 'nothing to resume'),
    (['--out', '{out}', '--set', 'colour=1'], 'unknown option colour'),
    (['--out', '{out}', '--set', 'drop_depth'], 'give NAME=VALUE'),
    (['--out', '{out}', '--samples', '0'], 'samples is 0'),
    (['--out', '{out}', '--device', 'abacus'], "device 'abacus' is unknown"),
    (['--out', '{out}', '--resume', '--init', 'x'], 'exclude each other'),
])
def test_the_command_refuses(data, tmp_path, capsys, words, message):
    words = [word.format(out=tmp_path / 'out') for word in words]
    assert main(['train', 'unseen_objects', '--data', str(data), *words]) == 2
    assert message in capsys.readouterr().err


def test_the_command_trains_and_starts_from_weights(data, tmp_path, capsys):
    config = tmp_path / 'tiny.yaml'
    config.write_text('width: 64\nheight: 48\nfull_batch: 2\ncrop_share: 0.0\nsamples: 2\n'
                      'validation_frames: 0\n')
    words = ['train', 'unseen_objects', '--data', str(data), '--config', str(config),
             '--workers', '0', '--threads', '1', '--device', 'cpu']
    assert main([*words, '--out', str(tmp_path / 'a')]) == 0
    first = tmp_path / 'a' / WEIGHTS
    assert main([*words, '--out', str(tmp_path / 'b'), '--init', str(first),
                 '--set', 'learning_rate=0', '--stage', 'zoom', '--set', 'zoom_size=32']) == 0
    assert '2 samples in' in capsys.readouterr().out
    old, new = (load_weights(tmp_path / run / WEIGHTS, method='unseen_objects').state
                for run in ('a', 'b'))
    zoom = load_weights(tmp_path / 'b' / WEIGHTS, method='unseen_objects')
    assert zoom.metadata['config']['input_size'] == [32, 32]
    for key in old:  # with no learning rate only the statistics move
        if 'running' not in key:
            torch.testing.assert_close(old[key], new[key])


def test_options_of_a_file_that_is_no_mapping_are_refused(tmp_path):
    path = tmp_path / 'x.yaml'
    path.write_text('- 1')
    with pytest.raises(ValueError, match='must hold a mapping'):
        read_train_options(path, {}, TrainOptions)


def test_a_loss_that_is_not_finite_stops_the_training(data, tmp_path):
    trainer = Trainer(UnseenTask(TINY), data, tmp_path)
    color, xyz, labels = next(iter([PlannedBatches(trainer.task.train_views, TINY, SMALL)[
        BatchPlan(0, 'full', 64, 48, 2)]]))
    with pytest.raises(RuntimeError, match='the loss is nan at step 0'):
        trainer.train_step((color * math.nan, xyz, labels))
