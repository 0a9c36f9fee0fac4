# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""From cluster labels to objects: pieces, contact edges, holes, scores."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.geometry import Plane, points_from_depth
from seg_ros.core.results import Instances
from seg_ros.unseen.background import ring_plane, tolerance_at
from seg_ros.unseen.options import UnseenOptions

Mask = npt.NDArray[np.uint8]

# An object that would lose more than this to the plane is flat: it is left alone.
MAX_PLANE_LOSS = 0.4
# The plane is fitted on points of every n-th row and column.
PLANE_STEP = 4


@dataclass(frozen=True, eq=False)
class Region:
    """Hold one object: ``mask`` (h, w) uint8 0/1 with its corner (x, y) and area in pixels."""

    x: int
    y: int
    mask: Mask
    area: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Return the rows and columns of the image that the mask covers."""
        height, width = self.mask.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)


def refined(
    labels: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.float32],
    frame: RgbdFrame,
    options: UnseenOptions,
) -> Instances:
    """Turn cluster labels (H, W) into objects, the largest first.

    ``confidence`` (H, W) in [0, 1]; an object's score is its mean over the object's pixels.
    """
    min_area = min_area_px(options.min_area, frame.shape)
    regions = pieces(labels, min_area, options.min_fragment)
    if options.plane_cleanup and frame.depth is not None and regions:
        regions = without_contact_edges(regions, frame, options.max_distance, min_area)
    if options.fill_holes > 0:
        regions = without_holes(regions, frame.shape, options.fill_holes)
    if options.min_depth_share > 0 and frame.depth is not None:
        regions = [region for region in regions
                   if depth_share(region, frame.depth) >= options.min_depth_share]
    return instances_of(regions, confidence, options.score_threshold)


def min_area_px(min_area: int, shape: tuple[int, int]) -> float:
    """Return the smallest area in pixels of an image (H, W), from pixels of a 640x480 one."""
    return max(1.0, min_area * shape[0] * shape[1] / (640 * 480))


def pieces(
    labels: npt.NDArray[np.uint8], min_area: float, min_fragment: float
) -> list[Region]:
    """Return the connected pieces (4-neighbours) of every label that are large enough."""
    found: list[Region] = []
    for label in range(1, int(labels.max(initial=0)) + 1):
        mask = (labels == label).view(np.uint8)
        found += _pieces_of(Region(0, 0, mask, 0), min_area, min_fragment)
    return found


def _pieces_of(region: Region, min_area: float, min_fragment: float) -> list[Region]:
    x, y, width, height = cv2.boundingRect(region.mask)
    crop = region.mask[y:y + height, x:x + width]
    if crop.size == 0:
        return []
    _, parts, stats, _ = cv2.connectedComponentsWithStats(crop, connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    least = max(min_area, min_fragment * float(areas.max(initial=0)))
    found = []
    for part in np.flatnonzero(areas >= least) + 1:
        left, top, w, h, area = (int(value) for value in stats[part])
        mask = (parts[top:top + h, left:left + w] == part).view(np.uint8)
        found.append(Region(region.x + x + left, region.y + y + top, mask, area))
    return found


def without_contact_edges(
    regions: list[Region], frame: RgbdFrame, max_distance_m: float, min_area: float
) -> list[Region]:
    """Cut from each region's edge what lies on the plane fitted to the ring around all of them.

    What an object encloses stays: the bottom of a bowl is as low as the table.
    """
    plane = _plane_around(regions, frame, max_distance_m)
    if plane is None:
        return regions
    kept: list[Region] = []
    for region in regions:
        off = np.where(on_plane(region, frame, plane, max_distance_m), np.uint8(0), region.mask)
        off = outline_filled(off) & region.mask
        left = cv2.countNonZero(off)
        if left == region.area or left < (1 - MAX_PLANE_LOSS) * region.area:
            kept.append(region)
        else:
            kept += _pieces_of(replace(region, mask=off), min_area, 0.5)
    return kept


def on_plane(
    region: Region, frame: RgbdFrame, plane: Plane, max_distance_m: float
) -> npt.NDArray[np.bool_]:
    """Return which pixels of the region's window are on the plane or behind it."""
    camera, depth = frame.camera, frame.depth
    if camera is None or depth is None:
        raise ValueError('the plane clean-up needs depth and a camera')
    rows, columns = region.window
    z = depth[rows, columns]
    u = (np.arange(columns.start, columns.stop) - camera.cx) / camera.fx
    v = (np.arange(rows.start, rows.stop) - camera.cy) / camera.fy
    nx, ny, nz = (float(value) for value in plane.normal)
    rise = (nx * u + nz).astype(np.float32)[None, :] + (ny * v).astype(np.float32)[:, None]
    # NaN compares as false: a pixel without depth stays.
    with np.errstate(invalid='ignore'):
        return z * rise - np.float32(plane.offset) < tolerance_at(max_distance_m, z)


def _plane_around(
    regions: list[Region], frame: RgbdFrame, max_distance_m: float
) -> Plane | None:
    if frame.depth is None or frame.camera is None:
        return None
    step = max(1, min(PLANE_STEP, min(frame.shape) // 60))
    objects = (pasted(regions, frame.shape) > 0)[::step, ::step]
    camera = frame.camera
    points = points_from_depth(
        frame.depth[::step, ::step], camera.fx / step, camera.fy / step, camera.cx / step,
        camera.cy / step)
    return ring_plane(np.ascontiguousarray(objects), points, max_distance_m)


def without_holes(
    regions: list[Region], shape: tuple[int, int], largest_share: float
) -> list[Region]:
    """Fill holes of up to a share of the region's area, never over another object."""
    taken = pasted(regions, shape)
    return [_filled(region, taken[region.window], largest_share) for region in regions]


def _filled(
    region: Region, taken: npt.NDArray[np.int32], largest_share: float
) -> Region:
    holes = np.where(taken == 0, outline_filled(region.mask), np.uint8(0))
    if not holes.any():
        return region
    _, parts, stats, _ = cv2.connectedComponentsWithStats(holes, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= largest_share * region.area
    small[0] = False
    mask = np.where(small[parts], np.uint8(1), region.mask)
    return replace(region, mask=mask, area=cv2.countNonZero(mask))


def outline_filled(mask: Mask) -> Mask:
    """Return the mask (h, w) uint8 0/1 with all that its outer contours enclose."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(
        cv2.drawContours(np.zeros_like(mask), contours, -1, 1, cv2.FILLED), np.uint8)


def pasted(regions: list[Region], shape: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Return labels (H, W) int32 with region k-1 as k; later ones lie above earlier ones."""
    labels = np.zeros(shape, np.int32)
    for label, region in enumerate(regions, start=1):
        np.copyto(labels[region.window], label, where=region.mask.view(bool))
    return labels


def depth_share(region: Region, depth_m: npt.NDArray[np.float32]) -> float:
    """Return the share of the region's pixels that have depth."""
    known = np.isfinite(depth_m[region.window]) & (region.mask > 0)
    return float(known.sum()) / max(region.area, 1)


def instances_of(
    regions: list[Region], confidence: npt.NDArray[np.float32], score_threshold: float
) -> Instances:
    """Number the regions by falling area and score each by its mean confidence (H, W)."""
    scored = [(region, cv2.mean(confidence[region.window], region.mask)[0])
              for region in sorted(regions, key=lambda region: -region.area)]
    scored = [(region, score) for region, score in scored if score >= score_threshold]
    labels = pasted([region for region, _ in scored], confidence.shape)
    scores = np.clip(np.array([score for _, score in scored], np.float32), 0.0, 1.0)
    count = len(scored)
    return Instances(
        labels=labels,
        scores=scores,
        class_ids=np.zeros(count, np.int32),
        ids=np.arange(1, count + 1, dtype=np.int32),
    )
