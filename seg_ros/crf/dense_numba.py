# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mean field of a fully connected CRF in compiled passes over pixels and lattice vertices.

One pass reads a block of pixels once: it slices the messages of all kernels, takes the softmax and
splats the result for the next iteration. The normalisation stands in the barycentric weights, the
kernels' weights in the blur, and the lattices of all kernels share one numbering, so that a pass
knows nothing of them. Every thread splats into values of its own. Pixels go by square blocks of
the image, whose vertices stay in the cache. The passes are in ``dense_passes``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from seg_ros.crf.dense_field import FieldResult, Mix, converged, scales_of
from seg_ros.crf.dense_passes import blur_group, label_blocks, pass_pixels
from seg_ros.crf.dense_team import Team
from seg_ros.crf.lattice import axis_steps, blur_factor, feature_scales, multipliers
from seg_ros.crf.lattice_numba import (
    embed,
    join,
    neighbours_of,
    norm_of,
    place_and_scale,
    renumber,
)

F32 = npt.NDArray[np.float32]
U32 = npt.NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Joined:
    """Hold the lattices of all kernels in one numbering of vertices.

    ``index`` (N, S), ``step`` times the vertices, and the weights (N, S) to splat and to slice by;
    of each kernel the first vertex, which stays 0, and the neighbours.
    """

    index: U32
    splat: F32
    slice: F32
    first: tuple[int, ...]
    neighbours: tuple[U32, ...]
    vertices: int


def build_joined(
    features: Sequence[F32], normalizations: Sequence[str], step: int, team: Team
) -> Joined:
    """Embed the features (d, N) of each kernel and fold its normalisation into the weights.

    A vertex is to be ``step`` numbers from the next, see ``vertex_step``.
    """
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
        calls.append(partial(place_and_scale, index, weight, each, np.uint32(start + 1),
                             np.uint32(step), before))
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


def vertex_step(labels: int) -> int:
    """Return how many numbers a vertex has in a row: those of a block of labels."""
    return 8 * label_blocks(labels)[1]


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
            pass_pixels, field.groups, costs.reshape(-1), out.reshape(-1), order, part, done > 0,
            not last, last or watches, watches and done > 0, field.index, field.weights,
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
        blocks, groups = label_blocks(labels)
        self.groups = (0,) * groups
        self.values = aligned((blocks, joined.vertices, groups * 8))
        self.splatted = aligned((team.threads, self.values.size))
        self.index = joined.index.reshape(-1)
        self.weights = joined.splat.reshape(-1), joined.slice.reshape(-1)
        self.sizes = labels, joined.vertices, joined.index.shape[1]
        most = max(neighbours.shape[1] for neighbours in joined.neighbours)
        self._rooms = [aligned((2, most * 8)) for _ in range(team.threads)]
        self._gains = [self._gains_of(mix, neighbours, blocks * groups * 8)
                       for mix, neighbours in zip(mixes, joined.neighbours, strict=True)]
        self._shares = self._shared(blocks * groups)

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
            block, beside = divmod(group, len(self.groups))
            vertex = block * self._joined.vertices + self._joined.first[kernel]
            blur_group(self.values.reshape(-1), self.splatted,
                       8 * (vertex * len(self.groups) + beside), 8 * len(self.groups), room,
                       self._gains[kernel][group], self._joined.neighbours[kernel])


def _mix_labels(values: F32, matrix: npt.NDArray[np.floating]) -> None:
    """Multiply the labels of values (blocks, M, B) by a matrix (L, L), in place."""
    blocks, vertices, width = values.shape
    labels = len(matrix)
    by_vertex = values.transpose(1, 0, 2).reshape(vertices, blocks * width)
    by_vertex[:, :labels] = by_vertex[:, :labels] @ matrix.T.astype(np.float32)
    values[:] = by_vertex.reshape(vertices, blocks, width).transpose(1, 0, 2)
