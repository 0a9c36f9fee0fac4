# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sum up the runs of the RoI ablation over their seeds, as Markdown tables."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

MEASURES = ('AP', 'AP50', 'AP75')
REFERENCE = ('align', 'average')
Row = tuple[str, str]
# A row's runs by seed.
Runs = dict[Row, dict[int, Mapping[str, Any]]]


def to_markdown(records: Sequence[Mapping[str, Any]], kind: str = 'mask') -> str:
    """Return two tables of the records of ``run_ablation``, in percent of ``kind``'s AP.

    Each measure's mean over the seeds with its standard deviation, then how far each row is from
    RoIAlign with average of the same seed. ValueError unless every row has the same seeds.
    """
    runs = _by_row(records, kind)
    seeds = ', '.join(map(str, sorted(runs[REFERENCE])))
    values = {row: [_percent(figures) for figures in found.values()]
              for row, found in runs.items()}
    gaps = {row: _gaps(found, runs[REFERENCE]) for row, found in runs.items() if row != REFERENCE}
    lines = [
        f'{kind.capitalize()} AP in percent, mean ± standard deviation over seeds {seeds}:', '',
        *_table(values, sign=''), '',
        f'Against {" ".join(REFERENCE)} of the same seed:', '', *_table(gaps, sign='+')]
    return '\n'.join(lines) + '\n'


def _by_row(records: Sequence[Mapping[str, Any]], kind: str) -> Runs:
    runs: Runs = {}
    for record in records:
        row = record['operator'], record['aggregation']
        runs.setdefault(row, {})[record['seed']] = record['figures'][kind]
    seeds = {' '.join(row): sorted(found) for row, found in runs.items()}
    if REFERENCE not in runs or any(found != seeds[' '.join(REFERENCE)]
                                    for found in seeds.values()):
        raise ValueError(f'every row needs runs of the same seeds, {" ".join(REFERENCE)} among '
                         f'them; there are {seeds}')
    return runs


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation of a sample, 0 for a single value."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def _gaps(
    found: Mapping[int, Mapping[str, Any]], reference: Mapping[int, Mapping[str, Any]]
) -> list[dict[str, float]]:
    """Return how far a row's runs are from the reference's of the same seeds."""
    pairs = [(_percent(figures), _percent(reference[seed])) for seed, figures in found.items()]
    return [{name: own[name] - other[name] for name in MEASURES} for own, other in pairs]


def _percent(figures: Mapping[str, Any]) -> dict[str, float]:
    return {name: 100 * figures[name] for name in MEASURES}


def _table(values: Mapping[Row, Sequence[Mapping[str, float]]], sign: str) -> list[str]:
    lines = [f'| operator | aggregation | {" | ".join(MEASURES)} |',
             '|---|---|' + '---:|' * len(MEASURES)]
    for (operator, aggregation), found in values.items():
        cells = []
        for name in MEASURES:
            mean, deviation = mean_and_deviation([each[name] for each in found])
            cells.append(f'{mean:{sign}.1f} ± {deviation:.1f}')
        lines.append(f'| {operator} | {aggregation} | {" | ".join(cells)} |')
    return lines
