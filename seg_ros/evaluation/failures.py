# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Why objects were not found: missed, merged, split or leaking; and what perfect parts would give.

Two oracles tell whether foreground or instances are to blame: the same instances within the true
foreground, and the true instances within the predicted one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from seg_ros.core.labels import nearest_label
from seg_ros.evaluation.unseen_metrics import (
    DETECTED_F,
    FrameScore,
    contingency_of,
    evaluate_frame,
    mean_score,
)

Labels = npt.NDArray[np.integer]

REASONS = ('missed', 'merged', 'split', 'leaks', 'other')
# An object is small below this share of the image: 1200 pixels of 640x480.
SMALL_SHARE = 1 / 256
# An object with depth on a smaller share of its pixels has none worth the name.
DEPTH_SHARE = 0.2


@dataclass(frozen=True)
class Failure:
    """Tell why one true object has F <= 0.75; `label` is its label in the truth."""

    label: int
    reason: str
    small: bool
    without_depth: bool


@dataclass
class FailureCount:
    """Count failures over frames, and score the two oracles."""

    objects: int = 0
    kinds: Counter[tuple[str, bool, bool]] = field(default_factory=Counter)
    perfect_foreground: list[FrameScore] = field(default_factory=list)
    perfect_instances: list[FrameScore] = field(default_factory=list)

    def add(
        self, truth: Labels, predicted: Labels, depth_m: npt.NDArray[np.float32] | None
    ) -> None:
        """Count one frame: labels (H, W) and depth (H, W) metres or None."""
        self.objects += len(np.unique(truth[truth > 0]))
        self.kinds.update((failure.reason, failure.small, failure.without_depth)
                          for failure in failures_of(truth, predicted, depth_m))
        self.perfect_foreground.append(
            evaluate_frame(truth, np.where(truth > 0, nearest_label(predicted), 0)))
        self.perfect_instances.append(
            evaluate_frame(truth, np.where(predicted > 0, nearest_label(truth), 0)))

    def table(self) -> list[str]:
        """Return the lines of a Markdown table: share of all true objects by reason."""
        lines = ['| failure | all | small | large | without depth |', '|---|---|---|---|---|']
        total = max(self.objects, 1)
        for reason in REASONS:
            counts = [0, 0, 0, 0]
            for (of, small, bare), number in self.kinds.items():
                if of == reason:
                    counts[0] += number
                    counts[1 if small else 2] += number
                    counts[3] += number * bare
            shares = ' | '.join(f'{100 * count / total:.1f} %' for count in counts)
            lines.append(f'| {reason} | {shares} |')
        return lines + ['', *self._oracles()]

    def _oracles(self) -> list[str]:
        lines = ['| with | overlap F | boundary F | share |', '|---|---|---|---|']
        for name, scores in (('the true foreground', self.perfect_foreground),
                             ('the true instances', self.perfect_instances)):
            mean = mean_score(scores)
            lines.append(f'| {name} | {mean.overlap_f:.3f} | {mean.boundary_f:.3f} | '
                         f'{mean.share_above_75:.3f} |')
        return lines


def failures_of(
    truth: Labels, predicted: Labels, depth_m: npt.NDArray[np.float32] | None = None
) -> list[Failure]:
    """Return the true objects with F <= 0.75 and why, by ascending label.

    missed: most of it is background; split: no prediction has 60 % of it; merged, leaks: the
    prediction that has most of it consists by over a quarter of one other object, of background.
    Raises ValueError as evaluate_frame.
    """
    score = evaluate_frame(truth, predicted)
    shared = contingency_of(truth, predicted)
    small = SMALL_SHARE * truth.size
    found = []
    for row, label in enumerate(np.unique(truth[truth > 0])):
        if score.object_f[row] > DETECTED_F:
            continue
        bare = depth_m is not None and float(
            np.isfinite(depth_m[truth == label]).mean()) < DEPTH_SHARE
        found.append(Failure(
            int(label), _reason(shared, row), bool(shared[row].sum() < small), bare))
    return found


def _reason(shared: npt.NDArray[np.int64], row: int) -> str:
    """Name the failure of a true object from the pixels it shares; background is last."""
    area = shared[row].sum()
    if shared[row, -1] > 0.5 * area:
        return 'missed'
    best = int(shared[row, :-1].argmax())
    if shared[row, best] < 0.6 * area:
        return 'split'
    prediction = shared[:, best]
    others = np.delete(prediction[:-1], row)
    if others.max(initial=0) > 0.25 * prediction.sum():
        return 'merged'
    return 'leaks' if prediction[-1] > 0.25 * prediction.sum() else 'other'
