# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the node's name should be, from its arguments."""

from __future__ import annotations

from pathlib import Path

import yaml

from seg_ros.segmenters import DEFAULT_METHOD, METHODS


def method_from_arguments(arguments: list[str]) -> str:
    """Return the method that ROS arguments set, for the node's default name.

    A node is named before its parameters are read: ``-p method:=M`` and ``/**`` of
    ``--params-file`` are looked at here, the last one holds. An unknown method or a file that
    cannot be read is reported when rclpy reads it; here it gives the default.
    """
    method = DEFAULT_METHOD
    for flag, value in zip(arguments, arguments[1:], strict=False):
        if flag in ('-p', '--param') and value.startswith('method:='):
            method = value.removeprefix('method:=').strip('\'"')
        elif flag == '--params-file':
            method = _method_in(Path(value)) or method
    return method if method in METHODS else DEFAULT_METHOD


def _method_in(path: Path) -> str | None:
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
        return content['/**']['ros__parameters'].get('method')
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError):
        return None
