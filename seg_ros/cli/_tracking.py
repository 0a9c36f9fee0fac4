# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The tracker's arguments, and the scores of `seg_ros evaluate --metrics tracking`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seg_ros.core.results import Instances
    from seg_ros.core.tracking import Tracker
    from seg_ros.evaluation.tracking_metrics import TrackingScores
    from seg_ros.evaluation.tracking_sequence import Segment, SequenceFolder, Step

MASKS = ('method', 'truth', 'simulated')


def add_tracker_arguments(group: argparse._ActionsContainer) -> None:
    """Add the options of the tracker."""
    group.add_argument('--track-memory', type=float, metavar='SECONDS',
                       help='longest time that a hidden object keeps its id (default 5)')
    group.add_argument('--mask-smoothing', type=float, metavar='WEIGHT',
                       help='weight of the past in the masks, 0 to 0.95 (default 0)')


def add_scoring_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of --metrics tracking."""
    group = parser.add_argument_group('ids over a sequence (--metrics tracking)')
    group.add_argument('--masks', choices=MASKS, default='method',
                       help='whose masks are tracked: those of the method (default), the true '
                            'ones, or the true ones with simulated errors')
    group.add_argument('--camera-poses', action='store_true',
                       help='give the tracker the poses of sequence.json, as TF would')
    group.add_argument('--overlays', type=Path, metavar='DIR',
                       help='write NAME-overlay.png of the tracked objects')
    add_tracker_arguments(group)


def tracker_of(args: argparse.Namespace) -> Tracker:
    """Return the tracker that the arguments describe; ValueError for a bad value."""
    from seg_ros.core.tracking import Tracker, TrackingOptions

    given = {name: getattr(args, name) for name in ('track_memory', 'mask_smoothing')
             if getattr(args, name) is not None}
    return Tracker(TrackingOptions(**given))


def score_tracking(args: argparse.Namespace) -> int:
    """Score the ids of a sequence, print the table and write the JSON."""
    from seg_ros.core.io import write_atomically
    from seg_ros.evaluation.tracking_sequence import SequenceFolder, evaluate_sequence

    if args.predictions and args.masks != 'method':
        raise ValueError('--predictions have masks of their own: leave --masks out')
    sequence = SequenceFolder(args.folder)
    segment, setting = _segment_of(args, sequence)
    tracker = None if args.predictions else tracker_of(args)
    scores = evaluate_sequence(
        sequence, segment, tracker, use_poses=args.camera_poses, show=_Shown(args.overlays))
    print(*table(scores), sep='\n')
    if args.json:
        report = {'folder': str(args.folder), **setting, 'tracking': scores.as_dict()}
        write_atomically(args.json, (json.dumps(report, indent=1) + '\n').encode())
    return 0


class _Shown:
    """Name the frames in which ids change, and draw the overlays that are asked for."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, step: Step, result: Instances, switched: list[int]) -> None:
        if switched:
            print(f'{step.name}: another id for object {", ".join(map(str, switched))}',
                  flush=True)
        if self._folder is not None:
            from seg_ros.core.drawing import draw_overlay
            from seg_ros.core.io import write_color

            write_color(self._folder / f'{step.name}-overlay.png',
                        draw_overlay(step.frame.color, result))


def _segment_of(
    args: argparse.Namespace, sequence: SequenceFolder
) -> tuple[Segment, dict[str, Any]]:
    """Return what gives the objects of a frame, and what the scores depend on."""
    from seg_ros.cli._method import describe_run, load_segmenter, package_versions, timed_segment
    from seg_ros.evaluation.tracking_sequence import simulated_masks, true_masks

    setting = {'masks': args.masks, 'versions': package_versions()}
    if args.predictions:
        return _from_files(args.predictions), {**setting, 'predictions': str(args.predictions)}
    if args.masks != 'method':
        return true_masks if args.masks == 'truth' else simulated_masks(), setting
    segmenter = load_segmenter(args)

    def segment(step: Step) -> Instances:
        return instances(timed_segment(segmenter, step.frame)[0])

    return segment, {**setting, **describe_run(args, segmenter)}


def instances(result: Any) -> Instances:
    """Return the instances of a result; ValueError for classes."""
    from seg_ros.core.results import Instances

    if not isinstance(result, Instances):
        raise ValueError(f'{type(result).__name__} holds classes, not instances: none to track')
    return result


def _from_files(folder: Path) -> Segment:
    import numpy as np

    from seg_ros.core.io import read_labels
    from seg_ros.core.results import Instances

    def segment(step: Step) -> Instances:
        image = read_labels(folder / f'{step.name}-labels.png')
        ids = np.unique(image[image > 0]).astype(np.int32)
        table = np.zeros(int(image.max(initial=0)) + 1, np.int32)
        table[ids] = np.arange(1, len(ids) + 1)
        return Instances(table[image], np.ones(len(ids), np.float32),
                         np.zeros(len(ids), np.int32), ids)

    return segment


def table(scores: TrackingScores) -> list[str]:
    """Return the measures as lines for people."""
    names = {
        'idf1': 'IDF1', 'detection_f': 'IDF1 if no id were wrong', 'mota': 'MOTA',
        'id_precision': 'ID precision', 'id_recall': 'ID recall', 'mean_iou': 'mean IoU',
        'switches_per_100_object_seconds': 'id switches per 100 object-seconds',
        'object_seconds': 'object-seconds', 'id_switches': 'id switches', 'misses': 'misses',
        'false_positives': 'false positives', 'objects': 'objects over all frames'}
    return [f'{text:36} {getattr(scores, name):.4g}' for name, text in names.items()]
