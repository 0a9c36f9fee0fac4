# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Regions of interest: a part of the image, a part of space, a farthest depth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.object_points import points_at
from seg_ros.core.results import Instances, SemanticMap
from seg_ros.core.rigid import RigidTransform

_NO_ROI = (0, 0, 0, 0)
_NO_SPACE = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Regions:
    """Hold where objects are wanted.

    ``roi_xywh`` x, y, width, height in pixels of the image, ``workspace_m`` xmin, xmax, ymin,
    ymax, zmin, zmax in metres; all zero means no limit, and so does a ``max_depth_m`` of 0. Raises
    ValueError for a region without extent.
    """

    roi_xywh: Box = _NO_ROI
    workspace_m: tuple[float, float, float, float, float, float] = _NO_SPACE
    max_depth_m: float = 0.0

    def __post_init__(self) -> None:
        x, y, width, height = self.roi_xywh
        if self.has_roi and (min(width, height) < 1 or min(x, y) < 0):
            raise ValueError(
                f'roi_image is {list(self.roi_xywh)}: [x, y, width, height] in pixels, width and '
                'height from 1; [0, 0, 0, 0] for the whole image')
        low, high = self.workspace_m[::2], self.workspace_m[1::2]
        if self.has_workspace and not all(a < b for a, b in zip(low, high, strict=True)):
            raise ValueError(
                f'workspace is {list(self.workspace_m)}: [xmin, xmax, ymin, ymax, zmin, zmax] in '
                'metres, each min below its max; all 0.0 for all of space')

    @property
    def has_roi(self) -> bool:
        """Return whether only a part of the image is wanted."""
        return tuple(self.roi_xywh) != _NO_ROI

    @property
    def has_workspace(self) -> bool:
        """Return whether only a part of space is wanted."""
        return tuple(self.workspace_m) != _NO_SPACE

    @property
    def needs_depth(self) -> bool:
        """Return whether it takes depth to tell what is inside."""
        return self.has_workspace or self.max_depth_m > 0

    @property
    def is_everything(self) -> bool:
        """Return whether nothing is left out."""
        return not (self.has_roi or self.needs_depth)

    def box_xyxy(self, shape: tuple[int, int]) -> Box:
        """Return the part of an image (height, width), x2 and y2 exclusive.

        Raises ValueError where it lies beyond the image.
        """
        height, width = shape
        if not self.has_roi:
            return 0, 0, width, height
        x, y, wide, high = self.roi_xywh
        if x >= width or y >= height:
            raise ValueError(f'roi_image {list(self.roi_xywh)} lies outside the image of '
                             f'{width}x{height} pixels')
        return x, y, min(x + wide, width), min(y + high, height)


def _in_roi(
    flat: npt.NDArray[np.intp], frame: RgbdFrame, regions: Regions
) -> npt.NDArray[np.bool_]:
    x1, y1, x2, y2 = regions.box_xyxy(frame.shape)
    rows, columns = np.divmod(flat, frame.shape[1])
    return (rows >= y1) & (rows < y2) & (columns >= x1) & (columns < x2)


def _in_space(
    flat: npt.NDArray[np.intp], frame: RgbdFrame, regions: Regions,
    to_workspace: RigidTransform | None,
) -> npt.NDArray[np.bool_]:
    """Return which pixels by flat index are inside; what has no depth is outside."""
    if frame.depth is None or frame.camera is None:
        return np.zeros(len(flat), bool)
    z = frame.depth.ravel()[flat]
    inside = np.isfinite(z)
    if regions.max_depth_m > 0:
        inside &= np.where(inside, z, np.inf) <= regions.max_depth_m
    if regions.has_workspace:
        points = points_at(frame.depth, frame.camera, flat[inside])
        if to_workspace is not None:
            points = to_workspace.points(points)
        low, high = np.array(regions.workspace_m).reshape(3, 2).T
        inside[inside] = ((points >= low) & (points <= high)).all(axis=1)
    return np.asarray(inside, bool)


def objects_inside(
    instances: Instances, frame: RgbdFrame, regions: Regions,
    to_workspace: RigidTransform | None = None,
) -> Instances:
    """Return the objects that are wanted, whole, with their ids.

    An object is wanted with at least half of its pixels in the part of the image, and half of its
    measured points in the part of space; without a point it is not. ``to_workspace`` leads from
    the camera's frame to the workspace's. Raises ValueError for a part beyond the image.
    """
    if regions.is_everything or not len(instances):
        return instances
    flat = np.flatnonzero(instances.labels)
    owners = instances.labels.ravel()[flat] - 1
    count = len(instances)
    wanted = np.ones(count, bool)
    if regions.has_roi:
        within = np.bincount(owners[_in_roi(flat, frame, regions)], minlength=count)
        wanted &= 2 * within >= instances.areas()
    if regions.needs_depth:
        measured = np.zeros(len(flat), bool)
        if frame.depth is not None:
            measured = np.isfinite(frame.depth.ravel()[flat])
        points = np.bincount(owners[measured], minlength=count)
        inside = _in_space(flat, frame, regions, to_workspace)
        within = np.bincount(owners[inside], minlength=count)
        wanted &= (2 * within >= points) & (within > 0)
    return instances if wanted.all() else instances[wanted]


def classes_inside(
    classes: SemanticMap, frame: RgbdFrame, regions: Regions,
    to_workspace: RigidTransform | None = None,
) -> SemanticMap:
    """Return a class map with the background, 0, at pixels that are not wanted.

    Raises ValueError for a part beyond the image.
    """
    if regions.is_everything:
        return classes
    flat = np.flatnonzero(classes.labels)
    outside = np.zeros(len(flat), bool)
    if regions.has_roi:
        outside |= ~_in_roi(flat, frame, regions)
    if regions.needs_depth:
        outside |= ~_in_space(flat, frame, regions, to_workspace)
    labels = classes.labels.copy()
    labels.ravel()[flat[outside]] = 0
    return replace(classes, labels=labels)


def cropped_frame(frame: RgbdFrame, box_xyxy: Box) -> RgbdFrame:
    """Return a part of a frame, with the camera that sees it."""
    x1, y1, x2, y2 = box_xyxy
    return replace(
        frame,
        color=np.ascontiguousarray(frame.color[y1:y2, x1:x2]),
        depth=None if frame.depth is None else np.ascontiguousarray(frame.depth[y1:y2, x1:x2]),
        camera=None if frame.camera is None else frame.camera.cropped(box_xyxy))


def pasted(
    found: Instances | SemanticMap, box_xyxy: Box, shape: tuple[int, int]
) -> Instances | SemanticMap:
    """Return the result of a part at the pixels of the whole image (H, W), background around it.

    Of a class map the probabilities go, the confidence stays: around it is 0.
    """
    x1, y1, x2, y2 = box_xyxy
    labels = np.zeros(shape, found.labels.dtype)
    labels[y1:y2, x1:x2] = found.labels
    if isinstance(found, Instances):
        return replace(found, labels=labels)
    confidence = found.confidence
    if confidence is not None:
        confidence = np.zeros(shape, np.float32)
        confidence[y1:y2, x1:x2] = found.confidence
    return replace(found, labels=labels, probabilities=None, confidence=confidence)
