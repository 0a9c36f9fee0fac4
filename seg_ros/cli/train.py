# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Train a method on folders of views, synthetic or own frames with labels (train/ and val/).

mask_rcnn also takes data in COCO format: a JSON file, or train/ and val/ with annotations.json.
semantic takes views with NAME-classes.png and classes.json, and folders as PASCAL VOC's.

Several processes or GPUs: torchrun --nproc-per-node N -m seg_ros train unseen_objects ...
"""

from __future__ import annotations

import argparse
import logging
import shlex
import signal
import sys
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seg_ros.training.options import CommonTrainOptions
    from seg_ros.training.trainer import Trainer

HELP = 'train a method on synthetic views'
# Of each method its task and its options, as 'module:name': one line a method.
METHODS = {
    'unseen_objects': ('seg_ros.training.unseen_task:UnseenTask',
                       'seg_ros.training.options:TrainOptions'),
    'mask_rcnn': ('seg_ros.training.detection_task:DetectionTask',
                  'seg_ros.training.detection_options:DetectionTrainOptions'),
    'semantic': ('seg_ros.training.semantic_task:SemanticTask',
                 'seg_ros.training.semantic_options:SemanticTrainOptions'),
}
# The option that each flag sets; a method may lack some of them.
_FLAGS = {
    '--arch': 'architecture', '--network': 'network', '--fusion': 'fusion', '--stage': 'stage',
    '--samples': 'samples', '--time-budget': 'time_budget_s', '--device': 'device',
    '--threads': 'threads', '--workers': 'workers', '--seed': 'seed'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument('method', choices=tuple(METHODS), help='what to train')
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('--data', required=True, metavar='DIR[:SHARE]', action='append',
                        help='folder with train/ and, for validation, val/ (of mask_rcnn also a '
                        'JSON in COCO format); may be repeated, then '
                        'shares say how often a sample is of each: own:1 synthetic:3')
    parser.add_argument('--out', required=True, type=Path, metavar='DIR',
                        help='folder for checkpoint.pt, weights.safetensors, card.md, curves')
    parser.add_argument('--config', type=Path, metavar='YAML', help='file of options')
    parser.add_argument('--resume', action='store_true', help='go on from the checkpoint in --out')
    parser.add_argument('--init', metavar='WEIGHTS', help='start from these weights')
    parser.add_argument('--arch', dest='architecture', metavar='NAME',
                        help='network; of unseen_objects ucn_small or ucn_resnet34')
    parser.add_argument('--network', metavar='NAME',
                        help='of semantic: fcn8s, deeplab, unet, pixelwise ...; what it is built '
                        'of by --set config.NAME=VALUE')
    parser.add_argument('--fusion', choices=('add', 'cat', 'early', 'color', 'depth'),
                        help='input fusion of a new network')
    parser.add_argument('--stage', choices=('frames', 'zoom'),
                        help='of unseen_objects: frames, whole views; zoom, squares around single '
                        'objects')
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
    task_place, options_place = METHODS[args.method]
    kind: type[CommonTrainOptions] = resolve_name(options_place)
    options = read_train_options(args.config, _overrides(args, kind), kind)
    team, device = join_team(options.device)
    logging.basicConfig(level=logging.INFO if team.leads else logging.ERROR, format='%(message)s')
    try:
        from seg_ros.training.trainer import Trainer

        folders, shares = data_shares(args.data)
        task = resolve_name(task_place)(options.replaced(device=device))
        trainer = Trainer(task, folders, args.out, resume=args.resume, init=_weights(args),
                          team=team, shares=shares)
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

    if not args.init:
        return None
    return load_weights(args.init, method=args.method, also=tuple(METHODS))


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


def _overrides(args: argparse.Namespace, kind: type[CommonTrainOptions]) -> dict[str, Any]:
    """Return the options given by flags and by --set NAME=VALUE.

    ValueError for a flag whose option the method's kind of options lacks.
    """
    values = {}
    known = {spec.name for spec in kind.specs()}
    for flag, name in _FLAGS.items():
        if getattr(args, name) is None:
            continue
        if name not in known:
            raise ValueError(f'{flag}: {args.method} has no option {name}, leave the flag out')
        values[name] = getattr(args, name)
    for text in args.set:
        name, separator, value = text.partition('=')
        if not separator:
            raise ValueError(f'--set {text}: give NAME=VALUE')
        values[name] = value
    return values
