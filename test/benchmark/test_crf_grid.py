# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import importlib.util
import json
import time

import numpy as np
import pytest

from seg_ros.benchmark import crf_grid
from seg_ros.benchmark.crf_grid_peer import by_pymaxflow
from seg_ros.benchmark.crf_problems import easy_problem, noisy_problem, right_share
from seg_ros.cli import main
from seg_ros.core.io import read_color

SIZE = (40, 30)


def test_noise_is_the_same_every_time_and_its_least_is_0():
    one, other = noisy_problem(SIZE, 5, seed=3), noisy_problem(SIZE, 5, seed=3)
    costs = one.crf.unary.costs
    assert costs.shape == (30, 40, 5) and costs.dtype == np.float32
    np.testing.assert_array_equal(costs, other.crf.unary.costs)
    np.testing.assert_array_equal(costs.min(axis=2), 0)
    assert not np.array_equal(costs, noisy_problem(SIZE, 5, seed=4).crf.unary.costs)


def test_noise_tells_nothing_without_a_signal():
    def share(signal):
        problem = noisy_problem((200, 150), 5, signal=signal)
        return right_share(problem, problem.crf.unary.costs.argmin(axis=2))

    assert share(0.0) == pytest.approx(1 / 5, abs=0.02)
    assert share(0.3) > 0.4
    assert share(1.0) == 1.0


def test_the_easy_problem_is_nearly_solved_by_its_costs():
    problem = easy_problem(SIZE)
    assert right_share(problem, problem.crf.map('trw_s', iterations=20).labels) > 0.98


@pytest.mark.parametrize('method', crf_grid.METHODS)
def test_a_curve_never_rises_and_ends_at_the_result(method):
    problem = noisy_problem(SIZE, 4)
    curve = crf_grid.run('noisy', problem, method, 0.3, {'threads': 1, 'clock': time.perf_counter})
    energies = [energy for _, energy, _ in curve.points]
    assert energies == sorted(energies, reverse=True)
    assert curve.result.energy <= energies[-1] + 0.01
    assert curve.result.energy == pytest.approx(problem.crf.energy(curve.result.labels))


@pytest.mark.skipif(importlib.util.find_spec('maxflow') is None, reason='no PyMaxflow, the oracle')
def test_the_peer_cuts_the_same_graphs():
    for problem in (easy_problem(SIZE, 4), noisy_problem(SIZE, 4)):
        peer = by_pymaxflow(problem.crf, {})
        assert peer.energy == pytest.approx(problem.crf.map('alpha_expansion').energy, rel=1e-6)


def test_the_command_writes_figures_and_pictures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(crf_grid, 'NOISES', ((0.1, 0.4, 0.1),))
    monkeypatch.setattr(crf_grid, 'METHODS', ('icm', 'trw_s'))
    files = {name: tmp_path / name for name in ('b.json', 'curves.png', 'labels.png')}
    assert main(['benchmark', 'crf', '--size', '40x30', '--seconds', '0.2', '--peer-seconds',
                 '0.2', '--json', str(files['b.json']), '--figure', str(files['curves.png']),
                 '--pictures', str(files['labels.png'])]) == 0
    assert '- noisy: trw_s: energy' in capsys.readouterr().out
    found = json.loads(files['b.json'].read_text())
    gaps = {name: value['above the best bound, %'] for name, value in found['findings'].items()}
    assert {'easy Potts: icm', 'noisy: trw_s', 'noise, l1 0.1, l2 0.4, signal 0.1: trw_s'
            } <= set(gaps)
    assert min(gaps.values()) >= -1e-3
    assert all(curve['points'] for curve in found['curves'])
    assert read_color(files['curves.png']).std() > 10
    assert read_color(files['labels.png']).std() > 10


@pytest.mark.parametrize(('words', 'text'), [
    (['--size', '40'], "'40': WxH in pixels"), (['--part', 'tree'], 'invalid choice')])
def test_a_mistake_is_told(words, text, capsys):
    with pytest.raises(SystemExit):
        main(['benchmark', 'crf', *words])
    assert text in capsys.readouterr().err
