# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`seg_ros evaluate --method semantic`: the measures of classes, and how they are told."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seg_ros.cli._method import (
    describe_run,
    load_segmenter,
    package_versions,
    timed_segment,
)
from seg_ros.core.classes import CLASSES_NAME, read_class_names
from seg_ros.core.io import write_atomically
from seg_ros.core.results import SemanticMap
from seg_ros.evaluation.class_truth import checked_classes, open_class_frames
from seg_ros.evaluation.semantic_folder import (
    FIGURES,
    ClassScore,
    FrameFigures,
    PredictClasses,
    evaluate_classes,
)
from seg_ros.evaluation.semantic_metrics import MEASURES
from seg_ros.evaluation.sources import Camera, CameraFolder
from seg_ros.semantic.class_groups import ClassGroups

_HEADS = ('accuracy', 'mean IU', 'object IU')
_OTHERS = ('failures', 'pictures', 'robustness', 'markdown')


def score_classes(args: argparse.Namespace) -> int:
    """Print the measures, write the JSON; 1 where a frame could not be scored."""
    _refuse_others(args)
    frames = open_class_frames(args.folder, args.split)
    seen = CameraFolder(
        frames, Camera(args.sensor, args.noise_seed, args.blank), args.frames)
    predict, setting, trained = _predictor(args, seen)
    found = evaluate_classes(
        frames, seen.names, predict, args.classes, _shown(seen.names), trained)
    print(*table(found), sep='\n')
    for name, reason in found.failed.items():
        print(f'{name}: {reason}', file=sys.stderr)
    if args.json:
        report = {'folder': str(args.folder), **setting, **found.as_dict()}
        write_atomically(args.json, (json.dumps(report, indent=1) + '\n').encode())
    return 1 if found.failed else 0


def _refuse_others(args: argparse.Namespace) -> None:
    given = [f'--{name}' for name in _OTHERS if getattr(args, name)]
    if args.metrics != 'unseen':
        given.append('--metrics')
    if given:
        raise ValueError(f'{", ".join(given)}: of methods that give objects; leave it out with '
                         f'--method {args.method}')


def _predictor(
    args: argparse.Namespace, frames: CameraFolder
) -> tuple[PredictClasses, dict[str, Any], ClassGroups | None]:
    """Return what gives classes by NAME, the setting, ready for JSON, and the weights' groups."""
    if args.predictions:
        names = read_class_names(args.predictions / CLASSES_NAME)
        setting = {'predictions': str(args.predictions), 'versions': package_versions()}
        return lambda name: _stored(args.predictions, name, names), setting, None
    segmenter = load_segmenter(args)

    def predict(name: str) -> SemanticMap:
        result = timed_segment(segmenter, frames.frame(name))[0]
        if not isinstance(result, SemanticMap):
            raise ValueError(f'{type(result).__name__} holds no classes: none to score')
        return result

    seen = {'sensor': args.sensor, 'noise_seed': args.noise_seed, 'blank': args.blank}
    setting = {**describe_run(args, segmenter), 'frames_as_seen': seen}
    return predict, setting, getattr(segmenter, 'class_groups', None)


def _stored(folder: Path, name: str, names: Sequence[str]) -> SemanticMap:
    return SemanticMap(checked_classes(folder / f'{name}-classes.png', names), names)


def _shown(names: Sequence[str]) -> Any:
    """Print the head of the table of frames and return what prints a row of it."""
    width = max(5, *map(len, names))
    print(' '.join([f'{"frame":{width}}', *(f'{head:>9}' for head in _HEADS)]))

    def show(name: str, figures: FrameFigures) -> None:
        cells = (_cell(figures[figure], 9) for figure in FIGURES)
        print(' '.join([f'{name:{width}}', *cells]), flush=True)

    return show


def _cell(value: float | None, width: int) -> str:
    return f'{"-":>{width}}' if value is None else f'{value:{width}.3f}'


def table(found: ClassScore) -> list[str]:
    """Return the lines that tell the measures of a set and its classes; '-' is undefined."""
    if found.scores is None:
        return []
    summary = found.scores.summary()
    lines = ['']
    for name in (*MEASURES, 'object_iu'):
        if name in summary:
            lines.append(f'{name.replace("_", " "):21} {_cell(summary[name], 6)}')
    rows = summary.get('classes', [])
    if rows:
        width = max(5, *(len(row['name']) for row in rows))
        lines += ['', f'{"class":{width}} {"IU":>6} {"acc.":>6} {"pixels":>10} {"predicted":>10}']
    lines += [f'{row["name"]:{width}} {_cell(row["iu"], 6)} {_cell(row["accuracy"], 6)} '
              f'{row["pixels"]:10} {row["predicted"]:10}' for row in rows]
    if found.without_truth:
        lines += ['', f'{len(found.without_truth)} frames have no ground truth and are left out']
    return lines
