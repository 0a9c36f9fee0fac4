# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mean shift in its exact and fast forms against the plain form, on made-up embeddings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seg_ros.benchmark.harness import Subject, measure
from seg_ros.benchmark.naive_mean_shift import naive_mean_shift
from seg_ros.benchmark.report import Report
from seg_ros.unseen.mean_shift import mean_shift, mean_shift_fast

SECTION = 'Mean shift'


def clustered_embeddings(
    pixels: int, dimensions: int, *, clusters: int = 11, noise: float = 0.35, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return unit vectors (pixels, dimensions) around random directions, and whose they are.

    The first direction takes half of the pixels, as a background does; `noise` is the length of
    the normal deviation from a unit direction before both are normalised.
    """
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(clusters, dimensions, generator=generator)
    directions = torch.nn.functional.normalize(directions, dim=1)
    truth = torch.randint(1, clusters, (pixels,), generator=generator)
    truth[torch.rand(pixels, generator=generator) < 0.5] = 0
    deviation = torch.randn(pixels, dimensions, generator=generator) / dimensions**0.5
    embeddings = torch.nn.functional.normalize(directions[truth] + noise * deviation, dim=1)
    return embeddings, truth


def adjusted_rand_index(
    labels: npt.NDArray[np.integer], others: npt.NDArray[np.integer]
) -> float:
    """Return the adjusted Rand index of two labellings (N,) (Hubert and Arabie 1985)."""
    _, rows = np.unique(labels, return_inverse=True)
    _, columns = np.unique(others, return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    both = _pairs(table).sum()
    first, second = _pairs(table.sum(1)).sum(), _pairs(table.sum(0)).sum()
    expected = first * second / _pairs(np.array(float(len(rows)))).item()
    highest = (first + second) / 2
    return 1.0 if highest == expected else float((both - expected) / (highest - expected))


def _pairs(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return counts * (counts - 1) / 2


def measure_mean_shift(
    report: Report, *, pixels: int, dimensions: int, iterations: int
) -> None:
    """Add the naive, exact and fast forms on the same fresh embeddings, and their agreement."""
    latest: dict[str, Tensor] = {}

    def prepare(iteration: int) -> Tensor:
        embeddings, latest['truth'] = clustered_embeddings(pixels, dimensions, seed=iteration)
        return embeddings

    def naive(embeddings: Tensor) -> None:
        latest['naive'] = naive_mean_shift(embeddings)

    def exact(embeddings: Tensor) -> None:
        latest['exact'] = mean_shift(embeddings[None])[0].labels

    def fast(embeddings: Tensor) -> None:
        latest['fast'] = mean_shift_fast(embeddings[None])[0].labels

    runs = (('naive', naive), ('exact', exact), ('fast', fast))
    measured = measure([Subject(f'{name} mean shift', run, prepare) for name, run in runs],
                       iterations=iterations, warmup=1)
    size = f'{pixels}x{dimensions}, 100 seeds, 10 iterations'
    report.add(SECTION, measured[0], note=size)
    for form in measured[1:]:
        report.add(SECTION, form, peer=measured[0], note=size)
    _add_agreement(report, latest)


def _add_agreement(report: Report, latest: dict[str, Tensor]) -> None:
    foreground = (latest['truth'] != 0).numpy()
    for name in ('exact', 'fast'):
        pair = [latest[key].numpy()[foreground] for key in (name, 'naive')]
        report.findings[f'foreground ARI of {name} and naive'] = adjusted_rand_index(*pair)
