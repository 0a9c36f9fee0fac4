# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train semantic segmentation: data, loss and measures for the trainer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from seg_ros.evaluation.semantic_metrics import SemanticScores, measures
from seg_ros.semantic.checkpoint import METHOD
from seg_ros.semantic.model import SemanticModel
from seg_ros.training.data import batch_loader
from seg_ros.training.parallel import Team
from seg_ros.training.pictures import Picture, class_row, write_rows
from seg_ros.training.progress import Progress
from seg_ros.training.schedules import poly_rate
from seg_ros.training.semantic_data import (
    ClassSources,
    SemanticBatch,
    SemanticBatches,
    has_part,
    open_class_source,
    whole_views,
)
from seg_ros.training.semantic_options import SemanticTrainOptions
from seg_ros.training.semantic_start import (
    PIXELWISE,
    checkpoint_model,
    end_in_crf,
    metadata_for,
    new_model,
    started_model,
)
from seg_ros.training.semantic_weights import class_weights_of, pixel_loss
from seg_ros.training.task import Task, autocast, decayed_matrices
from seg_ros.weights import Weights

MEASURES = ('mean_iu', 'pixel_accuracy', 'mean_accuracy', 'object_iu')


class SemanticTask(Task):
    """Teach a network the class of every pixel; a batch is (color, xyz, classes, borders)."""

    method = METHOD
    losses = ('loss',)
    measures = MEASURES
    best = 'mean_iu'

    def __init__(self, options: SemanticTrainOptions) -> None:
        """Keep the options; nothing is read yet."""
        self.options: SemanticTrainOptions = options
        self.started_from = 'random weights'

    def open(self, data: Sequence[Path], shares: Sequence[float] | None) -> None:
        """Open train of each data set, and val where there is one."""
        options = self.options
        self.train_data = ClassSources(
            [open_class_source(folder, 'train', options.sensor_noise) for folder in data],
            shares, options.classes)
        self.val_data: ClassSources | None = None
        with_val = [folder for folder in data if has_part(folder, 'val')]
        if options.validation_frames and with_val:
            self.val_data = ClassSources(
                [open_class_source(folder, 'val', options.sensor_noise) for folder in with_val],
                groups=self.train_data.groups)
        self.class_weights = class_weights_of(options.class_weights, self.train_data)

    def network(self, described: dict[str, Any] | None, init: Weights | None) -> nn.Module:
        """Build the model of a checkpoint, of weights or of the options."""
        if described is not None:
            model = checkpoint_model(described, self.train_data.class_names)
        elif init is not None:
            model, self.started_from = started_model(init, self.options, self.train_data)
        else:
            model, self.started_from = new_model(self.options, self.train_data)
        if self.options.crf_rnn and described is None:
            end_in_crf(model, self.options)
        self.model = model
        return model

    def described(self, network: nn.Module, **more: Any) -> dict[str, Any]:
        """Return the metadata that load_model reads, and which names each class stands for."""
        size = self.options.width, self.options.height
        return metadata_for(cast(SemanticModel, network), size, self.train_data.groups, **more)

    def data_described(self) -> list[dict[str, Any]]:
        """Return what each data set says of itself."""
        return self.train_data.describe()

    def loader(self, progress: Progress, team: Team) -> Iterable[SemanticBatch]:
        """Read a batch a step; none for a network that was fitted at once."""
        if self.model.architecture == PIXELWISE:
            return ()
        batches = SemanticBatches(
            self.train_data, self.options, self.model.preprocessing, self.model.uses_depth, team)
        steps: Iterator[int] = count(progress.step)
        return batch_loader(batches, steps, self.options.workers)

    def batch_size(self, batch: SemanticBatch) -> int:
        """Return the number of samples in a batch."""
        return len(batch[0])

    def losses_of(
        self, network: nn.Module, batch: SemanticBatch, device: torch.device
    ) -> dict[str, Tensor]:
        """Return the cross-entropy 'loss'."""
        color, xyz, classes, borders = (tensor.to(device) for tensor in batch)
        logits = network(color, xyz).float()
        return {'loss': pixel_loss(logits, classes, self.class_weights.to(device), borders)}

    def validate(
        self, network: nn.Module, device: torch.device, picture: Path
    ) -> dict[str, float]:
        """Return the loss, of pixels without weights, and MEASURES; {} without data."""
        if self.val_data is None:
            return {}
        scores = SemanticScores(self.train_data.class_names)
        losses: list[float] = []
        rows: list[Picture] = []
        for color, xyz, item in whole_views(
                self.val_data, self.options, self.model.preprocessing,
                self.options.validation_frames):
            logits = self._logits(network, color, xyz, item.classes.shape, device)
            truth = torch.from_numpy(item.classes.astype('int64'))[None]
            losses.append(float(pixel_loss(logits, truth)))
            predicted = logits[0].argmax(dim=0).numpy()
            scores.add_classes(item.classes, predicted)
            if len(rows) < self.options.pictures:
                size = self.options.width, self.options.height
                rows.append(class_row(item.view.color, item.classes, predicted, size))
        if not scores.matrix.any():
            return {}
        if rows:
            with suppress(OSError):  # a picture is not worth a training
                write_rows(picture, rows)
        found = {**measures(scores.matrix), 'object_iu': scores.summary()['object_iu'] or 0.0}
        return {'loss': sum(losses) / len(losses), **{name: found[name] for name in MEASURES}}

    def _logits(
        self, network: nn.Module, color: Tensor, xyz: Tensor, shape: tuple[int, ...],
        device: torch.device,
    ) -> Tensor:
        """Return logits (1, L, H, W) at the size of the view, on the CPU."""
        with autocast(self.options, device):
            logits = network(color.to(device), xyz.to(device))
        return functional.interpolate(
            logits.float().cpu(), size=shape, mode='bilinear', align_corners=False)

    def parameter_groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Return the groups that the network has published, else matrices and vectors."""
        own = getattr(cast(SemanticModel, network).network, 'parameter_groups', None)
        decay = self.options.weight_decay
        return decayed_matrices(network, decay) if own is None else own(decay)

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return AdamW or SGD with momentum."""
        if self.options.optimizer == 'adamw':
            return super().optimizer(groups)
        return torch.optim.SGD(
            groups, lr=self.options.learning_rate, momentum=self.options.momentum)

    def decline(self, share: float) -> float:
        """Return the factor of the learning rate: a cosine to 1 %, or poly."""
        if self.options.schedule == 'cosine':
            return super().decline(share)
        return poly_rate(share, self.options.poly_power)


