# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The tables of the RoI ablation, and that the document has them."""

import json
from pathlib import Path

import pytest

from seg_ros.benchmark.roi_ablation import FORMAT, ROWS
from seg_ros.benchmark.roi_table import mean_and_deviation, to_markdown

DOCS = Path(__file__).parents[2] / 'docs'
needs_docs = pytest.mark.skipif(
    not DOCS.is_dir(), reason='a source distribution has no documents')


def record(operator, aggregation, seed, *values):
    figures = dict(zip(('AP', 'AP50', 'AP75'), values, strict=True))
    return {'operator': operator, 'aggregation': aggregation, 'seed': seed,
            'figures': {'mask': figures, 'box': dict.fromkeys(figures, 0.5)}}


RECORDS = [
    record('pool', 'max', 0, 0.10, 0.30, 0.05), record('pool', 'max', 1, 0.14, 0.30, 0.07),
    record('align', 'average', 1, 0.20, 0.40, 0.17),
    record('align', 'average', 0, 0.18, 0.44, 0.17),
]
EXPECTED = """\
Mask AP in percent, mean ± standard deviation over seeds 0, 1:

| operator | aggregation | AP | AP50 | AP75 |
|---|---|---:|---:|---:|
| pool | max | 12.0 ± 2.8 | 30.0 ± 0.0 | 6.0 ± 1.4 |
| align | average | 19.0 ± 1.4 | 42.0 ± 2.8 | 17.0 ± 0.0 |

Against align average of the same seed:

| operator | aggregation | AP | AP50 | AP75 |
|---|---|---:|---:|---:|
| pool | max | -7.0 ± 1.4 | -12.0 ± 2.8 | -11.0 ± 1.4 |
"""


def test_means_deviations_and_paired_gaps():
    assert to_markdown(RECORDS) == EXPECTED


def test_boxes():
    assert '| pool | max | 50.0 ± 0.0 | 50.0' in to_markdown(RECORDS, 'box')


@pytest.mark.parametrize('records', [[], RECORDS[:2], RECORDS[:3]])
def test_every_row_needs_the_same_seeds(records):
    with pytest.raises(ValueError, match='same seeds'):
        to_markdown(records)


@pytest.mark.parametrize(('values', 'expected'), [([3.0], (3.0, 0.0)), ([1, 2, 6], (3, 7**0.5))])
def test_mean_and_deviation(values, expected):
    assert mean_and_deviation(values) == pytest.approx(expected)


def published():
    return [json.loads(path.read_text()) for path in sorted((DOCS / 'roi').glob('*.json'))]


@needs_docs
def test_published_runs_are_of_one_study():
    records = published()
    seeds = {found['seed'] for found in records}
    assert len(seeds) >= 3
    assert sorted((found['operator'], found['aggregation'], found['seed']) for found in records) \
        == sorted((*row, seed) for row in ROWS for seed in seeds)
    for name in ('options', 'data', 'trunk', 'proposal_recall'):
        assert all(found[name] == records[0][name] for found in records)
    assert {found['format'] for found in records} == {FORMAT}


@needs_docs
def test_the_document_has_the_figures_of_its_runs():
    lines = (DOCS / 'roi.md').read_text().splitlines()
    tables = [line for line in to_markdown(published()).splitlines()
              if line.startswith('|') and '±' in line]
    assert len(tables) == 2 * len(ROWS) - 1
    for line in tables:
        assert any(found.startswith(line) for found in lines), line
