# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Read data sets in COCO format as views with masks."""

from __future__ import annotations

import logging
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import read_camera, read_color, read_depth
from seg_ros.training.coco_json import CocoContent, CocoImage, read_coco
from seg_ros.training.coco_masks import mask_of

logger = logging.getLogger(__name__)

JSON_NAMES = ('annotations.json', 'instances.json')
# A few images may be missing; more than this share, and the data set is broken.
MISSING_SHARE = 0.05
# The masks of a view are in memory together, a byte a pixel.
MAX_MASK_BYTES = 2**32
WITHOUT_AREA = 'without area'


@dataclass(frozen=True, eq=False)
class CocoView:
    """Hold a view and its objects, which may overlap, in rows that share length K.

    color (H, W, 3) uint8 RGB; depth_m (H, W) float32 metres with NaN, or None; masks (K, H, W)
    bool; class_ids (K,) int32 from 1; crowd (K,) bool marks regions of many objects, to be
    ignored; boxes_xywh (K, 4) and areas (K,) float64 in pixels are those of the JSON, or of the
    mask where the JSON has none with an area.
    """

    color: npt.NDArray[np.uint8]
    depth_m: npt.NDArray[np.float32] | None
    camera: CameraModel | None
    masks: npt.NDArray[np.bool_]
    class_ids: npt.NDArray[np.int32]
    crowd: npt.NDArray[np.bool_]
    boxes_xywh: npt.NDArray[np.float64]
    areas: npt.NDArray[np.float64]


class CocoFolder:
    """List and read the views of a data set in COCO format.

    ``path`` is a JSON file, or a folder with annotations.json or instances.json; images lie
    relative to the JSON's folder or in images/ beside it. Beside NAME-color.png may lie
    NAME-depth.png with NAME-camera.json or camera.json. Class id k is ``class_names[k - 1]`` and
    the JSON's category ``category_ids[k - 1]``, by ascending category; the background has no
    entry.
    """

    def __init__(self, path: str | Path) -> None:
        """Read the JSON; FileNotFoundError for none, ValueError for a bad one or lost images."""
        self.path = _json_path(Path(path))
        self.folder = self.path.parent
        content = read_coco(self.path)
        self.class_names = tuple(content.categories.values())
        self.category_ids = tuple(content.categories)
        self._class_of = {number: row for row, number in enumerate(self.category_ids, start=1)}
        self._images, self._annotations = content.images, content.annotations
        self._left_out = Counter(content.left_out)
        self._empty: set[int] = set()
        self._files = self._found_files(content)
        self.missing = len(content.images) - len(self._files)
        self.names = sorted(self._files)
        for reason, count in content.left_out.items():
            logger.warning('%s: %d annotations %s are left out', self.path, count, reason)

    def __len__(self) -> int:
        """Return the number of views."""
        return len(self.names)

    def refresh(self) -> None:
        """Do nothing: the JSON says what there is; other data sets grow."""

    def describe(self) -> dict[str, Any]:
        """Return what a card says of the data set; left_out grows while views are read."""
        return {
            'folder': self.folder.name, 'annotations': self.path.name, 'views': len(self.names),
            'classes': len(self.class_names), 'missing': self.missing,
            'left_out': dict(self._left_out)}

    def item(self, name: str) -> CocoView:
        """Read one view; ValueError names the file or annotation that is wrong."""
        image, path = self._images[name], self._files[name]
        color = read_color(path)
        if color.shape[:2] != (image.height, image.width):
            raise ValueError(f'{path} is {color.shape[1]}x{color.shape[0]}, {self.path.name} says '
                             f'{image.width}x{image.height}: they must agree')
        frame = _frame(path.parent / Path(name).name, color)
        entries, masks = self._masks(image)
        boxes = [_box_of(entry, mask) for entry, mask in zip(entries, masks, strict=True)]
        areas = [_area_of(entry, mask) for entry, mask in zip(entries, masks, strict=True)]
        return CocoView(
            frame.color, frame.depth, frame.camera, masks,
            np.array([self._class_of[int(entry['category_id'])] for entry in entries], np.int32),
            np.array([bool(entry.get('iscrowd')) for entry in entries], bool),
            np.array(boxes, np.float64).reshape(-1, 4), np.array(areas, np.float64))

    def _masks(self, image: CocoImage) -> tuple[list[dict[str, Any]], npt.NDArray[np.bool_]]:
        """Return the annotations that cover a pixel, and their masks."""
        entries = self._annotations.get(image.id, [])
        shape = (len(entries), image.height, image.width)
        if math.prod(shape) > MAX_MASK_BYTES:
            raise ValueError(f'{image.file_name}: {len(entries)} masks of {image.width}x'
                             f'{image.height} take more than {MAX_MASK_BYTES} bytes')
        masks = np.zeros(shape, bool)
        for row, entry in enumerate(entries):
            try:
                masks[row] = mask_of(entry['segmentation'], image.height, image.width)
            except ValueError as error:
                raise ValueError(f'{self.path}: annotation {entry["id"]}: {error}') from None
        rows = np.flatnonzero(masks.any(axis=(1, 2)))
        if len(rows) == len(entries):
            return entries, masks
        self._note_empty(image, [entries[row]['id'] for row in set(range(len(entries))) - {*rows}])
        return [entries[row] for row in rows], masks[rows]

    def _note_empty(self, image: CocoImage, ids: list[int]) -> None:
        """Count annotations that cover no pixel, once however often the view is read."""
        new = set(ids) - self._empty
        if new:
            self._empty |= new
            self._left_out[WITHOUT_AREA] = len(self._empty)
            logger.warning('%s: %d annotations of %s cover no pixel and are left out',
                           self.path, len(new), image.file_name)

    def _found_files(self, content: CocoContent) -> dict[str, Path]:
        """Return the files of the images by NAME; ValueError where too many are missing."""
        found, lost = {}, []
        for name, image in content.images.items():
            places = (self.folder / image.file_name, self.folder / 'images' / image.file_name)
            path = next((place for place in places if place.is_file()), None)
            if path is None:
                lost.append(image.file_name)
            else:
                found[name] = path
        if not content.images:
            raise ValueError(f'{self.path} names no images')
        if lost:
            said = (f'{len(lost)} of the {len(content.images)} images of {self.path} are neither '
                    f'beside it nor in images/, the first is {lost[0]}')
            if len(lost) > MISSING_SHARE * len(content.images):
                raise ValueError(f'{said}: at most {100 * MISSING_SHARE:g} % may be missing')
            logger.warning('%s: they are left out', said)
        return found


def _json_path(path: Path) -> Path:
    """Return the JSON of a path that is one or the folder of one."""
    if path.is_file():
        return path
    if not path.exists():
        raise FileNotFoundError(f'{path}: no such file or folder')
    found = next((path / name for name in JSON_NAMES if (path / name).is_file()), None)
    if found is None:
        raise FileNotFoundError(
            f'{path} holds no {" or ".join(JSON_NAMES)}: give the path of the COCO JSON, or make '
            'some: seg_ros synthesize --coco')
    return found


def _frame(base: Path, color: npt.NDArray[np.uint8]) -> RgbdFrame:
    """Return the frame with depth and camera where they lie beside NAME; errors name it."""
    cameras = (Path(f'{base}-camera.json'), base.parent / 'camera.json')
    camera_path = next((path for path in cameras if path.exists()), None)
    camera = None if camera_path is None else read_camera(camera_path)
    depth_path = Path(f'{base}-depth.png')
    depth_m = read_depth(depth_path) if depth_path.exists() else None
    if depth_m is not None and camera is None:
        raise ValueError(f'{depth_path} needs {cameras[0].name} or camera.json beside it')
    try:
        return RgbdFrame(color, depth_m, camera)
    except ValueError as error:
        raise ValueError(f'{base}: {error}') from None


def _box_of(entry: dict[str, Any], mask: npt.NDArray[np.bool_]) -> list[float]:
    """Return (x, y, w, h) of an annotation, of its mask where it has no box with an area."""
    box = entry.get('bbox')
    if isinstance(box, list) and len(box) == 4:
        values = [_number(value) for value in box]
        if np.isfinite(values).all() and values[2] > 0 and values[3] > 0:
            return values
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = float(columns[0]), float(rows[0])
    return [x, y, columns[-1] + 1 - x, rows[-1] + 1 - y]


def _area_of(entry: dict[str, Any], mask: npt.NDArray[np.bool_]) -> float:
    area = _number(entry.get('area'))
    return area if area > 0 else float(mask.sum())


def _number(value: Any) -> float:
    """Return a number, NaN for what is none or beyond any image."""
    usable = isinstance(value, int | float) and abs(value) < 1e12
    return float(value) if usable else math.nan
