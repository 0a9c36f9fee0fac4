# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which id an object is published under."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.geometry import OrientedBox
from seg_ros.core.results import Instances
from seg_ros.core.tracking import Tracker, TrackingOptions
from seg_ros.nodes.node_options import NodeOptions

Boxes = list[OrientedBox | None]
# Gives world from camera (4, 4) at a frame's stamp, None where it is not known.
CameraPose = Callable[[RgbdFrame], npt.NDArray[np.float64] | None]


class Identities(Protocol):
    """Give the objects of successive frames their ids; used from one thread."""

    def update(self, instances: Instances, frame: RgbdFrame) -> Instances:
        """Return the instances with the ids to publish."""
        ...

    def steady(self, instances: Instances, boxes: Boxes) -> Boxes:
        """Return the boxes to publish of the objects of the last update, by row."""
        ...

    def use(self, options: NodeOptions) -> None:
        """Take over changed parameters."""
        ...

    def values(self) -> dict[str, int]:
        """Return figures for the diagnostics."""
        ...

    def reset(self) -> str:
        """Start anew and return a sentence about what that did."""
        ...


class PerFrame:
    """Leave the ids as the method gave them: 1..K of each frame, not stable over frames."""

    def update(self, instances: Instances, frame: RgbdFrame) -> Instances:
        """Return the instances as they are."""
        return instances

    def steady(self, instances: Instances, boxes: Boxes) -> Boxes:
        """Return the boxes as they are."""
        return boxes

    def use(self, options: NodeOptions) -> None:
        """Have no parameters."""

    def values(self) -> dict[str, int]:
        """Return nothing."""
        return {}

    def reset(self) -> str:
        """Say that there is nothing to forget."""
        return 'ids are given frame by frame: there were no tracks to forget'


class Tracked:
    """Give objects ids that stay with them, and boxes that stand still while they do.

    ``camera_pose`` tells where the camera was at a frame's stamp; without it, or where it does
    not know, the camera is followed in its images.
    """

    def __init__(self, options: NodeOptions, camera_pose: CameraPose | None = None) -> None:
        self._tracker = Tracker(_tracking_options(options))
        self._camera_pose = camera_pose
        self._resets = 0

    def update(self, instances: Instances, frame: RgbdFrame) -> Instances:
        """Return the instances under the ids of their tracks."""
        pose = None if self._camera_pose is None else self._camera_pose(frame)
        return self._tracker.update(instances, frame, world_from_camera=pose)

    def steady(self, instances: Instances, boxes: Boxes) -> Boxes:
        """Return the boxes' means over time, of objects that stand still."""
        return self._tracker.steady_boxes(instances, boxes)

    def use(self, options: NodeOptions) -> None:
        """Take over changed parameters from the next frame on."""
        self._tracker.options = _tracking_options(options)

    def values(self) -> dict[str, int]:
        """Return how many tracks are kept, the last id given, and how often all was forgotten."""
        return {'tracks': self._tracker.count, 'track_last_id': self._tracker.last_id,
                'track_resets': self._resets}

    def reset(self) -> str:
        """Forget all tracks; ids go on, so that none is given twice."""
        self._resets += 1
        count = self._tracker.reset()
        return f'{count} tracks forgotten; new ids go on from {self._tracker.last_id + 1}'


def identities_of(options: NodeOptions, kind: str) -> Identities:
    """Return what gives ids to the results of a method, 'instances' or 'semantic'.

    Raises ValueError for labels of 8 bits while objects are tracked: ids go on beyond 255.
    """
    if kind != 'instances' or not options.tracking:
        return PerFrame()
    if options.label_encoding == 'mono8':
        raise ValueError(
            'label_encoding mono8 holds ids up to 255, tracked objects have ids up to 65535: set '
            'label_encoding to auto or mono16, or tracking to false')
    return Tracked(options)


def _tracking_options(options: NodeOptions) -> TrackingOptions:
    return TrackingOptions(
        track_memory=options.track_memory, mask_smoothing=options.mask_smoothing)
