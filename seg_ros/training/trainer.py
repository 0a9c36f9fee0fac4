# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train the network of a task; a killed run goes on from its last checkpoint."""

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
from seg_ros.training.parallel import Team
from seg_ros.training.progress import Progress
from seg_ros.training.state import (
    AveragedModel,
    Best,
    Curve,
    load_checkpoint,
    random_states,
    restore_random_states,
    save_checkpoint,
)
from seg_ros.training.task import Task, autocast
from seg_ros.weights import Weights, load_strictly, save_weights

logger = logging.getLogger(__name__)

CHECKPOINT = 'checkpoint.pt'
WEIGHTS = 'weights.safetensors'
BEST = 'best.safetensors'


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
    """Train the network of one task in one output folder."""

    def __init__(
        self, task: Task, data: str | Path | Sequence[str | Path], out: str | Path, *,
        resume: bool = False, init: Weights | None = None, team: Team | None = None,
        shares: Sequence[float] | None = None,
    ) -> None:
        """Prepare network, data and curves; with `resume` go on from the folder's checkpoint.

        Each folder of `data` holds train and, for validation, val; ``shares`` say how often a
        sample is of each, without them every view is equally likely. ``init`` are weights to start
        from; they say which network. Raises ValueError where `out` holds a training already and
        resume is off, and for a time budget in a team, whose clocks differ.
        """
        self.task, self.team = task, team or Team()
        self.options = options = task.options
        if self.team.size > 1 and options.time_budget_s > 0:
            raise ValueError('several processes cannot keep one time budget: give samples')
        self.out = Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.device = chosen_device(options.device)
        if options.threads:
            torch.set_num_threads(options.threads)
        self.progress, self.best = Progress(options), Best()
        folders = [data] if isinstance(data, (str, Path)) else data
        task.open([Path(folder) for folder in folders], shares)
        self._stop_asked = False
        self._sums = dict.fromkeys(task.losses, 0.0)
        self._validated_at = -1
        self._start(resume, init)

    def _start(self, resume: bool, init: Weights | None) -> None:
        """Build network and optimiser, new, from weights or from the checkpoint."""
        path = self.out / CHECKPOINT
        if path.exists() and not resume:
            raise ValueError(f'{path} exists: add --resume, or give another --out')
        if resume and not path.exists():
            raise FileNotFoundError(f'{path} is missing: there is nothing to resume')
        content = self._checkpoint(path) if resume else None
        torch.manual_seed(self.options.seed)
        network = self.task.network(content['network'] if content is not None else None, init)
        self.started_from = self.task.started_from
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        self.average = AveragedModel(self.network, self.options.ema_decay)
        self.optimizer = self.task.optimizer(self.task.parameter_groups(self.network))
        if content is not None:
            self._restore(content, str(path))
        self.shared = self.team.share(self.network, self.device)
        self._open_curves()

    def _checkpoint(self, path: Path) -> dict[str, Any]:
        content = load_checkpoint(path)
        made_for = content['network']['method']
        if made_for != self.task.method:
            raise ValueError(
                f'{path} is of a training of {made_for}, asked for {self.task.method}: name that '
                'method, or give another --out')
        return content

    def _restore(self, content: dict[str, Any], source: str) -> None:
        load_strictly(self.network, content['model'], source)
        load_strictly(self.average.network, content['ema'], source)
        self.started_from = content['started_from']
        self.optimizer.load_state_dict(content['optimizer'])
        self.progress.restore(content['progress'])
        self.best = Best(**content['best'])
        self._sums = dict(content['sums'])
        restore_random_states(content, self.device)

    def _open_curves(self) -> None:
        if not self.team.leads:
            return
        step = self.progress.step
        board = str(self.out / 'tensorboard') if self.options.tensorboard else ''
        losses, measures = self.task.losses, self.task.measures
        self.curve = Curve(
            self.out / 'curves.csv', (*self.progress.state(), 'rate', *losses), step, board,
            'train')
        self.validation_curve = Curve(
            self.out / 'validation.csv', (*self.progress.state(), *losses, *measures), step,
            board, 'val')

    def save(self) -> None:
        """Write the checkpoint, and the averaged weights as they would ship."""
        save_checkpoint(self.out / CHECKPOINT, {
            'model': self.network.state_dict(), 'ema': self.average.network.state_dict(),
            'optimizer': self.optimizer.state_dict(), 'progress': self.progress.state(),
            'best': asdict(self.best), 'sums': self._sums, 'options': asdict(self.options),
            'network': self.task.described(self.network), 'started_from': self.started_from,
            **random_states(self.device)})
        save_weights(self.out / WEIGHTS, shipped_state(self.average.network), self.metadata())

    def _save_or_say(self) -> None:
        """Save; where the disk refuses, the last checkpoint stays and the next one is tried."""
        try:
            self.save()
        except OSError as error:
            logger.error(
                'no checkpoint at step %d (%s): the last one stays, the next is in %.0f s',
                self.progress.step, error, self.options.checkpoint_s)

    def metadata(self) -> dict[str, Any]:
        """Return what the weights file says of the network and of its training."""
        defaults = type(self.options)()
        changed = {key: value for key, value in asdict(self.options).items()
                   if value != getattr(defaults, key)}
        return self.task.described(self.network, training={
            **self.progress.state(), 'seed': self.options.seed,
            'started_from': self.started_from, 'processes': self.team.size, 'options': changed,
            'versions': {'seg_ros': __version__, 'torch': torch.__version__,
                         'python': platform.python_version()},
            'data': self.task.data_described()})

    def rate(self) -> float:
        """Return the learning rate of this step: linear warm-up, then the task's decline."""
        warm = min((self.progress.step + 1) / max(self.options.warmup_steps, 1), 1.0)
        return self.options.learning_rate * warm * self.task.decline(self.progress.share)

    def ask_to_stop(self) -> None:
        """End the training after the step in progress, with a checkpoint."""
        self._stop_asked = True

    def run(self, max_steps: int | None = None) -> bool:
        """Train until samples, time or patience are used up, or for max_steps.

        Leaves a checkpoint. Returns whether the training is complete: False after max_steps or
        ask_to_stop.
        """
        saved, first, patient = time.monotonic(), self.progress.step, True
        for batch in self.task.loader(self.progress, self.team):
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
        else:
            return self._finish(True)
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

    def _finish(self, ended: bool) -> bool:
        done = self.progress.share >= 1 or ended
        if self.team.leads:
            if done and self._validated_at != self.progress.samples:
                self._keep_best(self.validate())
            self.save()
        self.team.wait()
        return done

    def train_step(self, batch: Any) -> dict[str, float]:
        """Take one optimiser step; return the losses."""
        self.task.train_mode(self.network)
        rate = self.rate()
        for group in self.optimizer.param_groups:
            group['lr'] = rate * group.get('lr_scale', 1)
        with autocast(self.options, self.device):
            losses = self.task.losses_of(self.shared, batch, self.device)
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
        self.progress.samples += self.task.batch_size(batch) * self.team.size
        return {name: float(value.detach()) for name, value in losses.items()}

    def _log(self, losses: dict[str, float]) -> None:
        for name, value in losses.items():
            self._sums[name] += value / self.options.log_steps
        if self.progress.step % self.options.log_steps:
            return
        means = self.team.means(self._sums, self.device)
        self._sums = dict.fromkeys(self.task.losses, 0.0)
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
        """Measure the averaged network; returns the task's best measure, NaN without any data.

        Writes a row of validation.csv and the picture validation.png.
        """
        values = self.task.validate(
            self.average.network, self.device, self.out / 'validation.png')
        if not values:
            return math.nan
        self._add(self.validation_curve, values)
        logger.info('validation at %d samples: %s', self.progress.samples, values)
        return values[self.task.best]


def shipped_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the state dict without num_batches_tracked: inference needs none."""
    return {key: value for key, value in network.state_dict().items()
            if not key.endswith('num_batches_tracked')}
