# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""True objects for the COCO measures: of label images with classes, and of COCO JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seg_ros.core.classes import CLASSES_NAME, OPTIONS_NAME, SUPPORT, read_class_names
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.io import FrameFolder, read_classes
from seg_ros.evaluation.coco_metrics import CocoTruth
from seg_ros.evaluation.objects_file import OBJECTS_NAME, ObjectsFile
from seg_ros.evaluation.sources import Labels


class TruthSource(Protocol):
    """Give the true objects of frames; ``class_names[class_id - 1]`` names their classes."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes, () where the data set names none."""

    def truth(self, name: str) -> CocoTruth | None:
        """Return the true objects of a frame, None where nothing says what is true."""


class FolderTruth:
    """Read the NAME-labels.png of a folder of frames, with classes where it has them.

    Classes are those of NAME-classes.png and classes.json, as `seg_ros synthesize` writes them,
    else those of objects.json, else none.
    """

    def __init__(self, folder: FrameFolder) -> None:
        """Look for classes; ValueError for a classes.json or objects.json of another form."""
        self._folder = folder
        self._objects: ObjectsFile | None = None
        self.class_names: tuple[str, ...] = ()
        images = any((folder.folder / f'{name}-classes.png').exists() for name in folder.names)
        self._images = images and (folder.folder / CLASSES_NAME).exists()
        if self._images:
            self.class_names = _names_of(folder.folder)
        elif (folder.folder / OBJECTS_NAME).exists():
            self._objects = ObjectsFile(folder.folder / OBJECTS_NAME)
            self.class_names = self._objects.class_names

    def truth(self, name: str) -> CocoTruth | None:
        """Return the true objects of a frame; ValueError for one whose class is unsaid."""
        labels = self._folder.labels(name)
        if labels is None:
            return None
        return CocoTruth.from_labels(labels, self.class_ids(name, labels))

    def class_ids(self, name: str, labels: Labels) -> npt.ArrayLike | None:
        """Return the classes of a frame's objects by ascending label, None without classes."""
        if self._images:
            classes = read_classes(self._folder.folder / f'{name}-classes.png')
            return self._seen_classes(name, labels, classes)
        if self._objects is None or not self.class_names:
            return None
        values = np.unique(labels[labels > 0]).tolist()
        names = [entry['class'] for entry in self._objects.entries(name, values)]
        return [self.class_names.index(each) + 1 for each in names]

    def _seen_classes(
        self, name: str, labels: Labels, classes: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.integer]:
        """Return the class that most pixels of each object have, by ascending label."""
        path = self._folder.folder / f'{name}-classes.png'
        if labels.shape != classes.shape:
            raise ValueError(f'{path} and {name}-labels.png differ in size')
        objects = labels > 0
        values, rows = np.unique(labels[objects], return_inverse=True)
        pixels = np.bincount(rows * 256 + classes[objects], minlength=256 * len(values))
        ids = pixels.reshape(-1, 256).argmax(axis=1)
        wrong = (ids < 1) | (ids > len(self.class_names))
        if wrong.any():
            raise ValueError(
                f'{path}: objects {values[wrong].tolist()} are of class {ids[wrong].tolist()}, '
                f'classes.json names 1..{len(self.class_names)}')
        return ids


def _names_of(folder: Path) -> tuple[str, ...]:
    """Return the names of classes.json without the first, the background.

    In data of ``seg_ros synthesize`` the last one is what carries the objects: none of them.
    """
    names = read_class_names(folder / CLASSES_NAME)[1:]
    made = (folder / OPTIONS_NAME).exists()
    return names[:-1] if made and names[-1:] == (SUPPORT,) else names


class MaskViews(Protocol):
    """Give views with masks that may overlap, as seg_ros.training.coco_data.CocoFolder does."""

    names: list[str]
    class_names: tuple[str, ...]

    def item(self, name: str) -> Any:
        """Return a view: color, depth_m, camera, masks, class_ids, crowd, boxes_xywh, areas."""


class CocoFrames:
    """Give the frames and the truth of a COCO data set, to be scored like a folder."""

    def __init__(self, views: MaskViews) -> None:
        """Take an opened data set."""
        self._views = views
        self._last: tuple[str, Any] | None = None
        self.names: Sequence[str] = views.names
        self.class_names = tuple(views.class_names)

    def frame(self, name: str) -> RgbdFrame:
        """Return a frame."""
        view = self._view(name)
        return RgbdFrame(view.color, view.depth_m, view.camera, frame_id=name)

    def labels(self, name: str) -> Labels:
        """Return the true labels (H, W): smaller objects lie on larger ones, crowds on none."""
        view = self._view(name)
        return painted(view.masks[~view.crowd])

    def truth(self, name: str) -> CocoTruth:
        """Return the true objects of a frame, with the boxes and areas of the JSON."""
        view = self._view(name)
        return CocoTruth.from_masks(
            view.masks, view.class_ids, view.crowd, boxes_xywh=view.boxes_xywh, areas=view.areas)

    def _view(self, name: str) -> Any:
        # a frame is asked for its images, its labels and its masks: it is read once
        if self._last is None or self._last[0] != name:
            self._last = name, self._views.item(name)
        return self._last[1]


def painted(masks: npt.NDArray[np.bool_]) -> Labels:
    """Return labels (H, W) of masks (K, H, W): row k is k + 1, the smaller on the larger."""
    labels = np.zeros(masks.shape[1:], np.int32)
    areas = masks.sum(axis=(1, 2))
    for row in np.argsort(-areas, kind='stable'):
        labels[masks[row]] = row + 1
    return labels
