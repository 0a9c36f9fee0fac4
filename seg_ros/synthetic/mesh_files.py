# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Objects from mesh files of the user's own (OBJ, STL, PLY, GLB), by trimesh (extra `synth`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np

from seg_ros.synthetic.mesh import from_faces, project_uv
from seg_ros.synthetic.objects import ANYTHING, FINISHES, ObjectModel, hull_of, material, settled

SUFFIXES = ('.obj', '.stl', '.ply', '.glb')
MAX_BYTES = 50_000_000
MAX_FACES = 200_000
# A thing on a table: larger or smaller ones are taken to be in other units, and scaled.
LARGEST_M, SMALLEST_M = 0.45, 0.01

log = logging.getLogger(__name__)


def load_mesh(path: str | Path) -> ObjectModel:
    """Read one mesh file as an object standing on z = 0 with a plain paint of its own.

    Sizes over 0.45 m are tried as millimetres, then fitted to 0.2 m; both are logged. Raises
    ValueError, naming the file, for one that is empty, flat, broken or huge (over 50 MB or 200,000
    triangles).
    """
    file = Path(path)
    if file.stat().st_size > MAX_BYTES:
        raise ValueError(
            f'{file} is {file.stat().st_size / 1e6:.0f} MB: '
            f'meshes up to {MAX_BYTES / 1e6:.0f} MB are read'
        )
    vertices, faces = _read(file)
    if len(faces) == 0:
        raise ValueError(f'{file} holds no triangle')
    if len(faces) > MAX_FACES:
        raise ValueError(f'{file} has {len(faces)} triangles: simplify it to {MAX_FACES} at most')
    if not np.isfinite(vertices).all() or np.min(np.ptp(vertices, axis=0)) <= 0:
        raise ValueError(f'{file} is flat or has vertices that are not finite')
    largest = float(np.max(np.ptp(vertices, axis=0)))
    scale, fitted = _scale(file, largest)
    soup = settled(from_faces(vertices * scale, faces))
    rng = np.random.default_rng(sum(file.name.encode()))
    soup = project_uv(soup, rng.uniform(0.1, 0.3))
    return ObjectModel(
        'mesh',
        soup,
        (material(rng, ANYTHING, list(FINISHES)),),
        (hull_of(soup),),
        0.5,
        fitted=fitted,
    )


def _read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    import trimesh

    try:
        mesh: Any = trimesh.load(file, force='mesh', process=True)
        return np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    except Exception as error:  # trimesh raises whatever its parsers raise
        raise ValueError(f'{file} cannot be read as a mesh: {error}') from error


def _scale(file: Path, largest: float) -> tuple[float, bool]:
    """Return the factor to metres, and whether the size is our own choice."""
    if SMALLEST_M <= largest <= LARGEST_M:
        return 1.0, False
    if SMALLEST_M <= largest / 1000 <= LARGEST_M:
        log.info('%s is %.0f units large: taken as millimetres', file, largest)
        return 1e-3, False
    log.info('%s is %.3g units large: scaled to 0.2 m', file, largest)
    return 0.2 / largest, True


class MeshFolder(Sequence[ObjectModel]):
    """List the meshes of a folder and its subfolders, sorted; each is read when it is first asked
    for.

    A file that cannot be used is logged by name once, and its neighbour takes its place. Raises
    ValueError for a folder without mesh files.
    """

    def __init__(self, folder: str | Path) -> None:
        self.files = sorted(
            path for path in Path(folder).rglob('*') if path.suffix.lower() in SUFFIXES
        )
        self._load = lru_cache(maxsize=512)(self._load_or_none)
        if not self.files:
            raise ValueError(f'{folder} holds no mesh: {", ".join(SUFFIXES)} files are read')

    def __len__(self) -> int:
        return len(self.files)

    def _load_or_none(self, index: int) -> ObjectModel | None:
        try:
            return load_mesh(self.files[index])
        except ValueError as error:
            log.warning('skipped: %s', error)
            return None

    @overload
    def __getitem__(self, index: int) -> ObjectModel: ...
    @overload
    def __getitem__(self, index: slice) -> list[ObjectModel]: ...

    def __getitem__(self, index: int | slice) -> ObjectModel | list[ObjectModel]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        for step in range(len(self.files)):
            model = self._load((index + step) % len(self.files))
            if model is not None:
                return model
        raise ValueError(f'none of the {len(self.files)} meshes can be used')
