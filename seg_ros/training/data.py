# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Read folders of views as batches; a folder may grow while it is read."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seg_ros.core.classes import OPTIONS_NAME
from seg_ros.core.io import COLOR_SUFFIXES, read_camera, read_color, read_depth, read_labels
from seg_ros.networks.preprocessing import Preprocessing
from seg_ros.training.options import DrawnTrainOptions, TrainOptions
from seg_ros.training.parallel import Team
from seg_ros.training.progress import Progress
from seg_ros.training.samples import (
    Sample,
    View,
    training_sample,
    validation_sample,
    with_sensor_noise,
)

logger = logging.getLogger(__name__)

_REFRESH_S = 30.0
# A few views may be broken; more than this share of those read, and the data set is.
BAD_SHARE = 0.05
_BAD_BEFORE_JUDGED = 5
# What the generator leaves in a folder: its views are clean and get sensor noise.
_MARKS = (OPTIONS_NAME, 'dataset.json')

Batch = tuple[Tensor, Tensor, Tensor]
BatchT = TypeVar('BatchT')
SampleT = TypeVar('SampleT')


class ViewFolder:
    """List and read labelled views; without dataset.json the folder still grows and is listed
    again.

    A view is NAME-color.png (or .jpg), NAME-depth.png, NAME-labels.png and NAME-camera.json or
    camera.json. ``sensor_noise`` 'auto': views of `seg_ros synthesize` are clean and get noise,
    others come from a camera and get none. ``truth`` is the file without which a view is not
    listed.
    """

    truth = '-labels.png'

    def __init__(self, folder: str | Path, sensor_noise: str = 'auto') -> None:
        """List the folder; FileNotFoundError or ValueError where there is nothing to read."""
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(f'{self.folder} is no folder; make one: seg_ros synthesize')
        self._listed_at = -np.inf
        self._complete = False
        self._color: dict[str, str] = {}
        self.names: list[str] = []
        self.refresh()
        if not self.names:
            raise ValueError(
                f'{self.folder} holds no NAME-color.png with NAME{self.truth}; make some: '
                'seg_ros synthesize')
        self.noisy = gets_noise(self.folder, sensor_noise)

    def __len__(self) -> int:
        """Return the number of views known now."""
        return len(self.names)

    def refresh(self) -> None:
        """List the folder again if it grows and the last listing is old."""
        if self._complete or time.monotonic() - self._listed_at < _REFRESH_S:
            return
        self._complete = (self.folder / 'dataset.json').exists()
        files = set(os.listdir(self.folder))
        self._color = {
            file[:-len(suffix)]: file for suffix in reversed(COLOR_SUFFIXES) for file in files
            if file.endswith(suffix) and f'{file[:-len(suffix)]}{self.truth}' in files}
        self.names = sorted(self._color)
        self._listed_at = time.monotonic()

    def view(self, name: str) -> View:
        """Read one view; errors name the file."""
        base = self.folder / name
        own = Path(f'{base}-camera.json')
        color = read_color(self.folder / self._color[name])
        depth = read_depth(f'{base}-depth.png')
        labels = read_labels(f'{base}-labels.png')
        camera = read_camera(own if own.exists() else self.folder / 'camera.json')
        shapes = {color.shape[:2], depth.shape, labels.shape, (camera.height, camera.width)}
        if len(shapes) != 1:
            raise ValueError(f'{base}: colour, depth, labels and camera differ in size')
        return View(color, depth, labels, camera, clean=self.noisy)

    def describe(self) -> dict[str, Any]:
        """Return what the data set says of itself, with the number of views known now."""
        path = self.folder / _MARKS[0]
        said = json.loads(path.read_text(encoding='utf-8')) if path.exists() else {}
        return {'folder': self.folder.name, 'views': len(self.names), 'noise': self.noisy, **said}


def gets_noise(folder: Path, sensor_noise: str) -> bool:
    """Return whether views of a folder get noise: with 'auto' those of `seg_ros synthesize`."""
    made = any((folder / mark).exists() for mark in _MARKS)
    return sensor_noise == 'always' or (sensor_noise == 'auto' and made)


class ViewSet(Protocol):
    """What joined data sets have: names of views, and what they say of themselves."""

    @property
    def names(self) -> Sequence[str]:
        """Return the names of the views known now."""
        ...

    def refresh(self) -> None:
        """List the data set again if it grows."""

    def describe(self) -> dict[str, Any]:
        """Return what the data set says of itself."""
        ...


ItemT = TypeVar('ItemT')
ViewSetT = TypeVar('ViewSetT', bound=ViewSet)


class Joined(Generic[ViewSetT, ItemT]):
    """Join data sets; without shares each view of all of them is as likely as any other.

    ``shares`` say how often a view is of each, in any unit. What a view is read as, ``read`` of
    the heir says.
    """

    def __init__(
        self, sets: Sequence[ViewSetT], shares: Sequence[float] | None = None
    ) -> None:
        """Take one data set or more; ValueError for shares that are no positive numbers."""
        self.sets = list(sets)
        self.shares: list[float] | None = None
        if shares is not None:
            if len(shares) != len(self.sets) or not all(0 < share < np.inf for share in shares):
                raise ValueError(
                    f'shares {list(shares)}: give a positive number for each of the '
                    f'{len(self.sets)} data sets')
            self.shares = [share / sum(shares) for share in shares]

    def read(self, of: ViewSetT, name: str) -> ItemT:
        """Read a view of one data set."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Return the number of views known now."""
        return sum(len(each.names) for each in self.sets)

    def refresh(self) -> None:
        """List growing data sets again."""
        for each in self.sets:
            each.refresh()

    def describe(self) -> list[dict[str, Any]]:
        """Return what each data set says of itself, and its share where there are shares."""
        said = [each.describe() for each in self.sets]
        if self.shares is not None:
            said = [{**each, 'share': round(share, 4)}
                    for each, share in zip(said, self.shares, strict=True)]
        return said

    def random(self, rng: np.random.Generator) -> ItemT:
        """Read a view drawn by the shares."""
        if self.shares is None:
            return self.at(int(rng.integers(len(self))))
        chosen = self.sets[int(rng.choice(len(self.sets), p=self.shares))]
        return self.read(chosen, chosen.names[int(rng.integers(len(chosen.names)))])

    def at(self, index: int) -> ItemT:
        """Read the view of that number, counted through all data sets."""
        for each in self.sets:
            if index < len(each.names):
                return self.read(each, each.names[index])
            index -= len(each.names)
        raise IndexError(f'there are {len(self)} views')

    def spread(self, count: int) -> Iterator[tuple[int, ItemT]]:
        """Yield evenly spaced views with their numbers; those that cannot be read are named."""
        chosen = np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int)
        for index in chosen.tolist():
            try:
                item = self.at(index)
            except (ValueError, OSError) as error:
                logger.warning('left out of the validation: %s', error)
                continue
            yield index, item


class Views(Joined['ViewFolder', View]):
    """Join folders of views."""

    def read(self, of: ViewFolder, name: str) -> View:
        """Read a view of one folder."""
        return of.view(name)


def open_views(
    data: Sequence[str | Path], part: str, sensor_noise: str,
    shares: Sequence[float] | None = None,
) -> Views:
    """Open the folder `part` (train or val) of each data set."""
    return Views([ViewFolder(Path(folder) / part, sensor_noise) for folder in data], shares)


@dataclass(frozen=True)
class BatchPlan:
    """Say what a step trains on; with the seed it fixes every random choice of the batch."""

    step: int
    kind: str
    width: int
    height: int
    count: int


def batch_plans(options: TrainOptions, progress: Progress) -> Iterator[BatchPlan]:
    """Yield what each step trains on: crops first, whole views after; never ends by itself.

    With a time budget the switch goes by the clock, else by the samples planned.
    """
    step, samples = progress.step, progress.samples
    while True:
        done = progress.share if options.time_budget_s > 0 else samples / options.samples
        if options.stage == 'zoom':
            plan = BatchPlan(step, 'zoom', options.zoom_size, options.zoom_size,
                             options.crop_batch)
        elif done < options.crop_share:
            plan = BatchPlan(step, 'crop', options.crop_width, options.crop_height,
                             options.crop_batch)
        else:
            plan = BatchPlan(step, 'full', options.width, options.height, options.full_batch)
        yield plan
        step, samples = step + 1, samples + plan.count


class PlannedBatches(Dataset[Batch]):
    """Turn plans into batches: the item of a plan is colour, XYZ and labels of its samples.

    In a team each process reads its share of the samples; together they are the batch that one
    process would read.
    """

    def __init__(
        self, views: Views, options: TrainOptions, preprocessing: Preprocessing,
        team: Team | None = None,
    ) -> None:
        """Keep what is needed to read; nothing is read yet."""
        self.views = views
        self.options = options
        self.preprocessing = preprocessing
        self.team = team or Team()
        self._reading = BadViews()

    def __getitem__(self, plan: BatchPlan) -> Batch:
        """Read the plan's samples: (B, 3, h, w), (B, 3, h, w), (B, h/2, w/2).

        Raises ValueError for a batch that the team cannot share evenly, and where too many views
        cannot be read.
        """
        self.views.refresh()
        repeats = (self.options.fulls_per_view if plan.kind == 'full'
                   else self.options.crops_per_view)
        share = min(repeats, plan.count)
        turns = range(0, plan.count, share)
        if len(turns) % self.team.size or (self.team.size > 1 and plan.count % share):
            raise ValueError(
                f'a batch of {plan.count} samples, {share} of a view, cannot be shared by '
                f'{self.team.size} processes: choose a multiple of {share * self.team.size}')
        samples: list[Sample] = []
        for turn in turns[self.team.rank::self.team.size]:
            rng = np.random.default_rng([self.options.seed, plan.step, turn])
            samples += self._samples(plan, min(share, plan.count - turn), rng)
        return stacked(samples)

    def _samples(self, plan: BatchPlan, count: int, rng: np.random.Generator) -> list[Sample]:
        """Return variations of one random view."""
        view = self._reading.first_readable(lambda: self.views.random(rng))
        noisy = with_sensor_noise(view, rng)
        return [training_sample(noisy, plan.kind, (plan.width, plan.height), self.options,
                                self.preprocessing, rng) for _ in range(count)]


ViewT = TypeVar('ViewT')


class BadViews:
    """Count views that cannot be read; many of them, and the data set is bad."""

    def __init__(self) -> None:
        """Start with none."""
        self._read = self._bad = 0

    def first_readable(self, read: Callable[[], ViewT]) -> ViewT:
        """Return the first view that `read` can read, name the others; ValueError for too many."""
        while True:
            self._read += 1
            try:
                return read()
            except (ValueError, OSError) as error:
                self._bad += 1
                logger.warning('left out: %s', error)
                if self._bad > max(_BAD_BEFORE_JUDGED, BAD_SHARE * self._read):
                    raise ValueError(
                        f'{self._bad} of {self._read} views could not be read, the last one: '
                        f'{error}') from error


class DrawnBatches(Dataset[BatchT], Generic[ItemT, SampleT, BatchT]):
    """Turn steps into batches of views drawn at random; each process of a team reads its share.

    What is made of a view, ``sample`` of the heir says, what of samples, ``joined``; ``seen`` is
    done once a view, whatever is made of it.
    """

    def __init__(
        self, views: Joined[Any, ItemT], options: DrawnTrainOptions, team: Team | None = None
    ) -> None:
        """Keep what is needed to read; ValueError for a batch the team cannot share evenly."""
        self.views, self.options, self.team = views, options, team or Team()
        self._bad = BadViews()
        if options.batch % (self.team.size * options.samples_per_view):
            raise ValueError(
                f'a batch of {options.batch} samples, {options.samples_per_view} of a view, '
                f'cannot be shared by {self.team.size} processes: choose a multiple of '
                f'{self.team.size * options.samples_per_view}')

    def seen(self, item: ItemT, rng: np.random.Generator) -> ItemT:
        """Return a view as a camera sees it; reading and noise cost more than a variation."""
        raise NotImplementedError

    def sample(self, item: ItemT, rng: np.random.Generator) -> SampleT:
        """Return a random variation of a view."""
        raise NotImplementedError

    def joined(self, samples: list[SampleT]) -> BatchT:
        """Return samples as a batch."""
        raise NotImplementedError

    def __getitem__(self, step: int) -> BatchT:
        """Read the samples of a step; with the seed it fixes every random choice."""
        self.views.refresh()
        turns = range(0, self.options.batch, self.options.samples_per_view)
        samples: list[SampleT] = []
        for turn in turns[self.team.rank::self.team.size]:
            rng = np.random.default_rng([self.options.seed, step, turn])
            item = self.seen(self._bad.first_readable(partial(self.views.random, rng)), rng)
            samples += [self.sample(item, rng) for _ in range(self.options.samples_per_view)]
        return self.joined(samples)


def stacked(samples: list[Sample]) -> Batch:
    """Stack samples to a batch of tensors."""
    color, xyz, labels = (torch.from_numpy(np.stack(arrays))
                          for arrays in zip(*samples, strict=True))
    return color, xyz, labels


def validation_batches(
    views: Views, options: TrainOptions, preprocessing: Preprocessing
) -> Iterator[Batch]:
    """Yield evenly spaced views, one a batch, with repeatable noise."""
    size = options.width, options.height
    for index, view in views.spread(options.validation_frames):
        yield stacked([validation_sample(view, size, preprocessing, index)])


def _quiet_worker(_worker: int) -> None:
    # A signal to the whole group is for the trainer, which saves and then ends its readers.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def batch_loader(
    batches: Dataset[BatchT], plans: Iterator[Any], workers: int
) -> DataLoader[BatchT]:
    """Read the plans' batches in order, by processes of their own if workers > 0.

    The item of a plan is a whole batch. The loader draws from a generator of its own: a resumed
    training, which has one more loader, draws the same random values elsewhere.
    """
    return DataLoader(
        batches, sampler=plans, batch_size=None, num_workers=workers,  # type: ignore[arg-type]
        prefetch_factor=4 if workers else None, worker_init_fn=_quiet_worker,
        generator=torch.Generator())
