# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where results are placed: the frame of the outputs in space, and the regions of interest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from std_msgs.msg import Header

from seg_ros.core.geometry import Plane
from seg_ros.core.regions import (
    Regions,
    classes_inside,
    cropped_frame,
    objects_inside,
    pasted,
)
from seg_ros.core.results import Instances, SemanticMap
from seg_ros.core.rigid import RigidTransform
from seg_ros.core.transform_tree import NoTransform
from seg_ros.nodes.conversions import stamp_ns
from seg_ros.nodes.frames import BadFrame, Prepared
from seg_ros.nodes.markers import UP_OPTICAL
from seg_ros.nodes.space_options import SpaceOptions
from seg_ros.nodes.transforms import FrameTransforms

Found = Instances | SemanticMap


class Warns(Protocol):
    """Take warnings: the log and the statistics of the node do."""

    def __call__(self, subject: str, text: str) -> None:
        """Take a warning of a subject."""
        ...


@dataclass(frozen=True, eq=False)
class Placement:
    """Say in which frame a frame's outputs in space are: all of them, or none.

    ``transform`` leads there from the camera's frame, None where that is it. Not ``published``,
    they are left out.
    """

    header: Header
    transform: RigidTransform | None = None
    published: bool = True

    @property
    def up(self) -> npt.NDArray[np.float64]:
        """Return up in this frame (REP 103): -y in an optical frame, +z in any other."""
        optical = self.transform is None or self.header.frame_id.endswith('_optical_frame')
        return UP_OPTICAL if optical else np.array([0.0, 0.0, 1.0])


class Space:
    """Place the results of a node's frames by TF, and leave out what is not wanted.

    ``use`` is called from the executor, the rest from the worker's thread. ``open_source`` makes
    the source of transforms, once one is needed.
    """

    def __init__(
        self, open_source: Callable[[], FrameTransforms], warn: Warns,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_source = open_source
        self._warn = warn
        self._clock = clock
        self._source: FrameTransforms | None = None
        self._missing = 0
        self._planes: tuple[str, tuple[Plane, ...]] | None = None

    def use(self, options: SpaceOptions) -> None:
        """Listen to transforms if the options need them; once begun that goes on."""
        if self._source is None and options.needs_transforms():
            self._source = self._open_source()

    def close(self) -> None:
        """Stop listening."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def segmented(
        self, prepared: Prepared, options: SpaceOptions, segment: Callable[[Any], Found]
    ) -> Found:
        """Segment a frame, or the part of it that the options cut out; BadFrame beyond it."""
        regions = options.regions()
        if options.roi_mode != 'crop' or not regions.has_roi:
            return segment(prepared.frame)
        box = _box(regions, prepared)
        return pasted(segment(cropped_frame(prepared.frame, box)), box, prepared.frame.shape)

    def wanted(
        self, found: Found, prepared: Prepared, options: SpaceOptions, arrival_s: float
    ) -> Found:
        """Return what of a result is in the regions of interest.

        BadFrame where a region is beyond the image or the workspace cannot be placed.
        """
        regions = options.regions()
        if regions.is_everything:
            return found
        _box(regions, prepared)
        to_workspace = None
        if regions.has_workspace:
            to_workspace = self._to_workspace(prepared, options, arrival_s)
        if isinstance(found, Instances):
            return objects_inside(found, prepared.frame, regions, to_workspace)
        return classes_inside(found, prepared.frame, regions, to_workspace)

    def _to_workspace(
        self, prepared: Prepared, options: SpaceOptions, arrival_s: float
    ) -> RigidTransform | None:
        frame_id = options.frame_of_workspace()
        try:
            return self._lookup(frame_id, prepared, options, arrival_s)
        except NoTransform as error:
            self._missing += 1
            raise BadFrame('workspace', (
                f'the workspace in {frame_id!r} cannot be placed: {error}')) from error

    def placement(
        self, prepared: Prepared, options: SpaceOptions, arrival_s: float
    ) -> Placement:
        """Return in which frame all outputs in space of a frame are, as the options have it."""
        if prepared.frame.depth is None or not options.target_frame:
            return Placement(prepared.header)
        try:
            transform = self._lookup(options.target_frame, prepared, options, arrival_s)
        except NoTransform as error:
            return self._fallback(prepared, options, str(error))
        if transform is None:
            return Placement(prepared.header)
        header = Header(stamp=prepared.header.stamp, frame_id=options.target_frame)
        return Placement(header, transform)

    def _lookup(
        self, frame_id: str, prepared: Prepared, options: SpaceOptions, arrival_s: float
    ) -> RigidTransform | None:
        """Return the transform to a frame at the image's stamp, None for the camera's own."""
        camera = prepared.header.frame_id
        if frame_id in ('', camera):
            return None
        if self._source is None:
            raise NoTransform('TF is not listened to yet')
        left_s = max(0.0, options.tf_timeout - (self._clock() - arrival_s))
        return self._source.lookup(frame_id, camera, stamp_ns(prepared.header), left_s)

    def _fallback(self, prepared: Prepared, options: SpaceOptions, reason: str) -> Placement:
        self._missing += 1
        skipped = options.tf_fallback == 'skip'
        done = 'left out' if skipped else f'published in {prepared.header.frame_id!r}'
        self._warn('tf', f'no transform to {options.target_frame!r}, outputs in space are '
                         f'{done}: {reason}')
        return Placement(prepared.header, published=not skipped)

    def note_planes(self, frame_id: str, planes: Sequence[Plane]) -> None:
        """Keep the support planes last found, for the diagnostics."""
        self._planes = frame_id, tuple(planes)

    def values(self) -> dict[str, Any]:
        """Return what the diagnostics tell: planes n . p = d as 'nx ny nz d', what TF lacked."""
        values: dict[str, Any] = {'tf_missing': self._missing}
        if self._planes is not None:
            frame_id, planes = self._planes
            values['support_planes_frame'] = frame_id
            values['support_planes'] = len(planes)
            for number, plane in enumerate(planes):
                numbers = (*plane.normal, plane.offset)
                values[f'support_plane_{number}'] = ' '.join(f'{n:.4f}' for n in numbers)
        return values


def _box(regions: Regions, prepared: Prepared) -> tuple[int, int, int, int]:
    try:
        return regions.box_xyxy(prepared.frame.shape)
    except ValueError as error:
        raise BadFrame('roi_image', str(error)) from error
