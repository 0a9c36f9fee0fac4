# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The COCO measures of `seg_ros evaluate`: what they are of, and how they are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from seg_ros.core.io import FrameFolder
from seg_ros.core.results import Candidates, Instances
from seg_ros.evaluation.coco_metrics import FIGURES, CocoScores
from seg_ros.evaluation.coco_truth import CocoFrames, FolderTruth, TruthSource
from seg_ros.evaluation.folder import Predict
from seg_ros.evaluation.objects_file import OBJECTS_NAME, ObjectsFile, read_results

_HEADS = ('AP', 'AP50', 'AP75', 'small', 'medium', 'large', 'AR100')


def is_coco(path: Path) -> bool:
    """Return whether a path is that of COCO JSON."""
    return path.suffix.lower() == '.json'


def open_truth(path: Path, metrics: str) -> tuple[FrameFolder | CocoFrames, TruthSource | None]:
    """Open a folder of frames or COCO JSON; the truth of the COCO measures where asked for."""
    if is_coco(path):
        from seg_ros.training.coco_data import CocoFolder

        frames = CocoFrames(CocoFolder(path))
        return frames, None if metrics == 'unseen' else frames
    folder = FrameFolder(path)
    return folder, None if metrics == 'unseen' else FolderTruth(folder)


def results_in(folder: Path, metrics: str) -> Callable[[str], Instances]:
    """Return what reads results by NAME: labels, and for COCO what objects.json says of them."""
    path = folder / OBJECTS_NAME
    objects = ObjectsFile(path) if metrics != 'unseen' and path.exists() else None
    return lambda name: read_results(folder, name, objects)


def scored(
    results: Callable[[str], Instances], truth: TruthSource,
    candidates: Callable[[str], Candidates] | None = None,
) -> tuple[Predict, CocoScores]:
    """Return a predictor of labels, and scores that fill as it is called.

    Scored is what a detector considers, where ``candidates`` give it, else the labels.
    """
    scores = CocoScores(truth.class_names)

    def scoring(name: str) -> Any:
        found, true = results(name), truth.truth(name)
        if true is not None and candidates is not None:
            scores.add_candidates(true, candidates(name))
        elif true is not None:
            scores.add(true, found)
        return found.labels

    return scoring, scores


def report(scores: CocoScores) -> dict[str, Any]:
    """Return the figures and how classes were treated, ready for JSON; None is undefined."""
    classes = scores.classes()
    return {
        'frames': len(scores), **scores.summary(),
        'classes': 'matched' if classes.aware else 'ignored', 'classes_because': classes.reason,
        'without_counterpart': {'data_set': list(classes.only_truth),
                                'results': list(classes.only_results)},
    }


def table(found: dict[str, Any]) -> list[str]:
    """Return the lines that tell a report; '-' is undefined."""
    lines = [' '.join([f'{"COCO":5}', *(f'{head:>6}' for head in _HEADS)])]
    for kind in ('box', 'mask'):
        figures = [found[kind][name] for name in FIGURES]
        cells = (f'{"-":>6}' if value is None else f'{value:6.3f}' for value in figures)
        lines.append(' '.join([f'{kind:5}', *cells]))
    lines.append(f'classes {found["classes"]}: {found["classes_because"]}')
    for key, of in (('data_set', 'the data set'), ('results', 'the results')):
        names = found['without_counterpart'][key]
        if names:
            lines.append(f'without a counterpart, of {of}: {", ".join(names)}')
    return lines
