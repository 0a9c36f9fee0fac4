# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages between neighbours: min-sum, sum-product, and sequential tree-reweighted (TRW-S).

One sweep passes messages from every pixel to its later neighbours, in the order of rows, or back.
Kolmogorov, "Convergent Tree-Reweighted Message Passing for Energy Minimization", PAMI 2006.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.crf.grid_compiled import compiled
from seg_ros.crf.grid_problem import POTTS, TRUNCATED_LINEAR


@compiled
def _minimum(values: npt.NDArray[Any]) -> Any:
    low = values[0]
    for label in range(1, len(values)):
        low = min(low, values[label])
    return low


@compiled
def _lower_linear(
    own: npt.NDArray[Any], slope: Any, highest: Any, out: npt.NDArray[Any]
) -> None:
    """Write min over m of own[m] + min(slope |l - m|, highest) (Felzenszwalb, IJCV 2006)."""
    count = len(own)
    low = _minimum(own) + highest
    out[0] = own[0]
    for label in range(1, count):
        out[label] = min(own[label], out[label - 1] + slope)
    for label in range(count - 2, -1, -1):
        out[label] = min(out[label], out[label + 1] + slope)
    for label in range(count):
        out[label] = min(out[label], low)


@compiled
def _lower_matrix(
    own: npt.NDArray[Any], weight: Any, costs: npt.NDArray[Any], out: npt.NDArray[Any]
) -> None:
    """Write min over m of own[m] + weight costs[m, l]."""
    count = len(own)
    for label in range(count):
        out[label] = own[0] + weight * costs[0, label]
    for other in range(1, count):
        for label in range(count):
            out[label] = min(out[label], own[other] + weight * costs[other, label])


@compiled
def _soft_message(
    own: npt.NDArray[Any], weight: Any, costs: npt.NDArray[Any], kind: int,
    out: npt.NDArray[Any],
) -> None:
    """Write -log of the sum over m of exp(-own[m] - weight costs[m, l]); overwrites ``own``."""
    count = len(own)
    low = _minimum(own)
    for label in range(count):
        own[label] = np.exp(low - own[label])
    if kind == POTTS:
        total = own.sum()
        unequal = np.exp(-weight)
        for label in range(count):
            out[label] = low - np.log(unequal * total + (1 - unequal) * own[label])
        return
    for label in range(count):
        total = own[0] * np.exp(-weight * costs[0, label])
        for other in range(1, count):
            total += own[other] * np.exp(-weight * costs[other, label])
        out[label] = low - np.log(total)


@compiled
def _general_message(
    own: npt.NDArray[Any], weight: Any, costs: npt.NDArray[Any], kind: int, limit: Any,
    soft: bool, damping: Any, out: npt.NDArray[Any],
) -> float:
    """Write a message of any kind, its minimum 0 before damping; return what it was lowered by."""
    count = len(own)
    new = np.empty_like(own)
    if soft:
        _soft_message(own, weight, costs, kind, new)
    elif kind == TRUNCATED_LINEAR:
        _lower_linear(own, weight, weight * limit, new)
    else:
        _lower_matrix(own, weight, costs, new)
    low = _minimum(new)
    for label in range(count):
        out[label] = damping * out[label] + (1 - damping) * (new[label] - low)
    return low


@compiled
def _potts_message(own: npt.NDArray[Any], low: Any, weight: Any, out: npt.NDArray[Any]) -> None:
    for label in range(len(own)):
        out[label] = min(own[label] - low, weight)


@compiled
def _believe(unary: npt.NDArray[Any], told: npt.NDArray[Any], out: npt.NDArray[Any]) -> Any:
    """Write the costs of a pixel with all that it was told, less their minimum; return that."""
    for label in range(len(out)):
        out[label] = unary[label] + told[0, label] + told[1, label] + told[2, label] \
            + told[3, label]
    if len(told) == 8:
        for label in range(len(out)):
            out[label] += told[4, label] + told[5, label] + told[6, label] + told[7, label]
    low = _minimum(out)
    for label in range(len(out)):
        out[label] -= low
    return low


@compiled
def _remaining(
    belief: npt.NDArray[Any], told: npt.NDArray[Any], share: Any, own: npt.NDArray[Any]
) -> Any:
    """Write a pixel's share for one neighbour, without what that one told; return the minimum."""
    low = share * belief[0] - told[0]
    for label in range(len(own)):
        own[label] = share * belief[label] - told[label]
        low = min(low, own[label])
    return low


@compiled
def _chains(y: int, x: int, height: int, width: int, steps: npt.NDArray[np.int64]) -> int:
    """Return how many monotonic chains pass a pixel: the more of its edges before and after it."""
    before = after = 0
    for edge in range(len(steps) // 2):
        dy, dx = steps[edge]
        after += 0 <= y + dy < height and 0 <= x + dx < width
        before += 0 <= y - dy < height and 0 <= x - dx < width
    return max(1, before, after)


@compiled
def sweep_tile(
    unary: npt.NDArray[Any], messages: npt.NDArray[Any], weights: npt.NDArray[Any],
    costs: npt.NDArray[Any], steps: npt.NDArray[np.int64], kind: int, limit: Any,
    tile: tuple[int, int, int, int], backward: bool, reweighted: bool, soft: bool, damping: Any,
) -> float:
    """Pass messages from the pixels of a tile to those after them, or before; return the part of
    the bound.

    Arrays as ``Problem`` has them; ``messages`` (H, W, D, L): what a pixel was told from each
    direction. ``tile``: first and end row, first and end of the columns x + y. Reweighted is
    TRW-S, else it is belief propagation; ``limit`` and ``damping`` are of the costs' type.
    """
    height, width, count = unary.shape
    scratch = np.empty((2, count), unary.dtype)
    belief, own = scratch[0], scratch[1]
    half = len(steps) // 2
    directed = costs[1] if backward else costs[0]
    plain = kind == POTTS and not soft and damping == 0
    top, bottom, left, right = tile
    bound = 0.0
    for row in range(top, bottom):
        y = top + bottom - 1 - row if backward else row
        start, end = max(0, left - y), min(width, right - y)
        for column in range(start, end):
            x = start + end - 1 - column if backward else column
            bound += _believe(unary[y, x], messages[y, x], belief)
            chains = _chains(y, x, height, width, steps) if reweighted else 1
            share = unary.dtype.type(1 / chains)
            for edge in range(half):
                direction = edge + half if backward else edge
                ny, nx = y + steps[direction, 0], x + steps[direction, 1]
                if not (0 <= ny < height and 0 <= nx < width):
                    continue
                weight = weights[edge, ny, nx] if backward else weights[edge, y, x]
                low = _remaining(belief, messages[y, x, direction], share, own)
                out = messages[ny, nx, (direction + half) % (2 * half)]
                if plain:
                    _potts_message(own, low, weight, out)
                    bound += low
                else:
                    bound += _general_message(
                        own, weight, directed, kind, limit, soft, damping, out)
    return bound


@compiled
def sweep_tiles(
    unary: npt.NDArray[Any], messages: npt.NDArray[Any], weights: npt.NDArray[Any],
    costs: npt.NDArray[Any], steps: npt.NDArray[np.int64], kind: int, limit: Any,
    tiles: npt.NDArray[np.int64], bounds: npt.NDArray[np.float64],
    backward: bool, reweighted: bool, soft: bool, damping: Any,
) -> None:
    """Sweep tiles (T, 4) one after the other; their parts of the bound are written (T,)."""
    for number in range(len(tiles)):
        top, bottom, left, right = tiles[number]
        bounds[number] = sweep_tile(
            unary, messages, weights, costs, steps, kind, limit, (top, bottom, left, right),
            backward, reweighted, soft, damping)


@compiled
def decode(
    unary: npt.NDArray[Any], messages: npt.NDArray[Any], weights: npt.NDArray[Any],
    costs: npt.NDArray[Any], steps: npt.NDArray[np.int64], labels: npt.NDArray[np.int32],
) -> None:
    """Choose labels (H, W) in the order of rows, each knowing those chosen before it.

    Kolmogorov 2006, section 4.4: of earlier neighbours their labels count, of later ones what
    they told.
    """
    height, width, count = unary.shape
    total = np.empty(count, unary.dtype)
    for y in range(height):
        for x in range(width):
            total[:] = unary[y, x]
            for edge in range(len(steps) // 2):
                told = messages[y, x, edge]
                for label in range(count):
                    total[label] += told[label]
                ny, nx = y - steps[edge, 0], x - steps[edge, 1]
                if 0 <= ny < height and 0 <= nx < width:
                    row, weight = costs[0, labels[ny, nx]], weights[edge, ny, nx]
                    for label in range(count):
                        total[label] += weight * row[label]
            labels[y, x] = np.argmin(total)


@compiled
def beliefs(unary: npt.NDArray[Any], messages: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Write the costs (H, W, L) of all pixels with what they were told, their minima 0."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            _believe(unary[y, x], messages[y, x], out[y, x])
