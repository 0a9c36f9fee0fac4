# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Minimum cuts of grid graphs by augmenting paths on two trees that are kept between paths.

Boykov and Kolmogorov, "An Experimental Comparison of Min-Cut/Max-Flow Algorithms for Energy
Minimization in Vision", PAMI 2004, written for a grid: the arc of a node in direction d leads to
node + offsets[d] and its reverse is that node's arc in the opposite direction. Nodes of a border
of one pixel have no capacities, so that no arc needs to know where the picture ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.crf.grid_compiled import compiled

# Columns of ``nodes``: direction of the parent or one of the three below, tree, distance to the
# terminal and when it was known.
PARENT, TREE, DISTANCE, STAMP, QUEUED, COLUMNS = range(6)
FREE, ROOT, ORPHAN = -1, -2, -3
SOURCE, SINK = 0, 1
# Places of ``marks``: first and number of active nodes, of orphans, and the time.
ACTIVE, ACTIVE_COUNT, LOST, LOST_COUNT, TIME, MARKS = range(6)
NO_PATH = np.iinfo(np.int32).max


@compiled
def _activate(
    node: int, nodes: npt.NDArray[Any], queue: npt.NDArray[Any], marks: npt.NDArray[Any]
) -> None:
    if not nodes[node, QUEUED]:
        nodes[node, QUEUED] = 1
        queue[0, (marks[ACTIVE] + marks[ACTIVE_COUNT]) % queue.shape[1]] = node
        marks[ACTIVE_COUNT] += 1


@compiled
def _orphan(
    node: int, nodes: npt.NDArray[Any], queue: npt.NDArray[Any], marks: npt.NDArray[Any]
) -> None:
    nodes[node, PARENT] = ORPHAN
    queue[1, (marks[LOST] + marks[LOST_COUNT]) % queue.shape[1]] = node
    marks[LOST_COUNT] += 1


@compiled
def _start(
    terminal: npt.NDArray[Any], nodes: npt.NDArray[Any], queue: npt.NDArray[Any],
    marks: npt.NDArray[Any],
) -> None:
    """Plant both trees: nodes with a capacity from the source, or to the sink where negative."""
    for node in range(len(terminal)):
        nodes[node, PARENT] = FREE
        if terminal[node] != 0:
            nodes[node, PARENT] = ROOT
            nodes[node, TREE] = SOURCE if terminal[node] > 0 else SINK
            nodes[node, DISTANCE] = 1
            _activate(node, nodes, queue, marks)


@compiled
def _grow(
    node: int, capacity: npt.NDArray[Any], nodes: npt.NDArray[Any],
    offsets: npt.NDArray[np.int64], queue: npt.NDArray[Any], marks: npt.NDArray[Any],
) -> int:
    """Let a node take free neighbours; return the direction of one of the other tree, or -1."""
    count = len(offsets)
    tree = nodes[node, TREE]
    for direction in range(count):
        other = node + offsets[direction]
        back = (direction + count // 2) % count
        left = capacity[node, direction] if tree == SOURCE else capacity[other, back]
        if left <= 0:
            continue
        if nodes[other, PARENT] == FREE:
            nodes[other, TREE] = tree
            nodes[other, PARENT] = back
            nodes[other, STAMP] = nodes[node, STAMP]
            nodes[other, DISTANCE] = nodes[node, DISTANCE] + 1
            _activate(other, nodes, queue, marks)
        elif nodes[other, TREE] != tree:
            return direction
        elif (nodes[other, STAMP] <= nodes[node, STAMP]
              and nodes[other, DISTANCE] > nodes[node, DISTANCE]):
            # a shorter way to the terminal
            nodes[other, PARENT] = back
            nodes[other, STAMP] = nodes[node, STAMP]
            nodes[other, DISTANCE] = nodes[node, DISTANCE] + 1
    return -1


@compiled
def _bottleneck(
    node: int, capacity: npt.NDArray[Any], terminal: npt.NDArray[Any], nodes: npt.NDArray[Any],
    offsets: npt.NDArray[np.int64],
) -> Any:
    """Return the least capacity between a node and the terminal of its tree."""
    count = len(offsets)
    outward = nodes[node, TREE] == SINK
    least = np.inf
    while nodes[node, PARENT] != ROOT:
        direction = nodes[node, PARENT]
        parent = node + offsets[direction]
        back = (direction + count // 2) % count
        least = min(least, capacity[node, direction] if outward else capacity[parent, back])
        node = parent
    return min(least, abs(terminal[node]))


@compiled
def _push(
    node: int, flow: Any, capacity: npt.NDArray[Any], terminal: npt.NDArray[Any],
    nodes: npt.NDArray[Any], offsets: npt.NDArray[np.int64], queue: npt.NDArray[Any],
    marks: npt.NDArray[Any],
) -> None:
    """Send flow between a node and the terminal of its tree; what it cuts off is an orphan."""
    count = len(offsets)
    outward = nodes[node, TREE] == SINK
    while nodes[node, PARENT] != ROOT:
        direction = nodes[node, PARENT]
        parent = node + offsets[direction]
        back = (direction + count // 2) % count
        sign = 1.0 if outward else -1.0
        capacity[node, direction] -= sign * flow
        capacity[parent, back] += sign * flow
        if (capacity[node, direction] if outward else capacity[parent, back]) <= 0:
            _orphan(node, nodes, queue, marks)
        node = parent
    terminal[node] += flow if outward else -flow
    if terminal[node] == 0:
        _orphan(node, nodes, queue, marks)


@compiled
def _distance_to_root(
    node: int, nodes: npt.NDArray[Any], offsets: npt.NDArray[np.int64], time: int
) -> int:
    """Return a node's distance to the terminal, NO_PATH if it hangs on an orphan."""
    distance, walker = 0, node
    while True:
        if nodes[walker, STAMP] == time:
            distance += nodes[walker, DISTANCE]
            break
        direction = nodes[walker, PARENT]
        distance += 1
        if direction == ROOT:
            nodes[walker, STAMP], nodes[walker, DISTANCE] = time, 1
            break
        if direction == ORPHAN:
            return NO_PATH
        walker += offsets[direction]
    walker, remaining = node, distance
    while nodes[walker, STAMP] != time:
        nodes[walker, STAMP], nodes[walker, DISTANCE] = time, remaining
        remaining -= 1
        walker += offsets[nodes[walker, PARENT]]
    return distance


@compiled
def _adopt(
    node: int, capacity: npt.NDArray[Any], nodes: npt.NDArray[Any],
    offsets: npt.NDArray[np.int64], queue: npt.NDArray[Any], marks: npt.NDArray[Any],
) -> None:
    """Find an orphan another parent, the nearest to the terminal, or set it free."""
    count = len(offsets)
    tree, nearest, best = nodes[node, TREE], NO_PATH, FREE
    for direction in range(count):
        other = node + offsets[direction]
        back = (direction + count // 2) % count
        left = capacity[other, back] if tree == SOURCE else capacity[node, direction]
        if left > 0 and nodes[other, TREE] == tree and nodes[other, PARENT] != FREE:
            distance = _distance_to_root(other, nodes, offsets, marks[TIME])
            if distance < nearest:
                nearest, best = distance, direction
    nodes[node, PARENT] = best
    if best != FREE:
        nodes[node, STAMP], nodes[node, DISTANCE] = marks[TIME], nearest + 1
        return
    for direction in range(count):
        other = node + offsets[direction]
        if nodes[other, TREE] != tree or nodes[other, PARENT] == FREE:
            continue
        back = (direction + count // 2) % count
        if (capacity[other, back] if tree == SOURCE else capacity[node, direction]) > 0:
            _activate(other, nodes, queue, marks)
        if nodes[other, PARENT] == back:
            _orphan(other, nodes, queue, marks)


@compiled
def _augment(
    node: int, direction: int, capacity: npt.NDArray[Any], terminal: npt.NDArray[Any],
    nodes: npt.NDArray[Any], offsets: npt.NDArray[np.int64], queue: npt.NDArray[Any],
    marks: npt.NDArray[Any],
) -> Any:
    """Send what fits through the arc where the trees meet; return the flow."""
    count = len(offsets)
    other = node + offsets[direction]
    back = (direction + count // 2) % count
    if nodes[node, TREE] == SINK:
        node, other, direction, back = other, node, back, direction
    flow = min(capacity[node, direction],
               _bottleneck(node, capacity, terminal, nodes, offsets),
               _bottleneck(other, capacity, terminal, nodes, offsets))
    capacity[node, direction] -= flow
    capacity[other, back] += flow
    _push(node, flow, capacity, terminal, nodes, offsets, queue, marks)
    _push(other, flow, capacity, terminal, nodes, offsets, queue, marks)
    return flow


@compiled
def minimum_cut(
    capacity: npt.NDArray[np.float64], terminal: npt.NDArray[np.float64],
    offsets: npt.NDArray[np.int64], on_sink_side: npt.NDArray[np.bool_],
) -> float:
    """Cut a graph; both capacities become what is left of them. Return the flow between terminals.

    ``capacity`` (N, D) of the arc of node n in direction d, to n + offsets[d]; direction
    (d + D / 2) % D is the opposite. ``terminal`` (N,) from the source, or to the sink where
    negative. ``on_sink_side`` (N,) is written: nodes that still reach the sink.
    """
    total = len(terminal)
    nodes = np.zeros((total, COLUMNS), np.int32)
    queue = np.empty((2, total + 1), np.int32)
    marks = np.zeros(MARKS, np.int64)
    _start(terminal, nodes, queue, marks)
    flow = 0.0
    node = -1
    while True:
        if node < 0 or nodes[node, PARENT] == FREE:
            if not marks[ACTIVE_COUNT]:
                break
            node = queue[0, marks[ACTIVE]]
            marks[ACTIVE] = (marks[ACTIVE] + 1) % queue.shape[1]
            marks[ACTIVE_COUNT] -= 1
            nodes[node, QUEUED] = 0
            continue
        met = _grow(node, capacity, nodes, offsets, queue, marks)
        if met < 0:
            node = -1
            continue
        marks[TIME] += 1
        flow += _augment(node, met, capacity, terminal, nodes, offsets, queue, marks)
        while marks[LOST_COUNT]:
            lost = queue[1, marks[LOST]]
            marks[LOST] = (marks[LOST] + 1) % queue.shape[1]
            marks[LOST_COUNT] -= 1
            _adopt(lost, capacity, nodes, offsets, queue, marks)
    for node in range(total):
        on_sink_side[node] = nodes[node, TREE] == SINK and nodes[node, PARENT] != FREE
    return flow
