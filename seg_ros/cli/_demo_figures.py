# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The figures of a demo: what became of each frame, and the table of its sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

_HEAD = ('source', 'frames in', 'segmented', 'dropped', 'objects', 'true', 'overlap F',
         'boundary F', 'F>.75', 'p50 ms', 'p95 ms')  # fmt: skip


@dataclass(frozen=True)
class FrameOutcome:
    """Hold what became of one frame; None for what is not known or did not come."""

    name: str
    stamp_ns: int
    latency_ms: float | None = None
    objects: int | None = None
    true_objects: int | None = None
    overlap_f: float | None = None
    boundary_f: float | None = None
    share_above_75: float | None = None

    @property
    def segmented(self) -> bool:
        """Return whether a label image with the frame's stamp came."""
        return self.objects is not None


def source_rows(
    outcomes: Iterable[FrameOutcome], source_of: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Return a row of figures for each source, and one for all where there are several."""
    found: dict[str, list[FrameOutcome]] = {}
    for outcome in outcomes:
        found.setdefault(source_of(outcome.name), []).append(outcome)
    rows = [_row(source, group) for source, group in found.items()]
    if len(rows) > 1:
        rows.append(_row('all', [outcome for group in found.values() for outcome in group]))
    return rows


def _row(source: str, group: list[FrameOutcome]) -> dict[str, Any]:
    segmented = sum(outcome.segmented for outcome in group)
    latencies = [o.latency_ms for o in group if o.latency_ms is not None]
    p50, p95 = np.percentile(latencies, [50, 95]).tolist() if latencies else (None, None)
    return {
        'source': source,
        'frames': len(group),
        'segmented': segmented,
        'dropped': len(group) - segmented,
        **{
            name: _mean([getattr(outcome, name) for outcome in group])
            for name in ('objects', 'true_objects', 'overlap_f', 'boundary_f', 'share_above_75')
        },
        'latency_p50_ms': p50,
        'latency_p95_ms': p95,
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def table_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the rows as the aligned lines of a table; '-' for what is not known."""
    formats = ('', 'd', 'd', 'd', '.1f', '.1f', '.3f', '.3f', '.2f', '.0f', '.0f')
    cells = [list(_HEAD)]
    for row in rows:
        values = zip(row.values(), formats, strict=True)
        cells.append(['-' if value is None else format(value, kind) for value, kind in values])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        '  '.join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
