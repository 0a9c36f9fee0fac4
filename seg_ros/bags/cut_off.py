# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recordings that were cut off, by a kill or a power cut: read as far as they go."""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import struct
from pathlib import Path

_MAGIC = b'\x89MCAP0\r\n'
# A data end of unknown checksum and a footer without summary: what ends an mcap without an index.
_END = (b'\x0f' + struct.pack('<QI', 4, 0) + b'\x02' + struct.pack('<QQQI', 20, 0, 0, 0) + _MAGIC)
_RECORD_HEAD = 9


class FinishedMcap:
    """Stand for the path of an .mcap file that was cut off; opens as if it had an end.

    The file is not changed; what follows its last whole record is left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.suffix = path.suffix
        self.name = path.name

    def exists(self) -> bool:
        """Return whether the file is there."""
        return self._path.exists()

    def is_dir(self) -> bool:
        """Return False: it is a file."""
        return False

    def open(self, mode: str = 'rb') -> io.BufferedReader:
        """Open the finished file for reading."""
        if mode != 'rb':
            raise ValueError(f'mode {mode!r}: a recording that was cut off is only read')
        return io.BufferedReader(_WithEnd(self._path))


class _WithEnd(io.RawIOBase):
    """Read a file up to its last whole record, then an end."""

    def __init__(self, path: Path) -> None:
        self._file = path.open('rb')
        self._whole = _whole_bytes(self._file)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position,
                 os.SEEK_END: self._whole + len(_END)}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._position < self._whole:
            self._file.seek(self._position)
            data = self._file.read(min(len(buffer), self._whole - self._position))
        else:
            start = self._position - self._whole
            data = _END[start:start + len(buffer)]
        buffer[:len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _whole_bytes(file: io.BufferedReader) -> int:
    """Return where the last whole record before a data end stops."""
    size = os.fstat(file.fileno()).st_size
    at = len(_MAGIC)
    while at + _RECORD_HEAD <= size:
        file.seek(at)
        kind, length = struct.unpack('<BQ', file.read(_RECORD_HEAD))
        if kind == 0x0F or at + _RECORD_HEAD + length > size:
            break
        at += _RECORD_HEAD + length
    return at


def is_cut_off(path: Path) -> bool:
    """Tell whether a file begins as an mcap and does not end as one."""
    if path.suffix != '.mcap' or path.stat().st_size < len(_MAGIC) + _RECORD_HEAD:
        return False
    with path.open('rb') as file:
        begin = file.read(len(_MAGIC))
        file.seek(-len(_MAGIC), os.SEEK_END)
        return begin == _MAGIC and file.read() != _MAGIC


def roll_back(path: Path) -> None:
    """Undo the half-done transaction of an sqlite3 file whose writer was killed, if there is one.

    Readers that take the file as it is would see damaged pages. Where it cannot be undone, on a
    read-only disk or while somebody writes, the file is left as it is.
    """
    if path.suffix != '.db3' or not path.with_name(path.name + '-journal').exists():
        return
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as database:
        database.execute('SELECT count(*) FROM sqlite_master').fetchone()
