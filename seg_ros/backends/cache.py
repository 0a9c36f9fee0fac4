# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A folder that keeps exported networks and the backend chosen for each."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

LOGGER = logging.getLogger(__name__)
KEPT_FILES = 32


def default_cache_dir() -> Path:
    """Return $SEG_ROS_CACHE, else seg_ros in $XDG_CACHE_HOME or ~/.cache."""
    named = os.environ.get('SEG_ROS_CACHE')
    if named:
        return Path(named)
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'seg_ros'


class Cache:
    """Keep small files by key. A folder that cannot be written costs speed, never a failure."""

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = Path(folder) if folder is not None else default_cache_dir()

    def read_bytes(self, name: str) -> bytes | None:
        """Return a file's bytes, None where there is none."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all, so that two processes may share the folder."""
        target = self.folder / name
        draft = self.folder / f'.{name}.{os.getpid()}'
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_bytes(data)
            os.replace(draft, target)
            self._drop_oldest()
        except OSError as error:
            LOGGER.info('cache %s not written: %s', target, error)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return a JSON object, None where there is none or it is damaged."""
        data = self.read_bytes(name)
        try:
            value = json.loads(data) if data is not None else None
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Write a JSON object."""
        self.write_bytes(name, json.dumps(value, indent=1).encode())

    def discard(self, name: str) -> None:
        """Remove a file if it is there."""
        try:
            (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            LOGGER.info('cache %s not removed: %s', self.folder / name, error)

    def _drop_oldest(self) -> None:
        for suffix in ('.onnx', '.json'):
            files = sorted(self.folder.glob(f'*{suffix}'), key=lambda path: path.stat().st_mtime)
            for path in files[:-KEPT_FILES]:
                path.unlink(missing_ok=True)
