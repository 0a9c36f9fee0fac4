# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Write synthetic RGB-D data sets with instance labels."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

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
        '--coco', action='store_true', help='write annotations.json (COCO instances) as well'
    )
    parser.add_argument(
        '--sequence',
        type=int,
        metavar='FRAMES',
        help='write one sequence with a moving camera and sensor noise instead of scenes',
    )


def run(args: argparse.Namespace) -> int:
    """Write the data set and its contact sheet."""
    logging.basicConfig(level=logging.WARNING, format='%(message)s')
    if args.workers < 1:
        raise ValueError(f'--workers starts at 1, got {args.workers}')
    if args.sequence is not None:
        _write_sequence(args)
    else:
        _write_scenes(args)
    from seg_ros.synthetic.contact_sheet import write_contact_sheet
    from seg_ros.synthetic.dataset import list_frames

    if args.coco:
        from seg_ros.synthetic.coco import write_coco

        print(f'COCO instances: {write_coco(args.output)}')
    sheet = args.output / 'contact_sheet.png'
    write_contact_sheet(args.output, sheet)
    print(f'{len(list_frames(args.output))} frames in {args.output}; a look at them: {sheet}')
    return 0


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

    from seg_ros.synthetic.dataset import DatasetOptions, generate
    from seg_ros.synthetic.scene import SceneOptions

    scene = SceneOptions(
        views=args.views, width=args.width, height=args.height, physics=_physics(args.physics),
        preset=args.preset,
    )
    objects = None if args.objects is None else str(args.objects)
    options = DatasetOptions(args.scenes, args.seed, scene, objects)
    with tqdm(total=args.scenes, unit='scene') as bar:
        generate(args.output, options, workers=args.workers, progress=lambda _: bar.update())


def _write_sequence(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from seg_ros.core.io import write_frame, write_labels
    from seg_ros.synthetic.sequence import tabletop_sequence

    args.output.mkdir(parents=True, exist_ok=True)
    frames = tabletop_sequence(args.sequence, args.seed, args.width, args.height)
    for index, (frame, labels, _) in enumerate(tqdm(frames, total=args.sequence, unit='frame')):
        write_labels(args.output / f'{index:06d}-labels.png', labels)
        write_frame(args.output, f'{index:06d}', frame)
