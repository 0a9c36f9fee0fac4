# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Opening rosbag2 files: what counts as a bag, its messages, its errors."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seg_ros.bags.cut_off import FinishedMcap, is_cut_off, roll_back

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.typesys.store import Typestore

BAG_SUFFIXES = ('.mcap', '.db3')


def is_bag(path: str | Path) -> bool:
    """Tell whether the path is a rosbag2: a .mcap or .db3 file, or a folder that holds one."""
    path = Path(path)
    if path.is_dir():
        return (path / 'metadata.yaml').is_file() or len(_bag_files(path)) > 0
    return path.suffix in BAG_SUFFIXES


def _bag_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in BAG_SUFFIXES)


class Bag:
    """Read a rosbag2, in storage order of time, one message in memory at a time.

    Use as a context manager. Raises FileNotFoundError for no such path and ValueError, with
    the path and the reason, for what is not a readable bag.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(f'{self.path}: no such bag')
        self._reader: Any = None

    def __enter__(self) -> Bag:
        reader_type, errors = _rosbags_reader()
        with self._named(errors):
            self._reader = reader_type(_finished(_readable(self.path)))
            self._reader.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    @property
    def connections(self) -> list[Connection]:
        """Return topic, type, QoS and message count of every connection."""
        return list(self._reader.connections)

    def messages(
        self, topics: Collection[str] | None = None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield (connection, log time in ns, serialized message) of the topics, or of all."""
        chosen = [c for c in self.connections if topics is None or c.topic in topics]
        if not chosen:
            return
        _, errors = _rosbags_reader()
        with self._named(errors):
            yield from self._reader.messages(chosen)

    @contextmanager
    def _named(self, errors: tuple[type[Exception], ...]) -> Iterator[None]:
        try:
            yield
        except errors as error:
            raise ValueError(f'{self.path} is not a readable rosbag2: {error}') from None


def _readable(path: Path) -> Path:
    """Return the one storage file of a folder whose recording ended before its metadata."""
    if path.is_dir() and not (path / 'metadata.yaml').is_file():
        files = _bag_files(path)
        if len(files) != 1:
            raise ValueError(
                f'{path} holds no metadata.yaml and {len(files)} bag files: name one of the files'
            )
        return files[0]
    return path


def _finished(path: Path) -> Path | FinishedMcap:
    """Return what reads a file whose writer was killed, as far as it goes."""
    if path.is_file():
        roll_back(path)
        if is_cut_off(path):
            return FinishedMcap(path)
    return path


def _rosbags_reader() -> tuple[Any, tuple[type[Exception], ...]]:
    try:
        from rosbags.rosbag2 import Reader, ReaderError
    except ImportError:
        raise ImportError('bags need the package rosbags: pip install rosbags') from None
    # damaged files surface as these from the library's own parsing
    return Reader, (ReaderError, AssertionError, EOFError, IndexError, KeyError, UnicodeError,
                    TypeError)


def typestore() -> Typestore:
    """Return the message definitions that bags are read and written with."""
    try:
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise ImportError('bags need the package rosbags: pip install rosbags') from None
    return get_typestore(Stores.ROS2_HUMBLE)
