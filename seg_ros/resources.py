# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Files that ship with the package but stand outside its modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

_SHARE = Path('share') / 'seg_ros' / 'config'


def config_path(name: str) -> Path:
    """Return the path of a file of ``config/``, such as 'fastdds_images.xml'.

    Looked for in a source checkout, in the ament share of a colcon workspace and under the
    prefix of a pip installation. Raises FileNotFoundError that names these places.
    """
    places = list(_config_folders())
    for folder in places:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f'{name} is in none of {", ".join(map(str, places))}: install seg_ros by pip or colcon, '
        'or run from its checkout'
    )


def _config_folders() -> Iterator[Path]:
    checkout = Path(__file__).resolve().parent.parent
    # a checkout has the manifest beside the package; site-packages may hold a foreign config/
    if (checkout / 'package.xml').is_file():
        yield checkout / 'config'
    try:
        from ament_index_python.packages import get_package_share_directory

        yield Path(get_package_share_directory('seg_ros')) / 'config'
    except (ImportError, LookupError, OSError):  # OSError: AMENT_PREFIX_PATH is not set
        pass
    for prefix in dict.fromkeys((sys.prefix, sys.base_prefix)):
        yield Path(prefix) / _SHARE
