# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Finding the camera's topics in a bag by type and name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'

# results and other pictures that are no colour image of the camera
_NOT_COLOR = {'label', 'mask', 'overlay', 'confidence', 'infra', 'infra1', 'infra2', 'ir',
              'disparity', 'mono'}  # fmt: skip
_COLOR_NAMES = ('image_rect_color', 'image_rect', 'image_color', 'image_raw', 'image')
# the last part of a compressed image's topic, as image_transport names it
_TRANSPORTS = ('compressed', 'compressedDepth')
_ALIGNED = ('depth_registered', 'aligned_depth_to_color', 'depth_to_rgb', 'aligned_depth')


@dataclass(frozen=True)
class CameraTopics:
    """Name the topics of one RGB-D camera; depth and camera_info may be missing (None)."""

    color: str
    depth: str | None = None
    camera_info: str | None = None

    def names(self) -> list[str]:
        """Return the topics that are there."""
        return [name for name in (self.color, self.depth, self.camera_info) if name]


def choose_topics(
    topics: Iterable[tuple[str, str]],
    color: str | None = None,
    depth: str | None = None,
    camera_info: str | None = None,
    *,
    compressed: bool = False,
) -> CameraTopics:
    """Return the camera's topics among (name, type) pairs; names that are given are kept.

    Registered depth is preferred to raw depth, rectified colour to raw colour, and the
    camera_info beside the colour topic to others; with ``compressed`` compressed images are taken
    where there are no raw ones. Raises ValueError that lists the candidates
    for a name that is not there, for no colour topic and for several equally good ones.
    """
    pairs = list(dict.fromkeys(topics))
    kinds = (IMAGE, COMPRESSED) if compressed else (IMAGE,)
    images = [name for name, kind in pairs if kind in kinds]
    infos = [name for name, kind in pairs if kind == CAMERA_INFO]
    chosen_color = _given(color, images, 'colour') or _best(
        [(_color_rank(name), name) for name in images if _is_color(name)],
        'colour', '--color-topic',
    )  # fmt: skip
    if chosen_color is None:
        raise ValueError(f'no colour image topic among {_listed(pairs)}: name it by --color-topic')
    chosen_depth = _given(depth, images, 'depth') or _best(
        [(_depth_rank(name, chosen_color), name) for name in images
         if 'depth' in name.lower() and name != chosen_color and not _is_result(name)],
        'depth', '--depth-topic',
    )  # fmt: skip
    chosen_info = _given(camera_info, infos, 'camera_info') or _best(
        [(_info_rank(name, chosen_color, chosen_depth), name) for name in infos],
        'camera_info', '--camera-info-topic',
    )  # fmt: skip
    return CameraTopics(chosen_color, chosen_depth, chosen_info)


def _given(name: str | None, known: list[str], what: str) -> str | None:
    if name is not None and name not in known:
        raise ValueError(
            f'{what} topic {name} is not in the bag: of that type it has '
            f'{", ".join(known) or "none"}'
        )
    return name


def _best(ranked: list[tuple[tuple[int, ...], str]], what: str, option: str) -> str | None:
    ranked = sorted(ranked)
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        equal = [name for rank, name in ranked if rank == ranked[0][0]]
        raise ValueError(f'several {what} topics: {", ".join(equal)}; choose by {option}')
    return ranked[0][1] if ranked else None


def without_transport(name: str) -> str:
    """Return the base name of a compressed image's topic, and any other as it is."""
    base, _, last = name.rpartition('/')
    return base if last in _TRANSPORTS else name


def _is_packed(name: str) -> int:
    return int(without_transport(name) != name)


def _is_plain_png(name: str) -> int:
    """Rank depth of the transport 'compressed' last: it may be a jpeg."""
    return int(name.endswith('/compressed'))


def _is_color(name: str) -> bool:
    return 'depth' not in name.lower() and not _is_result(name)


def _is_result(name: str) -> bool:
    return bool(_NOT_COLOR & set(name.lower().strip('/').split('/')))


def _color_rank(name: str) -> tuple[int, ...]:
    parts = without_transport(name).lower().strip('/').split('/')
    place = _COLOR_NAMES.index(parts[-1]) if parts[-1] in _COLOR_NAMES else len(_COLOR_NAMES)
    return (0 if {'rgb', 'color'} & set(parts) else 1, _is_packed(name), place)


def _depth_rank(name: str, color: str) -> tuple[int, ...]:
    parts = name.lower().strip('/').split('/')
    aligned = any(part in _ALIGNED for part in parts)
    packed = (_is_packed(name), _is_plain_png(name))
    return (0 if aligned else 1, *packed, -_shared_parts(name, color))


def _info_rank(name: str, color: str, depth: str | None) -> tuple[int, ...]:
    folder = name.rsplit('/', 1)[0]
    beside_color = folder == without_transport(color).rsplit('/', 1)[0]
    beside_depth = depth is not None and folder == without_transport(depth).rsplit('/', 1)[0]
    return (0 if beside_color else 1 if beside_depth else 2, -_shared_parts(name, color))


def _shared_parts(first: str, second: str) -> int:
    pairs = zip(first.split('/'), second.split('/'), strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), 10)


def _listed(pairs: list[tuple[str, str]]) -> str:
    return ', '.join(f'{name} ({kind})' for name, kind in pairs) or 'no topics at all'
