# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Fully connected CRFs: speed beside pydensecrf in turns, agreement with it, growth, memory.

``python -m seg_ros.benchmark.crf_dense [--images FOLDER] [--json FILE] [--parts ...]`` prints a
Markdown table. Costs are those of a classifier that is unsure: a coarse field and independent
noise. Every run builds its lattices anew, as pydensecrf has to.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.benchmark.crf_dense_peer import by_pydensecrf, is_installed
from seg_ros.benchmark.harness import Measurement, Subject
from seg_ros.benchmark.harness import measure as timed_in_turns
from seg_ros.benchmark.process import python_command
from seg_ros.benchmark.report import Report, to_markdown, write_json
from seg_ros.core.io import read_color
from seg_ros.crf.dense import DenseCrf, warm_up
from seg_ros.crf.kernels import Bilateral, Gaussian, Guide
from seg_ros.crf.lattice import build_lattice

F32 = npt.NDArray[np.float32]
Color = npt.NDArray[np.uint8]
Progress = Callable[[str], None]
PARTS = ('speed', 'agreement', 'growth', 'memory', 'lattice')
KERNELS = (Gaussian(3.0, 3.0), Bilateral(80.0, 13.0, weight=10.0))
SIZE, LABELS, ITERATIONS = (640, 480), 21, 10
# Kernels of pydensecrf's example, of DeepLab's range, of CRF as RNN, and of fine ones.
COMPARED = {
    'example': KERNELS,
    'deeplab': (Gaussian(3.0, 3.0), Bilateral(49.0, 5.0, weight=4.0)),
    'crf_rnn': (Gaussian(3.0, 3.0), Bilateral(160.0, 3.0, weight=5.0)),
    'fine': (Gaussian(1.0, 2.0), Bilateral(10.0, 20.0, weight=3.0)),
}
COMPARED_LABELS = (2, 5, 21, 40)
SIZES = ((320, 240), (640, 480), (960, 720), (1280, 720), (1920, 1080))
LABEL_COUNTS = (2, 8, 21, 40, 91)
ITERATION_COUNTS = (1, 5, 10, 20)


def measure(
    *, parts: Sequence[str] = PARTS, images: Path | None = None, rounds: int = 11,
    warmup: int = 1, labels: Sequence[int] | None = None, progress: Progress = lambda text: None,
) -> Report:
    """Return the report of the parts asked for; pydensecrf's only where it is installed."""
    report = Report('dense CRF', {'size': f'{SIZE[0]}x{SIZE[1]}', 'labels': LABELS,
                                  'iterations': ITERATIONS, 'rounds': rounds})
    for threads in (1, 2):
        warm_up(KERNELS, threads)
    made: dict[str, Callable[[], None]] = {
        'speed': partial(add_speed, report, images, rounds, warmup, progress),
        'agreement': partial(add_agreement, report, images, labels, progress),
        'growth': partial(add_growth, report, max(3, rounds // 3), progress),
        'memory': partial(add_memory, report, progress),
        'lattice': partial(add_lattice_error, report, images)}
    for part in parts:
        made[part]()
    if not is_installed():
        report.remarks.append('pydensecrf is not installed (pip install pydensecrf2): no peer')
    return report


def add_speed(
    report: Report, images: Path | None, rounds: int, warmup: int, progress: Progress
) -> None:
    """Time one and two threads and pydensecrf in turns, costs to probabilities."""
    color = pictures(images)[0]
    costs = unsure_costs(SIZE, LABELS)
    subjects = [Subject(f'{threads} thread{"s" * (threads > 1)}', partial(
        _ours, costs, color, KERNELS, threads)) for threads in (1, 2)]
    if is_installed():
        subjects.append(Subject('pydensecrf', partial(_peers, costs, color, KERNELS)))
    found = timed_in_turns(subjects, iterations=rounds, warmup=warmup, progress=progress)
    for measurement in found:
        peer = found[-1] if is_installed() and measurement is not found[-1] else None
        report.add('speed', measurement, peer)


def add_agreement(
    report: Report, images: Path | None, counts: Sequence[int] | None, progress: Progress
) -> None:
    """Add the least share of equal winners and the highest mean KL over images and problems."""
    if not is_installed():
        return
    for name, kernels in COMPARED.items():
        for labels in counts or COMPARED_LABELS:
            progress(f'agreement: {name}, {labels} labels')
            found = [compared(unsure_costs(SIZE, labels, number), color, kernels)
                     for number, color in enumerate(pictures(images))]
            report.findings[f'agreement {name}, {labels} labels, {len(found)} images'] = {
                'least share of equal winners': min(same for same, _ in found),
                'highest mean KL': float(f'{max(kl for _, kl in found):.3g}')}


def compared(
    costs: F32, color: Color, kernels: Sequence[Gaussian | Bilateral]
) -> tuple[float, float]:
    """Return the share of equal winners and the mean KL(pydensecrf's || ours)."""
    ours = DenseCrf(kernels, iterations=ITERATIONS).infer(costs, color).probabilities
    theirs = by_pydensecrf(costs, color, kernels, iterations=ITERATIONS)
    same = float((ours.argmax(2) == theirs.argmax(2)).mean())
    ratio = np.log(np.maximum(theirs, 1e-20) / np.maximum(ours, 1e-20))
    return same, abs(float((theirs * ratio).sum(2, dtype=np.float64).mean()))


def add_growth(report: Report, rounds: int, progress: Progress) -> None:
    """Time larger images, more labels, more iterations, by one thread; add the seconds a unit."""
    for section, cases in growth_cases():
        subjects = [Subject(name, partial(_on_noise, *case)) for name, case in cases]
        found = timed_in_turns(subjects, iterations=rounds, warmup=1, progress=progress)
        for measurement in found:
            report.add(section, measurement)
        report.findings[f'{section}: ns a pixel, label and iteration'] = {
            name: _unit_cost(measurement, case)
            for measurement, (name, case) in zip(found, cases, strict=True)}


def growth_cases() -> Iterator[tuple[str, list[tuple[str, tuple[Any, ...]]]]]:
    """Yield what is varied, with the (size, labels, iterations) of each case."""
    yield 'pixels', [(f'{size[0]}x{size[1]}', (size, LABELS, ITERATIONS)) for size in SIZES]
    yield 'labels', [(f'{labels} labels', (SIZE, labels, ITERATIONS)) for labels in LABEL_COUNTS]
    yield 'iterations', [(f'{count} iterations', (SIZE, LABELS, count))
                         for count in ITERATION_COUNTS]


def _unit_cost(measurement: Measurement, case: tuple[Any, ...]) -> float:
    (width, height), labels, iterations = case
    return 1e9 * float(np.median(measurement.cpu_s)) / (width * height * labels * iterations)


def add_memory(report: Report, progress: Progress) -> None:
    """Add what a process of its own needs at its peak, beside the limit of the costs' size."""
    for size, labels in ((SIZE, LABELS), ((1920, 1080), LABELS), ((1920, 1080), 91)):
        progress(f'memory: {size[0]}x{size[1]}, {labels} labels')
        costs_mb = size[0] * size[1] * labels * 4 / 1e6
        report.findings[f'memory {size[0]}x{size[1]}, {labels} labels, 2 threads'] = {
            'costs MB': costs_mb, 'peak MB with costs and result': _peak(size, labels),
            'limit MB: 3 x costs + 200': 3 * costs_mb + 200}


def _peak(size: tuple[int, int], labels: int) -> float:
    """Return by how many MB the peak of a fresh process grows: costs, work and result."""
    asked = json.dumps({'size': size, 'labels': labels})
    done = subprocess.run(
        python_command('-m', 'seg_ros.benchmark.crf_dense_memory', asked), check=True,
        capture_output=True, text=True)
    return float(json.loads(done.stdout)['grown_mb'])


def add_lattice_error(report: Report, images: Path | None) -> None:
    """Add how far the filter on the lattice is from the exact one, on 64x48 pixels."""
    import cv2

    color = cv2.resize(pictures(images)[0], (64, 48)).astype(np.uint8)
    for name, kernels in COMPARED.items():
        report.findings[f'lattice {name}, 64x48: error / spread of the values'] = {
            type(kernel).__name__: lattice_error(kernel, color) for kernel in kernels}


def lattice_error(kernel: Gaussian | Bilateral, color: Color) -> dict[str, float]:
    """Return mean and highest error of the filter, normalised after, against O(N^2) sums."""
    rows, columns = color.shape[:2]
    features = kernel.features(Guide((rows, columns), color)).astype(np.float64)
    values = unsure_costs((columns, rows), 4).reshape(-1, 4)
    squared = (features ** 2).sum(0)
    weights = np.exp(-np.maximum(squared[:, None] + squared - 2 * features.T @ features, 0) / 2)
    exact = weights @ values / weights.sum(1, keepdims=True)
    lattice = build_lattice(features.astype(np.float32))
    error = np.abs(lattice.filter(values) / lattice.norm[:, None] - exact) / values.std()
    return {'mean': round(float(error.mean()), 4), 'highest': round(float(error.max()), 4)}


def unsure_costs(size: tuple[int, int], labels: int, seed: int = 0) -> F32:
    """Return costs (H, W, L): a coarse random field up to 3, and noise up to 1 in every number."""
    import cv2

    rng = np.random.default_rng(seed)
    width, height = size
    costs = rng.random((height, width, labels), np.float32)
    for label in range(labels):
        field = rng.random((height // 16 + 2, width // 16 + 2), np.float32)
        costs[..., label] += 3 * cv2.resize(field, size)
    return costs


def pictures(folder: Path | None) -> list[Color]:
    """Return the colour images of a folder at 640x480; without one, two of random shapes."""
    import cv2

    if folder is None:
        return [random_picture(seed) for seed in (0, 1)]
    paths = sorted(folder.glob('*-color.*'))
    if not paths:
        raise ValueError(f'{folder} has no NAME-color.png or .jpg')
    return [np.ascontiguousarray(cv2.resize(read_color(path), SIZE)) for path in paths]


def random_picture(seed: int, size: tuple[int, int] = SIZE) -> Color:
    """Return an image of ellipses on a gradient with the noise of a camera, (H, W, 3)."""
    import cv2

    rng = np.random.default_rng(seed)
    width, height = size
    canvas = np.linspace(60, 160, width)[None, :, None] * np.ones((height, 1, 3))
    for _ in range(25):
        centre = int(rng.integers(width)), int(rng.integers(height))
        axes = tuple(int(side) for side in rng.integers(width // 40, width // 6, 2))
        color = tuple(float(value) for value in rng.integers(0, 255, 3))
        cv2.ellipse(canvas, centre, axes, float(rng.integers(180)), 0, 360, color, -1)
    return np.clip(canvas + rng.normal(0, 4, canvas.shape), 0, 255).astype(np.uint8)


def _ours(
    costs: F32, color: Color, kernels: Sequence[Gaussian | Bilateral], threads: int,
    iteration: int,
) -> None:
    DenseCrf(kernels, iterations=ITERATIONS, threads=threads).infer(costs, color)


def _peers(
    costs: F32, color: Color, kernels: Sequence[Gaussian | Bilateral], iteration: int
) -> None:
    by_pydensecrf(costs, color, kernels, iterations=ITERATIONS)


def _on_noise(size: tuple[int, int], labels: int, iterations: int, iteration: int) -> None:
    costs, color = _kept(size, labels)
    DenseCrf(KERNELS, iterations=iterations, threads=1).infer(costs, color)


def _kept(size: tuple[int, int], labels: int) -> tuple[F32, Color]:
    """Return costs and colour, made once for each size."""
    key = size, labels
    if key not in _MADE:
        _MADE.clear()
        _MADE[key] = unsure_costs(size, labels), random_picture(0, size)
    return _MADE[key]


_MADE: dict[Any, tuple[F32, Color]] = {}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0] if __doc__ else None)
    parser.add_argument('--images', type=Path, help='folder of NAME-color.png')
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=list(PARTS))
    parser.add_argument('--rounds', type=int, default=11)
    parser.add_argument('--labels', nargs='+', type=int, help='of the part agreement')
    parser.add_argument('--json', type=Path)
    asked = parser.parse_args(arguments)
    report = measure(parts=asked.parts, images=asked.images, rounds=asked.rounds,
                     labels=asked.labels,
                     progress=_told)
    if asked.json:
        write_json(report, asked.json)
    sys.stdout.write(to_markdown(report))


def _told(text: str) -> None:
    sys.stderr.write(text + '\n')


if __name__ == '__main__':
    main()
