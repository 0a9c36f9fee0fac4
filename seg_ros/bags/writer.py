# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Writing rosbag2 in mcap: a folder as ``ros2 bag`` makes it, or one .mcap file."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from seg_ros.bags.storage import typestore

if TYPE_CHECKING:
    from rosbags.interfaces import Connection, Qos

# the last metadata that Humble's rosbag2 reads, too: QoS as numbers in a string
METADATA_VERSION: Literal[8] = 8


class BagWriter:
    """Write serialized messages to a new rosbag2 (mcap) with their definitions embedded.

    A path that ends in .mcap becomes one file, any other a folder with metadata.yaml. The bag
    is complete after ``close()``, also after an error; a bag that exists is not overwritten
    (FileExistsError). Use as a context manager.
    """

    def __init__(self, path: str | Path) -> None:
        from rosbags.rosbag2 import StoragePlugin, Writer

        self.path = Path(path)
        if self.path.exists():
            raise FileExistsError(f'{self.path} exists already: remove it or choose another name')
        self._single = self.path.suffix == '.mcap'
        self._folder = self._working_folder()
        self._types = typestore()
        self._connections: dict[str, Connection] = {}
        self._writer: Any = Writer(
            self._folder, version=METADATA_VERSION, storage_plugin=StoragePlugin.MCAP
        )
        self._writer.open()
        self.message_counts: dict[str, int] = {}

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

    def write(self, topic: str, log_time_ns: int, data: bytes) -> None:
        """Write one serialized (CDR) message of a declared topic."""
        self._writer.write(self._connections[topic], log_time_ns, data)
        self.message_counts[topic] += 1

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


def register_installed_type(types: Any, message_type: str) -> None:
    """Add a type, and what it is made of, from the .msg files of the installed ROS packages."""
    from rosbags.typesys import get_types_from_msg

    file = _definition_file(message_type)
    found = get_types_from_msg(file.read_text(), message_type)
    for name in _referenced(found):
        if name not in types.fielddefs and name != message_type:
            register_installed_type(types, name)
    types.register(found)


def _definition_file(message_type: str) -> Path:
    package, _, name = message_type.split('/')
    for share in _shares(package):
        if (share / 'msg' / f'{name}.msg').is_file():
            return share / 'msg' / f'{name}.msg'
    raise ValueError(
        f'the definition of {message_type} is not to be found: install the package {package}'
    )


def _shares(package: str) -> Iterator[Path]:
    try:
        from ament_index_python.packages import get_package_share_directory

        yield Path(get_package_share_directory(package))
    except (ImportError, LookupError, OSError):
        # no ament index: ROS from wheels keeps its shares in the environment
        yield Path(sys.prefix) / 'share' / package


def _referenced(value: Any) -> set[str]:
    """Return every type name inside the nested field definitions."""
    if isinstance(value, str):
        return {value} if value.count('/') == 2 else set()
    if isinstance(value, dict):
        return set().union(*map(_referenced, value.values()), set())
    if isinstance(value, (tuple, list)):
        return set().union(*map(_referenced, value), set())
    return set()
