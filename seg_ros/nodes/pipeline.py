# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""From a pair of messages to published results: the work of the worker's thread."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from seg_ros.core.options import Options
from seg_ros.core.results import Instances, SemanticMap
from seg_ros.nodes.answers import Call, SegmentService
from seg_ros.nodes.frames import BadFrame, FrameBuilder, Prepared
from seg_ros.nodes.identities import Identities, PerFrame
from seg_ros.nodes.markers import pose_array
from seg_ros.nodes.node_options import NodeOptions
from seg_ros.nodes.publishers import Publishers, Result
from seg_ros.nodes.sharing import SharedSegmenter
from seg_ros.nodes.space import Space
from seg_ros.nodes.statistics import Statistics
from seg_ros.nodes.synchronizer import Pair
from seg_ros.nodes.transforms import FrameTransforms, NoTransforms


class Log:
    """Write to a ROS logger, each subject at most once in some seconds."""

    def __init__(self, logger: Any, period_s: float = 5.0) -> None:
        self._logger = logger
        self._period_s = period_s
        self._last_s: dict[str, float] = {}

    def info(self, subject: str, text: str) -> None:
        """Say something, throttled by subject."""
        if self._due(subject):
            self._logger.info(text)

    def warn(self, subject: str, text: str) -> None:
        """Warn, throttled by subject."""
        if self._due(subject):
            self._logger.warning(text)

    def error(self, subject: str, text: str) -> None:
        """Log an error, throttled by subject."""
        if self._due(subject):
            self._logger.error(text)

    def _due(self, subject: str) -> bool:
        now = time.monotonic()
        if now - self._last_s.get(subject, -self._period_s) < self._period_s:
            return False
        self._last_s[subject] = now
        return True


class Pipeline:
    """Segment the newest pair in the model's thread, publish, and answer ``~/segment``.

    ``offer``, ``requested`` and the switches are called from the executor and return at once;
    results are published under a lock, so that none appears after ``deactivate``. Once
    ``is_alive()`` is false, the middleware is shut down and nothing can be sent.
    """

    def __init__(
        self,
        segmenter: SharedSegmenter,
        builder: FrameBuilder,
        publishers: Publishers,
        service: SegmentService,
        statistics: Statistics,
        settings: Callable[[], NodeOptions],
        log: Log,
        is_alive: Callable[[], bool] = lambda: True,
        identities: Identities | None = None,
        open_transforms: Callable[[], FrameTransforms] = lambda: NoTransforms('TF is not used'),
    ) -> None:
        self.segmenter = segmenter
        self.builder = builder
        self.publishers = publishers
        self.statistics = statistics
        self.camera_info: Any = None
        self._service = service
        self._settings = settings
        self._log = log
        self._is_alive = is_alive
        self.space = Space(open_transforms, self._warned)
        self.space.use(settings())
        self.identities: Identities = PerFrame() if identities is None else identities
        self._publishing = threading.RLock()
        self._running = False
        self._epoch = 0
        self._newest: Pair | None = None
        self._last: tuple[Pair, Result] | None = None
        self._options: Options | None = None
        self._lane = segmenter.model.worker.lane(
            self._handle, self._overtaken, self._max_rate)

    def offer(self, pair: Pair) -> None:
        """Take a new pair: to be segmented if somebody wants the result, else kept as newest."""
        if not self._running:
            self.statistics.dropped('paused')
            return
        self._newest = pair
        calls = [call for call in self._served_by(pair) if not call.has_frame]
        continuous = self._settings().mode == 'continuous'
        if calls or (continuous and self.publishers.wanted(answer=False)):
            self._offer(pair, calls)
        else:
            self.statistics.dropped('unwanted')

    def requested(self, call: Call) -> None:
        """Take a call of ``~/segment``: the newest frame if it is fresh, else the next one."""
        newest, oldest_s = self._newest, call.since_s - self._settings().max_frame_age
        if newest is not None and newest.arrival_s >= oldest_s:
            call.oldest_s = newest.arrival_s
            self._offer(newest, [call])
        else:
            # A colour image that came before the call may still wait for its depth.
            call.oldest_s = oldest_s

    def _offer(self, pair: Pair, calls: list[Call]) -> None:
        for call in calls:
            call.has_frame = True
        self._lane.offer(pair, urgent=bool(calls))

    def is_waiting_for_frame(self, call: Call) -> bool:
        """Return whether no frame fresh enough for a call has come."""
        return self._newest is None or self._newest.arrival_s < call.oldest_s

    def use_options(self, options: Options) -> None:
        """Let the segmenter have new options from the next frame on, and take the node's own."""
        self._options = options
        self.space.use(self._settings())

    def activate(self) -> None:
        """Begin to take pairs."""
        self._newest = self._last = None
        self._running = True

    def deactivate(self, reason: str) -> None:
        """Stop taking pairs; nothing is published afterwards, and open calls are answered."""
        with self._publishing:
            self._running = False
            self._epoch += 1
            self._lane.clear()
            self._newest = self._last = None
            if self._is_alive():
                self.publishers.clear_markers()
        if self._is_alive():
            self._service.answer(self._service.open_calls(), False, reason)

    @property
    def running(self) -> bool:
        """Return whether pairs are taken."""
        return self._running

    def reset_identities(self) -> str:
        """Forget which object has which id; return what that did."""
        with self._publishing:
            self._last = None
            return self.identities.reset()

    def clock_jumped(self) -> None:
        """Forget frames and tracks of the time before."""
        self._newest = None
        self.reset_identities()

    def close(self) -> None:
        """End the thread and the topics."""
        self.deactivate('the node is shutting down')
        if not self._lane.stop():
            self._log.warn('close', 'the segmenter is still at work: its last result is lost')
        self.space.close()
        self.segmenter.release()
        self.publishers.destroy()

    def _overtaken(self, pair: Pair) -> None:
        self.statistics.dropped('max_rate' if self._lane.is_held() else 'overtaken')

    def _max_rate(self) -> float:
        settings = self._settings()
        return settings.max_rate if settings.mode == 'continuous' else 0.0

    def _served_by(self, pair: Pair) -> list[Call]:
        """Return the calls a pair is new enough for, those that came meanwhile included."""
        return [call for call in self._service.open_calls() if call.oldest_s <= pair.arrival_s]

    def _handle(self, pair: Pair) -> None:
        try:
            self._segment_and_publish(pair)
        except BadFrame as error:
            self.statistics.failed(error.reason, str(error))
            self._log.warn(error.reason, f'frame dropped: {error}')
            self._service.answer(self._served_by(pair), False, str(error))
        except Exception as error:  # the node outlives whatever a method raises
            if not self._is_alive():
                return
            text = f'{type(error).__name__}: {error}'
            self.statistics.failed(getattr(error, 'reason', 'segmenter'), text, severe=True)
            self._log.error('segmenter', f'frame dropped, the segmenter failed: {text}')
            self._service.answer(self._served_by(pair), False, text)

    def _segment_and_publish(self, pair: Pair) -> None:
        settings, epoch = self._settings(), self._epoch
        self._take_options()
        last = self._last
        is_new = last is None or last[0] is not pair
        result = self._segmented(pair) if is_new or last is None else last[1]
        with self._publishing:
            calls = self._served_by(pair)
            if epoch != self._epoch or not (is_new or calls):
                return
            self._last = (pair, result)
            answer = bool(calls) or settings.mode == 'on_request'
            topics = self.publishers.publish(result, settings, answer=answer)
            if 'supports' in vars(result):
                self.space.note_planes(result.placement.header.frame_id, result.planes())
            if is_new:
                self.statistics.finished(time.monotonic() - pair.arrival_s,
                                         has_depth=result.prepared.frame.depth is not None)
        self._service.answer(calls, True, reply_text(result, topics) if calls else '')

    def _take_options(self) -> None:
        options, self._options = self._options, None
        if options is not None:
            self.segmenter.options = options
            self._last = None

    def _segmented(self, pair: Pair) -> Result:
        prepared = self.builder.build(pair.color, pair.depth, self.camera_info)
        self._warn_of_frames(pair, prepared)
        began = time.monotonic()
        settings = self._settings()
        prepared, found = self._found(prepared, settings)
        self.statistics.segment_took(time.monotonic() - began)
        if prepared.depth_trouble:
            self._warned('depth', 'depth is left out, colour alone is segmented: '
                                  f'{prepared.depth_trouble}')
        found = self.space.wanted(found, prepared, settings, pair.arrival_s)
        placement = self.space.placement(prepared, settings, pair.arrival_s)
        if isinstance(found, Instances):
            with self._publishing:
                self.identities.use(settings)
                found = self.identities.update(found, prepared.frame)
        return Result(prepared, found, placement, self.identities.steady)

    def _found(
        self, prepared: Prepared, settings: NodeOptions
    ) -> tuple[Prepared, Instances | SemanticMap]:
        """Segment a frame; one whose depth is refused but optional, by its colour alone."""
        try:
            return prepared, self.space.segmented(prepared, settings, self.segmenter.segment)
        except BadFrame:
            raise
        except ValueError as error:
            if not self.builder.optional_depth or prepared.frame.depth is None:
                raise BadFrame('segmenter', str(error)) from error
            return self._found(prepared.without_depth(str(error)), settings)

    def _warned(self, subject: str, text: str) -> None:
        """Take a warning that cost no frame."""
        self.statistics.warned(text)
        self._log.warn(subject, text)

    def _warn_of_frames(self, pair: Pair, prepared: Prepared) -> None:
        """Warn of frame_ids that make results useless or doubtful; the frame is used."""
        color_id = prepared.header.frame_id
        text = ''
        if not color_id:
            text = ('colour image has an empty frame_id: boxes and points cannot be placed in TF; '
                    'set the frame in the camera driver')
        elif pair.depth is not None and pair.depth.header.frame_id != color_id:
            text = (f'depth is in frame {pair.depth.header.frame_id!r}, colour in {color_id!r}: '
                    "use the driver's aligned depth (align_depth.enable:=true)")
        if text:
            self._warned('frame_id', text)


def reply_text(result: Result, topics: list[str]) -> str:
    """Return the JSON of a ``~/segment`` reply: stamp, frame, ids, count, classes, topics.

    ``classes`` and for objects ``scores`` are in the order of ``ids``, ascending; ``pose_ids`` are
    the ids of ``~/poses``, ``pose_frame_id`` is its frame and ``pose_sizes_m`` the extents
    (x, y, z) of their boxes along the poses' axes. ``topics`` are those on which a message with
    this stamp was published.
    """
    ids = result.object_ids()
    reply: dict[str, Any] = {
        **result.origin(),
        'ids': ids,
        'count': len(ids),
        'classes': result.object_classes(),
        'topics': topics,
    }
    if isinstance(result.found, Instances):
        reply['scores'] = result.object_scores()
        reply['pose_ids'] = pose_array(result.header, result.instances, result.boxes)[1]
        reply['pose_frame_id'] = result.placement.header.frame_id
        boxes = dict(zip(result.instances.ids.tolist(), result.boxes, strict=True))
        reply['pose_sizes_m'] = [
            [round(float(extent_m), 6) for extent_m in boxes[number].size]
            for number in reply['pose_ids']]
    return json.dumps(reply)
