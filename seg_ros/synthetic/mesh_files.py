# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Objects from mesh files of the user's own (OBJ, STL, PLY, GLB), by trimesh (extra `synth`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from seg_ros.synthetic.mesh import Array, from_faces, project_uv
from seg_ros.synthetic.objects import (
    ANYTHING,
    FINISHES,
    Material,
    ObjectModel,
    hull_of,
    material,
    settled,
)

SUFFIXES = ('.obj', '.stl', '.ply', '.glb')
MAX_BYTES = 50_000_000
MAX_FACES = 200_000
MAX_TEXTURE = 512  # pixels; larger pictures are reduced
# A thing on a table: larger or smaller ones are taken to be in other units, and scaled.
LARGEST_M, SMALLEST_M = 0.45, 0.01


@dataclass
class MeshReport:
    """Tell of a folder's meshes by name: usable ones, notes on what was done to them, and why
    others are left out.
    """

    usable: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class MeshData:
    """Hold what a file gives: vertices (V, 3), faces (F, 3), a texture with its coordinates
    (F, 3, 2) or None, and whether the surface is closed.
    """

    vertices: Array
    faces: NDArray[np.int64]
    texture: NDArray[np.uint8] | None
    uvs: Array | None
    closed: bool


def load_mesh(path: str | Path) -> ObjectModel:
    """Read one mesh file as an object standing on z = 0, with its own colours or a plain paint.

    Sizes over 0.45 m are tried as millimetres, then fitted to 0.2 m. Raises ValueError, naming
    the file, for one that is empty, flat, broken or huge (over 50 MB or 200,000 triangles).
    """
    return noted_mesh(path)[0]


def noted_mesh(path: str | Path) -> tuple[ObjectModel, str]:
    """Read one mesh file as `load_mesh` does; returns also a note on what was done to it."""
    file = Path(path)
    if file.stat().st_size > MAX_BYTES:
        raise ValueError(
            f'{file} is {file.stat().st_size / 1e6:.0f} MB: '
            f'meshes up to {MAX_BYTES / 1e6:.0f} MB are read'
        )
    data = _read(file)
    if len(data.faces) == 0:
        raise ValueError(f'{file} holds no triangle')
    if len(data.faces) > MAX_FACES:
        raise ValueError(
            f'{file} has {len(data.faces)} triangles: simplify it to {MAX_FACES} at most')
    if not np.isfinite(data.vertices).all() or np.min(np.ptp(data.vertices, axis=0)) <= 0:
        raise ValueError(f'{file} is flat or has vertices that are not finite')
    scale, fitted, note = _scale(float(np.max(np.ptp(data.vertices, axis=0))))
    notes = [note, '' if data.closed else 'its surface is open: physics takes the convex hull']
    return _model(file, data, scale, fitted), '; '.join(filter(None, notes))


def _model(file: Path, data: MeshData, scale: float, fitted: bool) -> ObjectModel:
    soup = settled(from_faces(data.vertices * scale, data.faces, uvs=data.uvs))
    if data.texture is not None:
        paint = Material(data.texture, FINISHES['satin'])
    else:
        rng = np.random.default_rng(sum(file.name.encode()))
        soup = project_uv(soup, rng.uniform(0.1, 0.3))
        paint = material(rng, ANYTHING, list(FINISHES))
    return ObjectModel(
        'mesh', soup, (paint,), (hull_of(soup),), 0.5, fitted=fitted,
        colored=data.texture is not None)


def _read(file: Path) -> MeshData:
    import trimesh

    try:
        mesh: Any = trimesh.load(file, force='mesh', process=True)
        vertices = np.asarray(mesh.vertices, np.float64)
        faces = np.asarray(mesh.faces, np.int64)
        texture, uvs = _colors(mesh, faces)
        return MeshData(vertices, faces, texture, uvs, bool(mesh.is_watertight))
    except Exception as error:  # trimesh raises whatever its parsers raise
        raise ValueError(f'{file} cannot be read as a mesh: {error}') from error


def _colors(
    mesh: Any, faces: NDArray[np.int64]
) -> tuple[NDArray[np.uint8] | None, Array | None]:
    """Return the texture (H, W, 3) and coordinates (F, 3, 2) of a mesh, None without colours."""
    visual = mesh.visual
    uv = getattr(visual, 'uv', None)
    if uv is not None and len(uv) == len(mesh.vertices):
        picture = _picture(visual.material)
        return (None, None) if picture is None else (picture, np.asarray(uv)[faces])
    if getattr(visual, 'kind', None) in ('face', 'vertex'):
        return _swatches(np.asarray(visual.face_colors)[:, :3])
    return None, None


def _picture(paint: Any) -> NDArray[np.uint8] | None:
    """Return a material's picture (H, W, 3) with v upwards, as files count it."""
    image = getattr(paint, 'image', None) or getattr(paint, 'baseColorTexture', None)
    if image is None:
        return None
    pixels = np.asarray(image.convert('RGB'), np.uint8)[::-1]
    scale = min(1.0, MAX_TEXTURE / max(pixels.shape[:2]))
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    return np.ascontiguousarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _swatches(colors: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Array]:
    """Return a texture of one texel a colour, and the place of each face's colour (F, 3) in it."""
    distinct, index = np.unique(colors // 8, axis=0, return_inverse=True)
    side = int(np.ceil(np.sqrt(len(distinct))))
    texture = np.zeros((side * side, 3), np.uint8)
    texture[:len(distinct)] = distinct * 8 + 4
    row, column = np.divmod(index.ravel(), side)
    place = (np.stack([column, row], axis=1) + 0.5) / side
    return texture.reshape(side, side, 3), np.repeat(place[:, None], 3, axis=1)


def _scale(largest: float) -> tuple[float, bool, str]:
    """Return the factor to metres, whether the size is our own choice, and a note."""
    if SMALLEST_M <= largest <= LARGEST_M:
        return 1.0, False, ''
    if SMALLEST_M <= largest / 1000 <= LARGEST_M:
        return 1e-3, False, f'{largest:.0f} units large: taken as millimetres'
    return 0.2 / largest, True, f'{largest:.3g} units large: scaled to 0.2 m and less'


class MeshFolder(Sequence[ObjectModel]):
    """List the meshes of a folder and its subfolders, sorted; each is read when it is first asked
    for.

    With `names` only those are taken, as `report` found them usable. Raises ValueError for a
    folder without mesh files.
    """

    def __init__(self, folder: str | Path, names: Sequence[str] | None = None) -> None:
        self.folder = Path(folder)
        found = (path for path in self.folder.rglob('*') if path.suffix.lower() in SUFFIXES)
        self.files = sorted(found) if names is None else [self.folder / name for name in names]
        self._load = lru_cache(maxsize=512)(load_mesh)
        if not self.files:
            raise ValueError(f'{folder} holds no mesh: {", ".join(SUFFIXES)} files are read')

    def __len__(self) -> int:
        return len(self.files)

    def report(self) -> MeshReport:
        """Read every mesh once; returns what can be used. ValueError where none can."""
        found = MeshReport()
        for file in self.files:
            name = file.relative_to(self.folder).as_posix()
            try:
                note = noted_mesh(file)[1]
            except (ValueError, OSError) as error:
                found.skipped[name] = str(error)
                continue
            found.usable.append(name)
            if note:
                found.notes[name] = note
        if not found.usable:
            raise ValueError(
                f'none of the {len(self.files)} meshes in {self.folder} can be used, the first: '
                f'{next(iter(found.skipped.values()))}')
        return found

    @overload
    def __getitem__(self, index: int) -> ObjectModel: ...
    @overload
    def __getitem__(self, index: slice) -> list[ObjectModel]: ...

    def __getitem__(self, index: int | slice) -> ObjectModel | list[ObjectModel]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._load(self.files[index])
