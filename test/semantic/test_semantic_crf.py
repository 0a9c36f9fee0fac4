# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from tiny_semantic import frame_of, red_model, write_model

from seg_ros.cli import main
from seg_ros.segmenters import load
from seg_ros.semantic.options import SemanticOptions, deeplab_crf


def test_the_option_crf_refines_and_may_change_live(tmp_path):
    path = write_model(tmp_path / 'red.safetensors', red_model())
    frame = frame_of()
    segmenter = load('semantic', path, 'cpu', 'torch', SemanticOptions(crf='dense'))
    refined = segmenter.segment(frame)
    assert refined.probabilities is not None
    assert 'refine' in segmenter.timings
    np.testing.assert_allclose(segmenter.probabilities(frame), refined.probabilities)
    segmenter.options = segmenter.options.replaced(crf_bilateral_weight=0.0, crf_gaussian_weight=0)
    unmoved = segmenter.probabilities(frame)
    segmenter.options = segmenter.options.replaced(crf='none')
    plain = segmenter.segment(frame)
    assert plain.probabilities is None
    assert 'refine' not in segmenter.timings
    known = np.clip(segmenter.probabilities(frame), 1e-5, 1)
    np.testing.assert_allclose(unmoved, known / known.sum(0), atol=1e-4)
    assert np.abs(refined.probabilities - known).max() > 0.05


def test_deeplabs_preset():
    options = deeplab_crf(crf_iterations=5)
    assert (options.network, options.crf, options.crf_iterations) == ('deeplab', 'dense', 5)
    assert options.crf_bilateral_px == 67
    with pytest.raises(ValueError, match='unknown option'):
        deeplab_crf(width=3)


def test_tune_finds_better_parameters_and_goes_on(tmp_path, capsys):
    import cv2

    from seg_ros.core.io import write_frame

    folder = tmp_path / 'val'
    folder.mkdir()
    for number in range(2):
        frame = frame_of(seed=number)
        write_frame(folder, str(number), frame)
        classes = (frame.color[..., 0] > 150).astype(np.uint8)
        cv2.imwrite(str(folder / f'{number}-classes.png'), classes)
    (folder / 'classes.json').write_text('["background", "cup", "box"]')
    path = write_model(tmp_path / 'red.safetensors', red_model())
    words = ['tune', 'crf', str(folder), '--method', 'semantic', '--weights', str(path),
             '--device', 'cpu', '--backend', 'torch', '--trials', '5', '--classes', 'fine',
             '--log', str(tmp_path / 'log.jsonl')]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert '5 new trials' in out
    assert '--set crf_bilateral_px=' in out
    assert main(words) == 0
    assert '0 new trials' in capsys.readouterr().out
    assert main([*words, '--frames', '1']) == 2
    assert 'was begun with' in capsys.readouterr().err
