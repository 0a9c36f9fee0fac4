# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The shipped weights: complete, small, and good on real frames; random ones are not."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seg_ros.core.io import FrameFolder
from seg_ros.evaluation.unseen_metrics import evaluate_frame, mean_score
from seg_ros.segmenters import load
from seg_ros.unseen.checkpoint import build_network, metadata_of, network_of_weights
from seg_ros.unseen.options import UnseenOptions
from seg_ros.weights import load_weights, save_weights

REAL = Path(os.environ.get('SEG_ROS_REAL', Path(__file__).parents[3] / 'shared' / 'real'))
needs_real_frames = pytest.mark.skipif(
    not REAL.is_dir(), reason=f'{REAL} is absent: SEG_ROS_REAL names a folder of real frames')


def score_on_real_frames(weights, **options):
    """Return the mean measures on the real frames with the default options but for these."""
    segmenter = load(
        weights=weights, device='cpu', backend='torch', options=UnseenOptions(**options))
    folder = FrameFolder(REAL)
    return mean_score([
        evaluate_frame(folder.labels(name), segmenter.segment(folder.frame(name)).labels)
        for name in folder.names])


def test_default_weights_are_the_small_network_and_say_how_they_were_made():
    weights = load_weights(method='unseen_objects')
    loaded = network_of_weights(weights)
    assert (loaded.architecture, loaded.fusion) == ('ucn_small', 'add')
    assert loaded.input_size == (400, 300)
    assert weights.path.stat().st_size < 6_000_000
    assert weights.metadata['training']['samples'] > 0
    assert weights.path.with_suffix('.md').read_text().startswith('# unseen_objects')


def test_weights_for_colour_alone_ship():
    segmenter = load(device='cpu', backend='torch', options=UnseenOptions(fusion='color'))
    assert not segmenter.needs_depth
    weights = load_weights('color', method='unseen_objects')
    assert weights.metadata['training']['started_from'] == 'unseen_objects.safetensors'
    assert network_of_weights(weights).fusion == 'color'
    assert weights.path.stat().st_size < 4_200_000
    assert weights.path.with_suffix('.md').read_text().startswith('# unseen_objects_color')


@needs_real_frames
@pytest.mark.slow
@pytest.mark.parametrize(('weights', 'fusion'), [('default', 'depth'), ('depth', 'auto')])
def test_depth_alone_is_what_the_default_weights_see_without_colour(weights, fusion):
    blind = load(
        weights=weights, device='cpu', backend='torch', options=UnseenOptions(fusion=fusion))
    assert blind.needs_depth
    folder = FrameFolder(REAL)
    frame = folder.frame(folder.names[0])
    found = blind.segment(frame).labels
    assert found.max() > 3
    painted = replace(frame, color=np.full_like(frame.color, 200))
    assert np.array_equal(blind.segment(painted).labels, found)


@needs_real_frames
@pytest.mark.slow
@pytest.mark.parametrize(('fusion', 'least'), [('color', 0.6), ('depth', 0.8)])
def test_weights_of_one_branch_find_real_objects(fusion, least):
    assert score_on_real_frames('default', fusion=fusion).overlap_f >= least


@needs_real_frames
@pytest.mark.slow
def test_default_weights_find_real_objects():
    score = score_on_real_frames('default')
    assert score.overlap_f >= 0.88
    assert score.share_above_75 >= 0.75


@needs_real_frames
@pytest.mark.slow
def test_random_weights_do_not(tmp_path):
    torch.manual_seed(0)
    network = build_network('ucn_small')
    path = tmp_path / 'random.safetensors'
    save_weights(path, network.state_dict(), metadata_of(network, 'ucn_small', (320, 240)))
    score = score_on_real_frames(path)
    assert score.overlap_f < 0.5
    assert score.share_above_75 < 0.3
