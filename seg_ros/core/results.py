# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a segmenter returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Instances:
    """Hold the objects of one frame in arrays that share their length K.

    ``labels`` (H, W) int32: 0 is background, k belongs to row k-1 of ``scores`` (K,) float32,
    ``class_ids`` (K,) int32 and ``ids`` (K,) int32 (what is published; positive, distinct).
    ``class_names[class_id]`` names a class. Raises ValueError where these do not agree.
    """

    labels: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int32]
    class_names: tuple[str, ...] = ('object',)

    def __post_init__(self) -> None:
        if self.labels.ndim != 2 or self.labels.dtype != np.int32:
            raise ValueError(
                f'labels must be (H, W) int32, got {self.labels.shape} {self.labels.dtype}'
            )
        lengths = {len(self.scores), len(self.class_ids), len(self.ids)}
        if len(lengths) != 1:
            raise ValueError(f'scores, class_ids and ids must share a length, got {lengths}')
        if self.labels.size and not 0 <= self.labels.min() <= self.labels.max() <= len(self):
            raise ValueError(
                f'labels span {self.labels.min()}..{self.labels.max()}, rows are {len(self)}'
            )
        if len(np.unique(self.ids)) != len(self) or (len(self) and self.ids.min() < 1):
            raise ValueError(f'ids must be positive and distinct, got {self.ids.tolist()}')

    @classmethod
    def from_labels(
        cls,
        labels: npt.NDArray[np.integer],
        scores: npt.NDArray[np.floating] | None = None,
    ) -> Instances:
        """Build instances of the one class ``object`` from labels 0..K; ids are 1..K.

        A label between 1 and the maximum that no pixel carries still has its row.
        """
        count = int(labels.max(initial=0))
        if scores is None:
            scores = np.ones(count, np.float32)
        return cls(
            labels=labels.astype(np.int32),
            scores=np.asarray(scores, np.float32),
            class_ids=np.zeros(count, np.int32),
            ids=np.arange(1, count + 1, dtype=np.int32),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: object) -> Instances:
        """Return the chosen rows (bool mask, int array, slice), relabelled 1..K in their order."""
        rows = np.atleast_1d(np.arange(len(self))[index])  # type: ignore[call-overload]
        if len(np.unique(rows)) != len(rows):
            raise ValueError(f'rows may be chosen once each, got {rows.tolist()}')
        table = np.zeros(len(self) + 1, np.int32)
        table[rows + 1] = np.arange(1, len(rows) + 1)
        return Instances(
            labels=table[self.labels],
            scores=self.scores[rows],
            class_ids=self.class_ids[rows],
            ids=self.ids[rows],
            class_names=self.class_names,
        )

    def masks(self) -> npt.NDArray[np.bool_]:
        """Return (K, H, W) bool masks, one a row."""
        return self.labels[None] == np.arange(1, len(self) + 1, dtype=np.int32)[:, None, None]

    def areas(self) -> npt.NDArray[np.int64]:
        """Return (K,) pixel counts."""
        return np.bincount(self.labels.ravel(), minlength=len(self) + 1)[1:]

    def boxes_xyxy(self) -> npt.NDArray[np.float32]:
        """Return (K, 4) boxes x1, y1, x2, y2 in pixels, x2 and y2 exclusive; zeros where empty."""
        rows = len(self) + 1
        boxes = np.zeros((len(self), 4), np.float32)
        for axis, labels in enumerate((self.labels.T, self.labels)):
            length = len(labels)
            lines = labels + rows * np.arange(length, dtype=np.int32)[:, None]
            counts = np.bincount(lines.ravel(), minlength=rows * length)
            touched = counts.reshape(length, rows)[:, 1:] > 0
            boxes[:, axis] = touched.argmax(axis=0)
            boxes[:, axis + 2] = length - touched[::-1].argmax(axis=0)
        boxes[self.areas() == 0] = 0
        return boxes

    def id_image(self) -> npt.NDArray[np.int32]:
        """Return (H, W) int32 with each object's id, 0 for background."""
        return np.concatenate([[0], self.ids]).astype(np.int32)[self.labels]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Hold what a detector considers in one frame, before objects share its pixels.

    Rows share their length K: ``masks`` (K, H, W) bool, which may overlap, ``boxes_xyxy`` (K, 4)
    pixels, x2 and y2 exclusive, ``scores`` (K,), ``class_ids`` (K,) indices of ``class_names``.
    """

    masks: npt.NDArray[np.bool_]
    boxes_xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]
    class_names: tuple[str, ...] = ('object',)

    def __post_init__(self) -> None:
        lengths = {len(self.masks), len(self.boxes_xyxy), len(self.scores), len(self.class_ids)}
        if len(lengths) != 1 or self.masks.ndim != 3:
            raise ValueError(
                f'masks {self.masks.shape}, boxes, scores and class_ids must share a length, got '
                f'{sorted(lengths)}')

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, eq=False)
class SemanticMap:
    """Hold one class per pixel.

    ``labels`` (H, W) integer, an index into ``class_names``, of which the first is the background;
    ``probabilities`` (L, H, W) float32 or None; ``confidence`` (H, W) float32, the highest of a
    pixel's probabilities, or None: it is much cheaper to have than all of them, of which it is
    computed where they are given. Pixels of less than ``threshold`` are background. Raises
    ValueError for labels beyond the names or a shape that differs.
    """

    labels: npt.NDArray[np.integer]
    class_names: Sequence[str]
    probabilities: npt.NDArray[np.float32] | None = None
    confidence: npt.NDArray[np.float32] | None = None
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if self.labels.ndim != 2 or not np.issubdtype(self.labels.dtype, np.integer):
            raise ValueError(
                f'labels must be (H, W) integers, got {self.labels.shape} {self.labels.dtype}'
            )
        highest = int(self.labels.max(initial=0))
        if highest >= len(self.class_names):
            raise ValueError(f'label {highest} has no name: {len(self.class_names)} classes')
        expected = (len(self.class_names), *self.labels.shape)
        if self.probabilities is not None and self.probabilities.shape != expected:
            raise ValueError(f'probabilities {self.probabilities.shape}, expected {expected}')
        if self.confidence is None and self.probabilities is not None:
            object.__setattr__(self, 'confidence', self.probabilities.max(axis=0))
        if self.confidence is not None and self.confidence.shape != self.labels.shape:
            raise ValueError(
                f'confidence {self.confidence.shape}, expected {self.labels.shape}')
