# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Writing rosbag2 in mcap or sqlite3: a folder as ``ros2 bag`` makes it, or one file."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from seg_ros.bags.definitions import definition_of, register_installed_type
from seg_ros.bags.storage import BAG_SUFFIXES, typestore

if TYPE_CHECKING:
    from rosbags.interfaces import Connection, Qos

# the last metadata that Humble's rosbag2 reads, too: QoS as numbers in a string
METADATA_VERSION: Literal[8] = 8
STORAGES = ('mcap', 'sqlite3')
_SUFFIXES = dict(zip(STORAGES, BAG_SUFFIXES, strict=True))
# What a kill may lose of an sqlite3 bag.
_COMMIT_S = 1.0


def is_bag_output(path: Path, storage: str | None = None) -> bool:
    """Tell whether an output is to become a bag: by its suffix or a storage that is named."""
    return storage is not None or path.suffix in BAG_SUFFIXES


class BagWriter:
    """Write serialized messages to a new rosbag2 with their definitions embedded.

    A path that ends in .mcap or .db3 becomes one file, any other a folder with metadata.yaml of
    the ``storage`` 'mcap' or 'sqlite3'. The bag is complete after ``close()``, also after an
    error; after a kill, ``Bag`` reads what was written up to a second before. A bag that exists is
    not overwritten (FileExistsError). Use as a context manager.
    """

    def __init__(self, path: str | Path, storage: str | None = None) -> None:
        from rosbags.rosbag2 import StoragePlugin, Writer

        self.path = Path(path)
        if self.path.exists():
            raise FileExistsError(f'{self.path} exists already: remove it or choose another name')
        self._single = self.path.suffix in BAG_SUFFIXES
        self.storage = _storage_of(self.path, storage)
        self._folder = self._working_folder()
        self._types = typestore()
        self._connections: dict[str, Connection] = {}
        self._copied: dict[int, Connection] = {}
        self._writer: Any = Writer(
            self._folder, version=METADATA_VERSION,
            storage_plugin=StoragePlugin[self.storage.upper()])
        self._writer.open()
        self._committed_s = time.monotonic()
        self.message_counts: dict[str, int] = {}
        self.bytes_written = 0

    def _working_folder(self) -> Path:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._single:
            return self.path
        # the folder's name is the file's name in the metadata inside the file
        temporary = tempfile.mkdtemp(dir=self.path.parent, prefix=f'.{self.path.stem}.')
        return Path(temporary) / self.path.stem

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_topic(self, topic: str, message_type: str, qos: Sequence[Qos] = ()) -> None:
        """Declare a topic by its type such as 'sensor_msgs/msg/Image' and its publishers' QoS.

        Raises ValueError for a type whose definition is not to be found.
        """
        if message_type not in self._types.fielddefs:
            register_installed_type(self._types, message_type)
        self._connections[topic] = self._writer.add_connection(
            topic, message_type, typestore=self._types, offered_qos_profiles=list(qos)
        )
        self.message_counts[topic] = 0

    def add_connection(self, connection: Connection) -> None:
        """Declare a connection of another bag with its type, definition and QoS, to be copied."""
        from rosbags.rosbag2 import WriterError

        definition, digest = definition_of(connection, self._types)
        ext: Any = connection.ext
        try:
            copied = self._writer.add_connection(
                connection.topic, connection.msgtype, msgdef=definition, rihs01=digest,
                serialization_format=ext.serialization_format,
                offered_qos_profiles=list(ext.offered_qos_profiles))
        except WriterError:
            # The parts of a split recording may declare the same connection.
            copied = next(known for known in self._writer.connections if (
                known.topic, known.msgtype) == (connection.topic, connection.msgtype))
        self._copied[connection.id] = copied
        self.message_counts.setdefault(connection.topic, 0)

    def write_copy(self, connection: Connection, log_time_ns: int, data: bytes) -> None:
        """Write a message of a connection that was added, byte for byte."""
        self._write(self._copied[connection.id], log_time_ns, data)

    def write(self, topic: str, log_time_ns: int, data: bytes) -> None:
        """Write one serialized (CDR) message of a declared topic."""
        self._write(self._connections[topic], log_time_ns, data)

    def _write(self, connection: Connection, log_time_ns: int, data: bytes) -> None:
        self._writer.write(connection, log_time_ns, data)
        self.message_counts[connection.topic] += 1
        self.bytes_written += len(data)
        if self.storage == 'sqlite3' and time.monotonic() - self._committed_s > _COMMIT_S:
            self._writer.storage.conn.commit()
            self._committed_s = time.monotonic()

    def write_message(self, topic: str, log_time_ns: int, message: Any) -> None:
        """Serialize a message of the rosbags library and write it."""
        data = self._types.serialize_cdr(message, self._connections[topic].msgtype)
        self.write(topic, log_time_ns, bytes(data))

    @property
    def types(self) -> dict[str, type]:
        """Return the message classes by name that ``write_message`` takes."""
        return dict(self._types.types)

    def close(self) -> None:
        """Finish the bag: index, metadata and, for a single file, its final name."""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        writer.close()
        if self._single:
            (self._folder / self.path.name).replace(self.path)
            shutil.rmtree(self._folder.parent)


def _storage_of(path: Path, storage: str | None) -> str:
    """Return the storage of a path and a wish; ValueError where they contradict each other."""
    named = next((name for name, suffix in _SUFFIXES.items() if path.suffix == suffix), None)
    chosen = storage or named or STORAGES[0]
    if chosen not in STORAGES:
        raise ValueError(f'storage is {chosen!r}: {" and ".join(STORAGES)} are accepted')
    if named is not None and chosen != named:
        raise ValueError(f'{path} is of storage {named} by its suffix, asked for is {chosen}')
    return chosen
