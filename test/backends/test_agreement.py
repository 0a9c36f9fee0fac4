# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The rule of agreement, by its numbers."""

import pytest
import torch

from seg_ros.backends.agreement import compare_labels, compare_values

NAN, INF = float('nan'), float('inf')


@pytest.mark.parametrize(('found', 'expected', 'agrees'), [
    ([0.5, 0.25], [0.5, 0.25], True),
    ([0.5009], [0.5], True),
    ([0.5011], [0.5], False),
    ([20.019, 1.0], [20.0, 1.0], True),
    ([20.021, 1.0], [20.0, 1.0], False),
    ([20.0, 1.019], [20.0, 1.0], True),
    ([1e-6], [0.0], True),
    ([NAN], [1.0], False),
    ([1.0], [NAN], False),
    ([NAN], [NAN], True),
    ([INF, 1.0], [INF, 1.0], True),
    ([INF, 1.0], [-INF, 1.0], False),
    ([1e30], [INF], False),
    ([], [], True),
])
def test_values(found, expected, agrees):
    assert compare_values((torch.tensor(found),), (torch.tensor(expected),)).agrees is agrees


@pytest.mark.parametrize('found', [
    (torch.zeros(2),), (torch.zeros(3), torch.zeros(1)), (torch.zeros(3, 1),),
    (torch.zeros(3).double(),), (),
])
def test_other_shapes_disagree(found):
    result = compare_values(found, (torch.zeros(3),))
    assert not result.agrees
    assert 'torch gives [((3,), torch.float32)]' in result.text


@pytest.mark.parametrize(('different', 'agrees'), [
    (0, True), (5, True), (6, False), (1000, False)])
def test_labels(different, agrees):
    expected = torch.zeros(1, 1, 20, 50)
    found = expected.clone()
    found.view(-1)[:different] = 1.0
    result = compare_labels((found,), (expected,), lambda outputs: outputs[0] > 0.5)
    assert result.agrees is agrees
    assert result.text.startswith(f'{100 - different / 10:.2f} %')
