# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`seg_ros evaluate --boxes`: oriented boxes within the true masks against the true boxes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from seg_ros.core.box_drawing import draw_boxes
from seg_ros.core.boxes import fit_boxes
from seg_ros.core.io import FrameFolder, write_atomically
from seg_ros.core.support import find_support_planes
from seg_ros.evaluation.boxes import markdown, score_boxes, summary, true_boxes
from seg_ros.evaluation.sources import Camera, CameraFolder

MOST_PICTURES = 12
_OTHERS = ('failures', 'robustness', 'predictions')


def score_true_masks(args: argparse.Namespace) -> int:
    """Print the table, write JSON, table and pictures."""
    given = [f'--{name}' for name in _OTHERS if getattr(args, name)]
    given += ['--metrics'] if args.metrics != 'unseen' else []
    if given:
        raise ValueError(f'--boxes fits boxes to the true masks: leave {", ".join(given)} out')
    folder = FrameFolder(args.folder)
    seen = CameraFolder(folder, Camera(args.sensor, args.noise_seed, args.blank), args.frames)
    scores = list(score_boxes(seen, folder.frame, true_boxes(args.folder)))
    rows = summary(scores)
    table = markdown(rows)
    print(table, end='')
    if args.markdown:
        write_atomically(args.markdown, table.encode())
    if args.json:
        report = {'folder': str(args.folder), 'sensor': args.sensor, 'rows': rows,
                  'boxes': [score.as_dict() for score in scores]}
        write_atomically(args.json, (json.dumps(report, indent=1) + '\n').encode())
    if args.pictures:
        _draw(seen, args.pictures)
    return 0


def _draw(seen: CameraFolder, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = seen.names[:MOST_PICTURES]
    for name in names:
        frame, labels = seen.frame(name), seen.labels(name)
        if labels is None or frame.depth is None or frame.camera is None:
            continue
        count = int(labels.max(initial=0))
        planes = [one.plane for one in find_support_planes(frame.depth, frame.camera, labels)]
        boxes = fit_boxes(frame.depth, frame.camera, labels, count, planes)
        picture = draw_boxes(frame.color, boxes, np.arange(1, count + 1), frame.camera)
        cv2.imwrite(str(folder / f'{name}-boxes.png'), picture[..., ::-1])
    print(f'pictures of {len(names)} frames in {folder}')
