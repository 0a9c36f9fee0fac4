# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The points of objects as a PointCloud2."""

from __future__ import annotations

import array

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.object_points import points_at
from seg_ros.core.rigid import RigidTransform

POINT = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '<u4'), ('label', '<u4')])
# rgb is 0x00rrggbb in the bits of a float, as PCL and RViz read it.
_FIELD_TYPES = (PointField.FLOAT32,) * 4 + (PointField.UINT32,)


def object_cloud(
    header: Header, frame: RgbdFrame, ids: npt.NDArray[np.int32], *, organized: bool,
    transform: RigidTransform | None = None,
) -> PointCloud2:
    """Return the objects' points x, y, z (metres), rgb and label (uint32 object id).

    ``ids`` (H, W) holds each pixel's object id, 0 for none. Only pixels of objects with depth are
    in it; ``organized`` keeps (H, W) with NaN and label 0 elsewhere. ``transform`` leads from the
    camera's frame to the header's. Raises ValueError without depth.
    """
    if frame.depth is None or frame.camera is None:
        raise ValueError('this frame has no depth: a cloud needs depth and a camera')
    flat = np.flatnonzero((ids > 0) & np.isfinite(frame.depth))
    found = np.empty((len(flat), len(_FIELD_TYPES)), np.float32)
    bits = found.view(np.uint32)
    points = points_at(frame.depth, frame.camera, flat)
    found[:, :3] = points if transform is None else transform.points(points)
    red, green, blue = (frame.color[..., channel].ravel()[flat] for channel in range(3))
    bits[:, 3] = (red.astype(np.uint32) << 16) | (green.astype(np.uint32) << 8) | blue
    bits[:, 4] = ids.ravel()[flat]
    if not organized:
        return _message(header, found[None], dense=True)
    cloud = np.full((ids.size, len(_FIELD_TYPES)), np.nan, np.float32)
    cloud[:, 3:] = 0
    cloud[flat] = found
    return _message(header, cloud.reshape(*ids.shape, -1), dense=False)


def _message(header: Header, cloud: npt.NDArray[np.float32], *, dense: bool) -> PointCloud2:
    height, width = cloud.shape[:2]
    fields = [
        PointField(name=name, offset=4 * place, datatype=kind, count=1)
        for place, (name, kind) in enumerate(zip(POINT.names or (), _FIELD_TYPES, strict=True))
    ]
    message = PointCloud2(
        header=header, height=height, width=width, fields=fields, is_bigendian=False,
        point_step=POINT.itemsize, row_step=POINT.itemsize * width, is_dense=dense)
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(cloud, '<f4').tobytes())
    message.data = data
    return message
