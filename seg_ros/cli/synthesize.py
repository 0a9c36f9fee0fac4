# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Write synthetic RGB-D data sets with instance labels."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seg_ros.synthetic.mesh_files import MeshReport

HELP = 'write synthetic tabletop scenes with labels'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        'output', type=Path, help='folder of the data set; a broken run goes on there'
    )
    parser.add_argument('--scenes', type=int, default=100, help='number of scenes (default 100)')
    parser.add_argument('--views', type=int, default=4, help='views of each scene (default 4)')
    parser.add_argument('--seed', type=int, default=0, help='same seed and versions, same bytes')
    parser.add_argument('--workers', type=int, default=1, help='processes (default 1)')
    parser.add_argument(
        '--objects', type=Path, help='folder of meshes (OBJ, STL, PLY, GLB) that join in'
    )
    parser.add_argument('--width', type=int, default=320, help='image width, pixels (default 320)')
    parser.add_argument(
        '--height', type=int, default=240, help='image height, pixels (default 240)'
    )
    parser.add_argument(
        '--physics',
        choices=('auto', 'mujoco', 'none'),
        default='auto',
        help='let things fall by MuJoCo, or only stand and stack them; auto: MuJoCo if installed',
    )
    parser.add_argument(
        '--preset',
        choices=('tabletop', 'bin', 'shelf', 'mixed'),
        default='tabletop',
        help='what carries the objects (default tabletop); mixed: mostly tables, some of all',
    )
    parser.add_argument(
        '--empty-share', type=float, default=0.02, metavar='SHARE',
        help='share of scenes without objects (default 0.02)',
    )  # fmt: skip
    parser.add_argument(
        '--coco', action='store_true', help='write annotations.json (COCO instances) as well'
    )
    parser.add_argument(
        '--sequence',
        type=int,
        metavar='FRAMES',
        help='write a sequence with a moving camera and sensor noise instead of scenes',
    )
    parser.add_argument(
        '--sequences', type=int, default=1, metavar='N',
        help='write N sequences, in folders 000, 001 ... (default 1, in OUTPUT itself)',
    )  # fmt: skip
    parser.add_argument(
        '--changes', type=int, default=4, metavar='N',
        help='things put in and taken out in a sequence, in turn (default 4)',
    )  # fmt: skip
    parser.add_argument('--swaps', type=int, default=0, metavar='N',
                        help='how often two things exchange places in a sequence (default 0)')
    parser.add_argument('--arms', type=int, default=0, metavar='N',
                        help='how often an arm passes before the camera (default 0)')
    parser.add_argument('--still', action='store_true', help='the camera of a sequence stands')


def run(args: argparse.Namespace) -> int:
    """Write the data set and its contact sheet."""
    logging.basicConfig(level=logging.WARNING, format='%(message)s')
    if args.workers < 1:
        raise ValueError(f'--workers starts at 1, got {args.workers}')
    for folder in _write(args):
        _report(folder, args.coco)
    return 0


def _write(args: argparse.Namespace) -> list[Path]:
    """Write what is asked for; returns the folders of frames."""
    if args.sequence is None:
        _write_scenes(args)
        return [args.output]
    if args.coco:
        raise ValueError('--coco is for scenes: a sequence has its objects in sequence.json')
    return _write_sequences(args)


def _report(folder: Path, coco: bool) -> None:
    from seg_ros.synthetic.contact_sheet import write_contact_sheet
    from seg_ros.synthetic.dataset import list_frames

    if coco:
        from seg_ros.synthetic.coco import write_coco

        print(f'COCO instances: {write_coco(folder)}')
    sheet = folder / 'contact_sheet.png'
    write_contact_sheet(folder, sheet)
    print(f'{len(list_frames(folder))} frames in {folder}; a look at them: {sheet}')


def _physics(choice: str) -> str:
    from seg_ros.synthetic.physics import have_physics

    if choice != 'auto':
        return choice
    if have_physics():
        return 'mujoco'
    print(
        'MuJoCo is not installed: things stand and stack, none fall (pip install "seg_ros[synth]")'
    )
    return 'none'


def _write_scenes(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from seg_ros.synthetic.dataset import DatasetOptions, check_meshes, generate
    from seg_ros.synthetic.scene import SceneOptions

    scene = SceneOptions(
        views=args.views, width=args.width, height=args.height, physics=_physics(args.physics),
        preset=args.preset, empty_share=args.empty_share,
    )
    objects = None if args.objects is None else str(args.objects)
    options = DatasetOptions(args.scenes, args.seed, scene, objects)
    if objects is not None:
        args.output.mkdir(parents=True, exist_ok=True)
        _tell_of_meshes(check_meshes(args.output, objects))
    with tqdm(total=args.scenes, unit='scene') as bar:
        generate(args.output, options, workers=args.workers, progress=lambda _: bar.update())


def _tell_of_meshes(report: MeshReport) -> None:
    """Say how many meshes join in, and name those left out or changed."""
    for name, reason in report.skipped.items():
        print(f'mesh {name} left out: {reason}')
    for name, note in report.notes.items():
        print(f'mesh {name}: {note}')
    print(f'{len(report.usable)} meshes join in')


def _write_sequences(args: argparse.Namespace) -> list[Path]:
    from tqdm import tqdm

    from seg_ros.synthetic.changing import SequenceOptions, sequence_folders, write_sequence

    options = SequenceOptions(
        args.sequence, args.changes, args.seed, args.width, args.height, _physics(args.physics),
        swaps=args.swaps, arms=args.arms, motion=0.0 if args.still else 1.0)
    jobs = sequence_folders(args.output, args.sequences, options)
    with tqdm(total=args.sequence * len(jobs), unit='frame') as bar:
        for folder, chosen in jobs:
            write_sequence(folder, chosen, progress=lambda _: bar.update())
    return [folder for folder, _ in jobs]
