# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Trainings of semantic segmentation: they learn, resume, start from weights, refuse others."""

import csv
import json

import cv2
import numpy as np
import pytest
import torch
from semantic_parts import NAMES, OPTIONS, write_set

from seg_ros.cli import main
from seg_ros.semantic.architectures import CAFFE, build_model
from seg_ros.semantic.checkpoint import load_model, metadata_of
from seg_ros.semantic.light import LightTrunk
from seg_ros.training import semantic_start
from seg_ros.training.semantic_task import SemanticTask
from seg_ros.training.trainer import CHECKPOINT, WEIGHTS, Trainer
from seg_ros.weights import load_weights, save_weights

STEADY = OPTIONS.replaced(
    focus_share=0.0, zoom_min=1.0, zoom_max=1.0, drop_color=0.0, drop_depth=0.0)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp('classes'))


def trainer(options, data, out, **kwargs):
    return Trainer(SemanticTask(options), data, out, **kwargs)


def rows(folder, name='curves.csv'):
    with (folder / name).open(encoding='utf-8') as file:
        return [{key: float(value) for key, value in row.items() if key != 'seconds'}
                for row in csv.DictReader(file)]


def saved(path, names=NAMES, network='TinyNetwork', **config):
    torch.manual_seed(5)
    model = build_model(network, names, **config)
    save_weights(path, model.state_dict(), metadata_of(model, (64, 48)))
    return load_weights(path, method='semantic')


@pytest.mark.slow
@pytest.mark.parametrize('changes', [
    {'optimizer': 'adamw', 'learning_rate': 0.02},
    {'optimizer': 'sgd', 'schedule': 'poly', 'learning_rate': 0.1, 'weight_decay': 5e-4},
    {'border_weights': True, 'class_weights': 'balanced', 'learning_rate': 0.02},
])
def test_classes_told_by_their_colours_are_learned(data, tmp_path, changes):
    options = STEADY.replaced(
        samples=400, batch=4, ema_decay=0.9, config='{width: 24}', **changes)
    assert trainer(options, data, tmp_path).run()
    losses = [row['loss'] for row in rows(tmp_path)]
    assert len(losses) == 100 and np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])
    measured = rows(tmp_path, 'validation.csv')[-1]
    assert measured['pixel_accuracy'] > 0.9 and measured['mean_iu'] > 0.75
    assert measured['object_iu'] > 0.75 and 0 < measured['loss'] < 1
    picture = cv2.imread(str(tmp_path / 'validation.png'))
    assert picture.shape == (2 * 48, 3 * 64, 3)
    loaded = load_model(load_weights(tmp_path / WEIGHTS, method='semantic'))
    assert loaded.model.class_names == NAMES and loaded.input_size == (64, 48)
    metadata = load_weights(tmp_path / 'best.safetensors', method='semantic').metadata
    assert metadata['class_groups'] == {name: [name] for name in NAMES}
    assert metadata['training']['data'] == [{'folder': 'train', 'views': 4, 'noise': False}]


@pytest.mark.parametrize('changes', [
    {}, {'optimizer': 'sgd', 'schedule': 'poly', 'network': 'GroupedNetwork'}])
def test_a_resumed_run_has_the_curve_of_one_that_was_not_stopped(data, tmp_path, changes):
    options = OPTIONS.replaced(samples=12, learning_rate=0.01, **changes)
    trainer(options, data, tmp_path / 'whole').run()
    trainer(options, data, tmp_path / 'parts').run(max_steps=3)
    trainer(options, data, tmp_path / 'parts', resume=True).run()
    assert len(rows(tmp_path / 'whole')) == 6
    assert rows(tmp_path / 'whole') == rows(tmp_path / 'parts')
    states = [load_weights(tmp_path / run / WEIGHTS, method='semantic').state
              for run in ('whole', 'parts')]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    with pytest.raises(ValueError, match=r'checkpoint tells 4 classes apart \(background'):
        trainer(options.replaced(classes='coarse'), data, tmp_path / 'parts', resume=True)


def test_the_rate_falls_as_the_paper_has_it(data, tmp_path):
    options = OPTIONS.replaced(samples=8, learning_rate=0.1, schedule='poly', warmup_steps=0)
    made = trainer(options, data, tmp_path)
    rates = []
    for samples in (0, 2, 4, 6, 8):
        made.progress.samples = samples
        rates.append(made.rate())
    np.testing.assert_allclose(rates, [0.1 * (1 - x / 8) ** 0.9 for x in (0, 2, 4, 6, 8)])
    made.progress.samples = 0
    made.run(max_steps=1)
    assert isinstance(made.optimizer, torch.optim.AdamW)


def test_published_groups_of_parameters_are_used(data, tmp_path):
    options = OPTIONS.replaced(
        network='GroupedNetwork', optimizer='sgd', momentum=0.8, weight_decay=0.25,
        learning_rate=0.1, warmup_steps=0)
    made = trainer(options, data, tmp_path)
    assert isinstance(made.optimizer, torch.optim.SGD)
    assert [(group['lr_scale'], group['weight_decay'], group['momentum'], len(group['params']))
            for group in made.optimizer.param_groups] == [(2.0, 0, 0.8, 3), (1.0, 0.25, 0.8, 3)]
    made.run(max_steps=1)
    assert [group['lr'] for group in made.optimizer.param_groups] == [0.2, 0.1]


def test_weights_start_a_training(data, tmp_path):
    init = saved(tmp_path / 'a.safetensors', width=5)
    made = trainer(OPTIONS, data, tmp_path / 'out', init=init)
    for key, value in made.network.state_dict().items():
        assert torch.equal(value, init.state[key]), key
    assert made.started_from == 'a.safetensors' and made.network.config == {'width': 5}
    assert made.network.training


def test_a_part_of_weights_starts_a_training(data, tmp_path, monkeypatch):
    said = []  # not caplog: loggers made after launch was imported do not reach it
    monkeypatch.setattr(
        semantic_start.logger, 'info', lambda text, *values: said.append(text % values))
    init = saved(tmp_path / 'a.safetensors', NAMES[:3])
    with pytest.raises(ValueError, match=r'a\.safetensors tells 3 classes apart .* partial_init'):
        trainer(OPTIONS, data, tmp_path / 'out', init=init)
    made = trainer(OPTIONS.replaced(partial_init=True), data, tmp_path / 'out', init=init)
    state = made.network.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in init.state.items()
               if 'score' not in key)
    assert said == [
        f'{init.path} gives 4 tensors; new: network.score.weight, network.score.bias; left out: '
        'network.score.bias, network.score.weight']
    assert made.started_from == 'a.safetensors, 4 of 6 tensors'
    other = load_weights(tmp_path / 'a.safetensors', method='semantic')
    strange = type(other)({'x': torch.zeros(1)}, other.metadata, other.path)
    with pytest.raises(ValueError, match='none of its 1 tensors fits TinyNetwork'):
        trainer(OPTIONS.replaced(partial_init=True), data, tmp_path / 'two', init=strange)


def test_weights_of_another_network_are_refused(data, tmp_path):
    init = saved(tmp_path / 'a.safetensors', network='GroupedNetwork')
    with pytest.raises(ValueError, match='is of network GroupedNetwork, asked for TinyNetwork'):
        trainer(OPTIONS, data, tmp_path / 'out', init=init)


@pytest.mark.parametrize(('changes', 'message'), [
    ({'network': 'nonsense'}, "network 'nonsense' is unknown"),
    ({'config': '{depth: 3}'}, "TinyNetwork: got an unexpected keyword argument 'depth'"),
    ({'backbone_weights': 'x.pth'}, 'has no backbone that ImageNet starts'),
    ({'classes': 'coarse', 'class_weights': '{sofa: 1}'}, 'class_weights name sofa'),
])
def test_options_that_cannot_be_served_are_named(data, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        trainer(OPTIONS.replaced(**changes), data, tmp_path)


def test_the_backbone_starts_from_imagenet(data, tmp_path, monkeypatch):
    from semantic_parts import TinyNetwork

    class WithTrunk(TinyNetwork):
        def __init__(self, num_classes):
            super().__init__(num_classes)
            self.trunk = LightTrunk()

    monkeypatch.setattr('semantic_parts.TinyNetwork', WithTrunk)
    torch.manual_seed(9)
    state = LightTrunk().features.state_dict()
    torch.save({f'features.{key}': value for key, value in state.items()}, tmp_path / 'mobile.pth')
    options = OPTIONS.replaced(backbone_weights=str(tmp_path / 'mobile.pth'))
    made = trainer(options, data, tmp_path / 'out')
    assert made.started_from == 'backbone: mobile.pth'
    for key, value in made.network.network.trunk.features.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_a_backbone_of_its_own_is_filled_by_its_network(data, tmp_path, monkeypatch):
    def fill(network, path):
        with torch.no_grad():
            network.color.bias.fill_(len(path.name))
        network.preprocessing = CAFFE

    monkeypatch.setattr('semantic_parts.TinyNetwork.load_imagenet', fill)
    made = trainer(OPTIONS.replaced(backbone_weights='x/vgg.pth'), data, tmp_path)
    assert (made.network.network.color.bias == 7).all()
    assert made.network.preprocessing == CAFFE


@pytest.mark.slow
def test_single_pixels_are_classified_by_a_perceptron(data, tmp_path, capsys):
    pytest.importorskip('sklearn', reason='scikit-learn is not installed')
    from seg_ros.semantic.architectures import ARCHITECTURES, PLAIN, Architecture, register

    if 'pixelwise' not in ARCHITECTURES:
        register(Architecture('pixelwise', 'seg_ros.semantic.pixelwise:build', PLAIN, ''))
    words = ['train', 'semantic', '--network', 'pixelwise', '--data', str(data), '--out',
             str(tmp_path / 'out'), '--device', 'cpu', '--set', 'classes=fine', '--set',
             'width=64', '--set', 'height=48', '--set', 'config.hidden=[24]',
             '--set', 'config.rounds=200', '--set', 'pixels_per_view=1000']
    assert main(words) == 0
    assert 'stopped' not in capsys.readouterr().out
    assert rows(tmp_path / 'out', 'validation.csv')[-1]['pixel_accuracy'] > 0.9
    loaded = load_model(load_weights(tmp_path / 'out' / WEIGHTS, method='semantic'))
    assert loaded.model.architecture == 'pixelwise' and loaded.model.class_names == NAMES
    card = (tmp_path / 'out' / 'card.md').read_text()
    assert 'a perceptron of scikit-learn, fitted to 4000 pixels of 4 views' in card
    assert main([*words, '--resume']) == 0


def test_the_command_trains(data, tmp_path, capsys):
    words = ['train', 'semantic', '--network', 'TinyNetwork', '--data', str(data),
             '--out', str(tmp_path), '--samples', '4', '--device', 'cpu', '--workers', '0',
             '--set', 'width=64', '--set', 'height=48', '--set', 'config.width=3',
             '--set', 'batch=2', '--set', 'classes=fine']
    assert main(words) == 0
    assert '4 samples in' in capsys.readouterr().out
    weights = load_weights(tmp_path / WEIGHTS, method='semantic')
    assert weights.metadata['config']['network'] == {'width': 3}
    assert json.loads(weights.metadata['training']['options']['config']) == {'width': 3}
    assert (tmp_path / CHECKPOINT).exists()
    assert main([*words, '--arch', 'x', '--resume']) != 0
    assert 'semantic has no option architecture' in capsys.readouterr().err
    assert main(['train', 'mask_rcnn', '--network', 'x', *words[4:]]) != 0
    assert 'mask_rcnn has no option network' in capsys.readouterr().err
