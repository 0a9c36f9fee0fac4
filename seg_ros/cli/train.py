# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train a method on folders of views, synthetic or own frames with labels (train/ and val/).

Several processes or GPUs: torchrun --nproc-per-node N -m seg_ros train unseen_objects ...
"""

from __future__ import annotations

import argparse
import logging
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seg_ros.training.trainer import Trainer

HELP = 'train a method on synthetic views'
METHODS = ('unseen_objects',)
_DIRECT = ('architecture', 'fusion', 'stage', 'samples', 'time_budget_s', 'device', 'threads',
           'workers', 'seed')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument('method', choices=METHODS, help='what to train')
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('--data', required=True, metavar='DIR[:SHARE]', action='append',
                        help='folder with train/ and, for validation, val/; may be repeated, then '
                        'shares say how often a sample is of each: own:1 synthetic:3')
    parser.add_argument('--out', required=True, type=Path, metavar='DIR',
                        help='folder for checkpoint.pt, weights.safetensors, card.md, curves')
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
    """Train, or go on training, and leave the weights in --out; 1 where it was stopped."""
    from seg_ros.training.options import read_train_options
    from seg_ros.training.parallel import join_team, leave_team

    if args.init and args.resume:
        raise ValueError('--init and --resume exclude each other: a checkpoint has its weights')
    options = read_train_options(args.config, _overrides(args))
    team, device = join_team(options.device)
    logging.basicConfig(level=logging.INFO if team.leads else logging.ERROR, format='%(message)s')
    try:
        from seg_ros.training.trainer import Trainer

        folders, shares = data_shares(args.data)
        trainer = Trainer(folders, args.out, options.replaced(device=device),
                          resume=args.resume, init=_weights(args), team=team, shares=shares)
        return _train(trainer, args.out)
    finally:
        leave_team(team)


def data_shares(texts: list[str]) -> tuple[list[Path], list[float] | None]:
    """Split DIR[:SHARE] into folders and shares, None where none is given.

    A folder that exists is taken as it is. ValueError where some have a share and others none.
    """
    folders, shares = [], []
    for text in texts:
        folder, separator, share = text.rpartition(':')
        if Path(text).is_dir() or not separator:
            folders.append(Path(text))
            continue
        try:
            shares.append(float(share))
        except ValueError:
            raise ValueError(
                f'--data {text}: no such folder, and {share!r} is no share; give DIR or '
                'DIR:SHARE') from None
        folders.append(Path(folder))
    if len(shares) not in (0, len(folders)):
        raise ValueError('--data: give every folder a share, DIR:SHARE, or none')
    return folders, shares or None


def _weights(args: argparse.Namespace) -> Any:
    from seg_ros.weights import load_weights

    return load_weights(args.init, method=args.method) if args.init else None


def _train(trainer: Trainer, out: Path) -> int:
    """Run until done or told to stop by SIGINT or SIGTERM; the leader says what is there."""
    from seg_ros.training.card import write_card
    from seg_ros.training.trainer import WEIGHTS

    before = {number: signal.signal(number, lambda *_: trainer.ask_to_stop())
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        done = trainer.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if trainer.team.leads:
        write_card(out, trainer.metadata(), ['seg_ros', *map(shlex.quote, sys.argv[1:])])
        print(f'{trainer.progress.samples} samples in {trainer.progress.seconds:.0f} s; '
              f'weights: {out / WEIGHTS}' + ('' if done else '; stopped: --resume goes on'))
    return 0 if done else 1


def _overrides(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options given by flags and by --set NAME=VALUE."""
    values = {name: getattr(args, name) for name in _DIRECT if getattr(args, name) is not None}
    for text in args.set:
        name, separator, value = text.partition('=')
        if not separator:
            raise ValueError(f'--set {text}: give NAME=VALUE')
        values[name] = value
    return values
