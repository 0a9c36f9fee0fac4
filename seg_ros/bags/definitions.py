# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Message definitions: those that a bag holds, that ROS packages install, and their hashes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

# What ROS 2 shows for a type whose hash nobody has said.
UNKNOWN_HASH = 'INVALID'


def definition_of(connection: Connection, types: Any) -> tuple[str, str]:
    """Return definition and hash (RIHS01) of a bag's connection, as far as they can be had.

    The bag's own come first; bags of sqlite3 from Humble hold none, then the library's or the
    installed package's are taken. A type that nobody knows has '' and UNKNOWN_HASH: its messages
    can be copied all the same.
    """
    data, name = connection.msgdef.data, connection.msgtype
    if data:
        return data, connection.digest or _hash_of(data, name)
    try:
        if name not in types.fielddefs:
            register_installed_type(types, name)
    except ValueError:
        return '', connection.digest or UNKNOWN_HASH
    return types.generate_msgdef(name, ros_version=2)[0], types.hash_rihs01(name)


def _hash_of(definition: str, message_type: str) -> str:
    from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg
    from rosbags.typesys import get_typestore as empty_store

    is_idl = definition.startswith('=' * 80 + '\nIDL: ')
    try:
        types = empty_store(Stores.EMPTY)
        types.register(get_types_from_idl(definition) if is_idl
                       else get_types_from_msg(definition, message_type))
        return str(types.hash_rihs01(message_type))
    except (TypesysError, ValueError, KeyError):
        return UNKNOWN_HASH


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
