# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train the Unseen Clustering Network; a killed run goes on from its last checkpoint."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from seg_ros.training.data import (
    Batch,
    BatchPlan,
    PlannedBatches,
    ViewFolder,
    batch_loader,
    validation_batches,
)
from seg_ros.training.options import TrainOptions
from seg_ros.training.state import AveragedModel, Curve, load_checkpoint, save_checkpoint
from seg_ros.training.validation import MEASURES, quick_measures
from seg_ros.unseen.checkpoint import (
    default_preprocessing,
    load_strictly,
    metadata_of,
    new_network,
)
from seg_ros.unseen.loss import border_loss, clustering_loss, contact_loss, foreground_loss
from seg_ros.weights import save_weights

logger = logging.getLogger(__name__)

CHECKPOINT = 'checkpoint.pt'
WEIGHTS = 'weights.safetensors'
LOSSES = ('loss', 'intra', 'inter', 'border', 'foreground', 'contact')
CURVE_COLUMNS = ('step', 'samples', 'seconds', 'rate', *LOSSES)
VALIDATION_COLUMNS = ('step', 'samples', 'seconds', *LOSSES, *MEASURES)


def network_losses(
    network: nn.Module, color: Tensor, xyz: Tensor, labels: Tensor, options: TrainOptions
) -> tuple[dict[str, Tensor], Tensor, Tensor | None]:
    """Return the losses of a batch by name ('loss' their weighted sum), embedding and logits.

    ``labels`` (B, h/2, w/2); a network that embeds every pixel is averaged down to them.
    """
    output = network(color, xyz)
    embedding, *heads = output if isinstance(output, tuple) else (output,)
    embedding = embedding.float()
    if embedding.shape[2:] != labels.shape[1:]:
        height, width = labels.shape[1:]
        embedding = functional.normalize(
            functional.adaptive_avg_pool2d(embedding, (height, width)), dim=1)
    clusters = clustering_loss(embedding, labels)
    border = border_loss(embedding, labels)
    of_heads = [loss(logits.float(), labels)
                for loss, logits in zip((foreground_loss, contact_loss), heads, strict=False)]
    foreground, contact = of_heads + [border.new_zeros(())] * (2 - len(heads))
    total = (clusters.total + options.border_weight * border
             + options.foreground_weight * foreground + options.contact_weight * contact)
    values = dict(zip(LOSSES, (total, clusters.intra, clusters.inter, border, foreground,
                               contact), strict=True))
    logits = heads[0] if heads else None
    return values, embedding, logits


class Progress:
    """Count steps, samples and seconds; `share` runs from 0 to 1 over the training."""

    def __init__(self, options: TrainOptions) -> None:
        """Start at zero."""
        self.options = options
        self.step = 0
        self.samples = 0
        self._earlier_s = 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the seconds trained, those before a resume included."""
        return self._earlier_s + time.monotonic() - self._started

    @property
    def share(self) -> float:
        """Return how much of the training is done, by time where a budget is given."""
        if self.options.time_budget_s > 0:
            return min(self.seconds / self.options.time_budget_s, 1.0)
        return min(self.samples / self.options.samples, 1.0)

    def state(self) -> dict[str, float]:
        """Return what a checkpoint keeps."""
        return {'step': self.step, 'samples': self.samples, 'seconds': self.seconds}

    def restore(self, state: dict[str, float]) -> None:
        """Go on from a checkpoint."""
        self.step, self.samples = int(state['step']), int(state['samples'])
        self._earlier_s, self._started = state['seconds'], time.monotonic()


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


def chosen_device(name: str) -> torch.device:
    """Return the device; ValueError for one that is not here."""
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f'device {name!r} is unknown: {error}') from error
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise ValueError(f'device {name!r}: torch sees no CUDA device here; give device=cpu')
    return device


class Trainer:
    """Train one network in one output folder."""

    def __init__(
        self, data: str | Path, out: str | Path, options: TrainOptions, *, resume: bool = False
    ) -> None:
        """Prepare network, data and curves; with `resume` go on from the folder's checkpoint.

        `data` holds the folders train and, for validation, val. Raises ValueError where `out`
        holds a training already and resume is off.
        """
        self.options = options
        self.out = Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.device = chosen_device(options.device)
        if options.threads:
            torch.set_num_threads(options.threads)
        self.progress = Progress(options)
        self.preprocessing = default_preprocessing(options.architecture)
        self.train_folder = ViewFolder(Path(data) / 'train')
        self.val_folder = None
        if options.validation_frames and (Path(data) / 'val').is_dir():
            self.val_folder = ViewFolder(Path(data) / 'val')
        torch.manual_seed(options.seed)
        network = new_network(options.architecture, options.fusion)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        self.average = AveragedModel(self.network, options.ema_decay)
        self.optimizer = self._make_optimizer()
        self._start(resume)

    def _make_optimizer(self) -> torch.optim.Optimizer:
        matrices = [p for p in self.network.parameters() if p.dim() > 1]
        vectors = [p for p in self.network.parameters() if p.dim() <= 1]
        groups = [{'params': matrices, 'weight_decay': self.options.weight_decay},
                  {'params': vectors, 'weight_decay': 0.0}]
        return torch.optim.AdamW(groups, lr=self.options.learning_rate, fused=True)

    def _start(self, resume: bool) -> None:
        path = self.out / CHECKPOINT
        if path.exists() and not resume:
            raise ValueError(f'{path} exists: add --resume, or give another --out')
        if resume:
            if not path.exists():
                raise FileNotFoundError(f'{path} is missing: there is nothing to resume')
            self._restore(load_checkpoint(path), str(path))
        step = self.progress.step
        self.curve = Curve(self.out / 'curves.csv', CURVE_COLUMNS, step)
        self.validation_curve = Curve(self.out / 'validation.csv', VALIDATION_COLUMNS, step)

    def _restore(self, content: dict[str, Any], source: str) -> None:
        load_strictly(self.network, content['model'], source)
        load_strictly(self.average.network, content['ema'], source)
        self.optimizer.load_state_dict(content['optimizer'])
        self.progress.restore(content['progress'])
        torch.set_rng_state(content['rng'])

    def initialise(self, state: dict[str, Tensor], source: str) -> None:
        """Start from given weights instead of random ones."""
        load_strictly(self.network, state, source)
        self.average = AveragedModel(self.network, self.options.ema_decay)

    def save(self) -> None:
        """Write the checkpoint, and the averaged weights as they would ship."""
        save_checkpoint(self.out / CHECKPOINT, {
            'model': self.network.state_dict(), 'ema': self.average.network.state_dict(),
            'optimizer': self.optimizer.state_dict(), 'progress': self.progress.state(),
            'rng': torch.get_rng_state(), 'options': asdict(self.options)})
        save_weights(self.out / WEIGHTS, shipped_state(self.average.network), self.metadata())

    def metadata(self) -> dict[str, Any]:
        """Return what the weights file says of the network and of its training."""
        training = {**self.progress.state(), 'seed': self.options.seed,
                    'stage': self.options.stage}
        return metadata_of(
            self.network, self.options.architecture,
            (self.options.width, self.options.height), training=training)

    def rate(self) -> float:
        """Return the learning rate of this step: linear warm-up, then a cosine to 1 %."""
        warm = min((self.progress.step + 1) / max(self.options.warmup_steps, 1), 1.0)
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress.share))
        return self.options.learning_rate * warm * (0.01 + 0.99 * cosine)

    def run(self, max_steps: int | None = None) -> None:
        """Train until samples or time are used up, or for max_steps; leaves a checkpoint."""
        batches = PlannedBatches(self.train_folder, self.options, self.preprocessing)
        loader = batch_loader(
            batches, batch_plans(self.options, self.progress), self.options.workers)
        sums: dict[str, float] = dict.fromkeys(LOSSES, 0.0)
        saved, first = time.monotonic(), self.progress.step
        for batch in loader:
            before = self.progress.samples // self.options.validation_samples
            losses = self.train_step(batch)
            self._log(losses, sums)
            if self.progress.samples // self.options.validation_samples > before:
                self.validate()
            if time.monotonic() - saved > self.options.checkpoint_s:
                self.save()
                saved = time.monotonic()
            if self.progress.share >= 1 or self.progress.step - first == max_steps:
                break
        self.validate()
        self.save()

    def train_step(self, batch: Batch) -> dict[str, float]:
        """Take one optimiser step; return the losses."""
        self.network.train()
        rate = self.rate()
        for group in self.optimizer.param_groups:
            group['lr'] = rate
        losses = self._losses(self.network, batch)[0]
        if not torch.isfinite(losses['loss']):
            raise RuntimeError(f'the loss is {losses["loss"].item()} at step {self.progress.step}')
        self.optimizer.zero_grad(set_to_none=True)
        losses['loss'].backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip_norm)
        self.optimizer.step()
        self.average.update(self.network, self.progress.step)
        self.progress.step += 1
        self.progress.samples += len(batch[0])
        return {name: float(value.detach()) for name, value in losses.items()}

    def _losses(
        self, network: nn.Module, batch: Batch
    ) -> tuple[dict[str, Tensor], Tensor, Tensor | None]:
        color, xyz, labels = (tensor.to(self.device) for tensor in batch)
        with torch.autocast(self.device.type, torch.bfloat16,
                            enabled=self.options.precision == 'bf16'):
            return network_losses(network, color, xyz, labels, self.options)

    def _log(self, losses: dict[str, float], sums: dict[str, float]) -> None:
        for name, value in losses.items():
            sums[name] += value / self.options.log_steps
        if self.progress.step % self.options.log_steps:
            return
        row = {**self.progress.state(), 'rate': self.rate(), **sums}
        self.curve.add(row)
        logger.info('step %d, %d samples, %.0f s: loss %.4f', self.progress.step,
                    self.progress.samples, self.progress.seconds, sums['loss'])
        sums.update(dict.fromkeys(LOSSES, 0.0))

    @torch.no_grad()
    def validate(self) -> None:
        """Write the averaged network's losses and measures on validation views to a CSV file."""
        if self.val_folder is None:
            return
        totals = dict.fromkeys((*LOSSES, *MEASURES), 0.0)
        batches = validation_batches(self.val_folder, self.options, self.preprocessing)
        count = 0
        for count, batch in enumerate(batches, start=1):  # noqa: B007
            losses, embedding, logits = self._losses(self.average.network, batch)
            measures = quick_measures(embedding, logits, batch[2].to(self.device))
            values = {name: float(value) for name, value in losses.items()} | measures
            totals = {name: total + values[name] for name, total in totals.items()}
        means = {name: total / max(count, 1) for name, total in totals.items()}
        self.validation_curve.add({**self.progress.state(), **means})
        logger.info('validation at %d samples: %s', self.progress.samples, means)


def shipped_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the state dict without num_batches_tracked: inference needs none."""
    return {key: value for key, value in network.state_dict().items()
            if not key.endswith('num_batches_tracked')}
