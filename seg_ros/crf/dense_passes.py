# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Compiled passes over the pixels and the vertices of a fully connected CRF.

All labels of a pixel, up to 24, are one value of ``lattice_lanes``; more are several, block of
labels after block. Values of vertices are (blocks, vertices, block's labels).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from seg_ros.crf.lattice_lanes import (
    exponential,
    fused,
    highest,
    load,
    load_some,
    minus,
    plus,
    prefetch,
    spread,
    store,
    times,
    total,
)
from seg_ros.crf.lattice_numba import COMPILED

F32 = npt.NDArray[np.float32]
U32 = npt.NDArray[np.uint32]
U = np.uint64
PIXELS = 64
ONE = (0,)
# Each number of groups is compiled by itself: see seg_ros.crf.dense.warm_up.
MOST_GROUPS = 3
# Of labels that are less probable than this a change is not counted.
RARE = 1e-6


def label_blocks(labels: int) -> tuple[int, int]:
    """Return into how many blocks labels are parted, and of how many groups of eight each is."""
    needed = -(-labels // 8)
    blocks = -(-needed // MOST_GROUPS)
    return blocks, -(-needed // blocks)


@njit(**COMPILED)
def _slice(
    groups: tuple[int, ...], costs: F32, rows: U32, tile: F32, tops: F32, labels: np.uint64,
    later: U32, source: np.uint64, corners: np.uint64, index: U32, weight: F32, values: F32,
    vertices: np.uint64,
) -> None:
    """Fill the tile with what pixels' vertices say minus the costs, and tops with the highest.

    ``corners`` are the numbers a pixel in index and weight, of which ``source`` is the first.
    The costs of ``later`` pixels are asked for ahead: the machine does not foresee blocks.
    """
    block, opposite = U(8 * len(groups)), spread(groups, np.float32(-1))
    target = U(0)
    for p in range(U(0), U(len(rows))):
        if p < U(len(later)):
            for at in range(U(0), labels, U(16)):
                prefetch(costs, U(later[p]) * labels + U(at))
        top = np.float32(-np.inf)
        base = U(0)
        for first in range(U(0), labels, block):
            count = np.uint32(min(block, labels - U(first)))
            found = times(opposite, load_some(
                groups, costs, U(rows[p]) * labels + U(first), count, np.float32(1e30)))
            for at in range(source, source + corners):
                found = fused(spread(groups, weight[U(at)]),
                              load(groups, values, base + U(index[U(at)])), found)
            store(tile, target, found)
            top = max(top, highest(found))
            base += vertices * block
            target += block
        tops[p] = top
        source += corners


@njit(**COMPILED)
def _splat(
    groups: tuple[int, ...], tile: F32, scales: F32, blocks: np.uint64, pixels: np.uint64,
    source: np.uint64, corners: np.uint64, index: U32, weight: F32, values: F32,
    vertices: np.uint64,
) -> None:
    """Add the tile, times scales, to the values of pixels' vertices: the adjoint of ``_slice``."""
    block = U(8 * len(groups))
    target = U(0)
    for p in range(U(0), pixels):
        scale = spread(groups, scales[p])
        for b in range(U(0), blocks):
            given = times(scale, load(groups, tile, target))
            base = U(b) * vertices * block
            for at in range(source, source + corners):
                place = base + U(index[U(at)])
                store(values, place, fused(
                    spread(groups, weight[U(at)]), given, load(groups, values, place)))
            target += block
        source += corners


@njit(**COMPILED)
def _exponentials(
    groups: tuple[int, ...], tile: F32, scales: F32, blocks: np.uint64, pixels: np.uint64
) -> None:
    """Replace the tile by exp of it minus ``scales``, and these by one over the pixels' sums.

    A loop of its own: within one pixel every step waits for the one before, so that a single loop
    over pixels would keep the machine waiting.
    """
    block = U(8 * len(groups))
    target = U(0)
    for p in range(U(0), pixels):
        top, summed = spread(groups, scales[p]), np.float32(0)
        for _ in range(U(0), blocks):
            value = exponential(minus(load(groups, tile, target), top))
            store(tile, target, value)
            summed += total(value)
            target += block
        scales[p] = np.float32(1) / summed


@njit(**COMPILED)
def _write(
    tile: F32, scales: F32, rows: U32, out: F32, labels: np.uint64, width: np.uint64
) -> None:
    for p in range(len(rows)):
        source, target = U(p) * width, U(rows[U(p)]) * labels
        for at in range(U(0), labels):
            out[target + U(at)] = tile[source + U(at)] * scales[U(p)]


@njit(**COMPILED)
def _change(
    tile: F32, scales: F32, rows: U32, out: F32, labels: np.uint64, width: np.uint64
) -> float:
    """Return the sum over pixels of KL(tile || out)."""
    change = 0.0
    for p in range(len(rows)):
        source, target = U(p) * width, U(rows[U(p)]) * labels
        for at in range(U(0), labels):
            now = tile[source + U(at)] * scales[U(p)]
            if now > np.float32(RARE):
                change += now * np.log(now / max(out[target + U(at)], np.float32(1e-30)))
    return change


@njit(**COMPILED)
def pass_pixels(
    groups: tuple[int, ...], costs: F32, out: F32, order: U32, part: tuple[int, int],
    messages: bool, splats: bool, writes: bool, compares: bool, index: U32,
    weights: tuple[F32, F32], values: F32, splatted: F32, sizes: tuple[int, int, int],
) -> float:
    """Take the pixels part[0] to part[1] of the order one iteration further; all arrays flat.

    ``groups`` has the length of ``label_blocks``; ``sizes`` are labels, vertices and corners a
    pixel. Returns the change where it ``compares``.
    """
    labels, vertices, corners = U(sizes[0]), U(sizes[1]), U(sizes[2])
    block = U(8 * len(groups))
    blocks = (labels + block - U(1)) // block
    width = blocks * block
    tile = np.empty(U(PIXELS) * width, np.float32)
    scales = np.empty(PIXELS, np.float32)
    change = 0.0
    for start in range(part[0], part[1], PIXELS):
        end = min(start + PIXELS, part[1])
        rows, later = order[start:end], order[end:min(end + PIXELS, part[1])]
        source, pixels = U(start) * corners, U(len(rows))
        _slice(groups, costs, rows, tile, scales, labels, later, source,
               corners if messages else U(0), index, weights[1], values, vertices)
        _exponentials(groups, tile, scales, blocks, pixels)
        if compares:
            change += _change(tile, scales, rows, out, labels, width)
        if writes:
            _write(tile, scales, rows, out, labels, width)
        if splats:
            _splat(groups, tile, scales, blocks, pixels, source, corners, index, weights[0],
                   splatted, vertices)
    return change


@njit(**COMPILED)
def _blur_axis(
    now: F32, beside: U32, then: F32, first: np.uint64, step: np.uint64
) -> None:
    """Blur now (M, 8) along one axis into then, from ``first`` on, a vertex every ``step``."""
    half = spread(ONE, np.float32(0.5))
    for i in range(U(1), U(len(beside))):
        sides = plus(load(ONE, now, U(beside[i, 0]) * U(8)),
                     load(ONE, now, U(beside[i, 1]) * U(8)))
        store(then, first + i * step, fused(half, sides, load(ONE, now, i * U(8))))


@njit(**COMPILED)
def blur_group(
    values: F32, splatted: F32, first: int, step: int, rooms: F32, gains: F32, neighbours: U32
) -> None:
    """Blur eight labels of one lattice from splatted (threads, all) to values, both flat.

    They stand from the number ``first`` on, a vertex every ``step``. What was splatted is added
    up, multiplied by ``gains`` (8,) and set to 0; ``rooms`` (2, M * 8 or more) are to work in.
    """
    vertices, begin, stride = U(neighbours.shape[1]), U(first), U(step)
    nothing, gain = spread(ONE, np.float32(0)), load(ONE, gains, U(0))
    now, then = rooms[0], rooms[1]
    store(now, U(0), nothing)
    store(then, U(0), nothing)
    for i in range(U(1), vertices):
        place = begin + i * stride
        summed = load(ONE, splatted[0], place)
        store(splatted[0], place, nothing)
        for thread in range(1, len(splatted)):
            summed = plus(summed, load(ONE, splatted[thread], place))
            store(splatted[thread], place, nothing)
        store(now, i * U(8), times(gain, summed))
    last = neighbours.shape[0] - 1
    for axis in range(last):
        _blur_axis(now, neighbours[axis], then, U(0), U(8))
        now, then = then, now
    _blur_axis(now, neighbours[last], values, begin, stride)
