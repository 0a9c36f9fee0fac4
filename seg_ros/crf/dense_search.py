# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Search parameters of a CRF: at random or one after the other, with a log that goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from seg_ros.core.options import OptionSpec

Values = dict[str, float]
Score = Callable[[Values], float]
FACTOR = 1.5  # by which the coordinate search changes a value, at first
SPREAD = 4.0  # by which the random search changes one at most
LEAST_FACTOR = 1.05


class TrialLog:
    """Keep the score of each trial in a file of JSON lines; what it has is not tried again.

    The first line tells ``setting``; ValueError for a file of another one or that is no log.
    """

    def __init__(self, path: Path | None, setting: Mapping[str, object], score: Score) -> None:
        """Read the file, or begin it; without a path trials are kept in memory."""
        self._path, self._score = path, score
        self._known: dict[str, float] = {}
        self.made = 0
        if path is None:
            return
        if path.exists():
            self._read(path, setting)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({'setting': setting}, sort_keys=True) + '\n')

    def _read(self, path: Path, setting: Mapping[str, object]) -> None:
        lines = path.read_text(encoding='utf-8').split('\n')
        whole = lines[:-1]  # what a killed process left half written has no end of line
        try:
            first, *trials = [json.loads(line) for line in whole]
            begun = first['setting']
            self._known = {_key(each['values']): float(each['score']) for each in trials}
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'{path} is no log of trials: {error}') from error
        if begun != json.loads(json.dumps(setting)):
            raise ValueError(f'{path} was begun with {begun}, not {dict(setting)}: give another '
                             'file, or the same arguments')
        path.write_text('\n'.join([*whole, '']))

    def score(self, values: Values) -> float:
        """Return the score of values, from the log where it has them."""
        key = _key(values)
        if key not in self._known:
            found = self._score(values)
            self.made += 1
            self._known[key] = found
            if self._path is not None:
                with self._path.open('a', encoding='utf-8') as file:
                    file.write(json.dumps({'values': values, 'score': found}) + '\n')
        return self._known[key]


def _key(values: Mapping[str, float]) -> str:
    return json.dumps(values, sort_keys=True)


def random_search(
    specs: Sequence[OptionSpec], start: Values, log: TrialLog, trials: int, seed: int = 0
) -> tuple[Values, float]:
    """Return the best of the start and values up to four times as high or low, and its score.

    The same seed draws the same trials, so that a search goes on where it stopped.
    """
    rng = np.random.default_rng(seed)
    best, highest = start, log.score(start)
    for _ in range(trials - 1):
        drawn = {spec.name: _within(spec, start[spec.name] * SPREAD ** rng.uniform(-1, 1))
                 for spec in specs}
        found = log.score(drawn)
        if found > highest:
            best, highest = drawn, found
    return best, highest


def coordinate_search(
    specs: Sequence[OptionSpec], start: Values, log: TrialLog, trials: int
) -> tuple[Values, float]:
    """Return the best values that changes of one at a time lead to, and their score.

    Each is raised and lowered by a factor as long as that helps; where nothing does the factor is
    made smaller. It ends after ``trials``, or where the factor is next to 1.
    """
    best, highest, factor, left = start, log.score(start), FACTOR, trials - 1
    while factor > LEAST_FACTOR and left > 0:
        helped = False
        for spec in specs:
            for step in (factor, 1 / factor):
                while left > 0:
                    tried = best | {spec.name: _within(spec, best[spec.name] * step)}
                    left -= 1
                    found = log.score(tried)
                    if found <= highest:
                        break
                    best, highest, helped = tried, found, True
        if not helped:
            factor = math.sqrt(factor)
    return best, highest


def _within(spec: OptionSpec, value: float) -> float:
    """Return the value in the option's range and type, of four digits."""
    low = -math.inf if spec.minimum is None else spec.minimum
    high = math.inf if spec.maximum is None else spec.maximum
    bounded = min(max(float(f'{value:.4g}'), low), high)
    return int(round(bounded)) if spec.type is int else bounded
