# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a training does when things go wrong or go on: bad views, full disks, stops, patience."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from training_views import HEIGHT, WIDTH, view_of, write_view

from seg_ros.cli import main
from seg_ros.cli.train import data_shares
from seg_ros.core.io import write_camera, write_labels
from seg_ros.networks.preprocessing import PUBLISHED, SMALL
from seg_ros.synthetic.sensor import corrupt_depth
from seg_ros.training import trainer as trainer_module
from seg_ros.training.card import write_card
from seg_ros.training.data import BatchPlan, PlannedBatches, ViewFolder, Views
from seg_ros.training.options import TrainOptions
from seg_ros.training.pictures import embedding_picture, label_picture
from seg_ros.training.samples import training_sample
from seg_ros.training.state import Best, save_checkpoint
from seg_ros.training.trainer import BEST, CHECKPOINT, WEIGHTS, Trainer
from seg_ros.training.unseen_task import UnseenTask
from seg_ros.unseen.checkpoint import build_network, metadata_of, network_of_weights
from seg_ros.weights import load_weights, save_weights

TINY = TrainOptions(
    width=64, height=48, crop_width=48, crop_height=32, crop_batch=2, full_batch=2, samples=8,
    crop_share=0.0, warmup_steps=1, log_steps=1, validation_samples=2, validation_frames=2,
    workers=0, device='cpu', threads=1, checkpoint_s=0.0)


def batches_of(folder, options=TINY):
    return PlannedBatches(Views([ViewFolder(folder, options.sensor_noise)]), options, SMALL)


def test_shares_say_how_often_a_view_is_of_each_folder(tmp_path):
    for name in ('few', 'many'):
        (tmp_path / name).mkdir()
    for index in range(8):
        write_view(tmp_path / ('few' if index < 2 else 'many'), f'{index}', index)
    folders = [ViewFolder(tmp_path / name) for name in ('few', 'many')]
    marks = {name: folder for folder in folders for name in folder.names}
    drawn = []
    for folder in folders:
        folder.view = lambda name: drawn.append(marks[name]) or name
    rng = np.random.default_rng(0)
    for shares, expected in ((None, 0.25), ((3, 1), 0.75)):
        views, drawn[:] = Views(folders, shares), []
        names = [views.random(rng) for _ in range(400)]
        assert drawn.count(folders[0]) / 400 == pytest.approx(expected, abs=0.08)
        assert len(set(names)) == 8
    assert [said['share'] for said in Views(folders, (3, 1)).describe()] == [0.75, 0.25]


@pytest.mark.parametrize('shares', [(1,), (1, 0), (1, -2), (1, float('nan')), (1, float('inf'))])
def test_shares_that_are_no_shares_are_refused(tmp_path, shares):
    write_view(tmp_path, '0', 0)
    with pytest.raises(ValueError, match='give a positive number for each of the 2 data sets'):
        Views([ViewFolder(tmp_path)] * 2, shares)


@pytest.mark.parametrize(('texts', 'folders', 'shares'), [
    (['a'], ['a'], None), (['a', 'b'], ['a', 'b'], None), (['a:1', 'b:2.5'], ['a', 'b'], [1, 2.5]),
    (['made:3'], ['made:3'], None), (['made:3:2', 'b:1'], ['made:3', 'b'], [2, 1])])
def test_data_sets_are_given_with_their_shares(tmp_path, monkeypatch, texts, folders, shares):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'made:3').mkdir()
    assert data_shares(texts) == ([Path(folder) for folder in folders], shares)


@pytest.mark.parametrize(('texts', 'message'), [
    (['a:1', 'b'], 'give every folder a share'), (['a:much'], "'much' is no share")])
def test_wrong_shares_are_named(texts, message):
    with pytest.raises(ValueError, match=message):
        data_shares(texts)


def test_a_few_broken_views_are_left_out_and_many_stop_the_training(tmp_path, caplog):
    for index in range(10):
        write_view(tmp_path, f'{index}', index)
    (tmp_path / '3-color.png').write_bytes(b'\x89PNG half')
    write_labels(tmp_path / '7-labels.png', np.zeros((5, 6), np.int32))
    batches = batches_of(tmp_path)
    for step in range(14):
        assert batches[BatchPlan(step, 'full', 64, 48, 2)][0].shape[0] == 2
    assert 'left out' in caplog.text
    for index in range(10):
        (tmp_path / f'{index}-depth.png').write_bytes(b'nothing')
    with pytest.raises(ValueError, match='views could not be read, the last one'):
        batches[BatchPlan(9, 'full', 64, 48, 8)]


def test_views_without_objects_train_too(tmp_path):
    write_view(tmp_path, 'a', 0)
    write_labels(tmp_path / 'a-labels.png', np.zeros((HEIGHT, WIDTH), np.int32))
    (tmp_path / 'train').mkdir()
    for path in tmp_path.glob('a-*'):
        path.rename(tmp_path / 'train' / path.name)
    trainer = Trainer(UnseenTask(TINY.replaced(samples=2)), tmp_path, tmp_path / 'out')
    assert trainer.run()


def own_frame(folder):
    """Write a frame as people have them: a JPEG, one camera.json, no mark of the generator."""
    view = view_of(0)
    write_view(folder, 'own', 0)
    (folder / 'own-color.png').unlink()
    (folder / 'own-camera.json').unlink()
    cv2.imwrite(str(folder / 'own-color.jpg'), view.color[..., ::-1])
    write_camera(folder / 'camera.json', view.camera)
    return view


@pytest.mark.parametrize(('marked', 'option', 'noisy'), [
    (False, 'auto', False), (True, 'auto', True), (False, 'always', True), (True, 'never', False)])
def test_own_frames_get_no_simulated_noise_unless_asked(tmp_path, marked, option, noisy):
    own_frame(tmp_path)
    if marked:
        (tmp_path / 'options.json').write_text('{"seed": 3}')
    folder = ViewFolder(tmp_path, option)
    assert folder.names == ['own']
    assert folder.view('own').clean is folder.noisy is noisy
    assert folder.describe()['noise'] is noisy
    assert folder.describe().get('seed') == (3 if marked else None)


def test_the_noise_reaches_the_samples_of_clean_views_alone(tmp_path, monkeypatch):
    own_frame(tmp_path)
    called = []

    def counted(*args, **kwargs):
        called.append(1)
        return corrupt_depth(*args, **kwargs)

    monkeypatch.setattr('seg_ros.training.samples.corrupt_depth', counted)
    batches_of(tmp_path)[BatchPlan(0, 'full', 64, 48, 2)]
    assert not called
    batches_of(tmp_path, TINY.replaced(sensor_noise='always'))[BatchPlan(0, 'full', 64, 48, 2)]
    assert len(called) == 2


def test_frames_without_labels_are_not_listed(tmp_path):
    write_view(tmp_path, 'a', 0)
    write_view(tmp_path, 'b', 1)
    (tmp_path / 'b-labels.png').unlink()
    assert ViewFolder(tmp_path).names == ['a']


def test_several_data_sets_join(data, tmp_path):
    (tmp_path / 'train').mkdir()
    own_frame(tmp_path / 'train')
    trainer = Trainer(UnseenTask(TINY.replaced(samples=2)), [data, tmp_path], tmp_path / 'out')
    assert len(trainer.task.train_views) == 5
    assert trainer.task.train_views.at(4).clean is False
    trainer.run()
    told = load_weights(tmp_path / 'out' / WEIGHTS, method='unseen_objects').metadata['training']
    assert [(one['views'], one['noise']) for one in told['data']] == [(4, True), (1, False)]


def test_a_full_disk_keeps_the_last_checkpoint_and_the_training_goes_on(
        data, tmp_path, monkeypatch, caplog):
    trainer = Trainer(UnseenTask(TINY), data, tmp_path)
    trainer.run(max_steps=1)
    before = (tmp_path / CHECKPOINT).read_bytes()
    calls = []

    def full(*_args):
        calls.append(1)
        if len(calls) <= 2:
            raise OSError(errno.ENOSPC, 'No space left on device')
        return real(*_args)

    real = trainer_module.save_checkpoint
    monkeypatch.setattr(trainer_module, 'save_checkpoint', full)
    trainer._save_or_say()
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert 'the last one stays' in caplog.text
    assert trainer.run()
    assert trainer.progress.samples == 8
    assert (tmp_path / CHECKPOINT).read_bytes() != before


def test_a_checkpoint_that_does_not_fit_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, {'optimizer': {}})
    before = path.read_bytes()

    def full(_content, file):
        file.write_bytes(b'a part')
        raise RuntimeError('[enforce fail at inline_container.cc] unexpected pos 64 vs 0')

    monkeypatch.setattr(torch, 'save', full)
    with pytest.raises(OSError, match='could not be written: .*unexpected pos'):
        save_checkpoint(path, {'optimizer': {}})
    assert [entry.name for entry in tmp_path.iterdir()] == [CHECKPOINT]
    assert path.read_bytes() == before


def test_rows_of_several_steps_are_the_same_after_a_resume(data, tmp_path):
    options = TINY.replaced(log_steps=3, samples=12, validation_frames=0)
    Trainer(UnseenTask(options), data, tmp_path / 'whole').run()
    Trainer(UnseenTask(options), data, tmp_path / 'parts').run(max_steps=2)
    Trainer(UnseenTask(options), data, tmp_path / 'parts', resume=True).run()
    whole, parts = (
        [line.split(',')[3:] for line in (tmp_path / run / 'curves.csv').read_text().split()]
        for run in ('whole', 'parts'))
    assert len(whole) == 3
    assert whole == parts


def test_the_last_validation_counts_and_comes_once(data, tmp_path):
    trainer = Trainer(UnseenTask(TINY.replaced(samples=6, validation_samples=4)), data, tmp_path)
    trainer.run()
    steps = [line.split(',')[0] for line in (tmp_path / 'validation.csv').read_text().split()[1:]]
    assert steps == ['2', '3']
    assert trainer.best.samples in (4, 6)
    assert (tmp_path / BEST).exists()


def test_weights_of_another_network_than_asked_for_are_refused(data, tmp_path):
    network = build_network('ucn_small', widths=(4, 6, 8, 8, 8), embedding_dim=8, head_width=8)
    path = tmp_path / 'w.safetensors'
    save_weights(path, network.state_dict(), metadata_of(network, 'ucn_small', (64, 48)))
    init = load_weights(path, method='unseen_objects')
    with pytest.raises(ValueError, match='is of architecture ucn_small, asked for ucn_resnet34'):
        Trainer(UnseenTask(TINY.replaced(architecture='ucn_resnet34')), data, tmp_path / 'out',
                init=init)
    with pytest.raises(ValueError, match='weights of fusion add cannot start .* of fusion cat'):
        Trainer(UnseenTask(TINY.replaced(fusion='cat')), data, tmp_path / 'out', init=init)


def test_patience_ends_a_training_and_the_best_weights_stay(data, tmp_path, monkeypatch):
    values = iter([0.5, 0.7, 0.6, 0.6, 0.9])
    trainer = Trainer(UnseenTask(TINY.replaced(samples=100, patience=2)), data, tmp_path)
    monkeypatch.setattr(trainer, 'validate', lambda: next(values))
    assert trainer.run()
    assert trainer.progress.samples == 8  # four validations, two samples each
    assert (trainer.best.value, trainer.best.samples) == (0.7, 4)
    best = load_weights(tmp_path / BEST, method='unseen_objects')
    assert best.metadata['training']['samples'] == 4


@pytest.mark.parametrize(('values', 'best', 'since'), [
    ([0.1, 0.3, 0.2], 0.3, 1), ([float('nan'), float('nan')], -1.0, 2), ([0.2, 0.2], 0.2, 1)])
def test_best_counts_what_came_since(values, best, since):
    state = Best()
    for samples, value in enumerate(values):
        state.add(value, samples)
    assert (state.value, state.since) == (best, since)


def test_weights_to_start_from_say_which_network(data, tmp_path):
    network = build_network('ucn_small', widths=(4, 6, 8, 8, 8), embedding_dim=8, head_width=8)
    path = tmp_path / 'old.safetensors'
    save_weights(path, network.state_dict(), metadata_of(network, 'ucn_small', (64, 48)))
    options = TINY.replaced(samples=2)
    init = load_weights(path, method='unseen_objects')
    trainer = Trainer(UnseenTask(options), data, tmp_path / 'out', init=init)
    trainer.run(max_steps=1)
    again = Trainer(UnseenTask(options), data, tmp_path / 'out', resume=True)
    for one in (trainer, again):
        assert one.network.config == network.config
        assert one.started_from == 'old.safetensors'
    loaded = network_of_weights(load_weights(tmp_path / 'out' / WEIGHTS, method='unseen_objects'))
    assert loaded.network.config == network.config


@pytest.mark.slow
def test_a_stopped_command_leaves_a_checkpoint_and_goes_on(data, tmp_path):
    words = [sys.executable, '-m', 'seg_ros', 'train', 'unseen_objects', '--data', str(data),
             '--out', str(tmp_path), '--samples', '600', '--workers', '0', '--threads', '1',
             '--device', 'cpu', '--set', 'width=64', '--set', 'height=48',
             '--set', 'crop_share=0', '--set', 'log_steps=1', '--set', 'validation_frames=0']
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    curve = tmp_path / 'curves.csv'
    waited = time.monotonic() + 120
    while time.monotonic() < waited and not (
            curve.exists() and len(curve.read_text().splitlines()) > 3):
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 'stopped: --resume goes on' in said
    done = torch.load(tmp_path / CHECKPOINT, weights_only=True)['progress']['samples']
    assert 0 < done < 600
    assert len(load_weights(tmp_path / WEIGHTS, method='unseen_objects').state) > 50


def test_tensorboard_gets_the_curves(data, tmp_path):
    pytest.importorskip('tensorboard', reason='tensorboard is not installed (extra train)')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Trainer(UnseenTask(TINY.replaced(samples=4, tensorboard=True)), data, tmp_path).run()
    events = EventAccumulator(str(tmp_path / 'tensorboard'))
    events.Reload()
    rows = (tmp_path / 'curves.csv').read_text().splitlines()
    column = rows[0].split(',').index('loss')
    scalars = events.Scalars('train/loss')
    assert [event.step for event in scalars] == [2, 4]
    assert [event.value for event in scalars] == pytest.approx(
        [float(row.split(',')[column]) for row in rows[1:]], rel=1e-5)
    assert events.Scalars('val/overlap_f')


def test_validation_leaves_a_picture_of_all_that_matters(data, tmp_path):
    Trainer(UnseenTask(TINY.replaced(samples=2, pictures=2)), data, tmp_path).run()
    picture = cv2.imread(str(tmp_path / 'validation.png'))
    assert picture.shape == (2 * 48, 5 * 64, 3)
    truth = picture[:48, 2 * 64:3 * 64]
    assert 0 < (truth.sum(axis=2) > 0).mean() < 0.7
    assert (picture[:48, 64:128].std(axis=(0, 1)) > 5).any()


def test_pictures_of_labels_and_embeddings():
    shown = label_picture(np.array([[0, -1, 2, 2, 1]]))
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert shown[0, 1].tolist() == [128, 128, 128]
    assert shown[0, 2].tolist() == shown[0, 3].tolist() != shown[0, 4].tolist()
    embedding = torch.zeros(8, 1, 4)
    embedding[0, 0, :2] = 1
    embedding[5, 0, 2:] = 1
    colors = embedding_picture(embedding)[0]
    assert (colors[0] == colors[1]).all()
    assert (colors[2] == colors[3]).all()
    assert np.abs(colors[0].astype(int) - colors[2]).max() > 200


@pytest.mark.parametrize('preprocessing', [SMALL, PUBLISHED])
def test_a_colour_picture_is_what_went_into_the_network(preprocessing):
    color = np.random.default_rng(0).integers(0, 256, (6, 7, 3)).astype(np.uint8)
    assert np.array_equal(preprocessing.picture(preprocessing.color_array(color)), color)


def test_frozen_norms_keep_their_statistics(data, tmp_path):
    trainer = Trainer(UnseenTask(TINY.replaced(samples=2, freeze_norm=True)), data, tmp_path)
    before = {key: value.clone() for key, value in trainer.network.state_dict().items()
              if 'running' in key}
    trainer.run()
    after = trainer.network.state_dict()
    assert before
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_the_card_tells_how_the_weights_were_made(data, tmp_path):
    trainer = Trainer(
        UnseenTask(TINY.replaced(samples=2, learning_rate=0.004)), data, tmp_path, shares=[2])
    trainer.run()
    text = write_card(tmp_path, trainer.metadata(), ['seg_ros', 'train', 'x']).read_text()
    for part in ('seg_ros train x', 'random weights', '2 samples', 'seed 0',
                 'train: 4 views, with simulated sensor noise', "'share': 1.0",
                 '`learning_rate`: 0.004', f'torch {torch.__version__}', 'overlap_f'):
        assert part in text


@pytest.mark.slow
def test_the_published_network_trains_with_the_same_command(data, tmp_path):
    words = ['train', 'unseen_objects', '--data', str(data), '--out', str(tmp_path / 'out'),
             '--arch', 'ucn_resnet34', '--samples', '4', '--workers', '0', '--threads', '1',
             '--device', 'cpu', '--set', 'width=64', '--set', 'height=48', '--set', 'full_batch=2',
             '--set', 'crop_share=0', '--set', 'validation_frames=0', '--set', 'log_steps=1',
             '--fusion', 'depth']
    assert main(words) == 0
    loaded = network_of_weights(
        load_weights(tmp_path / 'out' / WEIGHTS, method='unseen_objects'))
    assert (loaded.architecture, loaded.fusion) == ('ucn_resnet34', 'depth')
    losses = (tmp_path / 'out' / 'curves.csv').read_text().splitlines()
    assert len(losses) == 3


def test_zoom_samples_are_squares_that_hold_an_object():
    rng = np.random.default_rng(0)
    for _ in range(8):
        color, xyz, labels = training_sample(view_of(1), 'zoom', (32, 32), TINY, SMALL, rng)
        assert color.shape == xyz.shape == (3, 32, 32)
        assert labels.shape == (16, 16)
        assert (labels > 0).mean() > 0.1


def test_metadata_can_be_written_as_json(data, tmp_path):
    trainer = Trainer(UnseenTask(TINY), data, tmp_path)
    told = json.loads(json.dumps(trainer.metadata()))
    assert told['training']['options']['samples'] == 8
    assert told['config']['contact_head'] is True
