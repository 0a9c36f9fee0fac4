# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Where frames to score come from: a folder as it is, or seen through a simulated camera."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import RgbdFrame

BLANKS = ('none', 'color')
# Gray that the small network's preprocessing maps to 0, as in training without colour.
BLANK_GRAY = 128

Labels = npt.NDArray[np.int32]


class FrameSource(Protocol):
    """Give frames and their true labels by NAME."""

    @property
    def names(self) -> Sequence[str]:
        """Return the names of the frames, sorted."""

    def frame(self, name: str) -> RgbdFrame:
        """Return a frame."""

    def labels(self, name: str) -> Labels | None:
        """Return the true labels (H, W) of a frame, None where there are none."""


@dataclass(frozen=True)
class Camera:
    """Choose what happens to a folder's frames before they are scored.

    ``sensor`` '' leaves them, else a model of ``seg_ros.synthetic.sensor`` draws noise, and colour
    changes, for frames that have none; ``blank`` 'color' takes colour away. The same ``seed`` and
    NAME give the same frame. ValueError for an unknown name.
    """

    sensor: str = ''
    seed: int = 0
    blank: str = 'none'

    def __post_init__(self) -> None:
        if self.blank not in BLANKS:
            raise ValueError(f'blank {self.blank!r} is unknown: choose from {", ".join(BLANKS)}')

    def see(self, name: str, frame: RgbdFrame, labels: Labels | None) -> RgbdFrame:
        """Return the frame as this camera gives it; ValueError where labels or depth lack."""
        if self.sensor:
            frame = simulated(frame, labels, self.sensor, frame_rng(self.seed, name))
        if self.blank == 'color':
            return replace(frame, color=np.full_like(frame.color, BLANK_GRAY))
        return frame


def frame_rng(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one frame, the same in every run."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def simulated(
    frame: RgbdFrame, labels: Labels | None, sensor: str, rng: np.random.Generator
) -> RgbdFrame:
    """Return a clean synthetic frame as a camera of this sensor model would give it."""
    from seg_ros.synthetic.sensor import augment_color, corrupt_depth

    if labels is None or frame.depth is None or frame.camera is None:
        raise ValueError('a simulated sensor needs clean depth, camera and labels of the frame')
    depth_m = corrupt_depth(
        frame.depth, labels, frame.camera, rng, sensor, color=frame.color)
    return replace(frame, depth=depth_m, color=augment_color(frame.color, rng))


class CameraFolder:
    """Read some frames of a folder, or of another source, through a camera."""

    def __init__(self, folder: FrameSource, camera: Camera, count: int = 0) -> None:
        """Take `count` evenly spaced frames of the folder, 0 for all; ValueError below 0."""
        if count < 0:
            raise ValueError(f'frames starts at 1 (0 takes all), got {count}')
        self.folder, self.camera = folder, camera
        self.names = evenly(folder.names, count) if count else list(folder.names)
        self._last: tuple[str, RgbdFrame] | None = None

    def frame(self, name: str) -> RgbdFrame:
        """Return one frame through the camera; the last one is kept, for who asks again."""
        if self._last is None or self._last[0] != name:
            labels = self.folder.labels(name) if self.camera.sensor else None
            self._last = name, self.camera.see(name, self.folder.frame(name), labels)
        return self._last[1]

    def labels(self, name: str) -> Labels | None:
        """Return the true labels (H, W) of a frame, None where there are none."""
        return self.folder.labels(name)


def evenly(names: Sequence[str], count: int) -> list[str]:
    """Return at most `count` names, evenly spaced from the first to the last."""
    places = np.linspace(0, len(names) - 1, min(count, len(names)))
    return [names[place] for place in np.unique(places.round().astype(int))]
