# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Oriented boxes against the true ones of synthetic scenes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.core.boxes import fit_boxes
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.geometry import FloatArray, OrientedBox
from seg_ros.core.object_points import object_pixels, points_at
from seg_ros.core.rigid import RigidTransform
from seg_ros.core.support import find_support_planes
from seg_ros.evaluation.sources import CameraFolder
from seg_ros.synthetic.true_boxes import box_of_record

# An extent is seen where the clean depth shows this share of it.
SEEN_SHARE = 0.95
# Objects of fewer pixels are left out: their size is a matter of a pixel.
LEAST_PIXELS = 400
_CHOSEN = (
    ('all', lambda score: True),
    ('seen whole', lambda score: score.whole),
    ('seen whole, nearer than 1 m', lambda score: score.whole and score.range_m < 1),
    ('partly hidden', lambda score: not score.whole),
)

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class BoxScore:
    """Hold how one box differs from the true one.

    ``center_m`` is the distance of the centres; ``size_share`` (3,) the differences of the sizes,
    the height last, as shares of the true ones; ``seen`` (3,) whether the camera saw that extent;
    ``upright`` whether the box stands as the true one does; ``range_m`` is the true distance.
    """

    name: str
    label: int
    center_m: float
    size_share: FloatArray
    seen: npt.NDArray[np.bool_]
    upright: bool
    range_m: float

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {
            'name': self.name, 'label': self.label, 'center_m': round(self.center_m, 5),
            'size_share': np.round(self.size_share, 4).tolist(), 'seen': self.seen.tolist(),
            'upright': self.upright, 'range_m': round(self.range_m, 4)}

    @property
    def whole(self) -> bool:
        """Return whether every extent was seen."""
        return bool(self.seen.all())


def true_boxes(folder: Path) -> dict[str, dict[int, OrientedBox]]:
    """Return the true boxes in the camera's frame by NAME and label, of a folder of scenes.

    Glass is left out: depth cameras see what is behind it. ValueError for a folder without
    records, or of a version that wrote no boxes.
    """
    records = sorted((folder / 'scenes').glob('*.json'))
    if not records:
        raise ValueError(f'{folder} has no scenes/*.json: boxes are scored on folders written by '
                         'seg_ros synthesize')
    found: dict[str, dict[int, OrientedBox]] = {}
    for path in records:
        record = json.loads(path.read_text(encoding='utf-8'))
        if any('box' not in thing for thing in record['objects']):
            raise ValueError(f'{path} has no true boxes: write the scenes anew')
        for view in record['views']:
            pose = np.array(view['camera_from_world'])
            to_camera = RigidTransform(_nearest_rotation(pose[:3, :3]), pose[:3, 3])
            found[view['name']] = {
                thing['label']: to_camera.box(box_of_record(thing['box']))
                for thing in record['objects'] if not thing['clear']}
    return found


def _nearest_rotation(matrix: FloatArray) -> FloatArray:
    """Return the rotation nearest to a rounded one (3, 3)."""
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def score_boxes(
    folder: CameraFolder, clean: Callable[[str], RgbdFrame],
    truth: dict[str, dict[int, OrientedBox]],
) -> Iterator[BoxScore]:
    """Yield the scores of boxes fitted within the true masks, frame by frame.

    ``clean`` gives the frame without noise, by which it is judged what was to be seen.
    """
    for name in folder.names:
        labels = folder.labels(name)
        if labels is None or name not in truth:
            raise ValueError(f'{name} has no NAME-labels.png or no record of its scene')
        yield from _scores(name, folder.frame(name), clean(name), labels, truth[name])


def _scores(
    name: str, frame: RgbdFrame, clean: RgbdFrame, labels: Labels,
    truth: dict[int, OrientedBox],
) -> Iterator[BoxScore]:
    if frame.depth is None or frame.camera is None or clean.depth is None:
        raise ValueError(f'{name} has no depth: boxes need it')
    planes = [one.plane for one in find_support_planes(frame.depth, frame.camera, labels)]
    count = int(labels.max(initial=0))
    boxes = fit_boxes(frame.depth, frame.camera, labels, count, planes)
    for number, pixels in enumerate(object_pixels(labels, count), start=1):
        box = boxes[number - 1]
        if box is None or len(pixels) < LEAST_PIXELS or number not in truth:
            continue
        seen = points_at(clean.depth, frame.camera, pixels)
        yield compare(name, number, box, truth[number], seen)


def compare(
    name: str, label: int, box: OrientedBox, true: OrientedBox, seen_points: FloatArray
) -> BoxScore:
    """Return the score of a box; ``seen_points`` (N, 3) are the object's clean visible points."""
    order = matched_axes(box, true)
    share = box.size[order] / true.size - 1
    extents = np.ptp(seen_points @ true.axes, axis=0)
    upright = float(box.axes[:, 2] @ true.axes[:, 2]) > float(np.cos(np.deg2rad(5)))
    return BoxScore(name, label, float(np.linalg.norm(box.center - true.center)), share,
                    extents >= SEEN_SHARE * true.size, upright,
                    float(np.linalg.norm(true.center)))


def matched_axes(box: OrientedBox, true: OrientedBox) -> npt.NDArray[np.intp]:
    """Return the box's axis (3,) that lies best along each true axis, each taken once."""
    likeness = np.abs(true.axes.T @ box.axes)
    orders = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    best = max(orders, key=lambda order: likeness[np.arange(3), order].sum())
    return np.array(best, np.intp)


def summary(scores: Sequence[BoxScore]) -> list[dict[str, Any]]:
    """Return a row for all objects, those seen whole and the others: medians, and 90 percentiles.

    Size errors are of the extents that were seen ('seen') and of the others ('hidden').
    """
    rows = []
    for what, chosen in _CHOSEN:
        some = [score for score in scores if chosen(score)]
        if some:
            rows.append({'objects': what, **_row(some)})
    return rows


def _row(scores: Sequence[BoxScore]) -> dict[str, Any]:
    center_mm = 1000 * np.array([score.center_m for score in scores])
    share = np.abs(np.stack([score.size_share for score in scores]))
    seen = np.stack([score.seen for score in scores])
    return {
        'count': len(scores),
        'center_mm': [_quantile(center_mm, q) for q in (0.5, 0.9)],
        'seen_size_percent': [_quantile(100 * share[seen], q) for q in (0.5, 0.9)],
        'hidden_size_percent': [_quantile(100 * share[~seen], q) for q in (0.5, 0.9)],
        'upright_share': float(np.mean([score.upright for score in scores])),
    }


def _quantile(values: FloatArray, share: float) -> float | None:
    return round(float(np.quantile(values, share)), 2) if values.size else None


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows of ``summary`` as a table."""
    lines = [
        '| objects | count | centre, mm | size where seen, % | size where hidden, % | upright |',
        '|---|---|---|---|---|---|',
    ]
    for row in rows:
        pairs = [_pair(row[key])
                 for key in ('center_mm', 'seen_size_percent', 'hidden_size_percent')]
        lines.append(f'| {row["objects"]} | {row["count"]} | {" | ".join(pairs)} | '
                     f'{row["upright_share"]:.2f} |')
    return '\n'.join(lines) + '\n'


def _pair(values: Sequence[float | None]) -> str:
    return ' / '.join('-' if value is None else f'{value:.1f}' for value in values)
