# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scoring the frames of a folder against their NAME-labels.png."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.evaluation.sources import FrameSource
from seg_ros.evaluation.unseen_metrics import FrameScore, MeanScore, evaluate_frame, mean_score

Predict = Callable[[str], npt.NDArray[np.integer]]


@dataclass
class FolderScore:
    """Hold the scores of a folder's frames by NAME, what failed and why, and what had no truth."""

    scores: dict[str, FrameScore] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    without_truth: list[str] = field(default_factory=list)

    def mean(self) -> MeanScore:
        """Return the mean over the scored frames; ValueError without one."""
        return mean_score(list(self.scores.values()))

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {
            'mean': asdict(self.mean()) if self.scores else None,
            'frames': {name: asdict(score) for name, score in self.scores.items()},
            'failed': self.failed,
            'without_truth': self.without_truth,
        }


def evaluate_folder(
    folder: FrameSource,
    predict: Predict,
    report: Callable[[str, FrameScore], None] = lambda name, score: None,
) -> FolderScore:
    """Score ``predict(NAME)``, (H, W) labels, for every frame that has NAME-labels.png.

    A frame whose files or prediction are bad is kept under ``failed`` with its reason. Raises
    ValueError for a folder without any NAME-labels.png.
    """
    found = FolderScore()
    for name in folder.names:
        try:
            truth = folder.labels(name)
            if truth is None:
                found.without_truth.append(name)
                continue
            found.scores[name] = evaluate_frame(truth, predict(name))
        except (ValueError, OSError) as error:
            found.failed[name] = str(error)
        else:
            report(name, found.scores[name])
    if len(found.without_truth) == len(folder.names):
        raise ValueError(
            f'{len(folder.names)} frames have no ground truth: NAME-labels.png beside '
            'NAME-color.png'
        )
    return found
