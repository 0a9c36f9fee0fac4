# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Read a folder of clean synthetic views as batches; a folder may grow while it is read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seg_ros.core.io import read_camera, read_color, read_depth, read_labels
from seg_ros.training.options import TrainOptions
from seg_ros.training.samples import (
    Sample,
    View,
    training_sample,
    validation_sample,
    with_sensor_noise,
)
from seg_ros.unseen.preprocessing import Preprocessing

_REFRESH_S = 30.0
Batch = tuple[Tensor, Tensor, Tensor]


class ViewFolder:
    """List and read views; without dataset.json the folder still grows and is listed again."""

    def __init__(self, folder: str | Path) -> None:
        """List the folder; FileNotFoundError or ValueError where there is nothing to read."""
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(f'{self.folder} is no folder; make one: seg_ros synthesize')
        self._listed_at = -np.inf
        self._complete = False
        self.names: list[str] = []
        self.refresh()
        if not self.names:
            raise ValueError(f'{self.folder} holds no NAME-color.png; make some: '
                             'seg_ros synthesize')

    def __len__(self) -> int:
        """Return the number of views known now."""
        return len(self.names)

    def refresh(self) -> None:
        """List the folder again if it grows and the last listing is old."""
        if self._complete or time.monotonic() - self._listed_at < _REFRESH_S:
            return
        self._complete = (self.folder / 'dataset.json').exists()
        suffix = '-color.png'
        self.names = sorted(path.name[:-len(suffix)] for path in self.folder.glob(f'*{suffix}'))
        self._listed_at = time.monotonic()

    def view(self, name: str) -> View:
        """Read one view; errors name the file."""
        base = self.folder / name
        color = read_color(f'{base}-color.png')
        depth = read_depth(f'{base}-depth.png')
        labels = read_labels(f'{base}-labels.png')
        camera = read_camera(f'{base}-camera.json')
        shapes = {color.shape[:2], depth.shape, labels.shape, (camera.height, camera.width)}
        if len(shapes) != 1:
            raise ValueError(f'{base}: colour, depth, labels and camera differ in size')
        return View(color, depth, labels, camera)


@dataclass(frozen=True)
class BatchPlan:
    """Say what a step trains on; with the seed it fixes every random choice of the batch."""

    step: int
    kind: str
    width: int
    height: int
    count: int


class PlannedBatches(Dataset[Batch]):
    """Turn plans into batches: the item of a plan is colour, XYZ and labels of all its samples."""

    def __init__(
        self, folder: ViewFolder, options: TrainOptions, preprocessing: Preprocessing
    ) -> None:
        """Keep what is needed to read; nothing is read yet."""
        self.folder = folder
        self.options = options
        self.preprocessing = preprocessing

    def __getitem__(self, plan: BatchPlan) -> Batch:
        """Read the plan's samples: (B, 3, h, w), (B, 3, h, w), (B, h/2, w/2)."""
        self.folder.refresh()
        rng = np.random.default_rng([self.options.seed, plan.step])
        share = 1 if plan.kind == 'full' else min(self.options.crops_per_view, plan.count)
        samples: list[Sample] = []
        while len(samples) < plan.count:
            name = self.folder.names[rng.integers(len(self.folder))]
            noisy = with_sensor_noise(self.folder.view(name), rng)
            samples += [
                training_sample(noisy, plan.kind, (plan.width, plan.height), self.options,
                                self.preprocessing, rng)
                for _ in range(min(share, plan.count - len(samples)))]
        return stacked(samples)


def stacked(samples: list[Sample]) -> Batch:
    """Stack samples to a batch of tensors."""
    color, xyz, labels = (torch.from_numpy(np.stack(arrays))
                          for arrays in zip(*samples, strict=True))
    return color, xyz, labels


def validation_batches(
    folder: ViewFolder, options: TrainOptions, preprocessing: Preprocessing
) -> Iterator[Batch]:
    """Yield evenly spaced views, one a batch, with repeatable noise."""
    count = min(options.validation_frames, len(folder))
    for index in np.linspace(0, len(folder) - 1, count).round().astype(int):
        view = folder.view(folder.names[index])
        yield stacked([validation_sample(
            view, (options.width, options.height), preprocessing, int(index))])


def _quiet_worker(_worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def batch_loader(
    batches: PlannedBatches, plans: Iterator[BatchPlan], workers: int
) -> DataLoader[Batch]:
    """Read the plans' batches in order, by processes of their own if workers > 0."""
    return DataLoader(
        batches, sampler=plans, batch_size=None, num_workers=workers,  # type: ignore[arg-type]
        prefetch_factor=4 if workers else None, worker_init_fn=_quiet_worker)
