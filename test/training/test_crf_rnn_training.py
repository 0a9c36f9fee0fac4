# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from semantic_parts import OPTIONS, view_of, write_set

from seg_ros.segmenters import load
from seg_ros.semantic.checkpoint import load_model
from seg_ros.training.semantic_task import SemanticTask
from seg_ros.training.trainer import WEIGHTS, Trainer
from seg_ros.weights import load_weights

CRF = {'crf_rnn': True, 'learning_rate': 0.02,
       'crf_rnn_config': {'bilateral_px': 20.0, 'bilateral_color': 30.0, 'training_iterations': 2,
                          'iterations': 3}}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp('data'))


def trained(options, data, output, init=None):
    made = Trainer(SemanticTask(options), [data], output, init=init)
    made.run()
    return made, load_weights(output / WEIGHTS, method='semantic')


@pytest.fixture(scope='module')
def both(data, tmp_path_factory):
    """A network trained alone, then the same with a CRF at its end."""
    folder = tmp_path_factory.mktemp('trained')
    _, first = trained(
        OPTIONS.replaced(samples=40, learning_rate=0.03), data, folder / 'alone')
    made, second = trained(OPTIONS.replaced(samples=40, **CRF), data, folder / 'crf', first)
    return made, first, second


def test_training_changes_the_crf_and_lowers_the_loss(both):
    made, first, second = both
    assert set(second.state) - set(first.state) == {
        'crf.gaussian_weight', 'crf.bilateral_weight', 'crf.compatibility'}
    assert not torch.equal(second.state['crf.compatibility'], -torch.eye(4))
    curve = np.genfromtxt(second.path.parent / 'curves.csv', delimiter=',', names=True)['loss']
    assert curve[-5:].mean() < curve[:5].mean()
    assert made.started_from == WEIGHTS


def test_the_checkpoint_runs_wherever_a_semantic_model_does(both):
    _, _, second = both
    model = load_model(second).model
    assert not model.exportable
    assert model.crf.config['iterations'] == 3
    frame, _, classes = view_of(7)
    segmenter = load('semantic', second.path, device='cpu')
    assert segmenter.backend == 'torch'
    assert (segmenter.segment(frame).labels == classes).mean() > 0.8


def test_it_goes_on_from_weights_that_end_in_a_crf(both, data, tmp_path):
    _, _, second = both
    options = OPTIONS.replaced(crf_rnn=True)
    made = Trainer(SemanticTask(options), [data], tmp_path, init=second)
    assert torch.equal(made.network.crf.compatibility.data, second.state['crf.compatibility'])
    with pytest.raises(ValueError, match='leave it out'):
        Trainer(SemanticTask(options.replaced(crf_rnn_config={'bilateral_px': 9.0})), [data],
                tmp_path / 'other', init=second)


@pytest.mark.parametrize('config', [{'widths': 3}, {'iterations': 0}])
def test_a_config_amiss_is_refused(data, tmp_path, config):
    with pytest.raises(ValueError, match='crf_rnn_config|1 or more'):
        Trainer(SemanticTask(OPTIONS.replaced(crf_rnn=True, crf_rnn_config=config)), [data],
                tmp_path)
