# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A camera and its results in the Rerun viewer: one entity a topic, on the timeline of stamps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.core.drawing import instance_colors
from seg_ros.core.geometry import points_from_depth
from seg_ros.nodes.camera_info import camera_model
from seg_ros.nodes.conversions import stamp_ns
from seg_ros.nodes.transports import color_of, depth_of
from seg_ros.nodes.view_messages import (
    Cloud,
    ShownBoxes,
    cloud_from_label,
    cloud_of,
    label_of,
    rectangles_of,
)

TIMELINE = 'stamp'
JPEG_QUALITY = 85
# Frames whose colour and depth are kept until their label image comes.
_KEPT = 30
# Ids that have a colour of their own in the label image.
_COLORED_IDS = 1024


class RerunView:
    """Show messages by ``show(kind, message, arrival_ns)``.

    Kinds: color, depth, camera_info, label, markers, points, diagnostics. Where a source has no
    ``points``, the objects' points are computed from depth and label. What cannot be read is
    counted in ``bad`` by kind with the last reason.
    """

    def __init__(self, recording: Any, *, has_points: bool) -> None:
        import rerun

        self._rerun = rerun
        self._recording = recording
        self._has_points = has_points
        self._boxes = ShownBoxes()
        self._frames: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._camera_key: tuple[Any, ...] | None = None
        self._camera: Any = None
        self.counts: dict[str, int] = {}
        self.bad: dict[str, str] = {}
        self._show: dict[str, Callable[[Any, int, int], None]] = {
            'color': self._color, 'depth': self._depth, 'camera_info': self._camera_info,
            'label': self._label, 'markers': self._markers, 'points': self._points,
            'diagnostics': self._diagnostics}
        self._once()

    def show(self, kind: str, message: Any, arrival_ns: int) -> None:
        """Show a message; ``arrival_ns`` is when it came, on any clock of this source."""
        stamp = self._stamp_of(kind, message)
        if stamp is not None:
            self._recording.set_time(TIMELINE, timestamp=np.datetime64(stamp, 'ns'))
        try:
            self._show[kind](message, stamp or 0, arrival_ns)
        except ValueError as error:
            self.bad[kind] = str(error)
            return
        self.counts[kind] = self.counts.get(kind, 0) + 1

    @staticmethod
    def _stamp_of(kind: str, message: Any) -> int | None:
        if kind == 'markers':
            return stamp_ns(message.markers[0].header) if message.markers else None
        return stamp_ns(message.header)

    def _once(self) -> None:
        rerun = self._rerun
        colors = instance_colors(np.arange(1, _COLORED_IDS))
        infos = [rerun.AnnotationInfo(id=0, label='', color=(0, 0, 0, 0))]
        infos += [rerun.AnnotationInfo(id=number, label=str(number), color=(*rgb.tolist(), 255))
                  for number, rgb in enumerate(colors, start=1)]
        self._recording.log('/', rerun.AnnotationContext(infos), static=True)
        self._recording.log('objects', rerun.ViewCoordinates.RDF, static=True)

    def _color(self, message: Any, stamp: int, arrival_ns: int) -> None:
        color = color_of(message)
        self._kept(stamp).update(color=color, arrival_ns=arrival_ns)
        self._recording.log(
            'camera/color', self._rerun.Image(color).compress(jpeg_quality=JPEG_QUALITY))

    def _depth(self, message: Any, stamp: int, arrival_ns: int) -> None:
        depth_m = depth_of(message)
        self._kept(stamp)['depth_m'] = depth_m
        fits = np.nan_to_num(depth_m * 1000, nan=0.0).clip(0, 65535).astype(np.uint16)
        self._recording.log('camera/depth', self._rerun.DepthImage(fits, meter=1000.0))

    def _camera_info(self, message: Any, stamp: int, arrival_ns: int) -> None:
        key = (message.width, message.height, tuple(message.k), tuple(message.p))
        if key == self._camera_key:
            return
        camera = self._camera = camera_model(message, rectified=True)
        self._camera_key = key
        self._recording.log('camera', self._rerun.Pinhole(
            focal_length=(camera.fx, camera.fy), principal_point=(camera.cx, camera.cy),
            resolution=(camera.width, camera.height)))

    def _label(self, message: Any, stamp: int, arrival_ns: int) -> None:
        ids, rerun = label_of(message), self._rerun
        self._recording.log('camera/label', rerun.SegmentationImage(ids))
        found, rectangles = rectangles_of(ids)
        self._recording.log('camera/label/boxes', rerun.Boxes2D(
            array=rectangles, array_format=rerun.Box2DFormat.XYXY, class_ids=found,
            labels=[str(number) for number in found]))
        self._recording.log('plots/objects', rerun.Scalars(float(len(found))))
        frame = self._frames.get(stamp, {})
        if 'arrival_ns' in frame:
            latency_ms = (arrival_ns - frame['arrival_ns']) / 1e6
            self._recording.log('plots/latency_ms', rerun.Scalars(latency_ms))
        if not self._has_points:
            self._log_computed(ids, frame)

    def _log_computed(self, ids: npt.NDArray[np.uint16], frame: dict[str, Any]) -> None:
        """Log the objects' points from depth and label, where all of the frame is there."""
        camera, depth_m, color = self._camera, frame.get('depth_m'), frame.get('color')
        if camera is None or depth_m is None or color is None:
            return
        if not ids.shape == depth_m.shape == color.shape[:2]:
            return
        points = points_from_depth(depth_m, camera.fx, camera.fy, camera.cx, camera.cy)
        self._log_cloud(cloud_from_label(ids, color, points))

    def _points(self, message: Any, stamp: int, arrival_ns: int) -> None:
        self._log_cloud(cloud_of(message))

    def _log_cloud(self, cloud: Cloud) -> None:
        self._recording.log('objects/points', self._rerun.Points3D(
            cloud.points_m, colors=cloud.colors, class_ids=cloud.ids.astype(np.uint16)))

    def _markers(self, message: Any, stamp: int, arrival_ns: int) -> None:
        self._boxes.update(message)
        boxes, rerun = self._boxes.boxes, self._rerun
        ids = sorted(boxes)
        self._recording.log('objects/boxes', rerun.Boxes3D(
            centers=[boxes[number].center_m for number in ids],
            sizes=[boxes[number].size_m for number in ids],
            quaternions=[rerun.Quaternion(xyzw=boxes[number].rotation) for number in ids],
            class_ids=ids, labels=[self._boxes.texts.get(n, str(n)) for n in ids]))

    def _diagnostics(self, message: Any, stamp: int, arrival_ns: int) -> None:
        for status in message.status:
            if status.hardware_id != 'seg_ros':
                continue
            values = {pair.key: pair.value for pair in status.values}
            for key in ('latency_p50_ms', 'latency_p95_ms', 'rate_hz'):
                value = float(values.get(key, 'nan'))
                if np.isfinite(value):
                    self._recording.log(f'plots/node/{key}', self._rerun.Scalars(value))
            self._recording.log('diagnostics', self._rerun.TextLog(status.message))

    def _kept(self, stamp: int) -> dict[str, Any]:
        frame = self._frames.setdefault(stamp, {})
        while len(self._frames) > _KEPT:
            self._frames.popitem(last=False)
        return frame


def imported_rerun() -> Any:
    """Return the rerun SDK; ImportError says how to get it."""
    try:
        import rerun
    except ImportError:
        raise ImportError("this needs the Rerun viewer: pip install 'seg_ros[view]', or pip "
                          'install rerun-sdk') from None
    return rerun


def layout() -> Any:
    """Return the blueprint: the scene, the pictures and the plots beside each other."""
    import rerun.blueprint as rrb

    pictures = rrb.Vertical(
        rrb.Spatial2DView(origin='camera', name='colour and labels',
                          contents=['camera/color', 'camera/label/**']),
        rrb.Spatial2DView(origin='camera', name='depth', contents=['camera/depth']))
    plots = rrb.Vertical(
        rrb.TimeSeriesView(origin='plots', name='latency ms', contents=[
            'plots/latency_ms', 'plots/node/latency_p50_ms', 'plots/node/latency_p95_ms']),
        rrb.TimeSeriesView(origin='plots', name='objects', contents=['plots/objects']))
    scene = rrb.Spatial3DView(origin='objects', name='objects')
    return rrb.Blueprint(
        rrb.Horizontal(rrb.Vertical(scene, plots, row_shares=[2, 1]), pictures,
                       column_shares=[3, 2]), collapse_panels=True)
