# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Read COCO JSON (cocodataset.org, "Data format") and check what it says without its images."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from seg_ros.core.io import COLOR_SUFFIXES, MAX_PIXELS
from seg_ros.evaluation.coco_metrics import BACKGROUND_NAMES

# Labels and classes are kept in 16-bit images elsewhere.
MAX_COUNT = 2**16 - 1
WITHOUT_MASK = 'without segmentation'
OF_BACKGROUND = 'of the class background'


@dataclass(frozen=True)
class CocoImage:
    """Describe an image: its id, its file relative to the data set, its size in pixels."""

    id: int
    file_name: str
    width: int
    height: int

    @property
    def name(self) -> str:
        """Return NAME: the file's path without -color.png or its ending."""
        for suffix in COLOR_SUFFIXES:
            if self.file_name.endswith(suffix):
                return self.file_name[:-len(suffix)]
        return str(PurePosixPath(self.file_name).with_suffix(''))


@dataclass(frozen=True)
class CocoContent:
    """Hold images by NAME, annotations by image id, and names by ascending category id.

    ``left_out`` counts the annotations that are not among them, by reason.
    """

    images: dict[str, CocoImage]
    annotations: dict[int, list[dict[str, Any]]]
    categories: dict[int, str]
    left_out: dict[str, int]


def read_coco(path: Path) -> CocoContent:
    """Read and check a COCO JSON file; ValueError names the file and what is wrong in it."""
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is no JSON, or it is cut off: {error}') from None
    try:
        return _content(document)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def _content(document: Any) -> CocoContent:
    lists = [_entries(document, key) for key in ('images', 'categories', 'annotations')]
    images = [_image(entry) for entry in lists[0]]
    _refuse_doubles('image id', (image.id for image in images))
    _refuse_doubles('NAME of an image', (image.name for image in images))
    categories = _categories(lists[1])
    background = {number for number, name in categories.items()
                  if name.lower() in BACKGROUND_NAMES}
    kept, left_out = _annotations(
        lists[2], {image.id for image in images}, categories, background)
    return CocoContent(
        {image.name: image for image in images}, kept,
        {number: name for number, name in categories.items() if number not in background},
        left_out)


def _entries(document: Any, key: str) -> list[dict[str, Any]]:
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ValueError(f'it must hold a list of objects under "{key}": COCO JSON of instances '
                         'has images, annotations and categories')
    return found


def _whole(entry: dict[str, Any], key: str, what: str) -> int:
    """Return a whole number of an entry; ValueError for anything else."""
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
        raise ValueError(f'{what} has {key} {value!r}: a whole number is needed')
    return int(value)


def _image(entry: dict[str, Any]) -> CocoImage:
    number = _whole(entry, 'id', 'an image')
    what = f'image {number}'
    width, height = _whole(entry, 'width', what), _whole(entry, 'height', what)
    file_name = entry.get('file_name')
    if not isinstance(file_name, str) or not file_name or '\0' in file_name:
        raise ValueError(f'{what} has file_name {file_name!r}: the name of a file is needed')
    parts = PurePosixPath(file_name)
    if parts.is_absolute() or '..' in parts.parts:
        raise ValueError(f'{what} has file_name {file_name!r}, which leaves the data set: names '
                         'are relative to the folder of the JSON or its images/')
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise ValueError(f'{what} ({file_name}) is said to be {width}x{height}: accepted are '
                         f'1x1 to {MAX_PIXELS} pixels')
    return CocoImage(number, str(parts), width, height)


def _categories(entries: list[dict[str, Any]]) -> dict[int, str]:
    found = [(_whole(entry, 'id', 'a category'), entry.get('name')) for entry in entries]
    for number, name in found:
        if not isinstance(name, str) or not name:
            raise ValueError(f'category {number} has the name {name!r}: text is needed')
    _refuse_doubles('category id', (number for number, _ in found))
    _refuse_doubles('category name', (name for _, name in found))
    if len(found) > MAX_COUNT:
        raise ValueError(f'{len(found)} categories: at most {MAX_COUNT} are read')
    return {number: str(name) for number, name in sorted(found)}


def _annotations(
    entries: list[dict[str, Any]], images: set[int], categories: dict[int, str],
    background: set[int],
) -> tuple[dict[int, list[dict[str, Any]]], dict[str, int]]:
    """Return the annotations with a mask by image, and how many are left out for what."""
    _refuse_doubles('annotation id', (_whole(entry, 'id', 'an annotation') for entry in entries))
    _refuse_unknown(entries, 'image_id', images)
    _refuse_unknown(entries, 'category_id', set(categories))
    kept: dict[int, list[dict[str, Any]]] = {}
    left_out: Counter[str] = Counter()
    for entry in entries:
        if not entry.get('segmentation'):
            left_out[WITHOUT_MASK] += 1
        elif entry['category_id'] in background:
            left_out[OF_BACKGROUND] += 1
        else:
            kept.setdefault(int(entry['image_id']), []).append(entry)
    for number, mine in kept.items():
        if len(mine) > MAX_COUNT:
            raise ValueError(
                f'image {number} has {len(mine)} instances: at most {MAX_COUNT} are read')
    return kept, dict(left_out)


def _refuse_doubles(what: str, values: Iterable[Any]) -> None:
    doubles = [value for value, count in Counter(values).items() if count > 1]
    if doubles:
        raise ValueError(f'{what} {doubles[0]!r} is used more than once ({len(doubles)} such '
                         'cases): they must be distinct')


def _refuse_unknown(entries: list[dict[str, Any]], key: str, known: set[int]) -> None:
    wrong = [entry for entry in entries
             if _whole(entry, key, f'annotation {entry["id"]}') not in known]
    if wrong:
        raise ValueError(
            f'annotation {wrong[0]["id"]} has {key} {wrong[0][key]}, which is not in the file '
            f'({len(wrong)} such annotations): take them out, or add what they belong to')
