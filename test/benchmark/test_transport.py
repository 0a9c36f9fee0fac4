# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import importlib.util
import json

import pytest

from seg_ros.benchmark.transport import Case, all_cases, to_markdown, travelled, write_results
from seg_ros.cli import main

CASE = Case('images', 'reliable', 640, 480)
MS = 1_000_000


def sent(count, period_ms=100):
    return [10**18 + n * period_ms * MS for n in range(count)]


def arrivals(stamps, color_ms, depth_ms):
    """Return arrivals at a delay for each set, None where a message is lost."""
    return {topic: {s: s + round(d * MS) for s, d in zip(stamps, delays, strict=True)
                    if d is not None}
            for topic, delays in (('color', color_ms), ('depth', depth_ms))}


@pytest.mark.parametrize(('color_ms', 'depth_ms', 'received', 'rate', 'p50', 'p95'), [
    ([3] * 5, [2] * 5, 5, 10.0, 3.0, 3.0),
    ([3, None, 3, 3, 3], [2, 2, 9, 2, None], 3, 6.0, 3.0, 8.4),
    ([None] * 5, [1] * 5, 0, 0.0, None, None),
])
def test_a_set_counts_once_all_of_it_came(color_ms, depth_ms, received, rate, p50, p95):
    stamps = sent(5)
    found = travelled(CASE, stamps, arrivals(stamps, color_ms, depth_ms))
    assert (found.sent, found.received, found.rate_hz) == (5, received, rate)
    assert (found.latency_p50_ms, found.latency_p95_ms) == (p50, p95)
    assert found.lost_share == pytest.approx(1 - received / 5)


def test_the_tables(tmp_path):
    stamps = sent(4)
    results = [travelled(case, stamps, arrivals(stamps, [1, 2, 3, None], [1] * 4))
               for case in all_cases()]
    text = to_markdown(results)
    assert '| 640x480 | best_effort | default | 4 | 75.0% | 7.5 | 2.0 | 2.9 |' in text
    assert len(text.splitlines()) == 4 + 8
    write_results(results, tmp_path / 'new' / 'dds.json')
    written = json.loads((tmp_path / 'new' / 'dds.json').read_text())['results']
    assert written[7]['case'] == {'profile': 'images', 'reliability': 'reliable', 'width': 1280,
                                  'height': 720}
    assert written[7]['lost_share'] == 0.25


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec('rclpy') is None, reason='rclpy is not installed')
def test_images_travel(tmp_path, capsys, monkeypatch):
    """With the profile for images every reliable set arrives; what else arrives is measured."""
    monkeypatch.setenv('SEG_ROS_BENCHMARK_DOMAIN', '90')
    words = ['benchmark', 'dds', '--iterations', '20', '--json', str(tmp_path / 'x.json')]
    assert main(words) == 0
    assert '| 1280x720 | reliable | images | 20 |' in capsys.readouterr().out
    results = json.loads((tmp_path / 'x.json').read_text())['results']
    assert [row['sent'] for row in results] == [20] * 8
    received = {(row['case']['profile'], row['case']['reliability'], row['case']['width']):
                row['received'] for row in results}
    assert received['images', 'reliable', 640] >= 18
