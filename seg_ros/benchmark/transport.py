# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How images travel between two processes: what arrives, how fast, how late."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seg_ros.benchmark.machine import describe_machine

SIZES = ((640, 480), (1280, 720))
RATE_HZ = 30.0
# colour rgb8 and depth 16UC1
BYTES_A_PIXEL = 5


@dataclass(frozen=True)
class Case:
    """Name what is measured: the middleware's profile, reliability, size in pixels."""

    profile: str
    reliability: str
    width: int
    height: int


@dataclass(frozen=True)
class Travelled:
    """Hold what came of a case: frame sets sent and received whole, rate, latencies in ms."""

    case: Case
    sent: int
    received: int
    rate_hz: float
    latency_p50_ms: float | None
    latency_p95_ms: float | None

    @property
    def lost_share(self) -> float:
        """Return the share of frame sets that did not arrive whole."""
        return 1 - self.received / self.sent if self.sent else float('nan')


def all_cases(sizes: Sequence[tuple[int, int]] = SIZES) -> list[Case]:
    """Return every combination, the default profile beside the package's own."""
    return [Case(profile, reliability, width, height)
            for width, height in sizes for reliability in ('best_effort', 'reliable')
            for profile in ('default', 'images')]


def travelled(
    case: Case, sent_ns: Sequence[int], arrivals: dict[str, dict[int, int]]
) -> Travelled:
    """Return the figures of a case.

    ``sent_ns`` are the stamps sent, in order; ``arrivals`` gives by topic and stamp the time in ns
    at which a message came. A set counts where every topic's message came; its latency runs to the
    last of them.
    """
    whole = [stamp for stamp in sent_ns if all(stamp in came for came in arrivals.values())]
    late_ms = [(max(came[stamp] for came in arrivals.values()) - stamp) / 1e6 for stamp in whole]
    duration_s = (sent_ns[-1] - sent_ns[0]) / 1e9 if len(sent_ns) > 1 else float('nan')
    rate_hz = len(whole) / (duration_s * len(sent_ns) / (len(sent_ns) - 1)) if (
        len(sent_ns) > 1) else 0.0
    low, high = np.quantile(late_ms, [0.5, 0.95]) if late_ms else (None, None)
    return Travelled(case, len(sent_ns), len(whole), round(rate_hz, 2),
                     None if low is None else round(float(low), 2),
                     None if high is None else round(float(high), 2))


def to_markdown(results: Sequence[Travelled]) -> str:
    """Return one row a case."""
    machine = describe_machine()
    lines = [
        f'{machine["cpu"]}, {machine["cores"]} cores, load {machine["load_average_1min"]} at the '
        f'end; {RATE_HZ:g} Hz asked for, colour rgb8 and depth 16UC1 from one process to another.',
        '',
        '| size | reliability | profile | sets sent | arrived whole | rate Hz | latency p50 ms '
        '| p95 ms |', '|---|---|---|---:|---:|---:|---:|---:|']
    lines += [_row(result) for result in results]
    return '\n'.join(lines) + '\n'


def _row(result: Travelled) -> str:
    case = result.case
    latency = ('none | none' if result.latency_p50_ms is None
               else f'{result.latency_p50_ms:.1f} | {result.latency_p95_ms:.1f}')
    return (f'| {case.width}x{case.height} | {case.reliability} | {case.profile} | {result.sent} '
            f'| {1 - result.lost_share:.1%} | {result.rate_hz:.1f} | {latency} |')


def write_results(results: Sequence[Travelled], path: Path) -> None:
    """Write the results as JSON."""
    values: dict[str, Any] = {
        'machine': describe_machine(),
        'results': [{**asdict(result), 'lost_share': round(result.lost_share, 4)}
                    for result in results]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1) + '\n')
