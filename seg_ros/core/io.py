# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Folders of frames: NAME-color.png, NAME-depth.png, camera.json, NAME-labels.png."""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import CameraModel, RgbdFrame

COLOR_SUFFIXES = ('-color.png', '-color.jpg', '-color.jpeg')
MAX_PIXELS = 100_000_000
DEPTH_UNIT_M = 1e-3
MAX_DEPTH_M = 65.535
_PNG = b'\x89PNG\r\n\x1a\n'
_OF_PALETTES = (b'PLTE', b'tRNS', b'hIST', b'bKGD')


class FrameFolder:
    """List and read the frames of a folder, sorted by NAME.

    A frame is ``NAME-color.png`` (or .jpg), with ``NAME-depth.png`` (uint16 millimetres, 0 none)
    and ``NAME-camera.json`` or ``camera.json`` where there is depth. Raises ValueError for a
    folder without frames, FileNotFoundError for none at all.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(f'{self.folder} is not a folder of frames')
        self._color = {
            path.name[: -len(suffix)]: path
            for suffix in reversed(COLOR_SUFFIXES)
            for path in self.folder.glob(f'*{suffix}')
        }
        self.names = sorted(self._color)
        if not self.names:
            raise ValueError(f'{self.folder} holds no frame: NAME-color.png or NAME-color.jpg')

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[RgbdFrame]:
        return (self.frame(name) for name in self.names)

    def frame(self, name: str) -> RgbdFrame:
        """Read one frame; ValueError names a file that is unreadable or of another size."""
        color_path = self._color[name]
        color = read_color(color_path)
        depth_path = self.folder / f'{name}-depth.png'
        camera = self.camera(name)
        if not depth_path.exists():
            return RgbdFrame(color, None, _camera_of(camera, color, color_path), frame_id=name)
        if camera is None:
            raise ValueError(f'{depth_path} needs {name}-camera.json or camera.json beside it')
        return _named_frame(color_path, color, read_depth(depth_path), camera, name)

    def camera(self, name: str) -> CameraModel | None:
        """Read NAME-camera.json, else camera.json; None where there is neither."""
        for path in (self.folder / f'{name}-camera.json', self.folder / 'camera.json'):
            if path.exists():
                return read_camera(path)
        return None

    def labels(self, name: str) -> npt.NDArray[np.int32] | None:
        """Read NAME-labels.png as (H, W) int32; None where there is no such file."""
        path = self.folder / f'{name}-labels.png'
        return read_labels(path) if path.exists() else None


def _camera_of(
    camera: CameraModel | None, color: npt.NDArray[np.uint8], path: Path
) -> CameraModel | None:
    if camera is not None and (camera.height, camera.width) != color.shape[:2]:
        raise ValueError(
            f'{path} is {color.shape[1]}x{color.shape[0]}, its camera is '
            f'{camera.width}x{camera.height}: they must agree'
        )
    return camera


def _named_frame(
    path: Path,
    color: npt.NDArray[np.uint8],
    depth_m: npt.NDArray[np.float32],
    camera: CameraModel,
    name: str,
) -> RgbdFrame:
    try:
        return RgbdFrame(color, depth_m, camera, frame_id=name)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def read_color(path: str | Path) -> npt.NDArray[np.uint8]:
    """Read an image file as (H, W, 3) uint8 RGB; alpha is dropped, grey is repeated."""
    image = _read_image(path, cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_depth(path: str | Path) -> npt.NDArray[np.float32]:
    """Read a uint16 millimetre PNG as (H, W) float32 metres, NaN for 0."""
    image = _read_image(path, cv2.IMREAD_UNCHANGED)
    if image.dtype != np.uint16 or image.ndim != 2:
        raise ValueError(
            f'{path} is {image.dtype} with shape {image.shape}: depth is a 16-bit grey PNG in '
            'millimetres, 0 for no measurement'
        )
    depth_m = image.astype(np.float32) * np.float32(DEPTH_UNIT_M)
    depth_m[image == 0] = np.nan
    return depth_m


def read_labels(path: str | Path) -> npt.NDArray[np.int32]:
    """Read an 8 or 16-bit grey label PNG as (H, W) int32, 0 background."""
    image = _read_image(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f'{path} is {image.dtype} with shape {image.shape}: labels are an 8 or 16-bit grey PNG'
        )
    return image.astype(np.int32)


def read_classes(path: str | Path) -> npt.NDArray[np.uint8]:
    """Read a class image, a palette or grey PNG of 8 or 16 bits, as (H, W) uint8.

    Of a palette the indices are taken, not the colours. ValueError for a file that is none: one
    of colours, or with a value above 255.
    """
    path = Path(path)
    image = _read_palette(path) if _has_palette(path) else _read_image(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f'{path} is {image.dtype} with shape {image.shape}: classes are a single-channel PNG, '
            'grey or with a palette; convert colours to numbers first')
    if image.max(initial=0) > 255:
        raise ValueError(f'{path} has the class {image.max()}: classes are 0 to 255')
    return np.asarray(image, np.uint8)


def _has_palette(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open('rb') as file:
        head = file.read(26)
    return head[:8] == _PNG and head[25:] == bytes([3])


def _read_palette(path: Path) -> Any:
    """Return the indices of a PNG with a palette, of which OpenCV only gives the colours."""
    _check_declared_size(path)
    data = path.read_bytes()
    image = cv2.imdecode(np.frombuffer(_as_grey(path, data), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f'{path} is not an image that OpenCV reads, or it is cut off')
    most = 2 ** data[24] - 1  # of 1, 2, 4 or 8 bits, which OpenCV spreads over 0 to 255
    return image // (255 // most)


def _as_grey(path: Path, data: bytes) -> bytes:
    """Return a PNG with a palette as the grey one of the same numbers (RFC 2083, 4.1)."""
    kept, place, kind = [_PNG], len(_PNG), b''
    while place < len(data) and kind != b'IEND':
        end = place + 12 + int.from_bytes(data[place:place + 4], 'big')
        kind, chunk = data[place + 4:place + 8], data[place:end]
        if kind == b'IHDR':
            body = kind + chunk[8:17] + bytes([0]) + chunk[18:-4]
            chunk = chunk[:4] + body + zlib.crc32(body).to_bytes(4, 'big')
        if kind not in _OF_PALETTES:
            kept.append(chunk)
        place = end
    if kind != b'IEND' or place > len(data):
        raise ValueError(f'{path} is not an image that can be read: it is cut off')
    return b''.join(kept)


def _read_image(path: str | Path, flags: int) -> Any:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file')
    _check_declared_size(path)
    image = cv2.imread(str(path), flags)
    if image is None:
        raise ValueError(f'{path} is not an image that OpenCV reads, or it is cut off')
    return image


def _check_declared_size(path: Path) -> None:
    """Refuse a PNG whose header asks for more than MAX_PIXELS before it is decoded."""
    with path.open('rb') as file:
        head = file.read(24)
    if head[:8] != _PNG:
        return
    width, height = int.from_bytes(head[16:20], 'big'), int.from_bytes(head[20:24], 'big')
    if width * height > MAX_PIXELS:
        raise ValueError(f'{path} declares {width}x{height}: at most {MAX_PIXELS} pixels are read')


def read_camera(path: str | Path) -> CameraModel:
    """Read a camera.json: width, height, fx, fy, cx, cy and optionally distortion, in pixels."""
    path = Path(path)
    try:
        values = json.loads(path.read_text())
        return CameraModel(
            width=int(values['width']),
            height=int(values['height']),
            fx=float(values['fx']),
            fy=float(values['fy']),
            cx=float(values['cx']),
            cy=float(values['cy']),
            distortion=tuple(values['distortion']) if values.get('distortion') else None,
        )
    except KeyError as error:
        raise ValueError(
            f'{path} lacks {error}: a camera has width, height, fx, fy, cx, cy'
        ) from None
    except (TypeError, ValueError) as error:
        raise ValueError(f'{path} is not a camera: {error}') from None


def write_camera(path: str | Path, camera: CameraModel) -> None:
    """Write a camera.json that ``read_camera`` reads."""
    keys = ('width', 'height', 'fx', 'fy', 'cx', 'cy')
    values: dict[str, Any] = {key: getattr(camera, key) for key in keys}
    if camera.distortion is not None:
        values['distortion'] = list(camera.distortion)
    write_atomically(path, (json.dumps(values, indent=1) + '\n').encode())


def write_color(path: str | Path, color: npt.NDArray[np.uint8]) -> None:
    """Write an (H, W, 3) uint8 RGB image in the format of the path's ending."""
    _write_image(path, cv2.cvtColor(color, cv2.COLOR_RGB2BGR))


def write_depth(path: str | Path, depth_m: npt.NDArray[np.float32]) -> None:
    """Write (H, W) float32 metres as uint16 millimetres, 0 for none and beyond 65.535 m."""
    with np.errstate(invalid='ignore'):
        valid = (depth_m > 0) & (depth_m <= MAX_DEPTH_M)
    millimetres = np.where(valid, np.rint(np.where(valid, depth_m, 0) / DEPTH_UNIT_M), 0)
    _write_image(path, millimetres.astype(np.uint16))


def write_labels(path: str | Path, labels: npt.NDArray[np.integer]) -> None:
    """Write (H, W) labels 0..65535 as a 16-bit PNG; ValueError beyond."""
    _write_image(path, labels_of_16_bits(labels))


def labels_of_16_bits(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.uint16]:
    """Return (H, W) labels as uint16; ValueError for those that are not within 0..65535."""
    if labels.size and not 0 <= labels.min() <= labels.max() <= 65535:
        raise ValueError(f'labels {labels.min()}..{labels.max()}: a 16-bit image holds 0..65535')
    return labels.astype(np.uint16)


def write_frame(folder: str | Path, name: str, frame: RgbdFrame) -> None:
    """Write a frame as NAME-color.png, NAME-depth.png and NAME-camera.json; colour comes last."""
    folder = Path(folder)
    if frame.depth is not None:
        write_depth(folder / f'{name}-depth.png', frame.depth)
    if frame.camera is not None:
        write_camera(folder / f'{name}-camera.json', frame.camera)
    write_color(folder / f'{name}-color.png', frame.color)


def _write_image(path: str | Path, image: npt.NDArray[Any]) -> None:
    done, data = cv2.imencode(Path(path).suffix, image)
    if not done:
        raise ValueError(f'{path}: OpenCV does not write this kind of file')
    write_atomically(path, data.tobytes())


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write a file so that no reader ever sees half of it: a temporary file, then a rename."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
