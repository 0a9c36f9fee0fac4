# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which object of a frame is which track: by overlap, place and colours, at the least cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Pairs = list[tuple[int, int]]

# What counts for a pair that meets where it is expected.
_WEIGHTS = {'overlap': 0.4, 'place': 0.3, 'color': 0.3}
_LEAST_IN_PLACE = 0.4
# Colours that differ more than this are another thing, wherever it is: things exchanged places.
# Of a track that is lost more is asked.
_LEAST_COLOR, _LEAST_COLOR_LOST = 0.55, 0.7
# Of places: deviation in metres, and its share of the object's size (or of pixels without depth).
_PLACE_M, _PLACE_SHARE = 0.02, 0.3
# Found again near where it was lost, or anywhere: the colours, and how far ahead of the next best.
_NEAR_M, _NEAR_COLOR = 0.15, 0.7
_FAR_COLOR, _AHEAD = 0.85, 0.05
_SIZE_RATIO = 0.5
# Found elsewhere the moment in which it was lost: a thing was moved, most likely.
_MOVED_COLOR, _MOVED_SIZE_RATIO = 0.6, 0.25
# A track that is lost is less likely than one that was seen just now, the more the older.
_LOST_COST, _AGE_COST = 0.1, 0.1


@dataclass(frozen=True, eq=False)
class Evidence:
    """Hold what speaks for each pair of T tracks (rows) and K objects (columns).

    ``iou`` (T, K): overlap of the track's expected mask with the object over their union;
    ``inside`` (T, K): share of the object that is where the whole track was seen. ``distance``
    (T, K) metres, or pixels over the root of the area;
    ``spread`` (T, K) its deviation. ``color`` (T, K) Bhattacharyya coefficient, 0 to 1.
    ``size_ratio`` (T, K) smaller over larger. ``age`` (T,) 0 seen in the last frame, 1 about to be
    forgotten; ``just`` (T,) bool: seen a moment ago. ``metric``: distances are metres.
    """

    iou: Array
    inside: Array
    distance: Array
    color: Array
    size_ratio: Array
    spread: Array
    age: Array
    just: npt.NDArray[np.bool_]
    metric: bool


def spreads(sizes: Array, metric: bool) -> Array:
    """Return the deviation of places for objects of these sizes (metres, or 1 in pixels)."""
    return (_PLACE_M if metric else 0.1) + _PLACE_SHARE * np.nan_to_num(sizes, nan=0.05)


def match(evidence: Evidence) -> Pairs:
    """Return pairs (track, object), each at most once, of tracks in place and found again.

    Kuhn 1955: the assignment of the greatest sum. In place goes first; what is left on both sides
    may be found again near where it was lost, or anywhere by its colours and size alone.
    """
    score = in_place_score(evidence)
    pairs = _largest_pieces(assign(score, _LEAST_IN_PLACE), score, evidence.iou)
    again = found_again_score(evidence, *_left(score.shape, pairs))
    return pairs + assign(again, 0.0)


def _largest_pieces(pairs: Pairs, score: Array, iou: Array) -> Pairs:
    """Return the pairs with each track at the largest of its pieces that is no other track's."""
    free = _left(score.shape, pairs)[1]
    result = []
    for track, row in pairs:
        rival = np.where(free & np.isfinite(score[track]), iou[track], 0.0)
        best = int(rival.argmax())
        if rival[best] > iou[track, row]:
            free[row], free[best] = True, False
            row = best
        result.append((track, row))
    return result


def in_place_score(evidence: Evidence) -> Array:
    """Return (T, K) scores up to 1, NaN where a pair is out of the question."""
    place = np.exp(-0.5 * (evidence.distance / evidence.spread) ** 2)
    place = np.where(np.isnan(place), evidence.iou, place)
    # A part of what was expected: the rest is hidden, or another object's.
    overlap = np.maximum(evidence.iou, 0.5 * (evidence.iou + evidence.inside))
    score = (_WEIGHTS['overlap'] * overlap + _WEIGHTS['place'] * place
             + _WEIGHTS['color'] * evidence.color - _cost(evidence))
    met = (evidence.iou > 0.05) | (evidence.inside > 0.5) | (place > 0.3)
    least = np.where(evidence.age > 0, _LEAST_COLOR_LOST, _LEAST_COLOR)[:, None]
    return np.where(met & (evidence.color >= least), score, np.nan)


def _cost(evidence: Evidence) -> Array:
    lost = np.where(evidence.age > 0, _LOST_COST, 0.0)
    return np.asarray(lost + _AGE_COST * evidence.age)[:, None]


def found_again_score(
    evidence: Evidence, tracks: npt.NDArray[np.bool_], objects: npt.NDArray[np.bool_]
) -> Array:
    """Return (T, K) scores of the tracks and objects left over, NaN where it is not the same."""
    left = tracks[:, None] & objects[None]
    color = np.where(left, evidence.color, 0.0)
    near = evidence.distance < (_NEAR_M if evidence.metric else 1.0)
    ratio = np.nan_to_num(evidence.size_ratio, nan=1.0)
    far = left & (ratio > _SIZE_RATIO) & (color >= _FAR_COLOR) & _ahead(color)
    just = evidence.just[:, None] & left
    far |= just & (ratio > _MOVED_SIZE_RATIO) & (color >= _MOVED_COLOR)
    here = left & near & (color >= _NEAR_COLOR)
    score = color - _cost(evidence) + np.where(near, 0.3, 0.0)
    return np.where(far | here, score, np.nan)


def _ahead(color: Array) -> npt.NDArray[np.bool_]:
    """Return where a pair is clearly the best of its row and of its column."""
    result = np.ones(color.shape, bool)
    for axis in (0, 1):
        if color.shape[axis] > 1:
            second = np.sort(color, axis=axis).take([-2], axis=axis)
            result &= color > second + _AHEAD
    return result


def _left(
    shape: tuple[int, ...], pairs: Pairs
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    tracks, objects = np.ones(shape[0], bool), np.ones(shape[1], bool)
    for track, row in pairs:
        tracks[track] = objects[row] = False
    return tracks, objects


def assign(score: Array, least: float) -> Pairs:
    """Return the pairs (row, column) of the greatest sum; none of NaN or below `least`."""
    from scipy.optimize import linear_sum_assignment

    allowed = np.nan_to_num(score, nan=-1.0) >= least
    if not allowed.any():
        return []
    rows, columns = linear_sum_assignment(np.where(allowed, score, 0.0), maximize=True)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if allowed[r, c]]
