# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from seg_ros.cli._demo_figures import FrameOutcome, source_rows, table_lines
from seg_ros.cli._demo_recording import Recording
from seg_ros.cli._demo_report import Run, _instances, troubles

OUTCOMES = [
    FrameOutcome('arc', 1, 100.0, 7, 8, 0.9, 0.8, 0.75),
    FrameOutcome('table-0', 2, 50.0, 2, 2, 1.0, 1.0, 1.0),
    FrameOutcome('table-1', 3),
    FrameOutcome('table-2', 4, 70.0, 4, 2, 0.5, 0.4, 0.5),
]


def by_prefix(name):
    return name.split('-')[0]


def test_rows_count_what_came_and_average_what_is_known():
    arc, table, both = source_rows(OUTCOMES, by_prefix)
    assert (arc['frames'], arc['segmented'], arc['dropped'], arc['overlap_f']) == (1, 1, 0, 0.9)
    assert (table['frames'], table['segmented'], table['dropped']) == (3, 2, 1)
    assert (table['objects'], table['true_objects'], table['overlap_f']) == (3.0, 2.0, 0.75)
    assert (table['latency_p50_ms'], table['latency_p95_ms']) == (60.0, pytest.approx(69.0))
    assert (both['source'], both['frames'], both['dropped']) == ('all', 4, 1)
    assert both['overlap_f'] == pytest.approx(0.8)


def test_a_table_is_aligned_and_leaves_open_what_is_not_known():
    rows = source_rows([FrameOutcome('a', 1, 5.0, 3), FrameOutcome('a', 2)], by_prefix)
    head, line = table_lines(rows)
    assert len(head) == len(line)
    assert line.split() == ['a', '2', '1', '1', '3.0', '-', '-', '-', '-', '5', '5']
    nothing = source_rows([FrameOutcome('a', 1)], by_prefix)
    assert table_lines(nothing)[1].split()[4:] == ['-'] * 7


def run_of(tmp_path, **codes):
    results = {'label': '/m/label', 'overlay': '/m/overlay'}
    return Run(tmp_path, tmp_path / 'out', '/rgb', results, codes, True)


@pytest.mark.parametrize(
    ('outcomes', 'counts', 'codes', 'unsent', 'expected'),
    [
        (OUTCOMES[:2], {'/m/label': 2, '/m/overlay': 2}, {'node': 0}, [], []),
        (OUTCOMES[:2], {'/m/label': 2}, {}, [], ['/m/overlay: 0 messages for 2 frames']),
        (OUTCOMES, {'/m/label': 3, '/m/overlay': 3}, {}, [],
         ['1 of 4 frames gave no label image: table-1']),
        (OUTCOMES[:1], {'/m/label': 1, '/m/overlay': 1}, {'node': -9}, [],
         ['node ended with exit code -9']),
        (OUTCOMES[:1], {'/m/label': 1, '/m/overlay': 1}, {}, ['bad'],
         ['1 frames could not be played: bad']),
        ([FrameOutcome('a', 1, 1.0, 0)], {'/m/label': 1, '/m/overlay': 1}, {}, [],
         ['no object was found in any frame']),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(outcomes, counts, codes, unsent, expected, tmp_path):
    found = troubles(run_of(tmp_path, **codes), outcomes, Recording(counts=counts), unsent)
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


def test_instances_of_an_image_of_ids():
    ids = np.array([[0, 7, 7], [65535, 0, 300]])
    found = _instances(ids)
    assert found.ids.tolist() == [7, 300, 65535]
    np.testing.assert_array_equal(found.id_image(), ids)
    assert np.isnan(found.scores).all()
    assert len(_instances(np.zeros((2, 2), int))) == 0
