# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train the Unseen Clustering Network: views, losses and quick measures for the trainer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seg_ros.training.data import (
    Batch,
    PlannedBatches,
    Views,
    batch_loader,
    batch_plans,
    open_views,
    validation_batches,
)
from seg_ros.training.losses import LOSSES, network_losses
from seg_ros.training.options import TrainOptions
from seg_ros.training.parallel import Team
from seg_ros.training.pictures import Picture, picture_row, write_rows
from seg_ros.training.progress import Progress
from seg_ros.training.task import Task, autocast
from seg_ros.training.validation import MEASURES, quick_measures
from seg_ros.unseen.checkpoint import (
    METHOD,
    build_network,
    default_preprocessing,
    metadata_of,
    network_of_weights,
    new_network,
    one_branch_of,
)
from seg_ros.weights import Weights


class UnseenTask(Task):
    """Teach a network to embed the pixels of an object alike; a batch is (color, xyz, labels)."""

    method = METHOD
    losses = LOSSES
    measures = MEASURES
    best = 'overlap_f'

    def __init__(self, options: TrainOptions) -> None:
        """Keep the options; nothing is read yet."""
        self.options: TrainOptions = options
        self.started_from = 'random weights'
        self.architecture = options.architecture

    def open(self, data: Sequence[Path], shares: Sequence[float] | None) -> None:
        """Open the views in train/ of each folder and, for validation, in val/."""
        noise = self.options.sensor_noise
        self.train_views = open_views(data, 'train', noise, shares)
        self.val_views: Views | None = None
        with_val = [folder for folder in data if (folder / 'val').is_dir()]
        if self.options.validation_frames and with_val:
            self.val_views = open_views(with_val, 'val', noise)

    def network(self, described: dict[str, Any] | None, init: Weights | None) -> nn.Module:
        """Build the network of a checkpoint, of weights or of the options; ValueError for weights
        of another network than the options ask for.
        """
        if described is not None:
            network = self._of_checkpoint(described)
        elif init is not None:
            network = self._of_weights(init)
        else:
            network = new_network(self.architecture, self.options.fusion)
        self.preprocessing = default_preprocessing(self.architecture)
        return network

    def _of_checkpoint(self, described: dict[str, Any]) -> nn.Module:
        self.architecture = described['architecture']
        config = dict(described['config'])
        for name in ('input_size', 'preprocessing'):
            config.pop(name)
        return build_network(self.architecture, **config)

    def _of_weights(self, init: Weights) -> nn.Module:
        loaded = network_of_weights(init)
        self.started_from, self.architecture = init.path.name, loaded.architecture
        if self.options.architecture not in (loaded.architecture, TrainOptions().architecture):
            raise ValueError(
                f'{init.path} is of architecture {loaded.architecture}, asked for '
                f'{self.options.architecture}: leave that out, or start without weights')
        if self.options.fusion in (loaded.fusion, TrainOptions().fusion):
            return loaded.network
        return one_branch_of(loaded.network, self.options.fusion)

    def described(self, network: nn.Module, **more: Any) -> dict[str, Any]:
        """Return the metadata that network_of_weights reads, and the stage of the training."""
        options, zoom = self.options, self.options.stage == 'zoom'
        size = (options.zoom_size,) * 2 if zoom else (options.width, options.height)
        if 'training' in more:
            more['training'] = {**more['training'], 'stage': options.stage}
        return metadata_of(network, self.architecture, size, **more)

    def data_described(self) -> list[dict[str, Any]]:
        """Return what each folder says of itself, with the number of its views."""
        return self.train_views.describe()

    def loader(self, progress: Progress, team: Team) -> Iterable[Batch]:
        """Read crops first, whole views after, or the zoom stage's squares."""
        batches = PlannedBatches(self.train_views, self.options, self.preprocessing, team)
        return batch_loader(batches, batch_plans(self.options, progress), self.options.workers)

    def batch_size(self, batch: Batch) -> int:
        """Return the number of samples in a batch."""
        return len(batch[0])

    def losses_of(
        self, network: nn.Module, batch: Batch, device: torch.device
    ) -> dict[str, Tensor]:
        """Return the weighted sum 'loss' and its parts."""
        color, xyz, labels = (tensor.to(device) for tensor in batch)
        return network_losses(network, color, xyz, labels, self.options)[0]

    def validate(
        self, network: nn.Module, device: torch.device, picture: Path
    ) -> dict[str, float]:
        """Return means over the validation's views, {} without any; a picture shows some."""
        if self.val_views is None:
            return {}
        totals = dict.fromkeys((*LOSSES, *MEASURES), 0.0)
        rows: list[Picture] = []
        count = 0
        for batch in validation_batches(self.val_views, self.options, self.preprocessing):
            count += 1
            values, row = self._validated(network, batch, device, len(rows))
            totals = {name: total + values[name] for name, total in totals.items()}
            rows += row
        if rows:
            with suppress(OSError):  # a picture is not worth a training
                write_rows(picture, rows)
        return {name: total / max(count, 1) for name, total in totals.items()}

    def _validated(
        self, network: nn.Module, batch: Batch, device: torch.device, drawn: int
    ) -> tuple[dict[str, float], list[Picture]]:
        """Return a batch's losses and measures, and a picture's row where some are missing."""
        color, xyz, labels = (tensor.to(device) for tensor in batch)
        with autocast(self.options, device):
            losses, embedding, logits = network_losses(network, color, xyz, labels, self.options)
        values = {name: float(value) for name, value in losses.items()}
        values |= quick_measures(embedding, logits, labels)
        if drawn >= self.options.pictures:
            return values, []
        return values, [picture_row(
            color[0], xyz[0], labels[0], embedding[0], None if logits is None else logits[0],
            self.preprocessing)]
