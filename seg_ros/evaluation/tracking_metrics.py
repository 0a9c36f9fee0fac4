# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How well ids hold over a sequence: CLEAR MOT and identity measures of masks.

CLEAR MOT (Bernardin and Stiefelhagen 2008): an object and a result correspond at IoU of at least
0.5; a correspondence is kept while it holds, others are assigned by the greatest IoU. Identity
measures (Ristani et al. 2016): each object is given one result's id for the whole sequence so that
the frames in which both correspond are most: IDF1 = 2 IDTP / (frames of objects + of results).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

LEAST_IOU = 0.5
# A result of which more lies in what is not scored is not scored either.
_IGNORED_SHARE = 0.5

Labels = npt.NDArray[np.integer]


@dataclass(frozen=True)
class TrackingScores:
    """Hold the measures of a sequence; shares are NaN where there is nothing to divide by.

    ``objects`` and ``results`` are counts over all frames; ``detection_f`` is what ``idf1`` would
    be if no id were ever wrong: what it lacks to 1 is the segmenter's.
    """

    frames: int
    objects: int
    results: int
    matches: int
    misses: int
    false_positives: int
    id_switches: int
    mota: float
    idf1: float
    id_precision: float
    id_recall: float
    detection_f: float
    mean_iou: float
    object_seconds: float
    switches_per_100_object_seconds: float

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the measures ready for JSON, null for NaN."""
        return {key: None if value != value else value for key, value in asdict(self).items()}


class TrackingCount:
    """Count, frame by frame, what the measures are made of."""

    def __init__(self, least_iou: float = LEAST_IOU, least_px: int = 0) -> None:
        """Count matches of at least an IoU; objects of fewer pixels than `least_px` do not count.

        Neither do results that lie mostly on such an object.
        """
        self._least_iou, self._least_px = least_iou, least_px
        self._last: dict[int, int] = {}
        self._together: Counter[tuple[int, int]] = Counter()
        self._frames = self._objects = self._results = self._matches = self._switches = 0
        self._iou_sum = 0.0
        self._object_seconds = 0.0

    def add(
        self, truth: Labels, result: Labels, *, ignore: npt.NDArray[np.bool_] | None = None,
        seconds: float = 0.0,
    ) -> list[int]:
        """Add a frame: images (H, W) of object numbers and of results' ids, 0 background.

        ``ignore`` (H, W): results mostly there are not scored. ``seconds`` until the next frame.
        Returns the objects whose id changed. Raises ValueError for images of different sizes.
        """
        if truth.shape != result.shape:
            raise ValueError(f'truth {truth.shape} and result {result.shape} must have one size')
        objects, ids, iou = self._compared(truth, result, ignore)
        self._count_together(objects, ids, iou)
        pairs = self._corresponding(objects, ids, iou)
        switched = [number for number, found in pairs.items()
                    if self._last.get(number, found) != found]
        self._last.update(pairs)
        self._frames += 1
        self._objects += len(objects)
        self._results += len(ids)
        self._matches += len(pairs)
        self._switches += len(switched)
        rows, columns = list(objects), list(ids)
        self._iou_sum += sum(float(iou[rows.index(a), columns.index(b)])
                             for a, b in pairs.items())
        self._object_seconds += len(objects) * seconds
        return switched

    def scores(self) -> TrackingScores:
        """Return the measures of all frames added."""
        misses = self._objects - self._matches
        false = self._results - self._matches
        identity = self._identity_matches()
        both = self._objects + self._results
        return TrackingScores(
            self._frames, self._objects, self._results, self._matches, misses, false,
            self._switches,
            mota=1 - _share(misses + false + self._switches, self._objects),
            idf1=_share(2 * identity, both),
            id_precision=_share(identity, self._results),
            id_recall=_share(identity, self._objects),
            detection_f=_share(2 * self._matches, both),
            mean_iou=_share(self._iou_sum, self._matches),
            object_seconds=self._object_seconds,
            switches_per_100_object_seconds=_share(100 * self._switches, self._object_seconds))

    def _compared(
        self, truth: Labels, result: Labels, ignore: npt.NDArray[np.bool_] | None
    ) -> tuple[list[int], list[int], npt.NDArray[np.float64]]:
        """Return the numbers and ids that count, and their IoU (objects, results)."""
        objects, rows = np.unique(truth, return_inverse=True)
        ids, columns = np.unique(result, return_inverse=True)
        table = np.bincount(
            rows.ravel() * len(ids) + columns.ravel(), minlength=len(objects) * len(ids)
        ).reshape(len(objects), len(ids)).astype(float)
        areas, found = table.sum(axis=1), table.sum(axis=0)
        union = areas[:, None] + found[None] - table
        counted = (objects > 0) & (areas >= self._least_px)
        dropped = table[(objects > 0) & ~counted].sum(axis=0)
        if ignore is not None:
            dropped = np.maximum(dropped, np.bincount(
                columns.ravel()[ignore.ravel()], minlength=len(ids)))
        scored = (ids > 0) & (dropped <= _IGNORED_SHARE * found)
        iou = (table / union)[np.ix_(counted, scored)]
        return objects[counted].tolist(), ids[scored].tolist(), iou

    def _count_together(
        self, objects: list[int], ids: list[int], iou: npt.NDArray[np.float64]
    ) -> None:
        for row, column in np.argwhere(iou >= self._least_iou):
            self._together[objects[row], ids[column]] += 1

    def _corresponding(
        self, objects: list[int], ids: list[int], iou: npt.NDArray[np.float64]
    ) -> dict[int, int]:
        """Return the id that each object found corresponds to."""
        pairs: dict[int, int] = {}
        free = np.where(iou >= self._least_iou, iou, 0.0)
        for row, number in enumerate(objects):
            column = ids.index(self._last[number]) if self._last.get(number) in ids else -1
            if column >= 0 and free[row, column] > 0:
                pairs[number] = ids[column]
                free[row] = free[:, column] = 0
        for row, column in _assigned(free):
            pairs[objects[row]] = ids[column]
        return pairs

    def _identity_matches(self) -> int:
        objects = sorted({number for number, _ in self._together})
        ids = sorted({found for _, found in self._together})
        table = np.zeros((len(objects), len(ids)))
        for (number, found), count in self._together.items():
            table[objects.index(number), ids.index(found)] = count
        return int(sum(table[row, column] for row, column in _assigned(table)))


def _assigned(table: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return the pairs of the greatest sum, those of zero left out."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(table, maximize=True)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if table[r, c] > 0]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float('nan')
