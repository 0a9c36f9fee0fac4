# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train the Unseen Clustering Network; a killed run goes on from its last checkpoint."""

from __future__ import annotations

import logging
import math
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seg_ros import __version__
from seg_ros.networks.strict import load_strictly
from seg_ros.training.data import (
    Batch,
    PlannedBatches,
    ViewFolder,
    Views,
    batch_loader,
    validation_batches,
)
from seg_ros.training.losses import LOSSES, network_losses
from seg_ros.training.options import TrainOptions
from seg_ros.training.parallel import Team
from seg_ros.training.pictures import Picture, picture_row, write_rows
from seg_ros.training.progress import Progress, batch_plans
from seg_ros.training.state import (
    AveragedModel,
    Best,
    Curve,
    load_checkpoint,
    save_checkpoint,
)
from seg_ros.training.validation import MEASURES, quick_measures
from seg_ros.unseen.checkpoint import (
    build_network,
    default_preprocessing,
    metadata_of,
    network_of_weights,
    new_network,
    one_branch_of,
)
from seg_ros.weights import Weights, save_weights

logger = logging.getLogger(__name__)

CHECKPOINT = 'checkpoint.pt'
WEIGHTS = 'weights.safetensors'
BEST = 'best.safetensors'
CURVE_COLUMNS = ('step', 'samples', 'seconds', 'rate', *LOSSES)
VALIDATION_COLUMNS = ('step', 'samples', 'seconds', *LOSSES, *MEASURES)


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


def open_views(
    data: Sequence[str | Path], part: str, sensor_noise: str,
    shares: Sequence[float] | None = None,
) -> Views:
    """Open the folder `part` (train or val) of each data set."""
    return Views([ViewFolder(Path(folder) / part, sensor_noise) for folder in data], shares)


class Trainer:
    """Train one network in one output folder."""

    def __init__(
        self, data: str | Path | Sequence[str | Path], out: str | Path, options: TrainOptions, *,
        resume: bool = False, init: Weights | None = None, team: Team | None = None,
        shares: Sequence[float] | None = None,
    ) -> None:
        """Prepare network, data and curves; with `resume` go on from the folder's checkpoint.

        Each folder of `data` holds train and, for validation, val; ``shares`` say how often a
        sample is of each, without them every view is equally likely. ``init`` are weights to start
        from; they say which network. Raises ValueError where `out` holds a training already and
        resume is off, and for a time budget in a team, whose clocks differ.
        """
        self.options, self.team = options, team or Team()
        if self.team.size > 1 and options.time_budget_s > 0:
            raise ValueError('several processes cannot keep one time budget: give samples')
        self.out = Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.device = chosen_device(options.device)
        if options.threads:
            torch.set_num_threads(options.threads)
        self.progress, self.best = Progress(options), Best()
        self._open([data] if isinstance(data, (str, Path)) else list(data), shares)
        self._stop_asked = False
        self._sums = dict.fromkeys(LOSSES, 0.0)
        self._validated_at = -1
        self._start(resume, init)

    def _open(self, data: list[str | Path], shares: Sequence[float] | None) -> None:
        self.train_views = open_views(data, 'train', self.options.sensor_noise, shares)
        self.val_views: Views | None = None
        with_val = [folder for folder in data if (Path(folder) / 'val').is_dir()]
        if self.options.validation_frames and with_val:
            self.val_views = open_views(with_val, 'val', self.options.sensor_noise)

    def _start(self, resume: bool, init: Weights | None) -> None:
        """Build network and optimiser, new, from weights or from the checkpoint."""
        path = self.out / CHECKPOINT
        if path.exists() and not resume:
            raise ValueError(f'{path} exists: add --resume, or give another --out')
        if resume and not path.exists():
            raise FileNotFoundError(f'{path} is missing: there is nothing to resume')
        content = load_checkpoint(path) if resume else None
        torch.manual_seed(self.options.seed)
        network = self._network(content, init)
        self.preprocessing = default_preprocessing(self.architecture)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        self.average = AveragedModel(self.network, self.options.ema_decay)
        self.optimizer = self._make_optimizer()
        if content is not None:
            self._restore(content, str(path))
        self.shared = self.team.share(self.network, self.device)
        self._open_curves()

    def _network(self, content: dict[str, Any] | None, init: Weights | None) -> nn.Module:
        self.started_from = 'random weights'
        self.architecture = self.options.architecture
        if content is not None:
            self.started_from = content['started_from']
            self.architecture = content['network']['architecture']
            config = dict(content['network']['config'])
            for name in ('input_size', 'preprocessing'):
                config.pop(name)
            return build_network(self.architecture, **config)
        if init is None:
            return new_network(self.architecture, self.options.fusion)
        loaded = network_of_weights(init)
        self.started_from, self.architecture = init.path.name, loaded.architecture
        if self.options.architecture not in (loaded.architecture, TrainOptions().architecture):
            raise ValueError(
                f'{init.path} is of architecture {loaded.architecture}, asked for '
                f'{self.options.architecture}: leave that out, or start without weights')
        if self.options.fusion in (loaded.fusion, TrainOptions().fusion):
            return loaded.network
        return one_branch_of(loaded.network, self.options.fusion)

    def _make_optimizer(self) -> torch.optim.Optimizer:
        matrices = [p for p in self.network.parameters() if p.dim() > 1]
        vectors = [p for p in self.network.parameters() if p.dim() <= 1]
        groups = [{'params': matrices, 'weight_decay': self.options.weight_decay},
                  {'params': vectors, 'weight_decay': 0.0}]
        return torch.optim.AdamW(groups, lr=self.options.learning_rate, fused=True)

    def _restore(self, content: dict[str, Any], source: str) -> None:
        load_strictly(self.network, content['model'], source)
        load_strictly(self.average.network, content['ema'], source)
        self.optimizer.load_state_dict(content['optimizer'])
        self.progress.restore(content['progress'])
        self.best = Best(**content['best'])
        self._sums = dict(content['sums'])
        torch.set_rng_state(content['rng'])

    def _open_curves(self) -> None:
        if not self.team.leads:
            return
        step = self.progress.step
        board = str(self.out / 'tensorboard') if self.options.tensorboard else ''
        self.curve = Curve(self.out / 'curves.csv', CURVE_COLUMNS, step, board, 'train')
        self.validation_curve = Curve(
            self.out / 'validation.csv', VALIDATION_COLUMNS, step, board, 'val')

    def save(self) -> None:
        """Write the checkpoint, and the averaged weights as they would ship."""
        save_checkpoint(self.out / CHECKPOINT, {
            'model': self.network.state_dict(), 'ema': self.average.network.state_dict(),
            'optimizer': self.optimizer.state_dict(), 'progress': self.progress.state(),
            'best': asdict(self.best), 'sums': self._sums, 'rng': torch.get_rng_state(),
            'options': asdict(self.options), 'network': self._described(),
            'started_from': self.started_from})
        save_weights(self.out / WEIGHTS, shipped_state(self.average.network), self.metadata())

    def _save_or_say(self) -> None:
        """Save; where the disk refuses, the last checkpoint stays and the next one is tried."""
        try:
            self.save()
        except OSError as error:
            logger.error(
                'no checkpoint at step %d (%s): the last one stays, the next is in %.0f s',
                self.progress.step, error, self.options.checkpoint_s)

    def _described(self, **more: Any) -> dict[str, Any]:
        options, zoom = self.options, self.options.stage == 'zoom'
        size = (options.zoom_size,) * 2 if zoom else (options.width, options.height)
        return metadata_of(self.network, self.architecture, size, **more)

    def metadata(self) -> dict[str, Any]:
        """Return what the weights file says of the network and of its training."""
        changed = {key: value for key, value in asdict(self.options).items()
                   if value != getattr(TrainOptions(), key)}
        return self._described(training={
            **self.progress.state(), 'stage': self.options.stage, 'seed': self.options.seed,
            'started_from': self.started_from, 'processes': self.team.size, 'options': changed,
            'versions': {'seg_ros': __version__, 'torch': torch.__version__,
                         'python': platform.python_version()},
            'data': self.train_views.describe()})

    def rate(self) -> float:
        """Return the learning rate of this step: linear warm-up, then a cosine to 1 %."""
        warm = min((self.progress.step + 1) / max(self.options.warmup_steps, 1), 1.0)
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress.share))
        return self.options.learning_rate * warm * (0.01 + 0.99 * cosine)

    def ask_to_stop(self) -> None:
        """End the training after the step in progress, with a checkpoint."""
        self._stop_asked = True

    def run(self, max_steps: int | None = None) -> bool:
        """Train until samples, time or patience are used up, or for max_steps.

        Leaves a checkpoint. Returns whether the training is complete: False after max_steps or
        ask_to_stop.
        """
        batches = PlannedBatches(self.train_views, self.options, self.preprocessing, self.team)
        loader = batch_loader(
            batches, batch_plans(self.options, self.progress), self.options.workers)
        saved, first, patient = time.monotonic(), self.progress.step, True
        for batch in loader:
            before = self.progress.samples // self.options.validation_samples
            self._log(self.train_step(batch))
            if self.progress.samples // self.options.validation_samples > before:
                patient = self._validated()
            if self.team.leads and time.monotonic() - saved > self.options.checkpoint_s:
                self._save_or_say()
                saved = time.monotonic()
            stop = self._stop_asked or self.progress.step - first == max_steps
            if self.progress.share >= 1 or not patient or self.team.any(stop, self.device):
                break
        return self._finish(not patient)

    def _validated(self) -> bool:
        """Validate in one process, the others wait; returns whether to go on."""
        if self.team.leads:
            self._keep_best(self.validate())
        tired = self.team.leads and 0 < self.options.patience <= self.best.since
        return not self.team.any(tired, self.device)

    def _keep_best(self, value: float) -> None:
        self._validated_at = self.progress.samples
        if self.best.add(value, self.progress.samples):
            with suppress(OSError):  # the next better one is tried again
                save_weights(self.out / BEST, shipped_state(self.average.network),
                             self.metadata())

    def _finish(self, tired: bool) -> bool:
        done = self.progress.share >= 1 or tired
        if self.team.leads:
            if done and self._validated_at != self.progress.samples:
                self._keep_best(self.validate())
            self.save()
        self.team.wait()
        return done

    def train_step(self, batch: Batch) -> dict[str, float]:
        """Take one optimiser step; return the losses."""
        self._train_mode()
        rate = self.rate()
        for group in self.optimizer.param_groups:
            group['lr'] = rate
        losses = self._losses(self.shared, batch)[0]
        if not torch.isfinite(losses['loss']):
            raise RuntimeError(
                f'the loss is {losses["loss"].item()} at step {self.progress.step}: lower '
                'learning_rate, or look for views with absurd depth')
        self.optimizer.zero_grad(set_to_none=True)
        losses['loss'].backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip_norm)
        self.optimizer.step()
        self.average.update(self.network, self.progress.step)
        self.progress.step += 1
        self.progress.samples += len(batch[0]) * self.team.size
        return {name: float(value.detach()) for name, value in losses.items()}

    def _train_mode(self) -> None:
        self.network.train()
        if self.options.freeze_norm:
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def _losses(
        self, network: nn.Module, batch: Batch
    ) -> tuple[dict[str, Tensor], Tensor, Tensor | None]:
        color, xyz, labels = (tensor.to(self.device) for tensor in batch)
        with torch.autocast(self.device.type, torch.bfloat16,
                            enabled=self.options.precision == 'bf16'):
            return network_losses(network, color, xyz, labels, self.options)

    def _log(self, losses: dict[str, float]) -> None:
        for name, value in losses.items():
            self._sums[name] += value / self.options.log_steps
        if self.progress.step % self.options.log_steps:
            return
        means = self.team.means(self._sums, self.device)
        self._sums = dict.fromkeys(LOSSES, 0.0)
        if self.team.leads:
            self._add(self.curve, {'rate': self.rate(), **means})
            logger.info('step %d, %d samples, %.0f s: loss %.4f', self.progress.step,
                        self.progress.samples, self.progress.seconds, means['loss'])

    def _add(self, curve: Curve, values: dict[str, float]) -> None:
        """Add a row to a curve; a full disk costs the row, not the training."""
        try:
            curve.add({**self.progress.state(), **values})
        except OSError as error:
            logger.error('no row in %s at step %d: %s', curve.path, self.progress.step, error)

    @torch.no_grad()
    def validate(self) -> float:
        """Measure the averaged network on validation views; returns overlap_f, NaN without any.

        Writes a row of validation.csv and the picture validation.png.
        """
        if self.val_views is None:
            return math.nan
        totals = dict.fromkeys((*LOSSES, *MEASURES), 0.0)
        rows: list[Picture] = []
        count = 0
        for batch in validation_batches(self.val_views, self.options, self.preprocessing):
            count += 1
            losses, embedding, logits = self._losses(self.average.network, batch)
            measures = quick_measures(embedding, logits, batch[2].to(self.device))
            values = {name: float(value) for name, value in losses.items()} | measures
            totals = {name: total + values[name] for name, total in totals.items()}
            if len(rows) < self.options.pictures:
                rows.append(picture_row(
                    batch[0][0], batch[1][0], batch[2][0], embedding[0],
                    None if logits is None else logits[0], self.preprocessing))
        means = {name: total / max(count, 1) for name, total in totals.items()}
        self._add(self.validation_curve, means)
        if rows:
            with suppress(OSError):  # a picture is not worth a training
                write_rows(self.out / 'validation.png', rows)
        logger.info('validation at %d samples: %s', self.progress.samples, means)
        return means['overlap_f']


def shipped_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the state dict without num_batches_tracked: inference needs none."""
    return {key: value for key, value in network.state_dict().items()
            if not key.endswith('num_batches_tracked')}
