# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One tracked object: what is known of it, where it is expected, and how it follows its frames."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.track_features import Features, features_of, unit_rows
from seg_ros.core.track_masks import Shift, SoftMask, moved

Array = npt.NDArray[np.float64]

# What a track looks like follows its frames slowly, and only those that agree with it.
_COLOR_GAIN, _SURE_IOU = 0.1, 0.6
# The area of a whole view: it grows at once, and shrinks slowly while less is seen.
_AREA_LOSS = 0.05
# Older votes for a class, and older scores, count less by this factor a frame.
_VOTE_DECAY = 0.95
# A mask that was missed is kept while so much of it is seen and looks so much like the object.
_SEEN_SHARE, _ALIKE_COLOR = 0.5, 0.8
# A view of so much of the object's area is taken for whole.
_WHOLE_SHARE = 0.8
# Of a distance along the ray: depth is less sure than the image.
_DEPTH_SHARE = 0.5


@dataclass(eq=False)
class Track:
    """Hold one object: when and where it was seen last, and what it looks like.

    ``point_world`` (3,) metres, NaN without depth; ``camera_from_world`` (4, 4) when its mask was
    seen; ``area_px`` of a whole view; ``whole``: the last mask of one, with the camera's pose;
    ``expected`` and ``expected_whole``: as they should be now, None outside of the image.
    """

    number: int
    seen_ns: int
    mask: SoftMask
    point_world: Array
    camera_from_world: Array
    center_px: Array
    area_px: float
    size_m: float
    color: npt.NDArray[np.float32]
    missed: int = 0
    views: int = 1
    votes: dict[int, float] = field(default_factory=dict)
    score: float = float('nan')
    expected: SoftMask | None = None
    whole: tuple[SoftMask, Array] | None = None
    expected_whole: SoftMask | None = None

    def vote(self, class_id: int, score: float) -> None:
        """Count a frame's class by its score, and take the score into the mean; NaN is none."""
        weight = 1.0 if np.isnan(score) else max(score, 1e-3)
        self.votes = {key: _VOTE_DECAY * value for key, value in self.votes.items()}
        self.votes[class_id] = self.votes.get(class_id, 0.0) + weight
        if np.isnan(self.score):
            self.score = score
        elif not np.isnan(score):
            self.score += (1 - _VOTE_DECAY) * (score - self.score)

    def class_id(self) -> int:
        """Return the class with the most votes."""
        return max(self.votes, key=lambda key: self.votes[key])

    def expect(
        self, camera_from_world: Array, camera: CameraModel | None, step: Array,
        shape: tuple[int, int],
    ) -> None:
        """Set where the mask is expected: moved as its place is in the image, or by `step`.

        ``step`` (2, 3) is how the image moved since the last frame, for those without depth.
        """
        if self.whole is not None and self.whole[0].shape != shape:
            self.whole = None  # seen before the image changed its size
        mask, pose = self.whole or (self.mask, self.camera_from_world)
        if self.mask.shape != shape:
            self.expected = self.expected_whole = None
        elif camera is None:
            self._step(step)
        else:
            self.expected = moved(
                self.mask, self._shift(self.camera_from_world, camera_from_world, camera))
            self.expected_whole = moved(mask, self._shift(pose, camera_from_world, camera))

    def _step(self, step: Array) -> None:
        """Move with the image, frame by frame."""
        end = step[:, :2] @ self.center_px + step[:, 2]
        scale = float(np.sqrt(abs(np.linalg.det(step[:, :2]))))
        self.expected = moved(self.mask, Shift(_pair(self.center_px), _pair(end), scale))
        self.expected_whole = self.expected
        self.center_px = end
        if self.expected is not None:
            self.mask = self.expected

    def _shift(self, then: Array, now_pose: Array, camera: CameraModel) -> Shift:
        places = [pose[:3, :3] @ self.point_world + pose[:3, 3] for pose in (then, now_pose)]
        before, now = places
        if not (before[2] > 0.01 and now[2] > 0.01):
            return Shift((0.0, 0.0), (0.0, 0.0))
        ends = [(float(camera.fx * x / z + camera.cx), float(camera.fy * y / z + camera.cy))
                for x, y, z in places]
        return Shift(ends[0], ends[1], float(before[2] / now[2]), float(now[2] - before[2]))

    def follow(
        self, features: Features, row: int, mask: SoftMask, point_world: Array,
        camera_from_world: Array, now_ns: int, iou: float,
    ) -> None:
        """Take what a frame shows of the object; the less is seen of it, the less it counts."""
        area = float(features.areas_px[row])
        whole = min(area / max(self.area_px, 1.0), 1.0) ** 2
        if np.isfinite(point_world).all():
            known = np.isfinite(self.point_world).all()
            self.point_world = (
                self.point_world + whole * (point_world - self.point_world) if known
                else point_world)
            self.size_m = float(np.fmax(self.size_m * (1 - _AREA_LOSS), features.sizes_m[row]))
        self.area_px = max((1 - _AREA_LOSS) * self.area_px, area)
        self.center_px = features.centers_px[row]
        if iou >= _SURE_IOU:
            mixed = (1 - _COLOR_GAIN) * self.color + _COLOR_GAIN * features.colors[row]
            self.color = unit_rows(mixed[None])[0]
        self.mask, self.camera_from_world = mask, camera_from_world
        if area >= _WHOLE_SHARE * self.area_px:
            self.whole = mask, camera_from_world
        self.seen_ns, self.missed = now_ns, 0
        self.views += 1

    def stays_in_sight(self, mask: SoftMask, frame: RgbdFrame) -> bool:
        """Return whether most of the object is seen by a mask that no method found."""
        sure = mask.mask()
        if sure.sum() < _SEEN_SHARE * self.area_px:
            return False
        labels = np.zeros(frame.shape, np.int32)
        labels[mask.slices()] = sure
        color = features_of(labels, 1, frame).colors[0]
        return float(color @ self.color) >= _ALIKE_COLOR


def _pair(point: Array) -> tuple[float, float]:
    return float(point[0]), float(point[1])


def overlaps(
    tracks: list[Track], labels: npt.NDArray[np.int32], areas_px: npt.NDArray[np.int64]
) -> tuple[Array, Array]:
    """Return (T, K) IoU of expected masks with objects, and shares inside of whole masks."""
    iou = np.zeros((len(tracks), len(areas_px)))
    inside = np.zeros_like(iou)
    for row, one in enumerate(tracks):
        if one.expected is not None:
            common, area = _common(one.expected, labels, len(areas_px))
            iou[row] = common / np.maximum(area + areas_px - common, 1)
        if one.expected_whole is not None:
            common, _ = _common(one.expected_whole, labels, len(areas_px))
            inside[row] = common / np.maximum(areas_px, 1)
    return iou, inside


def _common(
    soft: SoftMask, labels: npt.NDArray[np.int32], count: int
) -> tuple[Array, int]:
    """Return the pixels that a mask shares with each object (count,), and its own."""
    mask = soft.mask()
    under = labels[soft.slices()][mask]
    return np.bincount(under, minlength=count + 1)[1:].astype(float), int(mask.sum())


def distances(
    tracks: list[Track], features: Features, camera_from_world: Array, camera: CameraModel
) -> Array:
    """Return (T, K) metres between places: across the ray, and less of what is along it."""
    there = np.array([one.point_world for one in tracks]).reshape(-1, 3)
    there = there @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
    rays = np.stack([(features.centers_px[:, 0] - camera.cx) / camera.fx,
                     (features.centers_px[:, 1] - camera.cy) / camera.fy], axis=1)
    across = there[:, None, :2] - rays[None] * there[:, None, 2:]
    along = there[:, None, 2] - features.points_cam[None, :, 2]
    along = np.where(features.has_core[None], _DEPTH_SHARE * along, 0.0)
    return np.asarray(np.sqrt((across**2).sum(axis=2) + along**2))


def pixel_distances(tracks: list[Track], features: Features) -> Array:
    """Return (T, K) distances of centres over the root of the track's area."""
    there = np.array([one.center_px for one in tracks]).reshape(-1, 2)
    length = np.sqrt(np.array([max(one.area_px, 1.0) for one in tracks]))
    gap = np.linalg.norm(there[:, None] - features.centers_px[None], axis=2)
    return np.asarray(gap / length[:, None])
