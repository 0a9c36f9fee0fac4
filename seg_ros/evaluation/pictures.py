# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of the frames that scored worst: colour, depth, truth and prediction side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seg_ros.core.drawing import draw_depth, draw_overlay
from seg_ros.core.io import write_color
from seg_ros.core.results import Instances
from seg_ros.evaluation.folder import Predict
from seg_ros.evaluation.sources import FrameSource
from seg_ros.evaluation.unseen_metrics import FrameScore

WORST = 12


def write_worst(
    source: FrameSource, scores: Mapping[str, FrameScore], predict: Predict, out: str | Path
) -> list[Path]:
    """Write a picture of each of the 12 frames with the lowest overlap F; returns their paths.

    The files are RANK-NAME.png, the worst first; folders in NAME become underscores.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    worst = sorted(scores, key=lambda name: (scores[name].overlap_f, name))[:WORST]
    paths = []
    for rank, name in enumerate(worst, start=1):
        paths.append(folder / f'{rank:02d}-{name.replace("/", "_")}.png')
        write_color(paths[-1], side_by_side(source, name, predict(name)))
    return paths


def side_by_side(
    source: FrameSource, name: str, predicted: npt.NDArray[np.integer]
) -> npt.NDArray[np.uint8]:
    """Return colour, depth where there is any, truth and prediction of a frame in one row."""
    frame, truth = source.frame(name), source.labels(name)
    cells = [frame.color]
    if frame.depth is not None:
        cells.append(draw_depth(frame.depth))
    for labels in (truth, predicted):
        if labels is not None:
            cells.append(draw_overlay(frame.color, instances_in(labels)))
    return np.hstack(cells)


def instances_in(labels: npt.NDArray[np.integer]) -> Instances:
    """Return the objects of labels (H, W) with their labels as ids."""
    ids, compact = np.unique(np.append(labels.ravel(), 0), return_inverse=True)
    count = len(ids) - 1
    return Instances(
        labels=compact[:-1].reshape(labels.shape).astype(np.int32),
        scores=np.ones(count, np.float32), class_ids=np.zeros(count, np.int32),
        ids=ids[1:].astype(np.int32))
