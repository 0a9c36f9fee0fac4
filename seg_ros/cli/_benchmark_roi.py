# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The subject roi of seg_ros benchmark: accuracy by the operator that reads regions."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from seg_ros.cli._method import assigned


def add_roi_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only this subject takes."""
    group = parser.add_argument_group(
        'roi', 'Train box and mask heads for each RoI operator on a frozen trunk (weights of '
        'mask_rcnn or unseen_objects); --set NAME=VALUE takes views, validation_views, batch, '
        'rois, rate, proposals, proposal_iterations, width and height.')
    group.add_argument('--data', type=Path, metavar='DIR',
                       help='roi: views to train on; train/ of it where there is one')
    group.add_argument('--val', type=Path, metavar='DIR',
                       help='roi: views to score (default: val/ of --data)')
    group.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], metavar='N',
                       help='roi: trainings of each operator')
    group.add_argument('--out', type=Path, metavar='DIR',
                       help='roi: a JSON file of each training; those there are not repeated')


def benchmark_roi(args: argparse.Namespace, progress: Callable[[str], None]) -> str:
    """Run the ablation and return its tables; ValueError for arguments that are missing."""
    from seg_ros.benchmark.roi_ablation import AblationOptions, prepare, run_ablation
    from seg_ros.benchmark.roi_table import to_markdown
    from seg_ros.weights import load_weights

    if args.data is None or args.out is None:
        raise ValueError('benchmark roi needs --data DIR, views with labels (seg_ros '
                         'synthesize), and --out DIR for its figures')
    if args.json or args.markdown:
        raise ValueError('--out takes the place of --json and --markdown: a JSON file of each '
                         'training goes there, the tables are printed')
    inner = args.data / 'train'
    training = inner if inner.is_dir() else args.data
    values = assigned(args.assignments)
    if args.iterations is not None:
        values['iterations'] = str(args.iterations)
    options = AblationOptions().replaced(**values)
    weights = load_weights(args.weights, method='mask_rcnn', also=('unseen_objects',))
    study = prepare(weights, training, args.val or args.data / 'val', options, progress)
    return to_markdown(run_ablation(study, args.seeds, options, args.out, progress))
