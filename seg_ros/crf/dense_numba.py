# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mean field of a fully connected CRF in compiled passes over pixels and lattice vertices.

One pass reads a block of pixels once: it slices the messages of all kernels, takes the softmax and
splats the result for the next iteration. The normalisation stands in the barycentric weights, the
kernels' weights in the blur, and the lattices of all kernels share one numbering, so that a pass
knows nothing of them. Labels stand in groups of eight, (groups, vertices, 8); every thread splats
into values of its own. Pixels go by square blocks of the image, whose vertices stay in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from numba import njit

from seg_ros.crf.dense_field import FieldResult, Mix, converged, scales_of
from seg_ros.crf.dense_team import Team
from seg_ros.crf.lattice import axis_steps, blur_factor, feature_scales, multipliers
from seg_ros.crf.lattice_lanes import (
    exponential,
    fused,
    higher,
    highest,
    inverse,
    load,
    minus,
    plus,
    spread,
    store,
    times,
    total,
)
from seg_ros.crf.lattice_numba import (
    COMPILED,
    embed,
    join,
    neighbours_of,
    norm_of,
    place_and_scale,
    renumber,
)

F32 = npt.NDArray[np.float32]
U32 = npt.NDArray[np.uint32]
U = np.uint64
EIGHT = np.uint64(8)
PIXELS = 64
# Of labels that are less probable than this a change is not counted.
RARE = 1e-6


@dataclass(frozen=True, eq=False)
class Joined:
    """Hold the lattices of all kernels in one numbering of vertices.

    ``index`` (N, S), eight times the vertices, and the weights (N, S) to splat and to slice by;
    of each kernel the first vertex, which stays 0, and the neighbours.
    """

    index: U32
    splat: F32
    slice: F32
    first: tuple[int, ...]
    neighbours: tuple[U32, ...]
    vertices: int


def build_joined(
    features: Sequence[F32], normalizations: Sequence[str], team: Team
) -> Joined:
    """Embed the features (d, N) of each kernel and fold its normalisation into the weights."""
    points = features[0].shape[1]
    edges = np.cumsum([0] + [len(each) + 1 for each in features])
    index = np.empty((points, edges[-1]), np.uint32)
    weight = np.empty((points, edges[-1]), np.float32)
    parts = team.parts(points)
    found = iter(team.run([
        partial(_embedded, each, part, index, weight, int(column))
        for each, column in zip(features, edges, strict=False) for part in parts]))
    columns = [(int(low), int(high)) for low, high in zip(edges, edges[1:], strict=False)]
    built = team.run([
        partial(_normed, [next(found) for _ in parts], parts, index, weight, each)
        for each in columns])
    first = np.cumsum([0] + [neighbours.shape[1] for neighbours, _ in built])
    sliced = weight if set(normalizations) <= {'symmetric', 'none'} else weight.copy()
    calls = []
    for kind, each, start, (_, norm) in zip(normalizations, columns, first, built, strict=False):
        before, after = scales_of(kind, norm)
        calls.append(partial(place_and_scale, index, weight, each, np.uint32(start + 1), before))
        if sliced is not weight:
            np.multiply(sliced[:, slice(*each)], after[:, None], out=sliced[:, slice(*each)])
    team.run(calls)
    return Joined(index, weight, sliced, tuple(first[:-1].tolist()),
                  tuple(neighbours for neighbours, _ in built), int(first[-1]))


def _embedded(
    features: F32, part: tuple[int, int], index: U32, weight: F32, column: int
) -> npt.NDArray[np.uint64]:
    d = len(features)
    found: npt.NDArray[np.uint64] = embed(
        (0,) * d, features, part, feature_scales(d), multipliers(d), axis_steps(d), index,
        weight, column)
    return found


def _normed(
    ids: Sequence[npt.NDArray[np.uint64]], parts: Sequence[tuple[int, int]], index: U32,
    weight: F32, columns: tuple[int, int],
) -> tuple[U32, F32]:
    """Join the vertices that the threads found; return their neighbours and the filtered ones."""
    known = ids[0]
    for more, part in zip(ids[1:], parts[1:], strict=True):
        known, numbers = join(known, more, _bits(len(known) + len(more)))
        renumber(index, columns, part, numbers)
    features = columns[1] - columns[0] - 1
    neighbours = neighbours_of(known, axis_steps(features), _bits(len(known)))
    factor = np.float32(blur_factor(features))
    return neighbours, norm_of(index, weight, columns, neighbours, factor)


def _bits(count: int) -> int:
    return max(4, int(2 * count).bit_length())


@njit(**COMPILED)
def _read(costs: F32, rows: U32, tile: F32, labels: np.uint64, width: np.uint64) -> None:
    """Fill the tile with minus the costs of some pixels, and with little beyond the labels."""
    opposite = spread(np.float32(-1))
    whole = labels // EIGHT * EIGHT
    for p in range(len(rows)):
        source, target = U(rows[U(p)]) * labels, U(p) * width
        for at in range(U(0), whole, EIGHT):
            store(tile, target + U(at), times(load(costs, source + U(at)), opposite))
        for at in range(whole, labels):
            tile[target + U(at)] = -costs[source + U(at)]
        for at in range(labels, width):
            tile[target + U(at)] = np.float32(-1e30)


@njit(**COMPILED)
def _slice(
    tile: F32, width: np.uint64, pixels: tuple[int, int], index: U32, weight: F32, values: F32,
    vertices: np.uint64, corners: np.uint64,
) -> None:
    """Add the values of pixels' vertices to the tile."""
    for p in range(U(0), U(pixels[1])):
        source = (U(pixels[0]) + U(p)) * corners
        base = U(0)
        for target in range(U(p) * width, (U(p) + U(1)) * width, EIGHT):
            found = load(tile, U(target))
            for at in range(source, source + corners):
                place = base + U(index[U(at)])
                found = fused(spread(weight[U(at)]), load(values, place), found)
            store(tile, U(target), found)
            base += vertices * EIGHT


@njit(**COMPILED)
def _splat(
    tile: F32, width: np.uint64, pixels: tuple[int, int], index: U32, weight: F32, values: F32,
    vertices: np.uint64, corners: np.uint64,
) -> None:
    """Add the tile to the values of pixels' vertices: the adjoint of ``_slice``."""
    for p in range(U(0), U(pixels[1])):
        source = (U(pixels[0]) + U(p)) * corners
        base = U(0)
        for target in range(U(p) * width, (U(p) + U(1)) * width, EIGHT):
            given = load(tile, U(target))
            for at in range(source, source + corners):
                place = base + U(index[U(at)])
                store(values, place, fused(spread(weight[U(at)]), given, load(values, place)))
            base += vertices * EIGHT


@njit(**COMPILED)
def _softmax(tile: F32, width: np.uint64, pixels: int, rows: F32) -> None:
    """Take the softmax of each pixel of the tile.

    In three loops over pixels, ``rows`` (pixels * 8,) between them: within one pixel every step
    waits for the one before, so that a single loop would keep the machine waiting.
    """
    for p in range(U(0), U(pixels)):
        top = load(tile, U(p) * width)
        for at in range(U(p) * width + EIGHT, (U(p) + U(1)) * width, EIGHT):
            top = higher(top, load(tile, U(at)))
        store(rows, U(p) * EIGHT, highest(top))
    for p in range(U(0), U(pixels)):
        top, summed = load(rows, U(p) * EIGHT), spread(np.float32(0))
        for at in range(U(p) * width, (U(p) + U(1)) * width, EIGHT):
            value = exponential(minus(load(tile, U(at)), top))
            store(tile, U(at), value)
            summed = plus(summed, value)
        store(rows, U(p) * EIGHT, summed)
    for p in range(U(0), U(pixels)):
        scale = inverse(total(load(rows, U(p) * EIGHT)))
        for at in range(U(p) * width, (U(p) + U(1)) * width, EIGHT):
            store(tile, U(at), times(scale, load(tile, U(at))))


@njit(**COMPILED)
def _write(tile: F32, rows: U32, out: F32, labels: np.uint64, width: np.uint64) -> None:
    for p in range(len(rows)):
        source, target = U(p) * width, U(rows[U(p)]) * labels
        for at in range(U(0), labels):
            out[target + U(at)] = tile[source + U(at)]


@njit(**COMPILED)
def _change(tile: F32, rows: U32, out: F32, labels: np.uint64, width: np.uint64) -> float:
    """Return the sum over pixels of KL(tile || out)."""
    change = 0.0
    for p in range(len(rows)):
        source, target = U(p) * width, U(rows[U(p)]) * labels
        for at in range(U(0), labels):
            now = tile[source + U(at)]
            if now > np.float32(RARE):
                change += now * np.log(now / max(out[target + U(at)], np.float32(1e-30)))
    return change


@njit(**COMPILED)
def pass_pixels(
    costs: F32, out: F32, order: U32, part: tuple[int, int], messages: bool, splats: bool,
    writes: bool, compares: bool, index: U32, weights: tuple[F32, F32], values: F32,
    splatted: F32, sizes: tuple[int, int, int],
) -> float:
    """Take the pixels part[0] to part[1] of the order one iteration further; all arrays flat.

    ``sizes`` are labels, vertices and corners a pixel. Returns the change where it ``compares``.
    """
    labels, vertices, corners = U(sizes[0]), U(sizes[1]), U(sizes[2])
    width = (labels + U(7)) // EIGHT * EIGHT
    tile = np.empty(U(PIXELS) * width, np.float32)
    room = np.empty(U(PIXELS) * EIGHT, np.float32)
    change = 0.0
    for start in range(part[0], part[1], PIXELS):
        pixels = (start, min(PIXELS, part[1] - start))
        rows = order[start:start + pixels[1]]
        _read(costs, rows, tile, labels, width)
        if messages:
            _slice(tile, width, pixels, index, weights[1], values, vertices, corners)
        _softmax(tile, width, pixels[1], room)
        if compares:
            change += _change(tile, rows, out, labels, width)
        if writes:
            _write(tile, rows, out, labels, width)
        if splats:
            _splat(tile, width, pixels, index, weights[0], splatted, vertices, corners)
    return change


@njit(**COMPILED)
def blur_group(
    values: F32, splatted: F32, first: int, other: F32, gains: F32, neighbours: U32
) -> None:
    """Blur eight labels of one lattice: values (M + 1, 8) from splatted (threads, all).

    What was splatted, from the number ``first`` on, is added up, multiplied by ``gains`` (8,) and
    set to 0; ``other`` (M + 1, 8) is room to work in.
    """
    vertices, begin = U(len(values)), U(first)
    nothing, half, gain = spread(np.float32(0)), spread(np.float32(0.5)), load(gains, U(0))
    now, then = values, other
    if neighbours.shape[0] % 2:
        now, then = other, values
    for at in range(EIGHT, vertices * EIGHT, EIGHT):
        summed = load(splatted[0], begin + U(at))
        store(splatted[0], begin + U(at), nothing)
        for thread in range(1, len(splatted)):
            summed = plus(summed, load(splatted[thread], begin + U(at)))
            store(splatted[thread], begin + U(at), nothing)
        store(now, U(at), times(gain, summed))
    store(now, U(0), nothing)
    store(then, U(0), nothing)
    for axis in range(neighbours.shape[0]):
        beside = neighbours[axis]
        for i in range(U(1), vertices):
            sides = plus(load(now, U(beside[U(i), 0]) * EIGHT),
                         load(now, U(beside[U(i), 1]) * EIGHT))
            store(then, U(i) * EIGHT, fused(half, sides, load(now, U(i) * EIGHT)))
        now, then = then, now


def mean_field(
    costs: F32, joined: Joined, mixes: Sequence[Mix], order: U32, team: Team, *,
    iterations: int, tolerance: float,
) -> FieldResult:
    """Return the mean field of costs (N, L) after at most these iterations."""
    points, labels = costs.shape
    field = _Field(joined, mixes, labels, team)
    out = np.empty_like(costs)
    change, done = np.inf, 0
    watches = tolerance > 0
    for done in range(iterations + 1):
        last = done == iterations
        changes = team.run([partial(
            pass_pixels, costs.reshape(-1), out.reshape(-1), order, part, done > 0, not last,
            last or watches, watches and done > 0, field.index, field.weights,
            field.values.reshape(-1), own, field.sizes)
            for part, own in zip(team.parts(points), field.splatted, strict=True)])
        if watches and done:
            change = sum(changes) / points
        if last or converged(change, tolerance):
            break
        field.blur()
    return FieldResult(out, done, change)


def aligned(shape: tuple[int, ...]) -> F32:
    """Return zeros from a multiple of 64 bytes on: no eight numbers lie in two cache lines."""
    size = int(np.prod(shape))
    room = np.zeros(size + 15, np.float32)
    skipped = -(room.ctypes.data // 4) % 16
    return room[skipped:skipped + size].reshape(shape)


class _Field:
    """Hold the values of the vertices between the passes over pixels."""

    def __init__(self, joined: Joined, mixes: Sequence[Mix], labels: int, team: Team) -> None:
        self._joined, self._mixes, self._team = joined, mixes, team
        groups = -(-labels // 8)
        self.values = aligned((groups, joined.vertices, 8))
        self.splatted = aligned((team.threads, groups * joined.vertices * 8))
        self.index = joined.index.reshape(-1)
        self.weights = joined.splat.reshape(-1), joined.slice.reshape(-1)
        self.sizes = labels, joined.vertices, joined.index.shape[1]
        most = max(neighbours.shape[1] for neighbours in joined.neighbours)
        self._rooms = [aligned((most, 8)) for _ in range(team.threads)]
        self._gains = [self._gains_of(mix, neighbours, groups * 8)
                       for mix, neighbours in zip(mixes, joined.neighbours, strict=True)]
        self._shares = self._shared(groups)

    @staticmethod
    def _gains_of(mix: Mix, neighbours: U32, width: int) -> F32:
        gains = np.zeros(width, np.float32)
        gains[:len(mix.gains)] = mix.gains * blur_factor(len(neighbours) - 1)
        return gains.reshape(-1, 8)

    def _shared(self, groups: int) -> list[list[tuple[int, int]]]:
        """Return for each thread its (kernel, group), the largest given out first."""
        work = sorted(((each.size, kernel, group)
                       for kernel, each in enumerate(self._joined.neighbours)
                       for group in range(groups)), reverse=True)
        loads = [0] * self._team.threads
        shares: list[list[tuple[int, int]]] = [[] for _ in loads]
        for size, kernel, group in work:
            least = loads.index(min(loads))
            loads[least] += size
            shares[least].append((kernel, group))
        return shares

    def blur(self) -> None:
        """Turn what was splatted into the messages of the next pass."""
        self._team.run([partial(self._blur_share, share, room)
                        for share, room in zip(self._shares, self._rooms, strict=True)])
        for mix, rows in zip(self._mixes, map(self._rows, range(len(self._mixes))), strict=True):
            if mix.matrix is not None:
                _mix_labels(self.values[:, rows], mix.matrix)

    def _rows(self, kernel: int) -> slice:
        start = self._joined.first[kernel]
        return slice(start, start + self._joined.neighbours[kernel].shape[1])

    def _blur_share(self, share: list[tuple[int, int]], room: F32) -> None:
        for kernel, group in share:
            rows, neighbours = self._rows(kernel), self._joined.neighbours[kernel]
            first = 8 * (group * self._joined.vertices + rows.start)
            blur_group(self.values[group, rows], self.splatted, first,
                       room[:neighbours.shape[1]], self._gains[kernel][group], neighbours)


def _mix_labels(values: F32, matrix: npt.NDArray[np.floating]) -> None:
    """Multiply the labels of values (groups, M, 8) by a matrix (L, L), in place."""
    groups, vertices, _ = values.shape
    labels = len(matrix)
    by_vertex = values.transpose(1, 0, 2).reshape(vertices, groups * 8)
    by_vertex[:, :labels] = by_vertex[:, :labels] @ matrix.T.astype(np.float32)
    values[:] = by_vertex.reshape(vertices, groups, 8).transpose(1, 0, 2)
