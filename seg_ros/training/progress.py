# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How far a training is, and what its next steps train on."""

from __future__ import annotations

import time
from collections.abc import Iterator

from seg_ros.training.data import BatchPlan
from seg_ros.training.options import TrainOptions


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
