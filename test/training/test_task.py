# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The trainer with another task than the Unseen Clustering Network: nothing of that is needed."""

import csv
import math

import pytest
import torch
from line_task import LineOptions, LineTask

from seg_ros.cli import main
from seg_ros.cli import train as command
from seg_ros.training.card import write_card
from seg_ros.training.options import CommonTrainOptions, TrainOptions, read_train_options
from seg_ros.training.task import autocast, decayed_matrices, set_train_mode
from seg_ros.training.trainer import BEST, CHECKPOINT, WEIGHTS, Trainer
from seg_ros.weights import load_weights

LINE = LineOptions(
    samples=48, warmup_steps=2, log_steps=1, validation_samples=16, workers=0, device='cpu',
    threads=1)


def rows_of(folder, name):
    """Return the rows of a curve without the clock's column."""
    with (folder / name).open(encoding='utf-8') as file:
        return [{k: v for k, v in row.items() if k != 'seconds'} for row in csv.DictReader(file)]


def train(out, options=LINE, **more):
    trainer = Trainer(LineTask(options), out, out, **more)
    return trainer, trainer.run()


@pytest.mark.parametrize(('stop', 'log_steps'), [(1, 1), (5, 1), (4, 3)])
def test_a_task_with_random_losses_resumes_to_the_same_curve(tmp_path, stop, log_steps):
    options = LINE.replaced(log_steps=log_steps)
    train(tmp_path / 'whole', options)
    parts = Trainer(LineTask(options), tmp_path, tmp_path / 'parts')
    assert not parts.run(max_steps=stop)
    torch.manual_seed(12345)  # what another process would have drawn
    resumed, done = train(tmp_path / 'parts', options, resume=True)
    assert (done, resumed.progress.step) == (True, 12)
    for name, count in (('curves.csv', 12 // log_steps), ('validation.csv', 3)):
        rows = rows_of(tmp_path / 'whole', name)
        assert len(rows) == count
        assert rows == rows_of(tmp_path / 'parts', name)
    states = [load_weights(tmp_path / run / WEIGHTS, method='line').state
              for run in ('whole', 'parts')]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


def test_the_losses_and_measures_are_the_tasks(tmp_path):
    trainer, _ = train(tmp_path, LINE.replaced(samples=400, ema_decay=0.9))
    assert list(rows_of(tmp_path, 'curves.csv')[0]) == [
        'step', 'samples', 'rate', 'loss', 'noise']
    validations = rows_of(tmp_path, 'validation.csv')
    assert list(validations[0]) == ['step', 'samples', 'loss', 'noise', 'closeness']
    assert float(validations[-1]['loss']) < 0.1 * float(validations[0]['loss'])
    assert trainer.best.value == pytest.approx(
        max(float(row['closeness']) for row in validations), rel=1e-5)
    assert load_weights(tmp_path / BEST, method='line').metadata['config'] == {'width': 5}


def test_without_validation_data_there_is_no_best(tmp_path):
    trainer, done = train(tmp_path, LINE.replaced(validation_frames=0))
    assert done
    assert math.isnan(trainer.validate())
    assert not (tmp_path / BEST).exists()
    assert rows_of(tmp_path, 'validation.csv') == []


def test_groups_have_their_rate_and_frozen_parameters_stay(tmp_path):
    trainer = Trainer(LineTask(LINE), tmp_path, tmp_path)
    before = {name: p.detach().clone() for name, p in trainer.network.named_parameters()}
    trainer.run(max_steps=1)
    assert [group['lr'] for group in trainer.optimizer.param_groups] == pytest.approx(
        [0.25 * 0.05 / 2, 0.05 / 2])  # the first of two steps of warm-up
    moved = {name: float((p.detach() - before[name]).abs().max())
             for name, p in trainer.network.named_parameters()}
    assert moved['0.bias'] == 0.0
    # Adam's first step is the rate, but for the decay of matrices: rate x 0.01 x value
    assert moved['1.bias'] == pytest.approx(0.025, rel=1e-3)
    assert moved['0.weight'] == pytest.approx(0.00625, rel=0.02)
    resumed = Trainer(LineTask(LINE), tmp_path, tmp_path, resume=True)
    assert [group.get('lr_scale') for group in resumed.optimizer.param_groups] == [0.25, None]


def test_a_checkpoint_of_another_method_is_refused(tmp_path):
    train(tmp_path, LINE.replaced(samples=4))
    other = LineTask(LINE)
    other.method = 'curve'
    with pytest.raises(ValueError, match='is of a training of line, asked for curve'):
        Trainer(other, tmp_path, tmp_path, resume=True)


def test_the_start_is_told_by_the_task_and_kept_by_the_checkpoint(tmp_path):
    train(tmp_path, LINE.replaced(samples=4))
    task = LineTask(LINE)
    task.started_from = 'not this'
    trainer = Trainer(task, tmp_path, tmp_path, resume=True)
    assert trainer.metadata()['training']['started_from'] == 'nothing'


def test_the_card_needs_no_fields_of_another_method(tmp_path):
    trainer, _ = train(tmp_path, LINE.replaced(samples=4, slope=2.0))
    text = write_card(tmp_path, trainer.metadata(), ['seg_ros']).read_text()
    assert text.startswith('# line: two_layers\n\n- **Started from**: nothing\n')
    assert '- **Trained**: 4 samples in 1 steps' in text
    assert f'- {tmp_path.name}: 4 views\n' in text
    assert '- `slope`: 2.0\n' in text
    assert 'learning_rate' not in text  # the method's own default
    assert 'closeness' in text


@pytest.fixture
def line_method(monkeypatch):
    monkeypatch.setitem(command.METHODS, 'line', ('line_task:LineTask', 'line_task:LineOptions'))


def test_the_command_trains_a_method_of_the_registry(tmp_path, line_method, capsys):
    words = ['train', 'line', '--data', str(tmp_path), '--out', str(tmp_path), '--samples', '8',
             '--workers', '0', '--threads', '1', '--device', 'cpu', '--set', 'slope=1.5']
    assert main(words) == 0
    assert '8 samples in' in capsys.readouterr().out
    options = torch.load(tmp_path / CHECKPOINT, weights_only=True)['options']
    assert (options['slope'], options['learning_rate'], options['samples']) == (1.5, 0.05, 8)


@pytest.mark.parametrize(('words', 'message'), [
    (['--arch', 'ucn_small'], '--arch: line has no option architecture, leave the flag out'),
    (['--fusion', 'add'], '--fusion: line has no option fusion'),
    (['--stage', 'zoom'], '--stage: line has no option stage'),
    (['--set', 'crop_share=1'], 'unknown option crop_share')])
def test_flags_of_other_methods_are_refused(tmp_path, line_method, capsys, words, message):
    assert main(['train', 'line', '--data', str(tmp_path), '--out', str(tmp_path), *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_architecture_is_refused(tmp_path, capsys):
    words = ['train', 'unseen_objects', '--data', 'x', '--out', str(tmp_path), '--arch', 'unet']
    assert main(words) == 2
    assert 'choose one of ucn_small, ucn_resnet34' in capsys.readouterr().err


def test_options_of_a_file_are_of_the_kind_asked_for(tmp_path):
    path = tmp_path / 'x.yaml'
    path.write_text('seed: 4\nslope: 2\n')
    assert read_train_options(path, {'samples': '9'}, LineOptions) == LineOptions(
        seed=4, slope=2.0, samples=9)
    with pytest.raises(ValueError, match='unknown option slope'):
        read_train_options(path, {}, TrainOptions)


def test_matrices_decay_and_vectors_do_not():
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Conv2d(2, 1, 1))
    network[2].requires_grad_(False)
    groups = decayed_matrices(network, 0.3)
    assert [group['weight_decay'] for group in groups] == [0.3, 0.0]
    expected = [[network[0].weight], [network[0].bias, network[1].weight, network[1].bias]]
    for group, parameters in zip(groups, expected, strict=True):
        assert [id(p) for p in group['params']] == [id(p) for p in parameters]


@pytest.mark.parametrize('frozen', [False, True])
def test_training_mode_spares_frozen_norms(frozen):
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(2), torch.nn.Dropout()).eval()
    set_train_mode(network, frozen)
    assert [module.training for module in network] == [not frozen, True]


@pytest.mark.parametrize(('precision', 'dtype'), [
    ('fp32', torch.float32), ('bf16', torch.bfloat16)])
def test_precision_decides_the_type_of_products(precision, dtype):
    with autocast(CommonTrainOptions(precision=precision), torch.device('cpu')):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
