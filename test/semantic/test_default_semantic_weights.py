# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The shipped semantic weights: complete, small, of use on real frames; random ones are not."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from seg_ros.core.io import FrameFolder
from seg_ros.evaluation.semantic_metrics import SemanticScores
from seg_ros.segmenters import load
from seg_ros.semantic.architectures import build_model
from seg_ros.semantic.checkpoint import METHOD, load_model, metadata_of, weights_of_network
from seg_ros.semantic.class_groups import COARSE
from seg_ros.weights import load_weights, save_weights

REAL = Path(os.environ.get('SEG_ROS_REAL', Path(__file__).parents[3] / 'shared' / 'real'))
needs_real_frames = pytest.mark.skipif(
    not REAL.is_dir(), reason=f'{REAL} is absent: SEG_ROS_REAL names a folder of real frames')
NETWORKS = ('fcn8s', 'deeplab', 'unet')


def object_iu(weights):
    """Return the IU of objects against the rest over the real frames."""
    segmenter = load(METHOD, weights=weights, device='cpu', backend='torch')
    scores = SemanticScores(segmenter.class_names)
    folder = FrameFolder(REAL)
    for name in folder.names:
        scores.add_objects(folder.labels(name), segmenter.segment(folder.frame(name)).labels)
    return scores.summary()['object_iu']


def test_the_default_is_fcn8s():
    assert load_weights(method=METHOD).metadata['architecture'] == 'fcn8s'


@pytest.mark.parametrize('network', NETWORKS)
def test_weights_ship_with_what_they_were_made_of(network):
    weights = weights_of_network(network, 'default')
    loaded = load_model(weights, network)
    assert loaded.model.class_names == tuple(COARSE) and loaded.model.uses_depth
    assert loaded.class_groups.members == COARSE
    assert weights.path.stat().st_size < 8_000_000
    card = weights.path.with_suffix('.md').read_text()
    assert card.startswith(f'# {weights.path.stem}') and 'seg_ros train semantic' in card
    assert weights.metadata['training']['samples'] > 0


@needs_real_frames
@pytest.mark.slow
@pytest.mark.parametrize('network', NETWORKS)
def test_objects_on_a_real_table_are_told_from_the_rest(network):
    assert object_iu(weights_of_network(network, 'default').path) >= 0.8


@needs_real_frames
@pytest.mark.slow
def test_random_weights_do_not_tell_them(tmp_path):
    torch.manual_seed(0)
    model = build_model('fcn8s', tuple(COARSE), backbone='light', fusion='add')
    with torch.no_grad():  # score layers start at zero
        for part in model.parameters():
            part += 0.01 * torch.from_numpy(
                np.random.default_rng(0).normal(size=part.shape).astype(np.float32))
    path = tmp_path / 'random.safetensors'
    save_weights(path, model.state_dict(), metadata_of(model, (320, 240)))
    assert object_iu(path) < 0.3
