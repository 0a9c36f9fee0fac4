# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Let objects fall and settle on the table, by MuJoCo (extra `synth`; it has wheels for every
Python).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seg_ros.synthetic.mesh import Array
from seg_ros.synthetic.placement import Placed

STEP_S = 0.004

# Centre and half sides (3,), metres, of something that stands still.
StaticBox = tuple[Array, Array]


def have_physics() -> bool:
    """Tell whether MuJoCo is installed."""
    from importlib.util import find_spec

    return find_spec('mujoco') is not None


def _mujoco() -> Any:
    try:
        import mujoco
    except ImportError as error:
        raise ValueError(
            'physics needs MuJoCo: pip install "seg_ros[synth]", or choose physics "none"'
        ) from error
    return mujoco


def _numbers(values: Array) -> str:
    flat = np.asarray(values, np.float64).ravel().tolist()
    return ' '.join(['%.6g'] * len(flat)) % tuple(flat)


def _quaternion(rotation: Array) -> Array:
    """Return (w, x, y, z) of a rotation (3, 3)."""
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(rotation).as_quat()
    return np.array([w, x, y, z])


def _rotation(quaternion: Array) -> Array:
    from scipy.spatial.transform import Rotation

    w, x, y, z = quaternion
    return Rotation.from_quat([x, y, z, w]).as_matrix()


def _body(index: int, placed: Placed) -> tuple[str, str]:
    """Return the assets and the body of one object: a convex mesh a piece, inertia of its bounding
    box.
    """
    points = placed.model.points()
    low, high = points.min(axis=0), points.max(axis=0)
    size, centre = np.maximum(high - low, 0.004), (low + high) / 2
    mass = float(np.clip(300 * np.prod(size), 0.02, 1.5))
    x2, y2, z2 = size**2
    inertia = np.maximum(mass / 12 * np.array([y2 + z2, x2 + z2, x2 + y2]), 2e-6)
    names = [f'm{index}_{piece}' for piece in range(len(placed.model.hulls))]
    assets = ''.join(
        f'<mesh name="{name}" inertia="shell" vertex="{_numbers(hull)}"/>'
        for name, hull in zip(names, placed.model.hulls, strict=True)
    )
    geoms = ''.join(f'<geom type="mesh" mesh="{name}"/>' for name in names)
    body = (
        f'<body pos="{_numbers(placed.translation)}" '
        f'quat="{_numbers(_quaternion(placed.rotation))}">'
        f'<freejoint/><inertial pos="{_numbers(centre)}" mass="{mass:.6g}" '
        f'diaginertia="{_numbers(inertia)}"/>{geoms}</body>'
    )
    return assets, body


def _static(place: StaticBox) -> str:
    return f'<geom type="box" pos="{_numbers(place[0])}" size="{_numbers(place[1])}"/>'


def _document(placed: list[Placed], statics: Sequence[StaticBox]) -> str:
    parts = [_body(index, one) for index, one in enumerate(placed)]
    return (
        f'<mujoco><option timestep="{STEP_S}" integrator="implicitfast" iterations="20" '
        'density="20" viscosity="0.02"/>'
        '<default><geom friction="0.8 0.02 0.002" condim="4" solref="0.01 1" margin="0.0005"/>'
        '</default>'
        f'<asset>{"".join(assets for assets, _ in parts)}</asset>'
        '<worldbody><geom type="plane" size="8 8 0.1"/>'
        f'{"".join(_static(one) for one in statics)}'
        f'{"".join(body for _, body in parts)}</worldbody></mujoco>'
    )


def settle(
    placed: list[Placed], duration_s: float = 1.6, statics: Sequence[StaticBox] = ()
) -> list[Placed]:
    """Simulate until the objects rest, at most `duration_s`; returns their new poses, in order.

    They rest on the plane z = 0 and on `statics`, boxes that stand still. Raises
    ValueError where MuJoCo is not installed.
    """
    if not placed:
        return []
    mujoco = _mujoco()
    model = mujoco.MjModel.from_xml_string(_document(placed, statics))
    data = mujoco.MjData(model)
    for _ in range(int(duration_s / STEP_S / 25)):
        mujoco.mj_step(model, data, nstep=25)
        if data.time > 0.4 and np.abs(data.qvel).max() < 0.02:
            break
    poses = np.array(data.qpos).reshape(-1, 7)
    return [
        Placed(one.model, _rotation(pose[3:]), pose[:3].copy())
        for one, pose in zip(placed, poses, strict=True)
    ]
