# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Hold what a soak saw, judge it and tell it: which faults came, what the node did about them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seg_ros.benchmark.machine import describe_machine

MOST_GROWTH_MIB = 20.0
MOST_RECOVERY_S = 1.0
# What the last digits of a stamp tell: the number of its frame, modulo this.
FRAME_NUMBERS = 1000


@dataclass(frozen=True)
class FaultRecord:
    """Hold one fault: what was done when, whether /diagnostics told it, how long recovery took.

    ``recovery_s`` is from the fault's end to the first right result, None if none came.
    """

    kind: str
    at_s: float
    detail: str
    is_seen: bool
    recovery_s: float | None


@dataclass
class SoakOutcome:
    """Collect a soak; ``failures()`` is empty where the node did all that it shall."""

    settings: dict[str, Any]
    faults: list[FaultRecord] = field(default_factory=list)
    results: int = 0
    frames_sent: int = 0
    wrong_results: list[str] = field(default_factory=list)
    # (seconds, resident, private) between faults, and in the same state: after every fault came
    # once, and at the end.
    memory_mib: list[tuple[float, float, float]] = field(default_factory=list)
    settled_mib: list[tuple[float, float, float]] = field(default_factory=list)
    duration_s: float = 0.0
    exit_code: int | None = None
    crash: str = ''
    dropped: dict[str, int] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=describe_machine)

    def growth_mib(self) -> dict[str, float]:
        """Return the growth of resident and of private memory in the same state.

        The least of the readings in the second half less that of the first: what the middleware
        keeps for the largest images in its queues comes and goes between faults.
        """
        half = len(self.settled_mib) // 2
        if not half:
            return {'resident': float('nan'), 'private': float('nan')}
        samples = np.array(self.settled_mib)[:, 1:]
        grown = samples[half:].min(axis=0) - samples[:half].min(axis=0)
        return {'resident': round(float(grown[0]), 1), 'private': round(float(grown[1]), 1)}

    def failures(self) -> list[str]:
        """Return what went wrong, a sentence each."""
        found = [f'the node ended: {self.crash}'] if self.crash else []
        if self.exit_code != 0:
            found.append(f'the node ended with exit code {self.exit_code}')
        found += [f'wrong result: {text}' for text in self.wrong_results[:5]]
        growth = self.growth_mib()['resident']
        if not growth <= MOST_GROWTH_MIB:
            found.append(f'memory grew by {growth} MiB, at most {MOST_GROWTH_MIB:g} are allowed')
        for fault in self.faults:
            if not fault.is_seen:
                found.append(f'{_named(fault)}: not visible in /diagnostics')
            if fault.recovery_s is None or fault.recovery_s > MOST_RECOVERY_S:
                took = 'never' if fault.recovery_s is None else f'after {fault.recovery_s:.2f} s'
                found.append(f'{_named(fault)}: recovered {took}, not within '
                             f'{MOST_RECOVERY_S:g} s')
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {**asdict(self), 'growth_mib': self.growth_mib(), 'failures': self.failures()}


def _named(fault: FaultRecord) -> str:
    return f'{fault.kind} at {fault.at_s:.0f} s ({fault.detail})'


def fault_order(kinds: Sequence[str], seed: int) -> Iterator[str]:
    """Yield kinds without end: every kind once in a random order, then again in another."""
    rng = np.random.default_rng(seed)
    while True:
        yield from (kinds[number] for number in rng.permutation(len(kinds)))


def to_markdown(outcome: SoakOutcome) -> str:
    """Return the report: one row a kind of fault, then memory, results and the verdict."""
    machine, settings = outcome.machine, outcome.settings
    lines = [
        '# Soak', '',
        f'{outcome.duration_s / 60:.1f} minutes, {len(outcome.faults)} faults: '
        + ', '.join(f'{name} {value}' for name, value in settings.items()) + '.',
        f'{machine["cpu"]}, {machine["cores"]} cores, load {machine["load_average_1min"]} at the '
        f'start, Python {machine["python"]}.', '',
        '| fault | times | seen in /diagnostics | recovery, median s | longest s |',
        '|---|---:|---:|---:|---:|']
    kinds = sorted({fault.kind for fault in outcome.faults})
    lines += [_row(kind, [f for f in outcome.faults if f.kind == kind]) for kind in kinds]
    return '\n'.join([*lines, '', *_summary(outcome)]) + '\n'


def _row(kind: str, faults: list[FaultRecord]) -> str:
    times = [fault.recovery_s for fault in faults if fault.recovery_s is not None]
    seen = sum(fault.is_seen for fault in faults)
    figures = f'{np.median(times):.2f} | {max(times):.2f}' if times else 'none | none'
    return f'| {kind.replace("_", " ")} | {len(faults)} | {seen} | {figures} |'


def _summary(outcome: SoakOutcome) -> list[str]:
    growth = outcome.growth_mib()
    rows = outcome.memory_mib
    memory = (f'between faults {min(row[1] for row in rows):.0f} to '
              f'{max(row[1] for row in rows):.0f} MiB' if rows else 'not read')
    failures = outcome.failures()
    lines = [
        f'- {outcome.results} results of {outcome.frames_sent} frames sent, '
        f'{len(outcome.wrong_results)} wrong or repeated',
        f'- resident memory {memory}; growth from the first round to the end '
        f'{growth["resident"]} MiB, of private memory {growth["private"]} MiB',
        '- dropped: ' + (', '.join(
            f'{name} {count}' for name, count in sorted(outcome.dropped.items())) or 'none'),
        f'- exit code {outcome.exit_code}', '']
    if not failures:
        return [*lines, 'Passed.']
    return [*lines, 'Failed:', '', *(f'- {text}' for text in failures)]


def write_report(outcome: SoakOutcome, json_path: Path | None, markdown: Path | None) -> None:
    """Write the outcome to the files that are given."""
    for path, text in ((json_path, json.dumps(outcome.as_dict(), indent=1) + '\n'),
                       (markdown, to_markdown(outcome))):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
