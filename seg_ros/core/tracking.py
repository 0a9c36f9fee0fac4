# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects that stay themselves: ids, masks, classes and boxes that hold over frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.geometry import OrientedBox
from seg_ros.core.options import Options, option
from seg_ros.core.results import Instances
from seg_ros.core.track_boxes import BoxMeans
from seg_ros.core.track_features import Features, features_of
from seg_ros.core.track_masks import compose, faded, mixed
from seg_ros.core.track_matching import Evidence, match, spreads
from seg_ros.core.track_motion import CameraMotion, ImageMotion, inverse
from seg_ros.core.track_state import Track, distances, overlaps, pixel_distances

Array = npt.NDArray[np.float64]

# The label image has 16 bits: ids go round after this one.
LAST_ID = 65_535
# A track that was seen in fewer frames is forgotten soon: a method's slip, more often than not.
_SURE_VIEWS, _BRIEF_NS = 3, 0.5e9
_MOMENT_NS = 0.3e9
# With smoothing, an object seen for the first time takes no pixel that another one holds still:
# pieces of one object and ghosts last a frame.
_NEW_SHARE = np.float32(0.55)


@dataclass(frozen=True)
class TrackingOptions(Options):
    """Options of the tracker, of the node and of the command line alike."""

    track_memory: float = option(
        5.0, 'Longest time in seconds that an object may be hidden and keep its id; one that '
        'comes back later gets a new one', minimum=0.0, maximum=3600.0)
    mask_smoothing: float = option(
        0.0, 'Weight of the past in the masks of tracked objects: 0 takes each frame as it is; '
        'more than 0.5 also bridges frames in which the method misses an object that is in '
        'plain sight (0.6 one frame, 0.8 three)', minimum=0.0, maximum=0.95)


class Tracker:
    """Give the objects of successive frames ids that stay with them.

    Objects are matched to tracks by the overlap of masks, by place and by colours (Hungarian
    method), the camera's motion taken out: by the pose given, else followed in the images. A track
    that is not seen is kept for ``track_memory`` seconds and found again where it was, or
    elsewhere by its looks. For one thread.
    """

    def __init__(self, options: TrackingOptions | None = None) -> None:
        self.options = TrackingOptions() if options is None else options
        self._last_id = 0
        self._forget()

    def _forget(self) -> None:
        self._tracks: list[Track] = []
        self._motion, self._image_motion = CameraMotion(), ImageMotion()
        self._boxes = BoxMeans()
        self._stamp_ns: int | None = None

    def reset(self) -> int:
        """Forget all tracks and return how many there were; their ids are not given again."""
        count = len(self._tracks)
        self._forget()
        return count

    @property
    def count(self) -> int:
        """Return how many tracks are kept, those out of sight included."""
        return len(self._tracks)

    @property
    def last_id(self) -> int:
        """Return the last id given, 0 before the first."""
        return self._last_id

    @property
    def world_from_camera(self) -> Array:
        """Return the camera's pose at the last frame (4, 4), as given or as followed."""
        return self._motion.world_from_camera

    def update(
        self, found: Instances, frame: RgbdFrame, *, world_from_camera: Array | None = None,
        stamp_ns: int | None = None,
    ) -> Instances:
        """Return the objects of a frame under the ids of their tracks.

        The rows are those of ``found`` that keep pixels, then objects that were missed but are in
        plain sight, if masks are smoothed. ``world_from_camera`` (4, 4) at the frame's stamp
        spares following the camera; ``stamp_ns`` stands for a frame's stamp that has none. A stamp
        before the last one starts anew. Raises ValueError for labels and a frame of different
        sizes.
        """
        if found.labels.shape != frame.shape:
            raise ValueError(f'labels {found.labels.shape} and frame {frame.shape} must have one '
                             'size: give the frame that was segmented')
        now_ns = frame.stamp_ns if stamp_ns is None else stamp_ns
        if self._stamp_ns is not None and now_ns < self._stamp_ns:
            self._forget()
        self._drop_old(now_ns)
        step = self._follow_camera(frame, world_from_camera)
        found = found[found.areas() > 0]
        features = features_of(found.labels, len(found), frame)
        back = inverse(self.world_from_camera)
        camera = None if frame.depth is None else frame.camera
        for one in self._tracks:
            one.expect(back, camera, step, frame.shape)
        evidence = self._evidence(found, features, frame, now_ns)
        owners = {row: track for track, row in match(evidence)}
        missed = [one for place, one in enumerate(self._tracks) if place not in owners.values()]
        rows = self._take(found, features, owners, evidence, frame, now_ns)
        bridged = [one for one in missed if self._is_bridged(one, frame, back)]
        self._stamp_ns = now_ns
        return self._result(found, rows + bridged, frame)

    def steady_boxes(
        self, tracked: Instances, boxes: list[OrientedBox | None]
    ) -> list[OrientedBox | None]:
        """Return the boxes of the last frame's objects, still where they stand still.

        ``boxes`` are in the camera's frame by row of ``tracked``; so are those returned.
        """
        given = {int(number): box for number, box in zip(tracked.ids, boxes, strict=True)
                 if box is not None}
        places = {one.number: one.point_world for one in self._tracks}
        steady = self._boxes.update(given, self.world_from_camera, places)
        return [steady.get(int(number)) for number in tracked.ids]

    def _drop_old(self, now_ns: int) -> None:
        """Forget what was hidden for too long; what the last frame had stays, however long ago."""
        self._tracks = [one for one in self._tracks
                        if not one.missed or now_ns - one.seen_ns <= self._memory_ns(one)]
        self._boxes.keep({one.number for one in self._tracks})

    def _memory_ns(self, one: Track) -> float:
        """Return how long a track is kept unseen: one of a few frames may be no object at all."""
        whole_ns = self.options.track_memory * 1e9
        return whole_ns if one.views >= _SURE_VIEWS else min(_BRIEF_NS, whole_ns)

    def _follow_camera(self, frame: RgbdFrame, given: Array | None) -> Array:
        """Bring the camera's pose to this frame; return how the image moved without depth."""
        still = np.eye(3)[:2]
        if given is not None:
            self._motion.use(_checked_pose(given))
        elif frame.depth is not None:
            self._motion.update(frame)
        else:
            return self._image_motion.update(frame.color)
        return still

    def _evidence(
        self, found: Instances, features: Features, frame: RgbdFrame, now_ns: int
    ) -> Evidence:
        tracks = self._tracks
        iou, inside = overlaps(tracks, found.labels, features.areas_px)
        metric = frame.depth is not None
        sizes = np.array([one.size_m for one in tracks])[:, None]
        if frame.depth is not None and frame.camera is not None:
            back = inverse(self.world_from_camera)
            distance = distances(tracks, features, back, frame.camera)
        else:
            distance = pixel_distances(tracks, features)
            sizes = np.ones_like(sizes)
        with np.errstate(invalid='ignore', divide='ignore'):
            ratio = sizes / features.sizes_m[None]
            ratio = np.minimum(ratio, 1 / ratio)
        color = np.zeros(iou.shape)
        for place, one in enumerate(tracks):
            color[place] = features.colors @ one.color
        unseen_ns = np.array([float(now_ns - one.seen_ns) if one.missed else 0.0
                              for one in tracks])
        age = unseen_ns / max(self.options.track_memory * 1e9, 1.0)
        spread = spreads(sizes, metric) + np.zeros(iou.shape)
        return Evidence(iou, inside, distance, color, ratio, spread, age,
                        unseen_ns <= _MOMENT_NS, metric)

    def _in_world(self, features: Features) -> Array:
        pose = self.world_from_camera
        return features.points_cam @ pose[:3, :3].T + pose[:3, 3]

    def _take(
        self, found: Instances, features: Features, owners: dict[int, int], evidence: Evidence,
        frame: RgbdFrame, now_ns: int,
    ) -> list[Track]:
        """Bring the tracks up to date with a frame's objects; return them by row."""
        boxes, places = found.boxes_xyxy().astype(int), self._in_world(features)
        back = inverse(self.world_from_camera)
        weight = self.options.mask_smoothing
        rows, old = [], list(self._tracks)
        for row in range(len(found)):
            one = old[owners[row]] if row in owners else None
            x1, y1, x2, y2 = boxes[row].tolist()
            # The second view counts in full, for the first was held back.
            is_new = one is None or one.missed or one.views < 2
            before = None if one is None or is_new else one.expected
            mask = mixed(before, found.labels, row + 1, (x1, y1, x2, y2), frame.depth, weight)
            if one is None:
                if weight:
                    mask = replace(mask, share=mask.share * _NEW_SHARE)
                one = Track(
                    self._new_id(), now_ns, mask, places[row], back, features.centers_px[row],
                    float(features.areas_px[row]), float(features.sizes_m[row]),
                    features.colors[row])
                one.whole = mask, back
                self._tracks.append(one)
            else:
                iou = float(evidence.iou[owners[row], row])
                one.follow(features, row, mask, places[row], back, now_ns, iou)
            one.vote(int(found.class_ids[row]), float(found.scores[row]))
            rows.append(one)
        return rows

    def _new_id(self) -> int:
        """Return the next id, 1 after 65,535; ids of tracks that are kept are left out."""
        taken = {one.number for one in self._tracks}
        if len(taken) >= LAST_ID:
            raise ValueError(f'{LAST_ID} objects have ids already: there is none left')
        number = self._last_id % LAST_ID + 1
        while number in taken:
            number = number % LAST_ID + 1
        self._last_id = number
        return number

    def _is_bridged(self, one: Track, frame: RgbdFrame, camera_from_world: Array) -> bool:
        """Keep the mask of a track that was missed while it is likely still there."""
        one.missed += 1
        weight = self.options.mask_smoothing
        if one.expected is None or not weight:
            return False
        mask = faded(one.expected, frame.depth, weight)
        if not one.stays_in_sight(mask, frame):
            return False
        one.mask, one.camera_from_world = mask, camera_from_world
        return True

    def _result(
        self, found: Instances, rows: list[Track], frame: RgbdFrame
    ) -> Instances:
        labels = found.labels
        if self.options.mask_smoothing:
            labels = compose([one.mask for one in rows], frame.shape)
        tracked = replace(
            found, labels=labels, scores=np.array([one.score for one in rows], np.float32),
            class_ids=np.array([one.class_id() for one in rows], np.int32),
            ids=np.array([one.number for one in rows], np.int32))
        return tracked[tracked.areas() > 0]


def _checked_pose(pose: Array) -> Array:
    """Return a pose (4, 4) as float64; ValueError where it is none."""
    matrix = np.asarray(pose, np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(f'world_from_camera must be a finite (4, 4) matrix, got {matrix.shape}: '
                         'leave it out where the pose is not known')
    return matrix
