# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Reasons of failures on drawings whose answer is plain."""

import numpy as np
import pytest

from seg_ros.evaluation.failures import FailureCount, failures_of


def drawn(*spans, width=40):
    """Return labels (20, width) with column spans (label, start, end)."""
    labels = np.zeros((20, width), np.int32)
    for label, start, end in spans:
        labels[:, start:end] = label
    return labels


TRUTH = drawn((3, 2, 12), (7, 12, 22))


@pytest.mark.parametrize(('predicted', 'expected'), [
    (drawn((1, 2, 12), (2, 12, 22)), []),
    (drawn((1, 12, 22)), [(3, 'missed')]),
    (drawn((1, 2, 22)), [(3, 'merged'), (7, 'merged')]),
    (drawn((1, 2, 7), (2, 7, 12), (4, 12, 22)), [(3, 'split')]),
    (drawn((1, 2, 12), (2, 12, 39)), [(7, 'leaks')]),
    (drawn(), [(3, 'missed'), (7, 'missed')])])
def test_each_reason(predicted, expected):
    assert [(one.label, one.reason) for one in failures_of(TRUTH, predicted)] == expected


def test_size_and_depth_are_told():
    truth = drawn((1, 0, 2), width=1400)
    depth = np.where(truth > 0, np.nan, 1.0).astype(np.float32)
    (failure,) = failures_of(truth, np.zeros_like(truth), depth)
    assert (failure.small, failure.without_depth) == (True, True)
    (failure,) = failures_of(TRUTH, drawn((1, 12, 22)), np.ones(TRUTH.shape, np.float32))
    assert (failure.small, failure.without_depth) == (False, False)


def test_oracles_repair_what_they_are_named_for():
    count = FailureCount()
    count.add(TRUTH, drawn((1, 2, 12), (2, 12, 39)), None)  # only the foreground is wrong
    assert count.perfect_foreground[0].overlap_f == 1.0
    count.add(TRUTH, drawn((1, 2, 22)), None)  # only the instances are wrong
    assert count.perfect_instances[1].overlap_f == 1.0
    assert count.objects == 4
    table = '\n'.join(count.table())
    assert '| merged | 50.0 % | 0.0 % | 50.0 % | 0.0 % |' in table
    assert '| leaks | 25.0 % | 0.0 % | 25.0 % | 0.0 % |' in table
