# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rigid transforms: from one frame's coordinates to another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seg_ros.core.geometry import OrientedBox, Plane, quaternion_from_matrix

FloatArray = npt.NDArray[np.floating]


def matrix_from_quaternion(quaternion_xyzw: Sequence[float] | FloatArray) -> FloatArray:
    """Return the rotation matrix (3, 3) of a quaternion (x, y, z, w) of any length.

    Raises ValueError for one whose length is zero or not finite: it is no rotation.
    """
    given = np.asarray(quaternion_xyzw, np.float64)
    length = float(np.linalg.norm(given))
    if given.shape != (4,) or not np.isfinite(length) or length < 1e-6:
        raise ValueError(f'quaternion {given.tolist()} is no rotation: x, y, z, w of length 1')
    x, y, z, w = given / length
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """Hold x' = R x + t: ``rotation`` R (3, 3) and ``translation`` t (3,) metres.

    Raises ValueError for numbers that are not finite or a matrix that is no rotation.
    """

    rotation: FloatArray
    translation: FloatArray

    def __post_init__(self) -> None:
        off = np.abs(self.rotation @ self.rotation.T - np.eye(3)).max()
        if not (off < 1e-5 and np.linalg.det(self.rotation) > 0):
            raise ValueError(f'{self.rotation.tolist()} is no rotation matrix')
        if not np.isfinite(self.translation).all():
            raise ValueError(f'translation {self.translation.tolist()} is not finite')

    @classmethod
    def identity(cls) -> RigidTransform:
        """Return the transform that changes nothing."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def from_parts(
        cls, translation: Sequence[float], quaternion_xyzw: Sequence[float]
    ) -> RigidTransform:
        """Return the transform of a translation (3,) and a rotation; ValueError for none."""
        return cls(matrix_from_quaternion(quaternion_xyzw), np.asarray(translation, np.float64))

    def __matmul__(self, first: RigidTransform) -> RigidTransform:
        """Return the transform that applies ``first`` and then this one."""
        return RigidTransform(
            self.rotation @ first.rotation, self.rotation @ first.translation + self.translation)

    def inverse(self) -> RigidTransform:
        """Return the way back."""
        return RigidTransform(self.rotation.T, -self.rotation.T @ self.translation)

    def quaternion_xyzw(self) -> FloatArray:
        """Return the rotation as a unit quaternion (x, y, z, w), w >= 0."""
        return quaternion_from_matrix(self.rotation)

    def points(self, points: FloatArray) -> FloatArray:
        """Return points (..., 3) in the new frame, in their dtype."""
        return (points @ self.rotation.T.astype(points.dtype)
                + self.translation.astype(points.dtype))

    def box(self, box: OrientedBox) -> OrientedBox:
        """Return a box in the new frame; its size is not turned, its axes are."""
        return OrientedBox(
            self.rotation @ box.center + self.translation, self.rotation @ box.axes, box.size)

    def plane(self, plane: Plane) -> Plane:
        """Return a plane in the new frame, its normal to the same side as before."""
        normal = self.rotation @ plane.normal
        return Plane(normal, plane.offset + float(normal @ self.translation))


def interpolated(first: RigidTransform, second: RigidTransform, share: float) -> RigidTransform:
    """Return the transform ``share`` (0 to 1) of the way from one to another.

    The translation runs straight, the rotation on the shortest great arc (Shoemake 1985), as tf2
    does between two stamps.
    """
    a, b = first.quaternion_xyzw(), second.quaternion_xyzw()
    cosine = float(a @ b)
    if cosine < 0:
        b, cosine = -b, -cosine
    angle = np.arccos(min(cosine, 1.0))
    if angle < 1e-6:
        mixed = (1 - share) * a + share * b
    else:
        mixed = np.sin((1 - share) * angle) * a + np.sin(share * angle) * b
    translation = (1 - share) * first.translation + share * second.translation
    return RigidTransform(matrix_from_quaternion(mixed), translation)
