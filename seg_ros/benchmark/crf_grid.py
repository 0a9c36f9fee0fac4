# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Energy against time of every solver of grid CRFs, on an easy problem and on noise.

Peer, where installed: PyMaxflow's cuts (GPL, never required) in our alpha-expansion, on the same
graphs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.benchmark.crf_grid_peer import by_pymaxflow, peer_is_installed
from seg_ros.benchmark.crf_problems import GridProblem, easy_problem, noisy_problem, right_share
from seg_ros.benchmark.report import Report
from seg_ros.crf.grid import GridCrf
from seg_ros.crf.grid_search import GridResult
from seg_ros.crf.unary import Unary

METHODS = ('icm', 'mean_field', 'belief_propagation', 'alpha_expansion', 'alpha_beta_swap',
           'trw_s')
SETTINGS: dict[str, dict[str, Any]] = {'belief_propagation': {'damping': 0.3}}
PEER = 'alpha_expansion, cuts by PyMaxflow'
MANY = 10_000
# (l1, l2, signal): weights from weak to strong, without and with a trace of the truth.
CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}
NOISES = ((0.02, 0.08, 0.0), (0.05, 0.2, 0.0), (0.1, 0.4, 0.0), (0.2, 0.8, 0.0), (0.1, 0.4, 0.1))
Progress = Callable[[str], None]


@dataclass
class Curve:
    """Hold what a method came to: ``points`` of (seconds, best energy so far, bound or None)."""

    problem: str
    method: str
    points: list[tuple[float, float, float | None]]
    result: GridResult
    wall_s: float
    cpu_s: float


@dataclass
class CurveReport(Report):
    """A report that has curves too."""

    curves: list[Curve] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON values; at most 200 points a curve."""
        return {**super().as_dict(), 'curves': [
            {'problem': curve.problem, 'method': curve.method,
             'points': curve.points[::max(1, len(curve.points) // 200)]}
            for curve in self.curves]}


def measure(
    *, size: tuple[int, int] = (640, 480), seconds: float = 20.0, peer_seconds: float = 120.0,
    threads: int | None = None, clock: str = 'wall', progress: Progress = lambda text: None,
) -> CurveReport:
    """Run every method on both problems, and TRW-S on noises of all strengths.

    ``clock``: seconds of the wall, or 'cpu': of all threads together, for a machine with other
    work, where they are more than a quiet one's wall would show.
    """
    report = CurveReport('crf grid', {
        'size': f'{size[0]}x{size[1]}', 'labels': 21, 'seconds': seconds,
        'peer seconds': peer_seconds, 'threads': threads or 'cores', 'clock': clock})
    warm_up()
    how = {'threads': threads, 'clock': CLOCKS[clock]}
    for name, problem in (('easy Potts', easy_problem(size)), ('noisy', noisy_problem(size))):
        for method in METHODS:
            _add(report, name, problem, method, seconds, how, progress)
        if peer_is_installed():
            _add(report, name, problem, PEER, peer_seconds, how, progress)
        _state_bounds(report, name)
    for l1, l2, signal in NOISES:
        name = f'noise, l1 {l1:g}, l2 {l2:g}, signal {signal:g}'
        problem = noisy_problem(size, l1=l1, l2=l2, signal=signal)
        _add(report, name, problem, 'trw_s', seconds, how, progress)
        _state_bounds(report, name)
    if not peer_is_installed():
        report.remarks.append('PyMaxflow is not installed: no peer')
    return report


def warm_up() -> None:
    """Compile every method, or read what was compiled before."""
    rng = np.random.default_rng(0)
    costs = Unary(rng.random((70, 8, 3), dtype=np.float32))
    crf = GridCrf(costs, noisy_problem((8, 70), 3).crf.pairwise)
    for method in METHODS:
        crf.map(method, iterations=2, **SETTINGS.get(method, {}))


def run(
    name: str, problem: GridProblem, method: str, seconds: float, how: dict[str, Any]
) -> Curve:
    """Run one method for a time and keep its best energies; ``how``: threads and clock."""
    points: list[tuple[float, float, float | None]] = []
    began, worked, started = time.perf_counter(), time.process_time(), how['clock']()

    def observe(
        iteration: int, energy: float, bound: float | None, labels: npt.NDArray[np.int32]
    ) -> None:
        best = min(energy, points[-1][1]) if points else energy
        points.append((round(how['clock']() - started, 3), round(best, 2),
                       None if bound is None else round(bound, 2)))

    settings = {'time_limit_s': seconds, 'iterations': MANY, 'observe': observe, **how,
                **SETTINGS.get(method, {})}
    result = (by_pymaxflow(problem.crf, settings) if method == PEER
              else problem.crf.map(method, **settings))
    return Curve(name, method, points, result, time.perf_counter() - began,
                 time.process_time() - worked)


def _add(
    report: CurveReport, name: str, problem: GridProblem, method: str, seconds: float,
    how: dict[str, Any], progress: Progress,
) -> None:
    curve = run(name, problem, method, seconds, how)
    report.curves.append(curve)
    result = curve.result
    found = {'energy': round(result.energy, 1), 'seconds': round(curve.wall_s, 2),
             'cpu seconds': round(curve.cpu_s, 2), 'iterations': result.iterations,
             'ended by itself': result.converged,
             'right labels': round(right_share(problem, result.labels), 4)}
    if result.lower_bound is not None:
        found['bound'] = round(result.lower_bound, 1)
    report.findings[f'{name}: {method}'] = found
    progress(f'{name}: {method}: {found}')


def _state_bounds(report: CurveReport, name: str) -> None:
    """Add to each finding of a problem how far it is above the best bound, in per cent."""
    ours = [curve for curve in report.curves if curve.problem == name]
    bound = max(curve.result.lower_bound or -np.inf for curve in ours)
    for curve in ours:
        gap = 100 * (curve.result.energy - bound) / abs(bound)
        report.findings[f'{name}: {curve.method}']['above the best bound, %'] = round(gap, 3)
