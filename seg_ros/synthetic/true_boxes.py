# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The true oriented boxes of a scene's objects, to judge boxes fitted to what a camera saw."""

from __future__ import annotations

from typing import Any

import numpy as np

from seg_ros.core.footprint import smallest_rectangle_rad
from seg_ros.core.geometry import OrientedBox
from seg_ros.synthetic.mesh import rotation_about
from seg_ros.synthetic.placement import Placed


def upright_box(one: Placed) -> OrientedBox:
    """Return the smallest box around a placed object whose third axis is the world's z; metres."""
    corners = one.model.soup.positions.reshape(-1, 3) @ one.rotation.T + one.translation
    axes = rotation_about((0, 0, 1), smallest_rectangle_rad(corners[:, :2]))
    along = corners @ axes
    low, high = along.min(axis=0), along.max(axis=0)
    return OrientedBox(axes @ ((low + high) / 2), axes, high - low)


def box_record(box: OrientedBox) -> dict[str, Any]:
    """Return a box as records have it: center_m, axes (columns) and size_m."""
    return {
        'center_m': np.round(box.center, 6).tolist(),
        'axes': np.round(box.axes, 9).tolist(),
        'size_m': np.round(box.size, 6).tolist(),
    }


def box_of_record(record: dict[str, Any]) -> OrientedBox:
    """Return the box of a record; KeyError where it lacks a part."""
    return OrientedBox(*(np.array(record[key], np.float64)
                         for key in ('center_m', 'axes', 'size_m')))
