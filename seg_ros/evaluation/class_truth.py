# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""True classes of pixels: folders of frames with class images, and folders as PASCAL VOC's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seg_ros.core.classes import CLASSES_NAME, read_class_names
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.io import FrameFolder, read_classes, read_color
from seg_ros.evaluation.sources import FrameSource, Labels
from seg_ros.semantic.class_groups import IGNORED
from seg_ros.semantic.foreign import VOC_CLASSES

ClassImage = npt.NDArray[np.uint8]
VOC_SPLITS = Path('ImageSets', 'Segmentation')
_VOC_COLOR = ('.jpg', '.jpeg', '.png')


class ClassFrames(FrameSource, Protocol):
    """Give frames and their true classes by NAME; ``class_names`` is () where none are named."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names by number."""

    def classes(self, name: str) -> ClassImage | None:
        """Return the true classes (H, W) of a frame, 255 ignored; None where there are none."""


def checked_classes(path: Path, names: Sequence[str]) -> ClassImage:
    """Read a class image; ValueError names a class in it that has no name, but for 255."""
    classes = read_classes(path)
    values = np.unique(classes)
    wrong = values[(values >= len(names)) & (values != IGNORED)]
    if len(wrong):
        raise ValueError(
            f'{path} has the class {", ".join(map(str, wrong))}: {len(names)} are named, 0 to '
            f'{len(names) - 1}, and {IGNORED} is ignored')
    return classes


class ClassFolder(FrameFolder):
    """Read a folder of frames with NAME-classes.png and classes.json."""

    def __init__(self, folder: str | Path) -> None:
        """List the frames; errors as FrameFolder's and read_class_names'."""
        super().__init__(folder)
        path = self.folder / CLASSES_NAME
        self.class_names = read_class_names(path) if path.exists() else ()

    def classes(self, name: str) -> ClassImage | None:
        """Return a frame's classes; ValueError where classes.json lacks or a number in it."""
        path = self.folder / f'{name}-classes.png'
        if not path.exists():
            return None
        if not self.class_names:
            raise ValueError(f'{path} needs {CLASSES_NAME} beside it: names by number')
        return checked_classes(path, self.class_names)


class VocFolder:
    """Read JPEGImages, SegmentationClass and SegmentationObject of one split.

    Names of classes are those of a classes.json in the folder, else PASCAL VOC's 21.
    """

    def __init__(self, folder: str | Path, split: str) -> None:
        """List the split; FileNotFoundError without its list, ValueError for an empty one."""
        self.folder = Path(folder)
        path = self.folder / VOC_SPLITS / f'{split}.txt'
        if not path.is_file():
            raise FileNotFoundError(f'{path} is missing: it lists the images of the split {split}')
        lines = path.read_text(encoding='utf-8').splitlines()
        self.names = list(dict.fromkeys(line.split()[0] for line in lines if line.strip()))
        if not self.names:
            raise ValueError(f'{path} is empty: list the names of images, one a line')
        own = self.folder / CLASSES_NAME
        self.class_names = read_class_names(own) if own.exists() else VOC_CLASSES

    def __len__(self) -> int:
        return len(self.names)

    def frame(self, name: str) -> RgbdFrame:
        """Return an image, which has no depth."""
        return RgbdFrame(read_color(self._color(name)), None, None, frame_id=name)

    def _color(self, name: str) -> Path:
        paths = [self.folder / 'JPEGImages' / f'{name}{suffix}' for suffix in _VOC_COLOR]
        return next((path for path in paths if path.exists()), paths[0])

    def labels(self, name: str) -> Labels | None:
        """Return the objects (H, W) of an image, 0 for none; None where it has no such file."""
        path = self.folder / 'SegmentationObject' / f'{name}.png'
        if not path.exists():
            return None
        found = read_classes(path).astype(np.int32)
        found[found == IGNORED] = 0
        return found

    def classes(self, name: str) -> ClassImage | None:
        """Return the classes (H, W) of an image; None where it has no such file."""
        path = self.folder / 'SegmentationClass' / f'{name}.png'
        return checked_classes(path, self.class_names) if path.exists() else None


def is_voc(folder: Path) -> bool:
    """Return whether a folder is laid out as PASCAL VOC."""
    return (folder / 'JPEGImages').is_dir()


def open_class_frames(folder: Path, split: str) -> ClassFolder | VocFolder:
    """Open a folder of either layout; ``split`` is of VOC's lists."""
    return VocFolder(folder, split) if is_voc(folder) else ClassFolder(folder)
