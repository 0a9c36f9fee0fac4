# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How far a training is."""

from __future__ import annotations

import time

from seg_ros.training.options import CommonTrainOptions


class Progress:
    """Count steps, samples and seconds; `share` runs from 0 to 1 over the training."""

    def __init__(self, options: CommonTrainOptions) -> None:
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
