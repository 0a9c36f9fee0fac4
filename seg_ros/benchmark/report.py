# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Write measurements as JSON and as a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seg_ros.benchmark.harness import Measurement, Spread, paired_ratio, spread
from seg_ros.benchmark.machine import describe_machine

FORMAT = 1


@dataclass
class Row:
    """Hold one line of a report: spreads in milliseconds, ratios (peer / this) where paired."""

    section: str
    name: str
    wall_ms: Spread
    cpu_ms: Spread | None = None
    peer: str | None = None
    wall_ratio: Spread | None = None
    cpu_ratio: Spread | None = None
    note: str = ''


@dataclass
class Report:
    """Collect rows, findings (name: JSON value) and remarks of one benchmark run."""

    subject: str
    settings: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    findings: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=describe_machine)

    def add(
        self, section: str, measurement: Measurement, peer: Measurement | None = None,
        note: str = '',
    ) -> Row:
        """Add a measurement, with how many times longer its peer took in the same rounds."""
        row = Row(section, measurement.name, _milliseconds(measurement.wall_s),
                  _milliseconds(measurement.cpu_s) if measurement.cpu_s else None, note=note)
        if peer is not None:
            row.peer = peer.name
            row.wall_ratio = paired_ratio(peer.wall_s, measurement.wall_s)
            if peer.cpu_s and measurement.cpu_s:
                row.cpu_ratio = paired_ratio(peer.cpu_s, measurement.cpu_s)
        self.rows.append(row)
        return row

    def add_stages(self, section: str, measurement: Measurement) -> None:
        """Add one row for each stage that the measurement's subject told."""
        for stage, samples in measurement.stages_s.items():
            self.rows.append(Row(section, f'{measurement.name}: {stage}', _milliseconds(samples)))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            'format': FORMAT,
            'benchmark': self.subject,
            'machine': self.machine,
            'settings': self.settings,
            'results': [_without_nothing(asdict(row)) for row in self.rows],
            'findings': self.findings,
            'remarks': self.remarks,
        }


def _milliseconds(samples_s: Sequence[float]) -> Spread:
    return spread(samples_s).scaled(1e3)


def _without_nothing(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, '')}


def write_json(report: Report, path: Path | str) -> None:
    """Write the report as JSON, creating the folder it goes to."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report.as_dict(), indent=2, allow_nan=False) + '\n')


def write_markdown(report: Report, path: Path | str) -> None:
    """Write the report as Markdown, creating the folder it goes to."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_markdown(report))


def to_markdown(report: Report) -> str:
    """Return the report as Markdown: the machine, one table a section, findings and remarks."""
    lines = [f'# Benchmark: {report.subject}', '', *_machine_lines(report), '']
    for section in dict.fromkeys(row.section for row in report.rows):
        rows = [row for row in report.rows if row.section == section]
        lines += [f'## {section}', '', *_table(rows), '']
    if report.findings:
        lines += ['## Findings', '']
        lines += [f'- {name}: {_plain(value)}' for name, value in report.findings.items()] + ['']
    lines += [f'> {remark}' for remark in report.remarks]
    return '\n'.join(lines).rstrip() + '\n'


def _machine_lines(report: Report) -> list[str]:
    machine = report.machine
    threads = ', '.join(f'{name} {value}' for name, value in machine['threads'].items())
    versions = ', '.join(f'{name} {value}' for name, value in machine['versions'].items())
    settings = ', '.join(f'{name} {_plain(value)}' for name, value in report.settings.items())
    return [
        f'{machine["cpu"]}, {machine["cores"]} cores, load {machine["load_average_1min"]} at the '
        f'start; {machine["system"]}, Python {machine["python"]}.',
        f'Threads: {threads}. Versions: {versions}.',
        f'Settings: {settings}.',
    ]


def _table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of one table; the columns on peers stand only where a row has one."""
    paired = any(row.peer for row in rows)
    head = ['', 'wall ms: median', 'least', 'quartiles', 'p95', 'CPU ms', 'n']
    head += ['peer', 'peer / this, wall', 'CPU'] if paired else []
    lines = [_line(head), _line(['---'] + ['---:'] * (len(head) - 1))]
    for row in rows:
        wall = row.wall_ms
        cells = [row.name + (f' ({row.note})' if row.note else ''), f'{wall.median:.1f}',
                 f'{wall.least:.1f}', f'{wall.q1:.1f}-{wall.q3:.1f}', f'{wall.p95:.1f}',
                 f'{row.cpu_ms.median:.1f}' if row.cpu_ms else '', str(wall.count)]
        if paired:
            cells += [row.peer or '', _ratio(row.wall_ratio), _ratio(row.cpu_ratio)]
        lines.append(_line(cells))
    return lines


def _line(cells: Sequence[str]) -> str:
    return '| ' + ' | '.join(cells) + ' |'


def _ratio(ratio: Spread | None) -> str:
    return f'{ratio.median:.2f} ({ratio.q1:.2f}-{ratio.q3:.2f})' if ratio else ''


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f'{value:.4g}'
    if isinstance(value, dict):
        return ', '.join(f'{name} {_plain(inner)}' for name, inner in value.items())
    return str(value)
