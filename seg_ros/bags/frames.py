# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The RGB-D frames of a bag."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from seg_ros.bags.pairing import StampPairer
from seg_ros.bags.storage import Bag, typestore
from seg_ros.bags.topics import CameraTopics, choose_topics

DEFAULT_SLOP_S = 0.02

T = TypeVar('T')


@dataclass(frozen=True, eq=False)
class RecordedFrame(Generic[T]):
    """Hold one colour image of a bag, converted, or the reason why it is not."""

    name: str
    stamp_ns: int
    log_time_ns: int
    converted: T | None
    error: str = ''


Converter = Callable[[Any, Any, Any], T]
# Takes a connection, log time in ns and serialized message.
OnMessage = Callable[[Any, int, bytes], None]


class BagFrames(Generic[T]):
    """Iterate over the frames of an open bag in constant memory.

    Colour and depth are paired by stamp within ``slop_s`` seconds; the newest camera_info is
    used, the first one for images before it. ``convert(color, depth or None, info or None)``
    makes the frame. A frame's NAME is its stamp in seconds. A colour image that stays alone is an
    error unless ``needs_pairs`` is False. ``on_message``, if set, is given every message of the
    bag, in the order of log times, before the frames that it completes are yielded.
    """

    def __init__(
        self,
        bag: Bag,
        topics: CameraTopics,
        convert: Converter[T],
        slop_s: float = DEFAULT_SLOP_S,
        *,
        needs_pairs: bool = True,
    ) -> None:
        self._bag = bag
        self.topics = topics
        self._convert = convert
        self._slop_ns = round(slop_s * 1e9)
        self._needs_pairs = needs_pairs
        self._types = typestore()
        self._info: Any = self._first_info()
        self.on_message: OnMessage | None = None

    def __len__(self) -> int:
        """Return the number of colour images."""
        return sum(c.msgcount for c in self._bag.connections if c.topic == self.topics.color)

    def __iter__(self) -> Iterator[RecordedFrame[T]]:
        pairer: StampPairer[tuple[int, Any, Any]] = StampPairer(self._slop_ns)
        for connection, log_ns, data in self._messages():
            message = self._decoded(data, connection.msgtype)
            if message is None:
                yield RecordedFrame(stamp_name(log_ns), log_ns, log_ns, None, (
                    f'a message of {connection.topic} is truncated or of another type'))
                continue
            if connection.topic == self.topics.camera_info:
                self._info = message
                continue
            item = (log_ns, message, self._info)
            add = pairer.add_color if connection.topic == self.topics.color else pairer.add_depth
            add(stamp_ns_of(message), item)
            yield from (self._recorded(*pair) for pair in self._pairs(pairer))
        yield from (self._recorded(*pair) for pair in self._pairs(pairer, finished=True))

    def _messages(self) -> Iterator[tuple[Any, int, bytes]]:
        """Yield the camera's messages, handing on all there are where that is asked for."""
        names = self.topics.names()
        for item in self._bag.messages(names if self.on_message is None else None):
            if self.on_message is not None:
                self.on_message(*item)
            if item[0].topic in names:
                yield item

    @property
    def connections(self) -> list[Any]:
        """Return the bag's connections."""
        return self._bag.connections

    def _pairs(
        self, pairer: StampPairer[tuple[int, Any, Any]], *, finished: bool = False
    ) -> Iterator[tuple[tuple[int, Any, Any], Any]]:
        alone = self.topics.depth is None
        for color, depth in pairer.ready(finished=finished or alone):
            yield color, None if depth is None else depth[1]

    def _recorded(self, color: tuple[int, Any, Any], depth: Any) -> RecordedFrame[T]:
        log_ns, message, info = color
        stamp_ns = stamp_ns_of(message)
        name = stamp_name(stamp_ns)
        if depth is None and self.topics.depth is not None and self._needs_pairs:
            error = (
                f'no image on {self.topics.depth} within {self._slop_ns / 1e6:g} ms of this '
                'colour image: raise --slop or check the clocks'
            )
            return RecordedFrame(name, stamp_ns, log_ns, None, error)
        try:
            return RecordedFrame(name, stamp_ns, log_ns, self._convert(message, depth, info))
        except ValueError as error:
            return RecordedFrame(name, stamp_ns, log_ns, None, str(error))

    def _first_info(self) -> Any:
        if self.topics.camera_info is None:
            return None
        for connection, _, data in self._bag.messages([self.topics.camera_info]):
            return self._decoded(data, connection.msgtype)
        return None

    def _decoded(self, data: bytes, message_type: str) -> Any:
        """Return the message, or None for bytes that are none."""
        from rosbags.serde import SerdeError

        try:
            return self._types.deserialize_cdr(data, message_type)
        except (SerdeError, ValueError, IndexError, struct.error, UnicodeDecodeError):
            return None


def topics_of(
    bag: Bag,
    color: str | None = None,
    depth: str | None = None,
    camera_info: str | None = None,
    *,
    compressed: bool = False,
) -> CameraTopics:
    """Return the camera's topics of an open bag (``choose_topics``), empty ones left out."""
    pairs = [(c.topic, c.msgtype) for c in bag.connections if c.msgcount]
    try:
        return choose_topics(pairs, color, depth, camera_info, compressed=compressed)
    except ValueError as error:
        raise ValueError(f'{bag.path}: {error}') from None


def stamp_ns_of(message: Any) -> int:
    """Return the header's stamp in nanoseconds."""
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def stamp_name(stamp_ns: int) -> str:
    """Return a stamp as seconds with nine decimals, which sorts as it passes."""
    return f'{stamp_ns // 10**9}.{stamp_ns % 10**9:09d}'
