# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json

import numpy as np
import pytest

from seg_ros.benchmark import crf_dense
from seg_ros.benchmark.crf_dense_peer import is_installed
from seg_ros.crf.kernels import Bilateral, Gaussian


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(crf_dense, 'SIZE', (48, 32))
    monkeypatch.setattr(crf_dense, 'LABELS', 3)
    monkeypatch.setattr(crf_dense, 'SIZES', ((32, 24), (48, 32)))
    monkeypatch.setattr(crf_dense, 'LABEL_COUNTS', (2, 9))
    monkeypatch.setattr(crf_dense, 'ITERATION_COUNTS', (1, 3))
    monkeypatch.setattr(crf_dense, 'COMPARED_LABELS', (3,))
    monkeypatch.setattr(crf_dense, 'pictures', lambda folder: [
        crf_dense.random_picture(0, crf_dense.SIZE)])


def test_the_command_writes_what_it_measures(tmp_path, capsys):
    crf_dense.main(['--parts', 'speed', 'growth', 'agreement', 'lattice', '--rounds', '1',
                    '--json', str(tmp_path / 'report.json')])
    report = json.loads((tmp_path / 'report.json').read_text())
    names = [row['name'] for row in report['results'] if row['section'] == 'speed']
    assert names[:2] == ['1 thread', '2 threads']
    assert (names[2:] == ['pydensecrf']) == is_installed()
    costs = report['findings']['pixels: ns a pixel, label and iteration']
    assert sorted(costs) == ['32x24', '48x32']
    assert all(value >= 0 for value in costs.values())
    assert '| 2 threads |' in capsys.readouterr().out
    for name, found in report['findings'].items():
        if name.startswith('agreement'):
            assert found['least share of equal winners'] == 1
            assert found['highest mean KL'] < 1e-6


def test_costs_and_pictures_are_the_same_every_time():
    costs = crf_dense.unsure_costs((40, 30), 4, 2)
    assert costs.shape == (30, 40, 4)
    assert costs.dtype == np.float32
    assert 0 <= costs.min() < costs.max() <= 4
    assert np.array_equal(costs, crf_dense.unsure_costs((40, 30), 4, 2))
    picture = crf_dense.random_picture(1, (64, 48))
    assert picture.shape == (48, 64, 3)
    assert not np.array_equal(picture, crf_dense.random_picture(2, (64, 48)))


@pytest.mark.parametrize('kernel', [Gaussian(3.0), Bilateral(20.0, 30.0)])
def test_the_error_of_the_lattice_is_small_on_average(kernel):
    found = crf_dense.lattice_error(kernel, crf_dense.random_picture(0, (48, 32)))
    assert 0 < found['mean'] < 0.1
    assert found['mean'] < found['highest']
