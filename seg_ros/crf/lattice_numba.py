# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Build permutohedral lattices by code that numba compiles.

Arithmetic is done for blocks of points, one coordinate after the other, in loops that the compiler
turns into SIMD code; then every corner is looked up in a table of hashes, the previous point's
being reused. Parts of the points may be embedded by several threads and joined afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

F32 = npt.NDArray[np.float32]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
U = np.uint64
# nan and infinity are refused before they come here
COMPILED: dict[str, Any] = {
    'cache': True, 'nogil': True, 'error_model': 'numpy',
    'fastmath': {'contract', 'nsz', 'arcp'}}
BLOCK = 64
_FIRST_BITS = 12


@njit(**COMPILED)
def _slot(identity: np.uint64, mask: np.uint64) -> np.uint64:
    return (identity ^ (identity >> np.uint64(29))) & mask


@njit(**COMPILED)
def table_of(ids: U64, bits: int) -> npt.NDArray[np.int32]:
    """Return a table of 2^bits places, open addressing, that holds the numbers of ids or -1."""
    table = np.full(1 << bits, -1, np.int32)
    mask = np.uint64((1 << bits) - 1)
    for number in range(len(ids)):
        slot = _slot(ids[number], mask)
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = number
    return table


@njit(**COMPILED)
def _elevate(features: F32, start: int, n: int, scales: F32, high: F32, low: F32) -> None:
    """Put points of the features' space on the plane of d + 1 coordinates that sum to 0."""
    d = len(scales)
    for p in range(n):
        low[p] = np.float32(0)
    for j in range(d, 0, -1):
        factor, place = scales[j - 1], np.float32(j)
        for p in range(n):
            value = features[j - 1, start + p] * factor
            high[j, p] = low[p] - place * value
            low[p] += value
    for p in range(n):
        high[0, p] = low[p]


@njit(**COMPILED)
def _round(
    axes: tuple[int, ...], n: int, high: F32, near: F32, rank: Any, excess: Any,
) -> None:
    """Find the nearest vertex of remainder 0 and the ranks of the distances; high becomes those
    distances / (d + 1).
    """
    corners = len(axes) + 1
    side, down = np.float32(corners), np.float32(1) / np.float32(corners)
    for p in range(n):
        excess[p] = 0
    for i in range(corners):
        for p in range(n):
            value = np.floor(high[i, p] * down + np.float32(0.5))
            excess[p] += np.int32(value)
            near[i, p] = value * side
            high[i, p] -= value * side
            rank[i, p] = 0
    for i in range(corners - 1):
        for j in range(i + 1, corners):
            for p in range(n):
                behind = np.int32(high[i, p] < high[j, p])
                rank[i, p] += behind
                rank[j, p] += np.int32(1) - behind
    for i in range(corners):
        for p in range(n):
            place = rank[i, p] + excess[p]
            turn = np.int32(place < 0) - np.int32(place >= corners)
            rank[i, p] = place + np.int32(corners) * turn
            near[i, p] += side * np.float32(turn)
            high[i, p] = high[i, p] * down - np.float32(turn)


@njit(**COMPILED)
def _sort(axes: tuple[int, ...], n: int, high: F32, rank: Any, ordered: F32) -> None:
    """Put each point's distances, high, in the order of their ranks."""
    for i in range(len(axes) + 1):
        for p in range(U(0), U(n)):
            ordered[U(rank[i, p]), p] = high[i, p]


@njit(**COMPILED)
def _weigh(
    axes: tuple[int, ...], n: int, start: int, ordered: F32, weight: F32, column: int
) -> None:
    """Write the barycentric weights of points of ordered distances."""
    d = len(axes)
    for p in range(U(0), U(n)):
        row = U(start) + p
        weight[row, U(column)] = np.float32(1) + ordered[d, p] - ordered[0, p]
        for r in range(1, d + 1):
            weight[row, U(column + r)] = ordered[d - r, p] - ordered[d + 1 - r, p]


@njit(**COMPILED)
def _compare(axes: tuple[int, ...], n: int, near: F32, rank: Any, moved: Any) -> None:
    """Tell of each point but the first whether its simplex differs from that of the one before."""
    for p in range(n):
        moved[p] = 1
    for p in range(1, n):
        moved[p] = 0
    for i in range(len(axes) + 1):
        for p in range(1, n):
            moved[p] |= np.int32(near[i, p] != near[i, p - 1]) | (rank[i, p] ^ rank[i, p - 1])


@njit(**COMPILED)
def _identify(
    axes: tuple[int, ...], p: np.uint64, near: F32, rank: Any, factors: U64, steps: U64,
    corner_ids: U64,
) -> None:
    """Write the hashes of the corners of a point's simplex."""
    d = len(axes)
    identity = np.uint64(0)
    for i in range(d):
        identity += np.uint64(np.int64(near[i, p])) * factors[i]
    for i in range(d + 1):  # the corner after the one of that place is a step further
        if rank[i, p] > 0:
            corner_ids[d + 1 - rank[i, p]] = steps[i]
    corner_ids[0] = identity
    for r in range(1, d + 1):
        corner_ids[r] += corner_ids[r - 1]


@njit(**COMPILED)
def embed(
    axes: tuple[int, ...], features: F32, part: tuple[int, int], scales: F32, factors: U64,
    steps: U64, index: U32, weight: F32, column: int,
) -> U64:
    """Embed the points part[0] to part[1] of features (d, N) and return their vertices' hashes.

    Writes d + 1 columns of index and weight, from ``column`` on; vertices count from 0 here.
    ``axes`` has the length d, which the compiler so knows.
    """
    corners = len(axes) + 1
    high, near = np.empty((corners, BLOCK), np.float32), np.empty((corners, BLOCK), np.float32)
    low, ordered = np.empty(BLOCK, np.float32), np.empty((corners, BLOCK), np.float32)
    rank, excess = np.empty((corners, BLOCK), np.int32), np.empty(BLOCK, np.int32)
    moved, corner_ids = np.empty(BLOCK, np.int32), np.empty(corners, np.uint64)
    last = np.full(corners, -1, np.int32)
    ids, table = np.empty(1 << _FIRST_BITS, np.uint64), table_of(steps[:0], _FIRST_BITS)
    count = 0
    for start in range(part[0], part[1], BLOCK):
        n = min(BLOCK, part[1] - start)
        _elevate(features, start, n, scales, high, low)
        _round(axes, n, high, near, rank, excess)
        _sort(axes, n, high, rank, ordered)
        _weigh(axes, n, start, ordered, weight, column)
        _compare(axes, n, near, rank, moved)
        for p in range(U(0), U(n)):
            if moved[p]:
                _identify(axes, p, near, rank, factors, steps, corner_ids)
                if 2 * (count + corners) >= len(ids):
                    ids, table = _grown(ids, count)
                count = _look_up(corner_ids, last, ids, table, count)
            for r in range(U(0), U(corners)):
                index[U(start) + p, U(column) + r] = np.uint32(last[r])
    return ids[:count].copy()


@njit(**COMPILED)
def _grown(ids: U64, count: int) -> tuple[U64, npt.NDArray[np.int32]]:
    """Return four times the room for ids, and their table."""
    more = np.empty(4 * len(ids), np.uint64)
    more[:count] = ids[:count]
    bits = 0
    while 1 << bits < len(more):
        bits += 1
    return more, table_of(more[:count], bits)


@njit(**COMPILED)
def _look_up(
    corner_ids: U64, last: Any, ids: U64, table: Any, count: int
) -> int:
    """Find the numbers, ``last``, of a simplex' corners, new ones from count on; return count."""
    mask = np.uint64(len(table) - 1)
    for r in range(U(0), U(len(corner_ids))):
        identity = corner_ids[r]
        slot = _slot(identity, mask)
        while table[slot] >= 0 and ids[U(table[slot])] != identity:
            slot = (slot + np.uint64(1)) & mask
        if table[slot] < 0:
            table[slot] = count
            ids[count] = identity
            count += 1
        last[r] = table[slot]
    return count


@njit(**COMPILED)
def join(ids: U64, more: U64, bits: int) -> tuple[U64, U32]:
    """Return the vertices of two parts together and the numbers there of those of the second."""
    table = table_of(ids, bits)
    mask = np.uint64((1 << bits) - 1)
    joined = np.empty(len(ids) + len(more), np.uint64)
    joined[:len(ids)] = ids
    count = len(ids)
    numbers = np.empty(len(more), np.uint32)
    for i in range(len(more)):
        slot = _slot(more[i], mask)
        while table[slot] >= 0 and joined[table[slot]] != more[i]:
            slot = (slot + np.uint64(1)) & mask
        if table[slot] < 0:
            table[slot] = count
            joined[count] = more[i]
            count += 1
        numbers[i] = table[slot]
    return joined[:count].copy(), numbers


@njit(**COMPILED)
def renumber(
    index: U32, columns: tuple[int, int], part: tuple[int, int], numbers: U32
) -> None:
    """Replace the vertices in some columns and rows of index by their new numbers."""
    for p in range(part[0], part[1]):
        for c in range(columns[0], columns[1]):
            index[p, c] = numbers[index[p, c]]


@njit(**COMPILED)
def neighbours_of(ids: U64, steps: U64, bits: int) -> U32:
    """Return the neighbours (d + 1, M + 1, 2) of vertices, numbered from 1 here, 0 for none."""
    table = table_of(ids, bits)
    mask = np.uint64((1 << bits) - 1)
    found = np.zeros((len(steps), len(ids) + 1, 2), np.uint32)
    for axis in range(len(steps)):
        for i in range(len(ids)):
            for side in range(2):
                wanted = ids[i] - steps[axis] if side == 0 else ids[i] + steps[axis]
                slot = _slot(wanted, mask)
                while table[slot] >= 0 and ids[table[slot]] != wanted:
                    slot = (slot + np.uint64(1)) & mask
                if table[slot] >= 0:
                    found[axis, i + 1, side] = np.uint32(table[slot] + 1)
    return found


@njit(**COMPILED)
def norm_of(
    index: U32, weight: F32, columns: tuple[int, int], neighbours: U32, factor: np.float32
) -> F32:
    """Return what the filter makes of ones (N,): splat, blur, slice of one channel.

    ``index`` counts vertices from 0 here.
    """
    vertices = neighbours.shape[1]
    values, other = np.zeros(vertices, np.float32), np.zeros(vertices, np.float32)
    for p in range(len(index)):
        for c in range(columns[0], columns[1]):
            values[index[p, c] + np.uint32(1)] += weight[p, c]
    for axis in range(len(neighbours)):
        for i in range(1, vertices):
            other[i] = values[i] + np.float32(0.5) * (
                values[neighbours[axis, i, 0]] + values[neighbours[axis, i, 1]])
        values, other = other, values
    norm = np.empty(len(index), np.float32)
    for p in range(len(index)):
        sliced = np.float32(0)
        for c in range(columns[0], columns[1]):
            sliced += weight[p, c] * values[index[p, c] + np.uint32(1)]
        norm[p] = sliced * factor
    return norm


@njit(**COMPILED)
def place_and_scale(
    index: U32, weight: F32, columns: tuple[int, int], offset: np.uint32, step: np.uint32,
    scale: F32,
) -> None:
    """Multiply some columns of weight by scale (N,), and those of index, plus offset, by step."""
    for p in range(len(index)):
        for c in range(columns[0], columns[1]):
            index[p, c] = (index[p, c] + offset) * step
            weight[p, c] *= scale[p]
