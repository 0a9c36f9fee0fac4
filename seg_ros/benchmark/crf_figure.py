# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Draw energy against time, and what the labellings look like."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.benchmark.crf_grid import Curve, CurveReport
from seg_ros.benchmark.crf_problems import GridProblem, easy_problem, noisy_problem
from seg_ros.core.drawing import instance_colors

Picture = npt.NDArray[np.uint8]
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 460, 80, 40, 20, 50
FIRST_SECOND = 0.05
_PER_ROW = 5
# Per cent above the bound.
LOWEST, HIGHEST = 0.001, 100.0


def draw_curves(report: CurveReport) -> Picture:
    """Return a picture (H, W, 3) RGB, a panel a problem: energy above the best bound by time."""
    names = list(dict.fromkeys(
        curve.problem for curve in report.curves if curve.method != 'trw_s'))
    return np.hstack([_panel(name, [c for c in report.curves if c.problem == name])
                      for name in names])


def _panel(name: str, curves: Sequence[Curve]) -> Picture:
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    bound = max(curve.result.lower_bound or -math.inf for curve in curves)
    end = max(curve.points[-1][0] for curve in curves)
    _draw_axes(picture, name, end)
    colors = instance_colors(np.arange(1, len(curves) + 1)).astype(int) * 7 // 10
    for number, (curve, color) in enumerate(zip(curves, colors.tolist(), strict=True)):
        line = np.array([_place(seconds, 100 * (energy - bound) / abs(bound), end)
                         for seconds, energy, _ in curve.points], np.int32)
        cv2.polylines(picture, [line], False, color, 2, cv2.LINE_AA)
        cv2.circle(picture, line[-1].tolist(), 4, color, -1, cv2.LINE_AA)
        _write(picture, curve.method, WIDTH - 300, TOP + 20 + 18 * number, color)
    return picture


def _place(seconds: float, percent: float, end: float) -> tuple[int, int]:
    """Return the pixel of a point, both axes logarithmic, within the panel."""
    across = math.log(max(seconds, FIRST_SECOND) / FIRST_SECOND) / math.log(end / FIRST_SECOND)
    clipped = min(max(percent, LOWEST), HIGHEST)
    down = math.log(HIGHEST / clipped) / math.log(HIGHEST / LOWEST)
    return (round(LEFT + across * (WIDTH - LEFT - RIGHT)),
            round(TOP + down * (HEIGHT - TOP - BOTTOM)))


def _draw_axes(picture: Picture, name: str, end: float) -> None:
    _write(picture, f'{name}: % above the best bound, by seconds', LEFT, TOP - 16)
    for power in range(-3, 3):
        x, y = _place(FIRST_SECOND, 10.0 ** power, end)
        cv2.line(picture, (x, y), (WIDTH - RIGHT, y), (225, 225, 225), 1)
        _write(picture, f'{10.0 ** power:g} %', 8, y + 4)
    for seconds in (0.1, 0.3, 1, 3, 10, 30, 100):
        if seconds <= end:
            x, _ = _place(seconds, HIGHEST, end)
            cv2.line(picture, (x, TOP), (x, HEIGHT - BOTTOM), (225, 225, 225), 1)
            _write(picture, f'{seconds:g} s', x - 12, HEIGHT - BOTTOM + 20)


def _write(
    picture: Picture, text: str, x: int, y: int, color: Sequence[int] = (0, 0, 0)
) -> None:
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, 1, cv2.LINE_AA)


def draw_labellings(report: CurveReport, size: tuple[int, int]) -> Picture:
    """Return a picture (H, W, 3) RGB, a row a problem: image, truth, cheapest labels, methods."""
    rows = []
    for name, problem in (('easy Potts', easy_problem(size)), ('noisy', noisy_problem(size))):
        curves = [curve for curve in report.curves if curve.problem == name]
        rows.append(_row(problem, curves))
    return np.vstack(rows)


def _row(problem: GridProblem, curves: Sequence[Curve]) -> Picture:
    cheapest = problem.crf.unary.costs.argmin(axis=2)
    cells = [_cell(problem.image, 'image'), _cell(_painted(problem.truth), 'truth'),
             _cell(_painted(cheapest), 'cheapest labels')]
    cells += [_cell(_painted(curve.result.labels), curve.method) for curve in curves]
    while len(cells) % _PER_ROW:
        cells.append(np.full_like(cells[0], 255))
    return np.vstack([np.hstack(cells[start:start + _PER_ROW])
                      for start in range(0, len(cells), _PER_ROW)])


def _painted(labels: npt.NDArray[np.integer]) -> Picture:
    return instance_colors(np.arange(1, int(labels.max()) + 2))[labels]


def _cell(picture: Picture, title: str) -> Picture:
    """Return the upper left quarter of a picture at its own pixels, under a title."""
    quarter = picture[: picture.shape[0] // 2, : picture.shape[1] // 2]
    framed = np.asarray(cv2.copyMakeBorder(
        quarter, 22, 4, 3, 3, cv2.BORDER_CONSTANT, value=(255,) * 3), np.uint8)
    _write(framed, title, 4, 15)
    return framed
