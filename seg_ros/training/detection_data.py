# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Read data for Mask R-CNN: folders of views and data sets in COCO format, their classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seg_ros.core.io import FrameFolder
from seg_ros.evaluation.coco_truth import FolderTruth, painted
from seg_ros.networks.preprocessing import Preprocessing
from seg_ros.training.coco_data import CocoFolder, coco_path
from seg_ros.training.data import DrawnBatches, Joined, ViewFolder, ViewSet, gets_noise
from seg_ros.training.detection_options import DetectionTrainOptions
from seg_ros.training.detection_samples import (
    DetectionSample,
    Objects,
    camera_or_any,
    detection_sample,
    objects_of,
    whole_sample,
)
from seg_ros.training.parallel import Team
from seg_ros.training.samples import View, with_sensor_noise

ANY_CLASS = ('object',)
# Images (B, 6, h, w) and torchvision's targets of each.
DetectionBatch = tuple[Tensor, list[dict[str, Tensor]]]


class Source(ViewSet, Protocol):
    """A data set whose objects have classes."""

    class_names: tuple[str, ...]

    def objects(self, name: str) -> Objects:
        """Read a view; class ids are from 1, in the order of ``class_names``."""
        ...


class FolderSource(ViewFolder):
    """Read a folder of views; classes are those of its classes.json or objects.json."""

    def __init__(self, folder: Path, sensor_noise: str, named: bool) -> None:
        """Open the folder; ``named`` asks for classes: ValueError where it has none."""
        super().__init__(folder, sensor_noise)
        self._truth = FolderTruth(FrameFolder(folder)) if named else None
        self.class_names = self._truth.class_names if self._truth else ANY_CLASS
        if not self.class_names:
            raise ValueError(
                f'{folder} names no classes (classes.json with NAME-classes.png, or '
                'objects.json): train with classes=object')

    def objects(self, name: str) -> Objects:
        """Read a view and its objects."""
        view = self.view(name)
        ids = None if self._truth is None else self._truth.class_ids(name, view.labels)
        return objects_of(view, ids)


class CocoSource:
    """Read a data set in COCO format; crowds are not taught."""

    def __init__(self, path: Path, sensor_noise: str, named: bool) -> None:
        """Open the data set."""
        self._folder = CocoFolder(path)
        self._named = named
        self._noisy = gets_noise(self._folder.folder, sensor_noise)
        self.class_names = self._folder.class_names if named else ANY_CLASS

    @property
    def names(self) -> list[str]:
        """Return the names of the images."""
        return self._folder.names

    def objects(self, name: str) -> Objects:
        """Read an image and its objects; without depth the view has none that is valid."""
        item = self._folder.item(name)
        shape = item.color.shape[:2]
        depth_m = np.full(shape, np.nan, np.float32) if item.depth_m is None else item.depth_m
        masks = item.masks[~item.crowd]
        ids = item.class_ids[~item.crowd].astype(np.int64)
        view = View(item.color, depth_m, painted(masks), camera_or_any(item.camera, shape),
                    clean=self._noisy and item.depth_m is not None)
        return Objects(view, masks, ids if self._named else np.ones_like(ids))

    def refresh(self) -> None:
        """Do nothing: a JSON file does not grow."""

    def describe(self) -> dict[str, Any]:
        """Return what the data set says of itself."""
        return {**self._folder.describe(), 'noise': self._noisy}


def open_source(folder: Path, part: str, sensor_noise: str, named: bool) -> Source:
    """Open the part (train or val) of a data set, or a JSON in COCO format for training.

    Where a folder has label images and a JSON too, the label images are read: what
    ``seg_ros synthesize --coco`` leaves is clean and gets a sensor's noise.
    """
    path = folder if folder.is_file() else folder / part
    if path.is_dir() and (next(path.glob('*-labels.png'), None) or coco_path(path) is None):
        return FolderSource(path, sensor_noise, named)
    return CocoSource(path, sensor_noise, named)


class Sources(Joined[Source, Objects]):
    """Join data sets; their classes are joined by name."""

    def __init__(
        self, sources: Sequence[Source], shares: Sequence[float] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        """Take data sets, as Joined does.

        ``class_names`` fixes the classes, as a training's do its validation's: objects of others
        are left out.
        """
        super().__init__(sources, shares)
        every = dict.fromkeys(name for source in self.sets for name in source.class_names)
        self.class_names = tuple(every if class_names is None else class_names)

    def read(self, of: Source, name: str) -> Objects:
        """Read a view's objects, their classes numbered as all data sets together do."""
        found = of.objects(name)
        if of.class_names == self.class_names:
            return found
        numbers = {each: number for number, each in enumerate(self.class_names, start=1)}
        table = np.array([0, *(numbers.get(each, 0) for each in of.class_names)])
        ids: npt.NDArray[np.int64] = table[found.class_ids]
        return Objects(found.view, found.masks[ids > 0], ids[ids > 0])


class DetectionBatches(DrawnBatches[Objects, DetectionSample, DetectionBatch]):
    """Read batches of images with the targets of each."""

    options: DetectionTrainOptions

    def __init__(
        self, sources: Sources, options: DetectionTrainOptions, preprocessing: Preprocessing,
        team: Team | None = None,
    ) -> None:
        """Keep what is needed to read; ValueError for a batch the team cannot share evenly."""
        super().__init__(sources, options, team)
        self.preprocessing = preprocessing

    def seen(self, item: Objects, rng: np.random.Generator) -> Objects:
        """Return the view with a sensor's noise where it is clean."""
        return replace(item, view=with_sensor_noise(item.view, rng))

    def sample(self, item: Objects, rng: np.random.Generator) -> DetectionSample:
        """Return a random variation of a view."""
        return detection_sample(item, self.options, self.preprocessing, rng)

    def joined(self, samples: list[DetectionSample]) -> DetectionBatch:
        """Stack the images, list the targets."""
        return torch.stack([image for image, _ in samples]), [target for _, target in samples]


def whole_samples(
    sources: Sources, options: DetectionTrainOptions, preprocessing: Preprocessing
) -> Iterator[tuple[DetectionSample, Objects]]:
    """Yield the validation's views as samples, with repeatable noise, and their objects."""
    for index, objects in sources.spread(options.validation_frames):
        yield whole_sample(objects, options, preprocessing, index), objects
