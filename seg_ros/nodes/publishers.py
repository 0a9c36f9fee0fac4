# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The output topics: what is computed, and only when it is wanted."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import PoseArray
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header, String
from visualization_msgs.msg import MarkerArray

from seg_ros.core.drawing import draw_overlay
from seg_ros.core.geometry import OrientedBox
from seg_ros.core.results import Instances, SemanticMap
from seg_ros.nodes import qos
from seg_ros.nodes.conversions import ENCODINGS, image_from_array
from seg_ros.nodes.frames import BadFrame, Prepared
from seg_ros.nodes.markers import MarkerBuilder, object_boxes, pose_array
from seg_ros.nodes.node_options import NodeOptions
from seg_ros.nodes.pointcloud import object_cloud

# What a caller of ~/segment finds whoever subscribes.
ANSWERED = ('label', 'mask', 'points', 'poses')
_COMMON = {'label': (Image, qos.latched), 'mask': (Image, qos.latched)}
_OBJECTS = {
    'poses': (PoseArray, qos.latched), 'points': (PointCloud2, qos.latched),
    'markers': (MarkerArray, qos.reliable)}
_PICTURE = {'overlay': (Image, qos.reliable)}
_CLASSES = {'confidence': (Image, qos.reliable), 'class_names': (String, qos.latched)}


@dataclass
class Result:
    """Hold what was found in a frame; what several outputs need is computed once, when asked."""

    prepared: Prepared
    found: Instances | SemanticMap

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
        if isinstance(self.found, Instances):
            return self.prepared.to_input(self.found.id_image())
        return self.prepared.to_input(self.found.labels).astype(np.int32)

    @cached_property
    def boxes(self) -> list[OrientedBox | None]:
        """Return each object's oriented box, None where it has no depth."""
        return object_boxes(self.prepared.frame, self.instances)

    def drawable(self) -> Instances:
        """Return the result at the input's pixels as instances, a class being one."""
        if isinstance(self.found, Instances):
            return replace(self.found, labels=self.prepared.to_input(self.found.labels))
        numbers = np.arange(1, len(self.found.class_names), dtype=np.int32)
        return Instances(self.ids, np.ones(len(numbers), np.float32), numbers, numbers,
                         tuple(self.found.class_names))

    def object_ids(self) -> list[int]:
        """Return the ascending ids of the objects, or the classes that occur."""
        if isinstance(self.found, Instances):
            return sorted(int(number) for number in self.found.ids)
        return [int(number) for number in np.unique(self.found.labels)]


def label_message(result: Result, encoding: str) -> Image:
    """Return ``~/label``; BadFrame where an id does not fit the encoding."""
    dtype = ENCODINGS[encoding].dtype
    highest = max(result.object_ids(), default=0)
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
    found = result.found
    if isinstance(found, Instances) or found.probabilities is None:
        raise BadFrame('confidence', 'this method gave no probabilities')
    best = np.rint(found.probabilities.max(axis=0) * 255).astype(np.uint8)
    return image_from_array(result.prepared.to_input(best), 'mono8', result.header)


class Publishers:
    """Own the output topics of a node and publish what is wanted of a result.

    ``kind`` is the registry's 'instances' or 'semantic'. Publishing is for one thread.
    """

    def __init__(self, ros_node: Any, kind: str, needs_depth: bool) -> None:
        self._ros_node = ros_node
        topics: dict[str, Any] = dict(_COMMON)
        if kind == 'semantic':
            topics.update(_CLASSES)
        elif needs_depth:
            topics.update(_OBJECTS)
        topics.update(_PICTURE)
        self._kind = kind
        self._publishers = {
            name: ros_node.create_lifecycle_publisher(
                message, f'~/{name}', profile(), qos_overriding_options=qos.overridable())
            for name, (message, profile) in topics.items()
        }
        self._markers = MarkerBuilder()
        self._last_header = Header()
        self._class_names: tuple[str, ...] = ()

    def wanted(self, *, answer: bool) -> list[str]:
        """Return the topics to compute: those somebody subscribes to, and what an answer needs."""
        return [
            name for name, publisher in self._publishers.items()
            if (answer and name in ANSWERED) or publisher.get_subscription_count() > 0
        ]

    def publish(self, result: Result, options: NodeOptions, *, answer: bool) -> None:
        """Compute and publish the wanted topics, each at once, those for people last.

        BadFrame where the result does not fit the first of them, the label image.
        """
        self._last_header = result.header
        for name in self.wanted(answer=answer):
            message = self._message(name, result, options)
            if message is not None:
                self._publishers[name].publish(message)

    def clear_markers(self) -> None:
        """Publish the deletion of every marker that is shown."""
        gone = self._markers.clear(self._last_header)
        if gone.markers and 'markers' in self._publishers:
            self._publishers['markers'].publish(gone)

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
            picture = draw_overlay(
                result.prepared.color, result.drawable(), opacity=options.overlay_opacity)
            return image_from_array(picture, 'rgb8', result.header)
        if name in _CLASSES:
            return self._class_message(name, result)
        return self._object_message(name, result, options)

    def _object_message(self, name: str, result: Result, options: NodeOptions) -> Any:
        if name == 'markers':
            return self._markers.build(result.header, result.instances, result.boxes)
        if name == 'poses':
            return pose_array(result.header, result.instances, result.boxes)[0]
        ids = result.instances.id_image()
        return object_cloud(
            result.header, result.prepared.frame, ids, organized=options.organized)

    def _class_message(self, name: str, result: Result) -> Any:
        if name == 'confidence':
            return confidence_message(result)
        names = tuple(result.found.class_names)
        if names == self._class_names:
            return None
        self._class_names = names
        return String(data=json.dumps(list(names)))

    def label_encoding(self, options: NodeOptions) -> str:
        """Return the encoding of ``~/label`` in use."""
        if options.label_encoding != 'auto':
            return options.label_encoding
        return 'mono8' if self._kind == 'semantic' else 'mono16'
