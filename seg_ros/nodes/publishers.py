# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The output topics: what is computed, and only when it is wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import PoseArray
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header, String
from visualization_msgs.msg import MarkerArray

from seg_ros.core.drawing import draw_classes, draw_overlay
from seg_ros.core.geometry import OrientedBox, Plane
from seg_ros.core.objects import score_for_json
from seg_ros.core.results import Instances, SemanticMap
from seg_ros.core.support import SupportPlane, find_support_planes
from seg_ros.nodes import qos
from seg_ros.nodes.conversions import ENCODINGS, image_from_array
from seg_ros.nodes.frames import BadFrame, Prepared
from seg_ros.nodes.label_info import LabelInfoTypes, label_info_message, label_info_types
from seg_ros.nodes.markers import MarkerBuilder, object_boxes, pose_array
from seg_ros.nodes.node_options import NodeOptions
from seg_ros.nodes.plane_markers import PlaneMarkerBuilder
from seg_ros.nodes.pointcloud import object_cloud
from seg_ros.nodes.space import Placement

# What a caller of ~/segment finds whoever subscribes.
ANSWERED = ('label', 'mask', 'points', 'poses', 'class_names', 'label_info')
_COMMON = {'label': (Image, qos.latched), 'mask': (Image, qos.latched)}
_NAMES = {'class_names': (String, qos.latched)}
# These need depth; classes have points alone.
_POINTS = {'points': (PointCloud2, qos.latched)}
_OF_OBJECTS = {'poses': (PoseArray, qos.latched), 'markers': (MarkerArray, qos.reliable),
               'support_planes': (MarkerArray, qos.reliable)}
_PICTURE = {'overlay': (Image, qos.reliable)}
_CONFIDENCE = {'confidence': (Image, qos.reliable)}


@dataclass
class Result:
    """Hold what was found in a frame; what several outputs need is computed once, when asked.

    ``placed`` says in which frame outputs in space are; None for the camera's.
    """

    prepared: Prepared
    found: Instances | SemanticMap
    placed: Placement | None = None
    steady: Callable[[Instances, list[OrientedBox | None]], list[OrientedBox | None]] | None = None

    @property
    def header(self) -> Header:
        """Return the colour image's header."""
        return self.prepared.header

    @cached_property
    def instances(self) -> Instances:
        """Return the objects, at the frame's pixels."""
        if not isinstance(self.found, Instances):
            raise TypeError('a class map has no objects')
        return self.found

    @cached_property
    def ids(self) -> npt.NDArray[np.int32]:
        """Return (H, W) int32 object ids or classes at the input's pixels."""
        return self.prepared.to_input(self.id_image())

    @property
    def placement(self) -> Placement:
        """Return the header of outputs in space and the way there."""
        return self.placed or Placement(self.header)

    @property
    def has_space(self) -> bool:
        """Return whether there are outputs in space: depth, and a frame to place them in."""
        return self.prepared.frame.depth is not None and self.placement.published

    @cached_property
    def supports(self) -> list[SupportPlane]:
        """Return the planes that objects stand on, in the camera's frame."""
        frame = self.prepared.frame
        if frame.depth is None or frame.camera is None:
            return []
        return find_support_planes(frame.depth, frame.camera, self.instances.labels)

    @cached_property
    def boxes(self) -> list[OrientedBox | None]:
        """Return each object's oriented box in the outputs' frame, None where it has none.

        Those of tracked objects are steady.
        """
        if not self.has_space:
            return [None] * len(self.instances)
        planes = [one.plane for one in self.supports]
        boxes = object_boxes(self.prepared.frame, self.instances, planes)
        if self.steady is not None:
            boxes = self.steady(self.instances, boxes)
        move = self.placement.transform
        return boxes if move is None else [box and move.box(box) for box in boxes]

    def planes(self) -> list[Plane]:
        """Return the support planes in the outputs' frame."""
        move = self.placement.transform
        return [one.plane if move is None else move.plane(one.plane) for one in self.supports]

    def patches(self) -> list[OrientedBox]:
        """Return the part of each support plane that was seen, in the outputs' frame."""
        move = self.placement.transform
        return [one.patch if move is None else move.box(one.patch) for one in self.supports]

    def id_image(self) -> npt.NDArray[np.int32]:
        """Return (H, W) int32 object ids or classes at the frame's pixels."""
        if isinstance(self.found, Instances):
            return self.found.id_image()
        return self.found.labels.astype(np.int32)

    def overlay(self, opacity: float) -> npt.NDArray[np.uint8]:
        """Return the picture for people at the input's pixels."""
        labels = self.prepared.to_input(self.found.labels)
        if isinstance(self.found, Instances):
            return draw_overlay(
                self.prepared.color, replace(self.found, labels=labels), opacity=opacity)
        return draw_classes(
            self.prepared.color, labels, self.found.class_names, opacity=opacity)

    def origin(self) -> dict[str, Any]:
        """Return the header as JSON has it: stamp and frame_id."""
        stamp = self.header.stamp
        return {'stamp': {'sec': stamp.sec, 'nanosec': stamp.nanosec},
                'frame_id': self.header.frame_id}

    def object_ids(self) -> list[int]:
        """Return the ascending ids of the objects, or the classes that occur."""
        if isinstance(self.found, Instances):
            return sorted(int(number) for number in self.found.ids)
        return [int(number) for number in np.flatnonzero(np.bincount(self.found.labels.ravel()))]

    def object_classes(self) -> list[str]:
        """Return the class names in the order of ``object_ids``."""
        names = self.found.class_names
        if not isinstance(self.found, Instances):
            return [names[number] for number in self.object_ids()]
        rows = np.argsort(self.found.ids)
        return [names[int(number)] for number in self.found.class_ids[rows]]

    def object_scores(self) -> list[float | None]:
        """Return the objects' scores in the order of ``object_ids``, None for NaN."""
        rows = np.argsort(self.instances.ids)
        return [score_for_json(float(score)) for score in self.instances.scores[rows]]


def label_message(result: Result, encoding: str) -> Image:
    """Return ``~/label``; BadFrame where an id does not fit the encoding."""
    dtype = ENCODINGS[encoding].dtype
    highest = int(result.ids.max())
    if highest > np.iinfo(dtype).max:
        raise BadFrame('label', (
            f'object id {highest} does not fit label_encoding {encoding} (at most '
            f'{np.iinfo(dtype).max}): set label_encoding to mono16 or 32SC1'))
    return image_from_array(result.ids.astype(dtype, copy=False), encoding, result.header)


def mask_message(result: Result, mask_id: int) -> Image:
    """Return ``~/mask``: 255 at all objects or at the chosen one, else 0."""
    chosen = result.ids == mask_id if mask_id else result.ids > 0
    return image_from_array(chosen.view(np.uint8) * np.uint8(255), 'mono8', result.header)


def confidence_message(result: Result) -> Image:
    """Return ``~/confidence``: the winning class's probability, 255 for one."""
    highest = None if isinstance(result.found, Instances) else result.found.confidence
    if highest is None:
        raise BadFrame('confidence', 'this method gave no probabilities')
    best = np.rint(highest * np.float32(255)).astype(np.uint8)
    return image_from_array(result.prepared.to_input(best), 'mono8', result.header)


def names_message(result: Result) -> String:
    """Return ``~/class_names`` as JSON: the list of classes, or for objects what each id is.

    The latter is ``{"stamp", "frame_id", "objects": {"3": {"class": "mug", "score": 0.93}}}``,
    the ids as in ``~/label``.
    """
    if not isinstance(result.found, Instances):
        return String(data=json.dumps(list(result.found.class_names)))
    rows = zip(result.object_ids(), result.object_classes(), result.object_scores(), strict=True)
    objects = {str(number): {'class': name, 'score': score} for number, name, score in rows}
    return String(data=json.dumps({**result.origin(), 'objects': objects}))


def topics_of(
    kind: str, takes_depth: bool, label_info: LabelInfoTypes | None
) -> dict[str, tuple[Any, Any]]:
    """Return the message type and QoS of each output, in the order in which they are published."""
    topics: dict[str, tuple[Any, Any]] = {**_COMMON, **_NAMES}
    if kind == 'semantic':
        if label_info is not None:
            topics['label_info'] = (label_info.label_info, qos.latched)
        topics.update(_CONFIDENCE)
    if takes_depth:
        topics.update(_POINTS)
        if kind != 'semantic':
            topics.update(_OF_OBJECTS)
    return {**topics, **_PICTURE}


class Publishers:
    """Own the output topics of a node and publish what is wanted of a result.

    ``kind`` is the registry's 'instances' or 'semantic'; ``takes_depth`` says whether frames may
    have depth. Of objects without it boxes, points and poses stay silent. For one thread.
    """

    def __init__(self, ros_node: Any, kind: str, takes_depth: bool) -> None:
        self._ros_node = ros_node
        self._kind = kind
        self._label_info = label_info_types()
        self._publishers = {
            name: ros_node.create_lifecycle_publisher(
                message, f'~/{name}', profile(), qos_overriding_options=qos.overridable())
            for name, (message, profile) in topics_of(kind, takes_depth, self._label_info).items()
        }
        self._markers = MarkerBuilder()
        self._plane_markers = PlaneMarkerBuilder()
        self._last_header = Header()
        self._said: dict[str, Any] = {}

    def wanted(self, *, answer: bool) -> list[str]:
        """Return the topics to compute: those somebody subscribes to, and what an answer needs."""
        return [
            name for name, publisher in self._publishers.items()
            if (answer and name in ANSWERED) or publisher.get_subscription_count() > 0
        ]

    def publish(self, result: Result, options: NodeOptions, *, answer: bool) -> list[str]:
        """Compute and publish the wanted topics, each at once, those for people last.

        Returns those that were published: some have nothing to say of a frame. BadFrame where the
        result does not fit the first of them, the label image.
        """
        self._last_header = result.header
        published = []
        for name in self.wanted(answer=answer):
            message = self._message(name, result, options)
            if message is not None:
                self._publishers[name].publish(message)
                published.append(name)
        return published

    def clear_markers(self) -> None:
        """Publish the deletion of every marker that is shown."""
        for name, gone in (('markers', self._markers.clear(self._last_header)),
                           ('support_planes', self._plane_markers.build(self._last_header, []))):
            if gone.markers and name in self._publishers:
                self._publishers[name].publish(gone)

    def destroy(self) -> None:
        """End the topics."""
        for publisher in self._publishers.values():
            self._ros_node.destroy_lifecycle_publisher(publisher)
        self._publishers = {}

    def _message(self, name: str, result: Result, options: NodeOptions) -> Any:
        if name == 'label':
            return label_message(result, self.label_encoding(options))
        if name == 'mask':
            return mask_message(result, options.mask_id)
        if name == 'overlay':
            picture = result.overlay(options.overlay_opacity)
            return image_from_array(picture, 'rgb8', result.header)
        if name == 'confidence':
            return confidence_message(result)
        if name == 'class_names':
            message = names_message(result)
            return message if self._is_new(name, message.data) else None
        if name == 'label_info':
            return self._label_info_of(result)
        return self._message_in_space(name, result, options)

    def _message_in_space(self, name: str, result: Result, options: NodeOptions) -> Any:
        header, has_space = result.placement.header, result.has_space
        if name == 'markers':
            built = self._markers.build(
                header, result.instances, result.boxes, result.placement.up)
            return built if built.markers or has_space else None
        if name == 'support_planes':
            built = self._plane_markers.build(header, result.patches() if has_space else [])
            return built if built.markers or has_space else None
        if not has_space:
            return None
        if name == 'poses':
            return pose_array(header, result.instances, result.boxes)[0]
        return object_cloud(
            header, result.prepared.frame, result.id_image(), organized=options.organized,
            transform=result.placement.transform)

    def _label_info_of(self, result: Result) -> Any:
        found = result.found
        if self._label_info is None or isinstance(found, Instances):
            return None
        names, threshold = tuple(found.class_names), found.threshold
        if not self._is_new('label_info', (names, threshold)):
            return None
        return label_info_message(self._label_info, result.header, names, threshold)

    def _is_new(self, topic: str, content: Any) -> bool:
        """Return whether a topic has not said this last: what it said is latched."""
        is_new = self._said.get(topic) != content
        self._said[topic] = content
        return is_new

    def label_encoding(self, options: NodeOptions) -> str:
        """Return the encoding of ``~/label`` in use."""
        if options.label_encoding != 'auto':
            return options.label_encoding
        return 'mono8' if self._kind == 'semantic' else 'mono16'
