# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_flow

from seg_ros.crf.grid_cut import minimum_cut

STEPS = {4: [(0, 1), (1, 0)], 8: [(0, 1), (1, 0), (1, 1), (1, -1)]}


def random_graph(seed, height, width, connectivity):
    """Return capacities (H + 2, W + 2, D), terminal capacities and the offsets of arcs."""
    rng = np.random.default_rng(seed)
    steps = STEPS[connectivity] + [(-dy, -dx) for dy, dx in STEPS[connectivity]]
    capacity = np.zeros((height + 2, width + 2, connectivity))
    for y in range(height):
        for x in range(width):
            for d, (dy, dx) in enumerate(steps):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    capacity[y + 1, x + 1, d] = rng.integers(0, 10)
    terminal = np.zeros((height + 2, width + 2))
    terminal[1:-1, 1:-1] = rng.integers(-20, 21, (height, width))
    offsets = np.array([dy * (width + 2) + dx for dy, dx in steps], np.int64)
    return capacity.reshape(-1, connectivity), terminal.reshape(-1), offsets


def flow_by_scipy(capacity, terminal, offsets):
    count = len(terminal)
    rows, columns, values = [], [], []
    for node, d in np.argwhere(capacity > 0):
        rows.append(node), columns.append(node + offsets[d]), values.append(capacity[node, d])
    for node in np.flatnonzero(terminal):
        ends = (count, node) if terminal[node] > 0 else (node, count + 1)
        rows.append(ends[0]), columns.append(ends[1]), values.append(abs(terminal[node]))
    graph = csr_matrix((np.array(values, np.int32), (rows, columns)), (count + 2, count + 2))
    return maximum_flow(graph, count, count + 1).flow_value


def cost_of_cut(capacity, terminal, offsets, on_sink_side):
    """Return the capacity of what leads from the source's side to the sink's."""
    total = terminal[(terminal > 0) & on_sink_side].sum()
    total -= terminal[(terminal < 0) & ~on_sink_side].sum()
    for node, d in np.argwhere(capacity > 0):
        if not on_sink_side[node] and on_sink_side[node + offsets[d]]:
            total += capacity[node, d]
    return total


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12),
       st.sampled_from([4, 8]))
@settings(max_examples=80, deadline=None)
def test_flow_and_cut_are_those_of_scipy(seed, height, width, connectivity):
    capacity, terminal, offsets = random_graph(seed, height, width, connectivity)
    expected = flow_by_scipy(capacity, terminal, offsets)
    side = np.zeros(len(terminal), bool)

    flow = minimum_cut(capacity.copy(), terminal.copy(), offsets, side)

    assert flow == expected
    assert cost_of_cut(capacity, terminal, offsets, side) == expected


@pytest.mark.parametrize(('terminal', 'expected'), [
    ([0.0, 0.0], [False, False]), ([3.0, 2.0], [False, False]), ([-3.0, -2.0], [True, True]),
    ([5.0, -9.0], [False, True]), ([1.0, -9.0], [True, True])])
def test_ties_stay_with_the_source(terminal, expected):
    # two nodes of a row of four, an arc of 2 each way
    capacity = np.zeros((4, 2))
    capacity[1, 0] = capacity[2, 1] = 2.0
    side = np.zeros(4, bool)
    minimum_cut(capacity, np.array([0.0, *terminal, 0.0]), np.array([1, -1]), side)
    assert side[1:3].tolist() == expected
