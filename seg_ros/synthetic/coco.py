# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Export a data set's instances as COCO JSON (cocodataset.org, "Data format")."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_ros.core.classes import CLASSES_NAME, SURFACES, read_class_names
from seg_ros.core.io import FrameFolder, read_classes, read_labels, write_atomically

COCO_NAME = 'annotations.json'


def write_coco(folder: str | Path) -> Path:
    """Write annotations.json for every frame of a data set that has labels; returns its path.

    Masks are uncompressed run lengths, which pycocotools reads; boxes are (x, y, w, h) pixels.
    Image entries carry the intrinsics (fx, fy, cx, cy) beside COCO's own fields, annotations the
    object's label. Categories are the kinds of objects, those of classes.json without background
    and table. Raises ValueError for a folder without classes.json.
    """
    folder = Path(folder)
    names = _class_names(folder)
    frames = FrameFolder(folder)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, name in enumerate(frames.names, start=1):
        labels = read_labels(folder / f'{name}-labels.png')
        classes = read_classes(folder / f'{name}-classes.png')
        if labels.shape != classes.shape:
            raise ValueError(f'{folder / name}: -labels.png and -classes.png differ in size')
        images.append(_image(number, name, labels.shape, frames))
        for entry in annotations_of(labels, classes):
            annotations.append({'id': len(annotations) + 1, 'image_id': number, **entry})
    content = {
        'info': {'description': 'synthetic scenes by seg_ros', 'version': '1'},
        'images': images,
        'annotations': annotations,
        'categories': [{'id': index, 'name': name, 'supercategory': 'object'}
                       for index, name in enumerate(names) if name not in SURFACES],
    }
    path = folder / COCO_NAME
    write_atomically(path, json.dumps(content, separators=(',', ':')).encode())
    return path


def _class_names(folder: Path) -> tuple[str, ...]:
    path = folder / CLASSES_NAME
    try:
        return read_class_names(path)
    except FileNotFoundError as error:
        raise ValueError(
            f'{path} is missing: COCO needs the classes of a data set of format 2 or newer; '
            'make it again with seg_ros synthesize') from error


def _image(number: int, name: str, shape: tuple[int, ...], frames: FrameFolder) -> dict[str, Any]:
    entry: dict[str, Any] = {
        'id': number, 'file_name': f'{name}-color.png', 'width': shape[1], 'height': shape[0]}
    camera = frames.camera(name)
    if camera is not None:
        entry |= {key: getattr(camera, key) for key in ('fx', 'fy', 'cx', 'cy')}
    return entry


def annotations_of(
    labels: NDArray[np.integer], classes: NDArray[np.integer]
) -> Iterator[dict[str, Any]]:
    """Yield the COCO entry of every object of labels (H, W), by ascending label."""
    for label in np.unique(labels[labels > 0]):
        mask = labels == label
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        x, y = int(columns[0]), int(rows[0])
        yield {
            'category_id': int(classes[mask][0]),
            'label': int(label),
            'area': int(mask.sum()),
            'bbox': [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1],
            'iscrowd': 0,
            'segmentation': {'size': list(mask.shape), 'counts': run_lengths(mask)},
        }


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of the runs of a mask (H, W) down its columns, zeros first."""
    flat = mask.ravel(order='F')
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    counts = np.diff(edges).tolist()
    return [0, *counts] if flat[0] else counts
