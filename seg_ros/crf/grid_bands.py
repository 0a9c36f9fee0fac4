# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Expansions inside bands of rows, several at a time: what lies between bands is held fixed."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.crf.grid_moves import expand
from seg_ros.crf.grid_problem import Problem
from seg_ros.crf.grid_search import Search

# Short paths make cuts of bands faster than those of the image, even one after the other.
BAND_ROWS = 32
# Bands bring the bulk of the gain, moves over the whole image the rest.
MOST_ROUNDS = 6
# A round that gains less than this share of the energy is the last.
WORTH_A_ROUND = 1e-4


def expand_in_bands(search: Search) -> None:
    """Improve the best labelling by expansions that stop at rows held fixed, others each round."""
    height = search.problem.shape[0]
    with ThreadPoolExecutor(search.settings.thread_count()) as pool:
        for number in range(MOST_ROUNDS):
            if height < 2 * BAND_ROWS or search.is_over:
                return
            before, labels = search.energy, search.labels.copy()
            bands = bands_between(height, BAND_ROWS // 2 * (1 + number % 2))
            for (top, bottom), found in zip(
                    bands, pool.map(partial(_expanded, search), bands), strict=True):
                labels[top:bottom] = found
            search.offer(labels)
            if before - search.energy < WORTH_A_ROUND * abs(search.energy):
                return


def bands_between(height: int, first_cut: int) -> list[tuple[int, int]]:
    """Return first and end rows of bands, a row left out after each; the first ends at a cut."""
    cuts = range(first_cut, height - 1, BAND_ROWS)
    starts, ends = [0, *(cut + 1 for cut in cuts)], [*cuts, height]
    return list(zip(starts, ends, strict=True))


def _expanded(search: Search, band: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Return the labels of a band after one round of expansions, what is around it as it is."""
    settings = dataclasses.replace(
        search.settings, start=search.labels[slice(*band)], iterations=1, observe=None,
        time_limit_s=search.time_left_s())
    inside = Search(band_of(search.problem, search.labels, band), settings)
    expand(inside)
    return inside.labels


def band_of(
    problem: Problem, labels: npt.NDArray[np.int32], band: tuple[int, int]
) -> Problem:
    """Return the problem of a band's rows where all others keep their labels."""
    top, bottom = band
    unary = problem.unary[top:bottom].copy()
    for edge in range(1, len(problem.weights)):
        shift = int(problem.steps[edge, 1])
        if top > 0:
            here, there = _shifted(problem.shape[1], shift)
            _add(unary[0, there], problem.weights[edge, top - 1, here],
                 problem.costs[0][labels[top - 1, here]])
        if bottom < problem.shape[0]:
            here, there = _shifted(problem.shape[1], shift)
            _add(unary[-1, here], problem.weights[edge, bottom - 1, here],
                 problem.costs[1][labels[bottom, there]])
    return problem._replace(unary=unary, weights=problem.weights[:, top:bottom])


def _shifted(width: int, shift: int) -> tuple[slice, slice]:
    """Return the columns of pixels and those ``shift`` to their right, both inside a row."""
    here = slice(max(0, -shift), width - max(0, shift))
    return here, slice(here.start + shift, here.stop + shift)


def _add(
    unary: npt.NDArray[Any], weights: npt.NDArray[Any], costs: npt.NDArray[Any]
) -> None:
    unary += weights[:, None] * costs
