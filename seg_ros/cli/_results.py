# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where a command writes results: a folder of files or a bag."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.bags.writer import BagWriter, is_bag_output
from seg_ros.cli._inputs import BagSource, FrameSource, NamedFrame
from seg_ros.core.classes import CLASSES_NAME
from seg_ros.core.drawing import draw_classes, draw_overlay
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.io import labels_of_16_bits, write_atomically, write_color, write_labels
from seg_ros.core.objects import describe_objects, write_objects
from seg_ros.core.results import Instances, SemanticMap

IMAGE, STRING = 'sensor_msgs/msg/Image', 'std_msgs/msg/String'


class ResultWriter(Protocol):
    """Take the results of frames one by one; complete after close()."""

    def write(self, named: NamedFrame, frame: RgbdFrame, result: Instances | SemanticMap) -> None:
        """Write the result of one frame."""

    def close(self) -> None:
        """Finish what is written once for all frames."""


def open_results(
    output: Path, method: str, storage: str | None = None, source: FrameSource | None = None
) -> ResultWriter:
    """Return the writer for a path: a bag where it ends in .mcap or .db3, else a folder.

    With a ``storage`` the folder is a bag. Of a ``source`` that is a bag the result bag has every
    message too.
    """
    if not is_bag_output(output, storage):
        return ResultFolder(output)
    bag_source = source if isinstance(source, BagSource) else None
    return ResultBag(BagWriter(output, storage), method, bag_source)


def at_input(
    named: NamedFrame, frame: RgbdFrame, result: Instances
) -> tuple[Instances, npt.NDArray[np.uint8]]:
    """Return the instances and their overlay at the pixels of the image as it came."""
    seen = replace(result, labels=named.to_input(result.labels))
    return seen, draw_overlay(frame.color if named.color is None else named.color, seen)


def classes_at_input(
    named: NamedFrame, frame: RgbdFrame, result: SemanticMap
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the classes (H, W) of 8 bits and their overlay at the pixels of the image as it came.

    ValueError for more classes than 256.
    """
    if len(result.class_names) > 256:
        raise ValueError(f'{len(result.class_names)} classes: an 8-bit image holds 256')
    seen = named.to_input(result.labels).astype(np.uint8, copy=False)
    color = frame.color if named.color is None else named.color
    return seen, draw_classes(color, seen, result.class_names)


class ResultFolder:
    """Write NAME-labels.png, NAME-overlay.png and objects.json.

    Of classes NAME-classes.png (8 bits), NAME-overlay.png and classes.json, their names in the
    order of their numbers.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.objects: dict[str, Any] = {}

    def write(self, named: NamedFrame, frame: RgbdFrame, result: Instances | SemanticMap) -> None:
        """Write the files of one frame."""
        if isinstance(result, SemanticMap):
            self._write_classes(named, frame, result)
            return
        seen, picture = at_input(named, frame, result)
        write_labels(self.folder / f'{named.name}-labels.png', seen.id_image())
        write_color(self.folder / f'{named.name}-overlay.png', picture)
        self.objects[named.name] = describe_objects(frame, result)

    def _write_classes(self, named: NamedFrame, frame: RgbdFrame, result: SemanticMap) -> None:
        labels, picture = classes_at_input(named, frame, result)
        _, data = cv2.imencode('.png', labels)
        write_atomically(self.folder / f'{named.name}-classes.png', data.tobytes())
        write_color(self.folder / f'{named.name}-overlay.png', picture)
        names = json.dumps(list(result.class_names), indent=1)
        write_atomically(self.folder / CLASSES_NAME, names.encode())

    def close(self) -> None:
        """Write objects.json."""
        if self.objects:
            write_objects(self.folder / 'objects.json', self.objects)


class ResultBag:
    """Write label and overlay images with the input's stamps as topics of the method's name.

    Labels are mono16, of classes mono8 with their names on class_names, as the node has it. The
    messages of a ``source`` are copied, byte for byte; then a result has the log time of the
    message that completed its frame, so that the bag is in order, else its colour image's.
    """

    def __init__(self, bag: BagWriter, method: str, source: BagSource | None = None) -> None:
        self._bag = bag
        self._label, self._overlay = f'/{method}/label', f'/{method}/overlay'
        self._names = f'/{method}/class_names'
        self._are_named = False
        self._passed_ns: int | None = None
        if source is not None:
            self._copy_from(source)
        for topic in (self._label, self._overlay):
            self._bag.add_topic(topic, IMAGE)

    def _copy_from(self, source: BagSource) -> None:
        taken = {self._label, self._overlay, self._names} & {
            connection.topic for connection in source.frames.connections}
        if taken:
            self._bag.close()
            raise ValueError(
                f'the bag has {", ".join(sorted(taken))} already: segment the recording it was '
                'made of, or write the results alone (--results-only)')
        for connection in source.frames.connections:
            self._bag.add_connection(connection)
        source.frames.on_message = self._copied

    def _copied(self, connection: Any, log_time_ns: int, data: bytes) -> None:
        self._bag.write_copy(connection, log_time_ns, data)
        self._passed_ns = log_time_ns

    def write(self, named: NamedFrame, frame: RgbdFrame, result: Instances | SemanticMap) -> None:
        """Write the label and overlay messages of one frame, and once the names of classes."""
        log_time_ns = named.log_time_ns if self._passed_ns is None else self._passed_ns
        labels: npt.NDArray[Any]
        if isinstance(result, SemanticMap):
            labels, picture = classes_at_input(named, frame, result)
            self._write_names(result, log_time_ns)
        else:
            seen, picture = at_input(named, frame, result)
            labels = labels_of_16_bits(seen.id_image())
        stamp_ns = frame.stamp_ns or named.log_time_ns
        for topic, pixels, encoding in (
            (self._label, labels, 'mono8' if labels.dtype == np.uint8 else 'mono16'),
            (self._overlay, picture, 'rgb8'),
        ):
            message = self._image(pixels, encoding, stamp_ns, frame.frame_id)
            self._bag.write_message(topic, log_time_ns, message)

    def _write_names(self, result: SemanticMap, log_time_ns: int) -> None:
        if self._are_named:
            return
        self._bag.add_topic(self._names, STRING)
        text = json.dumps(list(result.class_names))
        self._bag.write_message(self._names, log_time_ns, self._bag.types[STRING](data=text))
        self._are_named = True

    def _image(self, pixels: Any, encoding: str, stamp_ns: int, frame_id: str) -> Any:
        types = self._bag.types
        stamp = types['builtin_interfaces/msg/Time'](stamp_ns // 10**9, stamp_ns % 10**9)
        return types[IMAGE](
            header=types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=pixels.strides[0],
            data=np.ascontiguousarray(pixels).reshape(-1).view(np.uint8),
        )

    def close(self) -> None:
        """Finish the bag."""
        self._bag.close()
