# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Score a method, or label images made earlier, on a folder with ground truth.

Overlap and boundary precision, recall and F, and the share of objects with F above 0.75, per
frame and as the plain mean over frames.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seg_ros.core.io import FrameFolder
    from seg_ros.evaluation.folder import FolderScore, Predict
    from seg_ros.evaluation.unseen_metrics import FrameScore, MeanScore

HELP = 'score a method on a folder with ground truth'

_COLUMNS = ('P', 'R', 'F', 'bP', 'bR', 'bF', 'F>.75')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from seg_ros.cli._method import add_method_arguments

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('folder', type=Path, metavar='FOLDER',
                        help='folder of frames with NAME-labels.png as ground truth')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write everything to a file')
    parser.add_argument(
        '--predictions', type=Path, metavar='DIR',
        help='score the NAME-labels.png of this folder instead of running a method',
    )  # fmt: skip
    add_method_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the table, write the JSON; 1 where a frame could not be scored."""
    from seg_ros.core.io import FrameFolder, write_atomically
    from seg_ros.evaluation.folder import evaluate_folder

    folder = FrameFolder(args.folder)
    predict, setting = _from_files(args) if args.predictions else _from_method(args, folder)
    width = max(len('mean'), *map(len, folder.names))
    print(' '.join([f'{"frame":{width}}', *(f'{name:>6}' for name in _COLUMNS), 'found/true']))
    found = evaluate_folder(
        folder, predict, lambda name, score: print(_row(name, score, width), flush=True)
    )
    if found.scores:
        print(_row('mean', found.mean(), width))
    _print_rest(found)
    if args.json:
        report = {'folder': str(args.folder), **setting, **found.as_dict()}
        write_atomically(args.json, (json.dumps(report, indent=1) + '\n').encode())
    return 1 if found.failed else 0


def _row(name: str, score: FrameScore | MeanScore, width: int) -> str:
    from seg_ros.evaluation.unseen_metrics import MEASURES

    figures = [f'{getattr(score, measure):6.3f}' for measure in MEASURES]
    return ' '.join([f'{name:{width}}', *figures, f'{score.predictions}/{score.objects}'])


def _print_rest(found: FolderScore) -> None:
    for name, reason in found.failed.items():
        print(f'{name}: {reason}', file=sys.stderr)
    if found.without_truth:
        print(f'{len(found.without_truth)} frames have no NAME-labels.png and are left out')


def _from_files(args: argparse.Namespace) -> tuple[Predict, dict[str, Any]]:
    from seg_ros.cli._method import package_versions
    from seg_ros.core.io import read_labels

    if not args.predictions.is_dir():
        raise FileNotFoundError(f'{args.predictions} is not a folder of NAME-labels.png')
    setting = {'predictions': str(args.predictions), 'versions': package_versions()}
    return lambda name: read_labels(args.predictions / f'{name}-labels.png'), setting


def _from_method(
    args: argparse.Namespace, folder: FrameFolder
) -> tuple[Predict, dict[str, Any]]:
    from seg_ros.cli._method import describe_run, load_segmenter, timed_segment
    from seg_ros.core.results import Instances

    segmenter = load_segmenter(args)

    def predict(name: str) -> Any:
        result, _ = timed_segment(segmenter, folder.frame(name))
        if not isinstance(result, Instances):
            raise ValueError(f'{segmenter.method} finds classes, not instances: none to score')
        return result.labels

    return predict, describe_run(args, segmenter)
