# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What any training can be told, and one of the Unseen Clustering Network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from seg_ros.core.options import Options, option

TrainOptionsT = TypeVar('TrainOptionsT', bound='CommonTrainOptions')


@dataclass(frozen=True)
class CommonTrainOptions(Options):
    """Options of every training; a method adds its own, and may change defaults."""

    samples: int = option(45000, 'samples to train on', minimum=1)
    time_budget_s: float = option(
        0.0, 'wall-clock seconds after which the training is complete; 0: samples decide',
        minimum=0.0)
    learning_rate: float = option(1.5e-3, 'highest learning rate', minimum=0.0, maximum=1.0)
    warmup_steps: int = option(200, 'steps of linear warm-up', minimum=0)
    weight_decay: float = option(0.01, 'AdamW weight decay', minimum=0.0)
    clip_norm: float = option(5.0, 'gradients are clipped to this norm', minimum=1e-6)
    ema_decay: float = option(0.998, 'decay of the averaged weights', minimum=0.0, maximum=1.0)
    sensor_noise: str = option(
        'auto', 'simulated sensor noise on views: auto, on those of seg_ros synthesize alone',
        choices=('auto', 'always', 'never'))
    freeze_norm: bool = option(
        False, 'keep the statistics of the normalisation layers: for small batches')
    precision: str = option('fp32', 'bf16 pays on AMX and GPUs', choices=('fp32', 'bf16'))
    device: str = option('auto', 'auto, cpu, cuda, cuda:0 ...')
    threads: int = option(0, 'torch threads; 0: torch decides', minimum=0)
    workers: int = option(1, 'processes that read data; 0: none', minimum=0, maximum=64)
    seed: int = option(0, 'seed of weights and samples', minimum=0)
    log_steps: int = option(20, 'steps per row of curves.csv', minimum=1)
    checkpoint_s: float = option(120.0, 'seconds between checkpoints', minimum=0.0)
    validation_samples: int = option(5000, 'samples between validations', minimum=1)
    validation_frames: int = option(48, 'frames of a validation', minimum=0)
    pictures: int = option(4, 'frames in the picture of a validation; 0: none', minimum=0)
    patience: int = option(
        0, 'validations without a better measure (unseen_objects: overlap_f) after which the '
        'training stops; 0: never',
        minimum=0)
    tensorboard: bool = option(False, 'write the curves for TensorBoard as well')


@dataclass(frozen=True)
class DrawnTrainOptions(CommonTrainOptions):
    """Options of trainings whose batches are parts of views that are drawn at random."""

    batch: int = option(8, 'samples in a batch', minimum=1, maximum=1024)
    samples_per_view: int = option(
        1, 'variations of one view in a batch', minimum=1, maximum=64)
    focus_share: float = option(
        0.2, 'share of samples that show the part of a view that holds objects',
        minimum=0.0, maximum=1.0)
    zoom_min: float = option(
        0.8, 'smallest scale of a sample; 1: the whole view fills the input',
        minimum=0.1, maximum=1.0)
    zoom_max: float = option(1.5, 'largest scale of a sample', minimum=1.0, maximum=8.0)


@dataclass(frozen=True)
class TrainOptions(CommonTrainOptions):
    """Options of ``seg_ros train unseen_objects``; a YAML file may set any of them."""

    architecture: str = option(
        'ucn_small', 'network', choices=('ucn_small', 'ucn_resnet34'))
    fusion: str = option(
        'add', 'input fusion', choices=('add', 'cat', 'early', 'color', 'depth'))
    stage: str = option(
        'frames', 'frames: whole views; zoom: crops around single objects',
        choices=('frames', 'zoom'))
    width: int = option(320, 'network input, pixels', minimum=32, maximum=4096)
    height: int = option(240, 'network input, pixels', minimum=32, maximum=4096)
    crop_width: int = option(224, 'width of the crops of the first phase', minimum=16)
    crop_height: int = option(176, 'height of the crops of the first phase', minimum=16)
    crop_share: float = option(
        0.67, 'share of the training spent on crops', minimum=0.0, maximum=1.0)
    crop_batch: int = option(8, 'crops in a batch', minimum=1, maximum=1024)
    crops_per_view: int = option(
        2, 'crops of one view in a batch: reading and noise cost about as much as a step',
        minimum=1, maximum=64)
    full_batch: int = option(4, 'whole views in a batch', minimum=1, maximum=1024)
    fulls_per_view: int = option(
        1, 'variations of one view in a batch of whole views', minimum=1, maximum=64)
    focus_share: float = option(
        0.6, 'share of whole views of which only the part that holds objects is shown, as the '
        'second look does', minimum=0.0, maximum=1.0)
    zoom_size: int = option(
        224, 'side of the squares that the zoom stage sees, pixels: that of the run time',
        minimum=16)
    foreground_weight: float = option(1.0, 'weight of the foreground loss', minimum=0.0)
    contact_weight: float = option(
        0.2, 'weight of the contact loss, for networks with that head', minimum=0.0)
    border_weight: float = option(2.0, 'weight of the border loss', minimum=0.0)
    zoom_min: float = option(
        0.8, 'smallest scale augmentation of crops; 1: as the network sees a whole view',
        minimum=0.1, maximum=1.0)
    zoom_max: float = option(1.8, 'largest scale augmentation', minimum=1.0, maximum=8.0)
    drop_color: float = option(0.15, 'share of samples without colour', minimum=0.0, maximum=1.0)
    drop_depth: float = option(0.08, 'share of samples without depth', minimum=0.0, maximum=1.0)


def read_train_options(
    path: str | Path | None, overrides: dict[str, Any], kind: type[TrainOptionsT]
) -> TrainOptionsT:
    """Read a YAML mapping of options, then apply overrides; ValueError names what is wrong.

    ``kind`` is the options class of the method that is trained.
    """
    values: dict[str, Any] = {}
    if path is not None:
        import yaml

        with open(path, encoding='utf-8') as file:
            loaded = yaml.safe_load(file) or {}
        if not isinstance(loaded, dict):
            raise ValueError(f'{path} must hold a mapping of option to value')
        values.update(loaded)
    return kind().replaced(**{**values, **overrides})
