# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train a method on a folder of views, as `seg_ros synthesize` writes it (train/ and val/)."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

HELP = 'train a method on synthetic views'
METHODS = ('unseen_objects',)
_DIRECT = ('architecture', 'fusion', 'stage', 'samples', 'time_budget_s', 'device', 'threads',
           'workers', 'seed')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument('method', choices=METHODS, help='what to train')
    parser.add_argument('--data', required=True, type=Path, metavar='DIR',
                        help='folder with train/ and, for validation, val/')
    parser.add_argument('--out', required=True, type=Path, metavar='DIR',
                        help='folder for checkpoint.pt, weights.safetensors and the curves')
    parser.add_argument('--config', type=Path, metavar='YAML', help='file of options')
    parser.add_argument('--resume', action='store_true', help='go on from the checkpoint in --out')
    parser.add_argument('--init', metavar='WEIGHTS', help='start from these weights')
    parser.add_argument('--arch', dest='architecture', choices=('ucn_small', 'ucn_resnet34'))
    parser.add_argument('--fusion', choices=('add', 'cat', 'early', 'color', 'depth'))
    parser.add_argument('--stage', choices=('frames', 'zoom'),
                        help='frames: whole views; zoom: squares around single objects')
    parser.add_argument('--samples', type=int, help='samples to train on')
    parser.add_argument('--time-budget', dest='time_budget_s', type=float, metavar='SECONDS',
                        help='finish in this wall-clock time instead')
    parser.add_argument('--device', help='auto, cpu, cuda, cuda:0 ...')
    parser.add_argument('--threads', type=int, help='torch threads; 0: torch decides')
    parser.add_argument('--workers', type=int, help='processes that read data')
    parser.add_argument('--seed', type=int)
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE',
                        help='any other option of the training, as in the YAML file')


def run(args: argparse.Namespace) -> int:
    """Train, or go on training, and leave the weights in --out."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    from seg_ros.training.options import read_train_options
    from seg_ros.training.trainer import WEIGHTS, Trainer

    options = read_train_options(args.config, _overrides(args))
    if args.init and args.resume:
        raise ValueError('--init and --resume exclude each other: a checkpoint has its weights')
    trainer = Trainer(args.data, args.out, options, resume=args.resume)
    if args.init:
        from seg_ros.weights import load_weights

        weights = load_weights(args.init, method=args.method)
        trainer.initialise(weights.state, str(weights.path))
    trainer.run()
    print(f'{trainer.progress.samples} samples in {trainer.progress.seconds:.0f} s; '
          f'weights: {args.out / WEIGHTS}')
    return 0


def _overrides(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options given by flags and by --set NAME=VALUE."""
    values = {name: getattr(args, name) for name in _DIRECT if getattr(args, name) is not None}
    for text in args.set:
        name, separator, value = text.partition('=')
        if not separator:
            raise ValueError(f'--set {text}: give NAME=VALUE')
        values[name] = value
    return values
