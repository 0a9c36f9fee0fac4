# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a report says, as JSON and as Markdown."""

import json

import pytest

from seg_ros.benchmark.harness import Measurement
from seg_ros.benchmark.machine import cpu_model, describe_machine
from seg_ros.benchmark.report import Report, to_markdown, write_json, write_markdown

MACHINE = {
    'cpu': 'Abacus 9', 'cores': 2, 'memory_gib': 4.0, 'load_average_1min': 0.5,
    'system': 'Linux 6', 'python': '3.11.0', 'threads': {'torch': 2}, 'versions': {'torch': '2.1'},
}


@pytest.fixture
def report():
    ours = Measurement('fast', [0.010, 0.011, 0.012], [0.020, 0.020, 0.020],
                       {'network': [0.004, 0.005, 0.006]})
    naive = Measurement('naive', [0.100, 0.132, 0.120], [0.2, 0.3, 0.2])
    made = Report('unseen_objects', {'iterations': 3}, machine=MACHINE)
    made.add('Mean shift', naive)
    made.add('Mean shift', ours, naive, note='4096 samples')
    made.add_stages('Segment', ours)
    made.findings['frames_per_second'] = 12.3456
    made.remarks.append('taken on a busy machine')
    return made


def test_json(report, tmp_path):
    write_json(report, tmp_path / 'new' / 'b.json')
    found = json.loads((tmp_path / 'new' / 'b.json').read_text())
    assert list(found) == [
        'format', 'benchmark', 'machine', 'settings', 'results', 'findings', 'remarks']
    assert (found['format'], found['benchmark'], found['machine']) == (
        1, 'unseen_objects', MACHINE)
    naive, fast, stage = found['results']
    assert set(naive) == {'section', 'name', 'wall_ms', 'cpu_ms'}
    assert naive['wall_ms'] == pytest.approx(
        {'median': 120, 'least': 100, 'q1': 110, 'q3': 126, 'p95': 130.8, 'count': 3})
    assert (fast['peer'], fast['note']) == ('naive', '4096 samples')
    assert fast['wall_ratio']['median'] == pytest.approx(10)  # 10, 12, 10 round by round
    assert fast['wall_ratio']['q3'] == pytest.approx(11)
    assert fast['cpu_ratio']['median'] == pytest.approx(10)
    assert (stage['name'], stage['wall_ms']['median']) == ('fast: network', pytest.approx(5))
    assert 'cpu_ms' not in stage


def test_a_figure_that_is_not_a_number_is_no_json(report, tmp_path):
    report.findings['rate'] = float('nan')
    with pytest.raises(ValueError, match='not JSON compliant'):
        write_json(report, tmp_path / 'b.json')


def test_markdown(report, tmp_path):
    write_markdown(report, tmp_path / 'b.md')
    text = (tmp_path / 'b.md').read_text()
    assert text == to_markdown(report)
    lines = text.splitlines()
    assert lines[0] == '# Benchmark: unseen_objects'
    assert 'Abacus 9, 2 cores, load 0.5 at the start; Linux 6, Python 3.11.0.' in lines
    assert '| naive | 120.0 | 100.0 | 110.0-126.0 | 130.8 | 200.0 | 3 |  |  |  |' in lines
    assert ('| fast (4096 samples) | 11.0 | 10.0 | 10.5-11.5 | 11.9 | 20.0 | 3 | naive | '
            '10.00 (10.00-11.00) | 10.00 (10.00-12.50) |') in lines
    assert '| fast: network | 5.0 | 4.0 | 4.5-5.5 | 5.9 |  | 3 |' in lines
    assert '- frames_per_second: 12.35' in lines
    assert lines[-1] == '> taken on a busy machine'
    tables = [line for line in lines if line.startswith('|')]
    assert {line.count('|') for line in tables[:4]} == {11}
    assert {line.count('|') for line in tables[4:]} == {8}


def test_machine():
    found = json.loads(json.dumps(describe_machine()))
    assert set(found) == set(MACHINE)
    assert found['cores'] >= 1
    assert found['versions']['numpy']


@pytest.mark.parametrize(('text', 'expected'), [
    ('processor : 0\nmodel name\t: Abacus 9: the second\n', 'Abacus 9: the second'), ('', None)])
def test_cpu_model(text, expected, tmp_path):
    (tmp_path / 'cpuinfo').write_text(text)
    found = cpu_model(tmp_path / 'cpuinfo')
    assert found == expected if expected else found
