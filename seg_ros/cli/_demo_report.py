# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The report of a demo: files, figures, the table, and what is missing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seg_ros.bags.storage import is_bag
from seg_ros.cli._demo_figures import FrameOutcome, source_rows, table_lines
from seg_ros.cli._demo_recording import Recording, read_recording
from seg_ros.cli._inputs import NamedFrame, open_input
from seg_ros.cli._method import package_versions
from seg_ros.core.io import FrameFolder, read_labels, write_atomically
from seg_ros.core.objects import describe_objects, write_objects
from seg_ros.core.results import Instances
from seg_ros.evaluation.unseen_metrics import evaluate_frame


@dataclass(frozen=True)
class Run:
    """Hold what a demo did: where its frames are, the topics, and how its processes ended."""

    source: Path
    output: Path
    color_topic: str
    results: dict[str, str]
    exit_codes: dict[str, int]
    own_input: bool

    def source_of(self, name: str) -> str:
        """Return the source of a frame: of the built-in ones the first part of the NAME."""
        return self.source.name if self.own_input else name.split('-')[0]


def report(args: argparse.Namespace, run: Run) -> int:
    """Write the output files, print the table and what is missing; 0 where nothing is."""
    sent = _sent(run)
    recording = read_recording(
        run.output / 'bag', run.output, {stamp: name for name, stamp in sent.items()},
        run.results['label'], run.results['overlay'],
    )  # fmt: skip
    outcomes, objects = compare(args, run, sent, recording)
    rows = source_rows(outcomes, run.source_of)
    missing = troubles(run, outcomes, recording, _unsent(run, sent))
    write_objects(run.output / 'objects.json', objects)
    summary = {
        'method': args.method, 'weights': args.weights, 'options': args.assignments,
        'input': str(run.source), 'sources': rows,
        'frames': {outcome.name: asdict(outcome) for outcome in outcomes},
        'messages': recording.counts, 'node': recording.diagnostics,
        'exit_codes': run.exit_codes, 'missing': missing, 'versions': package_versions(),
    }  # fmt: skip
    write_atomically(run.output / 'summary.json', (json.dumps(summary, indent=1) + '\n').encode())
    _print_report(run, rows, missing)
    return 1 if missing else 0


def _sent(run: Run) -> dict[str, int]:
    """Return the stamp in ns of every frame that the player sent, by NAME."""
    file = run.output / 'logs' / 'stamps.json'
    sent = json.loads(file.read_text()) if file.is_file() else []
    if not sent:
        raise ValueError(f'the player sent no frame, see {run.output}/logs/player.log')
    return {name: int(stamp_ns) for name, stamp_ns in sent}


def _unsent(run: Run, sent: dict[str, int]) -> list[str]:
    names = [] if is_bag(run.source) else FrameFolder(run.source).names
    return [name for name in names if name not in sent]


def compare(
    args: argparse.Namespace, run: Run, sent: dict[str, int], recording: Recording
) -> tuple[list[FrameOutcome], dict[str, Any]]:
    """Return the outcome of every frame that was sent, and the entries of objects.json."""
    colors = recording.arrived_ns.get(run.color_topic, {})
    labels = recording.arrived_ns.get(run.results['label'], {})
    outcomes: dict[str, FrameOutcome] = {n: FrameOutcome(n, stamp) for n, stamp in sent.items()}
    objects = {}
    for named in _frames(args, run):
        stamp_ns = sent.get(named.name)
        if stamp_ns is None or stamp_ns not in labels or named.frame is None:
            continue
        found = _instances(read_labels(run.output / f'{named.name}-labels.png'))
        seen_ns = colors.get(stamp_ns)
        latency_ms = None if seen_ns is None else (labels[stamp_ns] - seen_ns) / 1e6
        outcomes[named.name] = FrameOutcome(
            named.name, stamp_ns, latency_ms, len(found), **_scores(run, named.name, found)
        )
        objects[named.name] = describe_objects(named.frame, found)
    return list(outcomes.values()), objects


def _frames(args: argparse.Namespace, run: Run) -> Iterator[NamedFrame]:
    with open_input(argparse.Namespace(**{**vars(args), 'input': run.source})) as frames:
        yield from frames


def _instances(ids: Any) -> Instances:
    """Return the instances of an image of ids; topics carry no scores."""
    import numpy as np

    present = np.unique(ids[ids > 0])
    rows = np.searchsorted(present, ids) + 1
    return Instances(
        labels=np.where(ids > 0, rows, 0).astype(np.int32),
        scores=np.full(len(present), np.nan, np.float32),
        class_ids=np.zeros(len(present), np.int32),
        ids=present.astype(np.int32),
    )


def _scores(run: Run, name: str, found: Instances) -> dict[str, Any]:
    truth = None if is_bag(run.source) else FrameFolder(run.source).labels(name)
    if truth is None:
        return {}
    score = evaluate_frame(truth, found.labels)
    return {
        'true_objects': score.objects,
        'overlap_f': score.overlap_f,
        'boundary_f': score.boundary_f,
        'share_above_75': score.share_above_75,
    }


def troubles(
    run: Run, outcomes: list[FrameOutcome], recording: Recording, unsent: list[str]
) -> list[str]:
    """Return, in words, everything that should have come and did not."""
    lost = [outcome.name for outcome in outcomes if not outcome.segmented]
    found = [f'{name} ended with exit code {code}, see {run.output}/logs/{name}.log'
             for name, code in run.exit_codes.items() if code]  # fmt: skip
    if unsent:
        found.append(f'{len(unsent)} frames could not be played: {_some(unsent)}')
    if lost:
        found.append(f'{len(lost)} of {len(outcomes)} frames gave no label image: {_some(lost)}')
    for topic in run.results.values():
        count = recording.counts.get(topic, 0)
        if count < len(outcomes) - len(lost):
            found.append(f'{topic}: {count} messages for {len(outcomes) - len(lost)} frames')
    if not any(outcome.objects for outcome in outcomes):
        found.append('no object was found in any frame')
    return found


def _some(names: list[str]) -> str:
    return ', '.join(names[:5]) + (', ...' if len(names) > 5 else '')


def _print_report(run: Run, rows: list[dict[str, Any]], missing: list[str]) -> None:
    print('\n' + '\n'.join(table_lines(rows)))
    print(
        '\nobjects, true, F: means over frames, F against ground truth where it is known;\n'
        'latency: from the colour to the label image as the recorder received them\n'
        f'{run.output}/ holds NAME-overlay.png, NAME-labels.png, objects.json, summary.json,\n'
        'logs/ and bag/, a rosbag2 (mcap) for Foxglove and ros2 bag'
    )
    for text in missing:
        print(f'seg_ros demo: {text}', file=sys.stderr)
