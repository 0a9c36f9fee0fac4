# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json
from itertools import islice

import pytest

from seg_ros.benchmark.soak import (
    FaultRecord,
    SoakOutcome,
    fault_order,
    to_markdown,
    write_report,
)


def outcome(faults=(), settled=((0, 100.0, 80.0), (60, 110.0, 85.0)), **changes):
    made = SoakOutcome({'seed': 3}, list(faults), settled_mib=list(settled), exit_code=0,
                       duration_s=60.0)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def fault(is_seen=True, recovery_s=0.2, kind='camera_stops'):
    return FaultRecord(kind, 12.0, 'nothing is sent', is_seen, recovery_s)


@pytest.mark.parametrize(('made', 'expected'), [
    (outcome([fault()]), []),
    (outcome([fault(recovery_s=1.0)]), []),
    (outcome([fault(is_seen=False)]),
     ['camera_stops at 12 s (nothing is sent): not visible in /diagnostics']),
    (outcome([fault(recovery_s=1.01)]),
     ['camera_stops at 12 s (nothing is sent): recovered after 1.01 s, not within 1 s']),
    (outcome([fault(recovery_s=None)]),
     ['camera_stops at 12 s (nothing is sent): recovered never, not within 1 s']),
    (outcome(exit_code=-9), ['the node ended with exit code -9']),
    (outcome(exit_code=None), ['the node ended with exit code None']),
    (outcome(crash='it is gone'), ['the node ended: it is gone']),
    (outcome(wrong_results=['a', 'b']), ['wrong result: a', 'wrong result: b']),
    (outcome(settled=[(0, 100.0, 80.0), (60, 120.5, 85.0)]),
     ['memory grew by 20.5 MiB, at most 20 are allowed']),
    (outcome(settled=[]), ['memory grew by nan MiB, at most 20 are allowed']),
])
def test_what_a_node_fails_by(made, expected):
    assert made.failures() == expected


@pytest.mark.parametrize(('resident', 'expected'), [
    ([100, 140, 109, 150], 9.0), ([140, 100, 150, 109], 9.0), ([100, 100, 90, 95], -10.0),
    ([100, 130], 30.0)])
def test_growth_is_of_the_least_readings_so_that_one_does_not_decide(resident, expected):
    settled = [(at, float(mib), 50.0) for at, mib in enumerate(resident)]
    assert outcome(settled=settled).growth_mib() == {'resident': expected, 'private': 0.0}


def test_every_kind_comes_once_before_any_comes_again():
    kinds = ['a', 'b', 'c', 'd', 'e']
    order = list(islice(fault_order(kinds, 7), 20))
    for start in range(0, 20, 5):
        assert sorted(order[start:start + 5]) == kinds
    assert order == list(islice(fault_order(kinds, 7), 20))
    assert order != list(islice(fault_order(kinds, 8), 20))


def test_the_report_has_a_row_a_kind_and_the_verdict(tmp_path):
    made = outcome([fault(), fault(is_seen=False, recovery_s=0.4), fault(kind='paused')],
                   results=90, frames_sent=100, dropped={'dropped_unpaired': 4})
    text = to_markdown(made)
    assert '| camera stops | 2 | 1 | 0.30 | 0.40 |' in text
    assert '| paused | 1 | 1 | 0.20 | 0.20 |' in text
    assert '- 90 results of 100 frames sent, 0 wrong or repeated' in text
    assert 'dropped_unpaired 4' in text and 'Failed:' in text
    write_report(made, tmp_path / 'new' / 'soak.json', tmp_path / 'soak.md')
    assert (tmp_path / 'soak.md').read_text() == text
    written = json.loads((tmp_path / 'new' / 'soak.json').read_text())
    assert written['faults'][1]['is_seen'] is False
    assert written['growth_mib'] == {'resident': 10.0, 'private': 5.0}
    assert 'Passed.' in to_markdown(outcome([fault()]))
