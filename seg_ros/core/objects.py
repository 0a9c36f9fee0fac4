# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is written about the objects of a frame: objects.json and its entries."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.io import write_atomically
from seg_ros.core.results import Instances


def describe_objects(frame: RgbdFrame, instances: Instances) -> list[dict[str, Any]]:
    """Return one JSON-ready entry an object: id, class, score, box_xyxy, area_px, centroid_m.

    The box is in pixels with x2, y2 exclusive; the centroid is the mean of the object's points
    in metres in the camera's optical frame, null where it has no depth; so is a NaN score.
    """
    centroids = centroids_cam(frame, instances)
    boxes, areas = instances.boxes_xyxy(), instances.areas()
    return [
        {
            'id': int(instances.ids[row]),
            'class': instances.class_names[int(instances.class_ids[row])],
            'score': score_for_json(float(instances.scores[row])),
            'box_xyxy': boxes[row].astype(int).tolist(),
            'area_px': int(areas[row]),
            'centroid_m': _rounded(centroids[row]),
        }
        for row in range(len(instances))
    ]


def centroids_cam(frame: RgbdFrame, instances: Instances) -> npt.NDArray[np.float64]:
    """Return (K, 3) mean points in metres in the optical frame, NaN for objects without depth."""
    count = len(instances)
    if frame.depth is None or frame.camera is None:
        return np.full((count, 3), np.nan)
    rows, columns = np.nonzero((instances.labels > 0) & np.isfinite(frame.depth))
    owners = instances.labels[rows, columns] - 1
    points = frame.points()[rows, columns].astype(np.float64)
    number = np.bincount(owners, minlength=count)
    sums = [np.bincount(owners, points[:, axis], minlength=count) for axis in range(3)]
    with np.errstate(invalid='ignore'):
        return np.stack(sums, axis=1) / number[:, None]


def score_for_json(value: float) -> float | None:
    """Return a score with four digits, None for NaN, which JSON does not have."""
    return None if math.isnan(value) else round(value, 4)


def _rounded(point_m: npt.NDArray[np.float64]) -> list[float] | None:
    return np.round(point_m, 4).tolist() if np.isfinite(point_m).all() else None


def write_objects(path: str | Path, frames: dict[str, Any]) -> None:
    """Write objects.json: a dictionary keyed by the frames' NAME."""
    write_atomically(path, (json.dumps(frames, indent=1, allow_nan=False) + '\n').encode())
