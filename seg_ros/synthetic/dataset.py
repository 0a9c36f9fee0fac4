# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Write and read data sets of synthetic scenes: a folder of frames, resumable, the same bytes for
the same seed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seg_ros.core.classes import CLASSES_NAME, OPTIONS_NAME, SUPPORT
from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import FrameFolder, read_labels, write_atomically
from seg_ros.synthetic.catalogue import CLASS_NAMES
from seg_ros.synthetic.mesh_files import MeshFolder, MeshReport
from seg_ros.synthetic.placement import Placed
from seg_ros.synthetic.renderer import CameraPose, Rendering
from seg_ros.synthetic.scene import Scene, SceneOptions, draw_scene, scene_rng
from seg_ros.synthetic.true_boxes import box_record, upright_box

FORMAT_VERSION = 3
MESHES_NAME = 'meshes.json'
MAX_DEPTH_M = 65.535
PNG_SETTINGS = [cv2.IMWRITE_PNG_COMPRESSION, 1]
if hasattr(cv2, 'IMWRITE_PNG_FILTER'):
    # One filter for all rows: to try them all takes twice as long, for files as big.
    PNG_SETTINGS += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB]


@dataclass(frozen=True)
class DatasetOptions:
    """Choose a data set: number of scenes, seed, what a scene is, meshes that join in."""

    scenes: int
    seed: int = 0
    scene: SceneOptions = field(default_factory=SceneOptions)
    objects: str | None = None

    def __post_init__(self) -> None:
        if self.scenes < 1:
            raise ValueError(f'scenes starts at 1, got {self.scenes}')
        if self.seed < 0:
            raise ValueError(f'seed starts at 0, got {self.seed}')


def frame_name(scene: int, view: int) -> str:
    """Return the NAME of a frame."""
    return f'{scene:06d}_{view}'


def _png(image: NDArray[Any]) -> bytes:
    return cv2.imencode('.png', image, PNG_SETTINGS)[1].tobytes()


def _depth_mm(depth_m: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return millimetres, 0 where there is none or it is farther than 65.535 m."""
    seen = np.isfinite(depth_m) & (depth_m <= MAX_DEPTH_M)
    return np.where(seen, np.round(np.where(seen, depth_m, 0) * 1000), 0).astype(np.uint16)


def _camera_json(camera: CameraModel, pose: CameraPose) -> bytes:
    values = {key: getattr(camera, key) for key in ('width', 'height', 'fx', 'fy', 'cx', 'cy')}
    values['camera_from_world'] = np.round(pose.matrix(), 9).tolist()
    return json.dumps(values, indent=1).encode()


def write_rendering(
    folder: Path,
    name: str,
    rendering: Rendering,
    camera: CameraModel,
    pose: CameraPose,
    kinds: Sequence[str],
) -> None:
    """Write one frame, each file in one go, the colour last: a listed frame is whole.

    `kinds` names the kind of the object of each label, the first that of label 1.
    """
    write_atomically(folder / f'{name}-classes.png', _png(class_image(rendering, kinds)))
    write_atomically(folder / f'{name}-depth.png', _png(_depth_mm(rendering.depth_m)))
    write_atomically(folder / f'{name}-labels.png', _png(rendering.labels.astype(np.uint16)))
    write_atomically(folder / f'{name}-camera.json', _camera_json(camera, pose))
    write_atomically(
        folder / f'{name}-color.png', _png(cv2.cvtColor(rendering.color, cv2.COLOR_RGB2BGR))
    )


def class_image(rendering: Rendering, kinds: Sequence[str]) -> NDArray[np.uint8]:
    """Return classes (H, W), indices of CLASS_NAMES: kinds of objects, what carries them, 0."""
    numbers = np.array([0, *(CLASS_NAMES.index(kind) for kind in kinds)], np.uint8)
    surface = np.where(rendering.support, np.uint8(CLASS_NAMES.index(SUPPORT)), np.uint8(0))
    return np.where(rendering.labels > 0, numbers[rendering.labels], surface)


def seen_objects(labels: NDArray[np.int32]) -> list[dict[str, Any]]:
    """Describe what is visible of each object in labels (H, W), by ascending label.

    box_xyxy in pixels with x2, y2 exclusive; touches_border where the image may cut it off.
    """
    from scipy.ndimage import find_objects

    found = []
    areas = np.bincount(labels.ravel())
    for label, place in enumerate(find_objects(labels), start=1):
        if place is None:
            continue
        rows, columns = place
        box = [columns.start, rows.start, columns.stop, rows.stop]
        cut = box[0] == 0 or box[1] == 0 or box[2:] == [labels.shape[1], labels.shape[0]]
        cut |= box[2] == labels.shape[1] or box[3] == labels.shape[0]
        found.append({'label': label, 'area_px': int(areas[label]), 'box_xyxy': box,
                      'touches_border': bool(cut)})
    return found


def describe_object(label: int, one: Placed) -> dict[str, Any]:
    """Return what a record says of an object: label, kind, class, extent, pose, metres, share
    of what shines through, and the smallest upright box around it in the world.
    """
    low, high = one.model.soup.bounds()
    return {
        'label': label,
        'kind': one.model.kind,
        'class_id': CLASS_NAMES.index(one.model.kind),
        'extent_m': np.round(high - low, 6).tolist(),
        'clear': round(one.model.clear, 3),
        'rotation': np.round(one.rotation, 9).tolist(),
        'translation_m': np.round(one.translation, 9).tolist(),
        'box': box_record(upright_box(one)),
    }


def _scene_json(scene: Scene, index: int, seen: list[list[dict[str, Any]]]) -> bytes:
    objects = [describe_object(label, one) for label, one in enumerate(scene.objects, start=1)]
    views = [
        {
            'name': frame_name(index, view),
            'camera_from_world': np.round(pose.matrix(), 9).tolist(),
            'objects': visible,
        }
        for view, ((_, pose), visible) in enumerate(zip(scene.views, seen, strict=True))
    ]
    return json.dumps({'scene': index, 'objects': objects, 'views': views}, indent=1).encode()


def write_scene(folder: Path, options: DatasetOptions, index: int) -> int:
    """Draw and write one scene unless it is there already; its metadata comes last. Returns its
    index.
    """
    record = folder / 'scenes' / f'{index:06d}.json'
    if record.exists():
        return index
    meshes = _meshes(options.objects, folder)
    scene = draw_scene(scene_rng(options.seed, index), options.scene, meshes)
    kinds = [one.model.kind for one in scene.objects]
    seen = []
    for view, (camera, pose) in enumerate(scene.views):
        drawn = scene.render(view)
        write_rendering(folder, frame_name(index, view), drawn, camera, pose, kinds)
        seen.append(seen_objects(drawn.labels))
    write_atomically(record, _scene_json(scene, index, seen))
    return index


_mesh_folders: dict[tuple[str, Path], MeshFolder] = {}


def _meshes(objects: str | None, out: Path) -> MeshFolder | tuple[()]:
    """Return the usable meshes of a folder, opened once a process."""
    if objects is None:
        return ()
    key = (objects, out)
    if key not in _mesh_folders:
        usable = json.loads((out / MESHES_NAME).read_text(encoding='utf-8'))['usable']
        _mesh_folders[key] = MeshFolder(objects, usable)
    return _mesh_folders[key]


def check_meshes(out: Path, objects: str) -> MeshReport:
    """Find out which meshes of a folder can be used and write it to meshes.json.

    A run that goes on keeps what the first one found: else the scenes would change. Raises
    ValueError for a folder without a usable mesh.
    """
    path = out / MESHES_NAME
    if path.exists():
        return MeshReport(**json.loads(path.read_text(encoding='utf-8')))
    report = MeshFolder(objects).report()
    write_atomically(path, json.dumps(asdict(report), indent=1).encode())
    return report


def _versions() -> dict[str, str]:
    found = {}
    for name in ('seg_ros', 'numpy', 'opencv-python-headless', 'numba', 'mujoco'):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _refuse_other(folder: Path, options: DatasetOptions) -> None:
    """Raise ValueError where the folder holds a data set that was begun with other options."""
    begun = folder / OPTIONS_NAME
    fixed = {key: value for key, value in asdict(options).items() if key != 'scenes'}
    mine = json.dumps(fixed | {'format': FORMAT_VERSION}, indent=1, sort_keys=True)
    if not begun.exists():
        write_atomically(begun, mine.encode())
        return
    old = json.loads(begun.read_text())
    new = json.loads(mine)
    if old.get('format') != FORMAT_VERSION:
        raise ValueError(
            f'{folder} is of format {old.get("format")}, this version writes {FORMAT_VERSION}: '
            'go on with the version that began it, or write to another folder'
        )
    if old != new:
        raise ValueError(
            f'{folder} was begun with other options ({begun.name}): {old}; asked for {new}. '
            'Use the same options to go on, or another folder'
        )


def generate(
    folder: str | Path,
    options: DatasetOptions,
    *,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write a data set; what is there already is kept, so that a broken run goes on where it
    stopped.

    `progress` is called with the number of every scene done. The bytes depend on options and
    versions alone, not on the number of workers. Raises ValueError for a folder begun with other
    options.
    """
    out = Path(folder)
    (out / 'scenes').mkdir(parents=True, exist_ok=True)
    _refuse_other(out, options)
    if options.objects is not None:
        check_meshes(out, options.objects)
    write_atomically(out / CLASSES_NAME, json.dumps(list(CLASS_NAMES), indent=1).encode())
    write = partial(write_scene, out, options)
    for index in _run(write, options.scenes, workers):
        if progress is not None:
            progress(index)
    summary = asdict(options) | {
        'format': FORMAT_VERSION,
        'versions': _versions(),
    }
    write_atomically(out / 'dataset.json', json.dumps(summary, indent=1, sort_keys=True).encode())


def _run(write: Callable[[int], int], scenes: int, workers: int) -> Iterator[int]:
    if workers <= 1:
        yield from map(write, range(scenes))
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context('spawn'), initializer=_one_thread
    ) as pool:
        yield from pool.map(write, range(scenes))


def _one_thread() -> None:
    cv2.setNumThreads(1)
    os.environ.setdefault('OMP_NUM_THREADS', '1')


def list_frames(folder: str | Path) -> list[str]:
    """Return the names of the whole frames of a folder, sorted."""
    return FrameFolder(folder).names


def read_frame(folder: str | Path, name: str) -> tuple[RgbdFrame, NDArray[np.int32]]:
    """Read a frame and its labels (H, W) int32; ValueError where the sizes differ."""
    frame = FrameFolder(folder).frame(name)
    path = Path(folder) / f'{name}-labels.png'
    labels = read_labels(path)
    if labels.shape != frame.shape:
        raise ValueError(
            f'{path} is {labels.shape[1]}x{labels.shape[0]}, its colour image '
            f'{frame.shape[1]}x{frame.shape[0]}: labels must have the size of the colour image'
        )
    return frame, labels
