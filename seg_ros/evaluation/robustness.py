# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How the scores of a synthetic set change with what goes wrong, one condition at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.io import FrameFolder
from seg_ros.evaluation import conditions
from seg_ros.evaluation.sources import Labels, frame_rng, simulated
from seg_ros.evaluation.unseen_metrics import FrameScore, MeanScore, evaluate_frame, mean_score

Segment = Callable[[RgbdFrame], npt.NDArray[np.integer]]
# Takes the frame as the sensor gives it, the clean one, and the condition's generator.
Change = Callable[[RgbdFrame, RgbdFrame, np.random.Generator], RgbdFrame]

TILTS = {'tilt 15 degrees': (0.0, 22.5), 'tilt 30': (22.5, 45.0), 'tilt 60': (45.0, 75.0),
         'tilt 90': (75.0, 90.1)}
COUNTS = {'1 to 2 objects': (1, 2), '3 to 5': (3, 5), '6 to 10': (6, 10), '11 to 20': (11, 20),
          '21 to 30': (21, 30)}


@dataclass(frozen=True)
class Row:
    """Hold one line of the table: a condition's mean score, or a note where there is none."""

    name: str
    score: MeanScore | None
    note: str = ''

    def as_dict(self) -> dict[str, Any]:
        """Return the row, ready for JSON."""
        return {'name': self.name, 'note': self.note,
                'score': None if self.score is None else asdict(self.score)}


def _lost(share: float, frame: RgbdFrame, clean: RgbdFrame, rng: np.random.Generator) -> RgbdFrame:
    return replace(frame, depth=conditions.without_depth(_depth(frame), share, rng))


def _noisy(factor: float, frame: RgbdFrame, clean: RgbdFrame, rng: Any) -> RgbdFrame:
    return replace(
        frame, depth=conditions.with_more_noise(_depth(clean), _depth(frame), factor))


def _shifted(pixels: float, frame: RgbdFrame, clean: RgbdFrame, rng: Any) -> RgbdFrame:
    return replace(frame, depth=conditions.shifted_depth(_depth(frame), pixels))


def _dark(factor: float, frame: RgbdFrame, clean: RgbdFrame, rng: Any) -> RgbdFrame:
    return replace(frame, color=conditions.darkened(frame.color, factor, rng))


def _defocused(sigma_px: float, frame: RgbdFrame, clean: RgbdFrame, rng: Any) -> RgbdFrame:
    return replace(frame, color=conditions.defocused(frame.color, sigma_px))


def _moved(length_px: float, frame: RgbdFrame, clean: RgbdFrame, rng: Any) -> RgbdFrame:
    return replace(frame, color=conditions.moved_while_exposed(frame.color, length_px))


def _resized(factor: float, frame: RgbdFrame, clean: RgbdFrame, rng: Any) -> RgbdFrame:
    return conditions.resized_frame(frame, factor)


def _scaled(factor: float, frame: RgbdFrame, clean: RgbdFrame, rng: Any) -> RgbdFrame:
    return replace(frame, depth=_depth(frame) * np.float32(factor))


def _depth(frame: RgbdFrame) -> npt.NDArray[np.float32]:
    if frame.depth is None:
        raise ValueError('robustness needs frames with depth')
    return frame.depth


CHANGES: dict[str, Change] = {
    '10 % of the depth lost': partial(_lost, 0.1),
    '30 % lost': partial(_lost, 0.3),
    '50 % lost': partial(_lost, 0.5),
    'depth noise x 2': partial(_noisy, 2.0),
    'depth noise x 4': partial(_noisy, 4.0),
    'depth 2 px off colour': partial(_shifted, 2.0),
    '4 px off': partial(_shifted, 4.0),
    '8 px off': partial(_shifted, 8.0),
    'a quarter of the light': partial(_dark, 0.25),
    'a twentieth of the light': partial(_dark, 0.05),
    'defocused by 4 px': partial(_defocused, 4.0),
    'motion blur of 20 px': partial(_moved, 20.0),
    'half the resolution': partial(_resized, 0.5),
    'double the resolution': partial(_resized, 2.0),
    'depth 1000 x too large': partial(_scaled, 1000.0),
    'depth 1000 x too small': partial(_scaled, 0.001),
}


@dataclass(frozen=True, eq=False)
class Case:
    """Hold one frame of the set: as it was drawn, as the sensor gives it, its truth and tilt."""

    name: str
    clean: RgbdFrame
    measured: RgbdFrame
    truth: Labels
    tilt_deg: float


def cases(folder: FrameFolder, names: Sequence[str], sensor: str, seed: int) -> Iterator[Case]:
    """Yield the frames with sensor noise; ValueError for one without truth, depth or camera."""
    for name in names:
        clean, truth = folder.frame(name), folder.labels(name)
        measured = simulated(clean, truth, sensor, frame_rng(seed, name))
        if truth is None:
            raise ValueError(f'{folder.folder}/{name}-labels.png is missing')
        yield Case(name, clean, measured, truth, tilt_of(folder.folder / f'{name}-camera.json'))


def tilt_of(path: Path) -> float:
    """Return by how many degrees a synthetic frame's camera looks down, NaN where unsaid."""
    try:
        matrix = json.loads(path.read_text(encoding='utf-8')).get('camera_from_world')
    except FileNotFoundError:
        return float('nan')
    if matrix is None:
        return float('nan')
    return float(np.rad2deg(np.arcsin(np.clip(-np.array(matrix)[2, 2], -1, 1))))


def robustness(
    folder: FrameFolder, names: Sequence[str], segment: Segment, *,
    sensor: str = 'random', seed: int = 0, report: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Score a method on clean synthetic frames under every condition; base row first.

    The frames ``names`` and the same sensor noise serve all conditions; the rows by tilt and by
    number of objects are of the whole folder, for some are rare. ``report`` gets each row as it
    is done. A condition under which frames are refused has the refusal as its note.
    """
    rows: list[Row] = []

    def add(row: Row) -> None:
        rows.append(row)
        report(row)

    base: list[tuple[float, FrameScore]] = []
    for name, change in {'as the sensor gives it': _unchanged, **CHANGES}.items():
        scored, row = _changed(name, change, cases(folder, names, sensor, seed), segment, seed)
        base = base or scored
        add(row)
    others = [name for name in folder.names if name not in set(names)]
    if others:
        base += _changed('', _unchanged, cases(folder, others, sensor, seed), segment, seed)[0]
    for row in groups(base):
        add(row)
    return rows


def _unchanged(frame: RgbdFrame, clean: RgbdFrame, rng: np.random.Generator) -> RgbdFrame:
    return frame


def _changed(
    name: str, change: Change, frames: Iterator[Case], segment: Segment, seed: int
) -> tuple[list[tuple[float, FrameScore]], Row]:
    """Return the tilt and score of each frame under a condition, and the row of the table."""
    scored, refused = [], []
    for case in frames:
        try:
            changed = change(case.measured, case.clean, frame_rng(seed + 1, case.name))
            truth = conditions.resized_labels(case.truth, changed.shape)
            scored.append((case.tilt_deg, evaluate_frame(truth, segment(changed))))
        except ValueError as error:
            refused.append(str(error))
    row = _row(name, [score for _, score in scored])
    if refused:
        row = replace(
            row, note=f'{len(refused)} of {len(scored) + len(refused)} refused: {refused[0]}')
    return scored, row


def groups(base: Sequence[tuple[float, FrameScore]]) -> Iterator[Row]:
    """Yield rows by tilt (degrees) and by number of objects, and the empty frames' false ones."""
    for name, (low, high) in TILTS.items():
        yield _row(name, [score for tilt, score in base if low <= tilt < high])
    for name, (least, most) in COUNTS.items():
        yield _row(name, [score for _, score in base if least <= score.objects <= most])
    empty = [score.predictions for _, score in base if score.objects == 0]
    mean = f'{np.mean(empty):.2f} false objects a frame, {len(empty)} frames' if empty else 'none'
    yield Row('no objects', None, mean)


def _row(name: str, scores: list[FrameScore]) -> Row:
    return Row(name, mean_score(scores)) if scores else Row(name, None, 'no such frame')


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ['| condition | frames | overlap F | boundary F | share F > 0.75 | note |',
             '|---|---|---|---|---|---|']
    for row in rows:
        figures = [''] * 4 if row.score is None else [
            str(row.score.frames), f'{row.score.overlap_f:.3f}', f'{row.score.boundary_f:.3f}',
            f'{row.score.share_above_75:.3f}']
        lines.append(f'| {" | ".join([row.name, *figures, row.note])} |')
    return '\n'.join(lines) + '\n'
