# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Join the objects that two methods found in one frame into one label image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from seg_ros.core.results import Instances

UNNAMED = 'object'
# From this share of its pixels on an object lies within another one.
WITHIN = 0.8


@dataclass(frozen=True)
class Rules:
    """Say when two outlines are one object.

    ``match_iou``: the least intersection over union. ``split_merged``: one outline that several
    named objects fill becomes those. ``join_pieces``: several outlines that fill a named object
    become that. Both take only objects of a kind: what a detector of any kind says of where one
    thing ends is no surer than the outline. ``add_named``: an object that nothing outlined is
    added, named or not, where at least ``min_free`` of it lies on background.
    """

    match_iou: float = 0.5
    split_merged: bool = True
    join_pieces: bool = True
    add_named: bool = True
    min_free: float = 0.9


def overlaps(first: Instances, second: Instances) -> npt.NDArray[np.int64]:
    """Return the pixels (K + 1, N + 1) that labels of two images share, 0 the background."""
    columns = len(second) + 1
    pairs = first.labels.astype(np.int64) * columns + second.labels
    return np.bincount(
        pairs.ravel(), minlength=(len(first) + 1) * columns).reshape(-1, columns)


def iou_of(shared: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return intersection over union (K, N) of objects from what labels share."""
    union = (shared.sum(axis=1)[1:, None] + shared.sum(axis=0)[None, 1:] - shared[1:, 1:])
    return shared[1:, 1:] / np.maximum(union, 1)


def combine(outlined: Instances, named: Instances, rules: Rules | None = None) -> Instances:
    """Return one set of objects: outlined ones, named where a named one is the same, and others.

    Objects are matched one to one so that the sum of IoU is greatest. A matched object keeps its
    outline and takes class and score of the named one; the others stay as the rules say.
    ``class_names`` are 'object' and those of ``named``; ids are 1..K by falling area. Raises
    ValueError for label images of two sizes.
    """
    if outlined.labels.shape != named.labels.shape:
        raise ValueError(
            f'label images {outlined.labels.shape} and {named.labels.shape} differ in size')
    rules = rules or Rules()
    return _Joined(outlined, named, rules).result()


class _Joined:
    """Hold the label image in the making: its objects' rows of either result."""

    def __init__(self, outlined: Instances, named: Instances, rules: Rules) -> None:
        self.outlined, self.named, self.rules = outlined, named, rules
        self.shared = overlaps(outlined, named)
        self.areas = self.shared.sum(axis=1)[1:]
        self.named_areas = self.shared.sum(axis=0)[1:]
        # Of each outlined object the row of the named one that it is, or -1.
        self.names = np.full(len(outlined), -1)
        self.kept = np.ones(len(outlined), bool)
        is_kind = np.array([name != UNNAMED for name in named.class_names], bool)
        self.has_name = is_kind[named.class_ids]
        self.placed: list[int] = []  # rows of named objects that bring their own mask

    def result(self) -> Instances:
        """Apply the rules, from the surest on."""
        self._match()
        if self.rules.split_merged:
            self._split_merged()
        if self.rules.join_pieces:
            self._join_pieces()
        if self.rules.add_named:
            self._add_named()
        return self._instances()

    def _match(self) -> None:
        iou = iou_of(self.shared)
        rows, columns = linear_sum_assignment(-np.where(iou < self.rules.match_iou, 0, iou))
        sure = iou[rows, columns] >= max(self.rules.match_iou, 1e-9)
        self.names[rows[sure]] = columns[sure]

    def _free(self) -> list[int]:
        """Return the rows of named objects that are not in the result yet."""
        taken = {*self.names.tolist(), *self.placed}
        return [row for row in range(len(self.named)) if row not in taken]

    def _split_merged(self) -> None:
        """Let two or more named objects that fill an outlined one take its place."""
        inside = (self.shared[1:, 1:] >= WITHIN * np.maximum(self.named_areas, 1)) & self.has_name
        for row in range(len(self.outlined)):
            free = set(self._free())
            parts = [column for column in np.nonzero(inside[row])[0].tolist()
                     if column in free or column == self.names[row]]
            filled = self.shared[row + 1, [part + 1 for part in parts]].sum()
            if len(parts) > 1 and filled >= WITHIN * self.areas[row]:
                self.kept[row], self.names[row] = False, -1
                self.placed += parts

    def _join_pieces(self) -> None:
        """Let a named object take the place of two or more outlined ones that fill it."""
        inside = self.shared[1:, 1:] >= WITHIN * np.maximum(self.areas, 1)[:, None]
        for column in range(len(self.named)):
            if column in self.placed or not self.has_name[column]:
                continue
            pieces = np.nonzero(
                inside[:, column] & self.kept & np.isin(self.names, (-1, column)))[0]
            filled = self.shared[pieces + 1, column + 1].sum()
            if len(pieces) > 1 and filled >= WITHIN * self.named_areas[column]:
                self.kept[pieces], self.names[pieces] = False, -1
                self.placed.append(column)

    def _add_named(self) -> None:
        occupied = (np.concatenate([[False], self.kept])[self.outlined.labels]
                    | np.isin(self.named.labels, np.array(self.placed, int) + 1))
        on_free = np.bincount(
            self.named.labels[~occupied], minlength=len(self.named) + 1)[1:]
        needed = np.maximum(self.rules.min_free * self.named_areas, 1)
        self.placed += [row for row in self._free() if on_free[row] >= needed[row]]

    def _instances(self) -> Instances:
        """Number the objects by falling area; outlines lie over masks that were added."""
        names = (UNNAMED, *(name for name in self.named.class_names if name != UNNAMED))
        own = np.array([names.index(name) for name in self.named.class_names], np.int32)
        rows = np.nonzero(self.kept)[0]
        placed = np.array(self.placed, int)
        table = np.zeros(len(self.named) + 1, np.int32)
        table[placed + 1] = np.arange(1, len(placed) + 1)
        labels = table[self.named.labels]
        table = np.zeros(len(self.outlined) + 1, np.int32)
        table[rows + 1] = np.arange(1, len(rows) + 1) + len(placed)
        over = table[self.outlined.labels]
        labels = np.where(over > 0, over, labels)
        said = np.concatenate([placed, self.names[rows]])
        is_named = said >= 0
        scores = np.concatenate([np.zeros(len(placed), np.float32), self.outlined.scores[rows]])
        scores[is_named] = self.named.scores[said[is_named]]
        class_ids = np.zeros(len(said), np.int32)
        class_ids[is_named] = own[self.named.class_ids[said[is_named]]]
        joined = Instances(labels.astype(np.int32), scores, class_ids,
                           np.arange(1, len(said) + 1, dtype=np.int32), names)
        order = np.argsort(-joined.areas(), kind='stable')
        ordered = joined[order[joined.areas()[order] > 0]]
        return Instances(ordered.labels, ordered.scores, ordered.class_ids,
                         np.arange(1, len(ordered) + 1, dtype=np.int32), names)
