# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Score the ids of a sequence: frames with times, camera poses and labels that hold throughout."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.io import FrameFolder, read_labels
from seg_ros.core.results import Instances
from seg_ros.core.tracking import Tracker
from seg_ros.evaluation.tracking_metrics import TrackingCount, TrackingScores
from seg_ros.synthetic.mask_errors import MaskErrors

# Frames without sequence.json pass for those of a camera of 10 Hz.
_PERIOD_NS = 100_000_000
# What is left of an object behind another is scored from this many pixels of 640x480 on.
LEAST_SHARE = 200 / (640 * 480)

# Gives what a segmenter finds in a step of a sequence.
Segment = Callable[['Step'], Instances]


@dataclass(frozen=True, eq=False)
class Step:
    """Hold one frame of a sequence and what is true of it.

    ``labels`` (H, W) int32; ``ignore`` (H, W) bool or None; ``world_from_camera`` (4, 4) or None.
    """

    name: str
    frame: RgbdFrame
    labels: npt.NDArray[np.int32]
    ignore: npt.NDArray[np.bool_] | None
    world_from_camera: npt.NDArray[np.float64] | None


class SequenceFolder:
    """Read a folder of frames in order, with the times and poses of its sequence.json, if any."""

    def __init__(self, folder: str | Path) -> None:
        self.frames = FrameFolder(folder)
        record = self.frames.folder / 'sequence.json'
        found = json.loads(record.read_text(encoding='utf-8')) if record.exists() else {}
        self._known: dict[str, dict[str, Any]] = {
            entry['name']: entry for entry in found.get('frames', [])}

    def __len__(self) -> int:
        return len(self.frames)

    def stamp_ns(self, name: str) -> int:
        """Return a frame's stamp in nanoseconds."""
        if name in self._known:
            return int(self._known[name]['stamp_ns'])
        return (1 + self.frames.names.index(name)) * _PERIOD_NS

    def __iter__(self) -> Iterator[Step]:
        """Yield the frames; ValueError for one without NAME-labels.png."""
        for name in self.frames.names:
            labels = self.frames.labels(name)
            if labels is None:
                raise ValueError(f'{self.frames.folder}/{name}-labels.png is not there: a '
                                 'sequence is scored against labels of all its frames')
            ignore = self.frames.folder / f'{name}-ignore.png'
            pose = self._known.get(name, {}).get('camera_from_world')
            yield Step(
                name, replace(self.frames.frame(name), stamp_ns=self.stamp_ns(name)), labels,
                read_labels(ignore) > 0 if ignore.exists() else None,
                None if pose is None else np.linalg.inv(np.array(pose, np.float64)))


def evaluate_sequence(
    sequence: SequenceFolder, segment: Segment, tracker: Tracker | None, *,
    use_poses: bool = False, show: Callable[[Step, Instances, list[int]], None] | None = None,
) -> TrackingScores:
    """Segment, track and score the frames of a sequence.

    Without a tracker the ids of the results are scored as they are. ``use_poses`` gives the
    tracker the true camera poses, as TF would. ``show`` is called with each result and the
    objects whose id changed.
    """
    count: TrackingCount | None = None
    for step in sequence:
        height, width = step.labels.shape
        count = count or TrackingCount(least_px=round(LEAST_SHARE * height * width))
        result = segment(step)
        if tracker is not None:
            pose = step.world_from_camera if use_poses else None
            result = tracker.update(result, step.frame, world_from_camera=pose)
        switched = count.add(step.labels, result.id_image(), ignore=step.ignore,
                             seconds=_seconds(sequence, step.name))
        if show is not None:
            show(step, result, switched)
    return (count or TrackingCount()).scores()


def _seconds(sequence: SequenceFolder, name: str) -> float:
    """Return the time until the next frame, or since the one before."""
    names = sequence.frames.names
    if len(names) < 2:
        return 0.0
    place = min(names.index(name), len(names) - 2)
    return (sequence.stamp_ns(names[place + 1]) - sequence.stamp_ns(names[place])) / 1e9


def true_masks(step: Step) -> Instances:
    """Return the true masks under numbers that tell nothing of the objects."""
    _, labels = np.unique(step.labels, return_inverse=True)
    numbers = labels.reshape(step.labels.shape)
    return Instances.from_labels(numbers if (step.labels == 0).any() else numbers + 1)


def simulated_masks(seed: int = 0, errors: MaskErrors | None = None) -> Segment:
    """Return what draws a segmenter's errors onto true masks; what is ignored is an object too."""
    rng, drawn = np.random.default_rng(seed), errors or MaskErrors()

    def segment(step: Step) -> Instances:
        labels = step.labels
        if step.ignore is not None:
            labels = np.where(step.ignore, labels.max() + 1, labels).astype(np.int32)
        return Instances.from_labels(drawn.draw(labels, rng))

    return segment
