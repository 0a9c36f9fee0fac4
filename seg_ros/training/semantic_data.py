# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Read data for semantic segmentation: folders of views and PASCAL VOC's layout, their classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from seg_ros.core.classes import CLASSES_NAME, read_class_names
from seg_ros.core.io import read_camera, read_color, read_depth, read_labels
from seg_ros.evaluation.class_truth import VOC_SPLITS, VocFolder, checked_classes, is_voc
from seg_ros.evaluation.semantic_metrics import are_objects
from seg_ros.networks.preprocessing import Preprocessing
from seg_ros.semantic.class_groups import IGNORED, ClassGroups, groups_for
from seg_ros.training.data import DrawnBatches, Joined, ViewFolder, ViewSet
from seg_ros.training.detection_samples import camera_or_any
from seg_ros.training.parallel import Team
from seg_ros.training.samples import View, with_sensor_noise
from seg_ros.training.semantic_options import SemanticTrainOptions
from seg_ros.training.semantic_samples import (
    ClassView,
    SemanticSample,
    semantic_sample,
    whole_semantic_sample,
)

# Colour and XYZ (B, 3, h, w), classes (B, h, w) int64, border weights (B, h, w).
SemanticBatch = tuple[Tensor, Tensor, Tensor, Tensor]


class ClassSource(ViewSet, Protocol):
    """A data set whose pixels have classes; ``class_names`` name them by number."""

    class_names: tuple[str, ...]

    def class_view(self, name: str) -> ClassView:
        """Read a view; its classes are numbers of ``class_names``, or 255."""
        ...


class FolderClasses(ViewFolder):
    """Read a folder of views with NAME-classes.png and classes.json; depth may be missing."""

    truth = '-classes.png'

    def __init__(self, folder: Path, sensor_noise: str) -> None:
        """Open the folder; ValueError or FileNotFoundError where it has no names of classes."""
        super().__init__(folder, sensor_noise)
        path = self.folder / CLASSES_NAME
        if not path.exists():
            raise FileNotFoundError(f'{path} is missing: a list of the names of the classes')
        self.class_names = read_class_names(path)
        self._objects = are_objects(self.class_names)

    def class_view(self, name: str) -> ClassView:
        """Read a view and its classes; errors name the file."""
        base = self.folder / name
        classes = checked_classes(Path(f'{base}-classes.png'), self.class_names)
        color = read_color(self.folder / self._color[name])
        depth, labels = Path(f'{base}-depth.png'), Path(f'{base}-labels.png')
        camera = next((read_camera(path) for path in (
            Path(f'{base}-camera.json'), self.folder / 'camera.json') if path.exists()), None)
        if depth.exists() and camera is None:
            raise ValueError(f'{depth} needs NAME-camera.json or camera.json beside it')
        view = View(
            color, read_depth(depth) if depth.exists() else _no_depth(color),
            read_labels(labels) if labels.exists() else _object_pixels(classes, self._objects),
            camera_or_any(camera, color.shape[:2]), clean=self.noisy and depth.exists())
        return _checked(ClassView(view, classes, labels.exists()), str(base))


class VocClasses:
    """Read a split of a folder in PASCAL VOC's layout."""

    def __init__(self, folder: Path, split: str) -> None:
        """Open it; errors as VocFolder."""
        self._folder = VocFolder(folder, split)
        self._split = split
        self.class_names = self._folder.class_names
        self._objects = are_objects(self.class_names)

    @property
    def names(self) -> list[str]:
        """Return the names of the images."""
        return self._folder.names

    def class_view(self, name: str) -> ClassView:
        """Read an image and its classes; errors name the file."""
        classes = self._folder.classes(name)
        if classes is None:
            raise FileNotFoundError(
                f'{self._folder.folder}/SegmentationClass/{name}.png is missing')
        color, labels = self._folder.frame(name).color, self._folder.labels(name)
        objects = _object_pixels(classes, self._objects) if labels is None else labels
        view = View(color, _no_depth(color), objects, camera_or_any(None, color.shape[:2]), False)
        return _checked(ClassView(view, classes, labels is not None), name)

    def refresh(self) -> None:
        """Do nothing: a list does not grow."""

    def describe(self) -> dict[str, Any]:
        """Return what is known of the data set."""
        return {'folder': self._folder.folder.name, 'views': len(self.names), 'noise': False,
                'format': f'VOC, {self._split}'}


def _no_depth(color: np.ndarray) -> Any:
    return np.full(color.shape[:2], np.nan, np.float32)


def _object_pixels(classes: np.ndarray, objects: np.ndarray) -> Any:
    """Return 1 where a class is an object's, else 0: where crops are to look."""
    table = np.zeros(256, np.int32)
    table[:len(objects)] = objects
    return table[classes] * (classes != IGNORED)


def _checked(item: ClassView, source: str) -> ClassView:
    view = item.view
    shapes = {view.color.shape[:2], view.depth_m.shape, view.labels.shape, item.classes.shape,
              (view.camera.height, view.camera.width)}
    if len(shapes) != 1:
        raise ValueError(f'{source}: colour, classes, depth, labels and camera differ in size: '
                         f'{sorted(shapes)}')
    return item


def open_class_source(folder: Path, part: str, sensor_noise: str) -> ClassSource:
    """Open the part (train or val) of a data set: a folder in it, or a split of VOC's lists."""
    if is_voc(folder):
        return VocClasses(folder, part)
    return FolderClasses(folder / part, sensor_noise)


def has_part(folder: Path, part: str) -> bool:
    """Return whether a data set has a part."""
    return (folder / part).is_dir() or (folder / VOC_SPLITS / f'{part}.txt').is_file()


class ClassSources(Joined[ClassSource, ClassView]):
    """Join data sets; their classes are grouped by name."""

    def __init__(
        self, sources: Sequence[ClassSource], shares: Sequence[float] | None = None,
        classes: str = 'auto', groups: ClassGroups | None = None,
    ) -> None:
        """Take data sets, as Joined does, and the option ``classes`` or the groups themselves.

        ValueError for names that no class takes.
        """
        super().__init__(sources, shares)
        every = list(dict.fromkeys(name for each in self.sets for name in each.class_names))
        self.groups = groups_for(classes, every) if groups is None else groups
        self.class_names = self.groups.class_names
        self._tables = [
            self.groups.numbers(each.class_names, each.describe()['folder'])
            for each in self.sets]

    def read(self, of: ClassSource, name: str) -> ClassView:
        """Read a view, its classes numbered as those of all data sets together."""
        item = of.class_view(name)
        place = next(place for place, each in enumerate(self.sets) if each is of)
        return replace(item, classes=self._tables[place][item.classes])


class SemanticBatches(DrawnBatches[ClassView, SemanticSample, SemanticBatch]):
    """Read batches of inputs with the classes of their pixels."""

    options: SemanticTrainOptions

    def __init__(
        self, sources: ClassSources, options: SemanticTrainOptions,
        preprocessing: Preprocessing, uses_depth: bool, team: Team | None = None,
    ) -> None:
        """Keep what is needed to read; ValueError for a batch the team cannot share evenly."""
        super().__init__(sources, options, team)
        self.preprocessing, self.uses_depth = preprocessing, uses_depth

    def seen(self, item: ClassView, rng: np.random.Generator) -> ClassView:
        """Return the view with a sensor's noise where it is clean."""
        return replace(item, view=with_sensor_noise(item.view, rng))

    def sample(self, item: ClassView, rng: np.random.Generator) -> SemanticSample:
        """Return a random variation of a view."""
        return semantic_sample(item, self.options, self.preprocessing, self.uses_depth, rng)

    def joined(self, samples: list[SemanticSample]) -> SemanticBatch:
        """Stack the samples."""
        color, xyz, classes, weights = (
            torch.from_numpy(np.stack(arrays)) for arrays in zip(*samples, strict=True))
        return color, xyz, classes, weights


def whole_views(
    sources: ClassSources, options: SemanticTrainOptions, preprocessing: Preprocessing,
    count: int,
) -> Iterator[tuple[Tensor, Tensor, ClassView]]:
    """Yield evenly spaced views as inputs (1, 3, h, w), with repeatable noise, and as they are."""
    size = options.width, options.height
    for index, item in sources.spread(count):
        color, xyz = whole_semantic_sample(item, size, preprocessing, index)
        yield torch.from_numpy(color)[None], torch.from_numpy(xyz)[None], item
