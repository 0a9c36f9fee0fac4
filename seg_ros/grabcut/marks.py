# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a person marks: a box around an object, strokes on objects and background."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

UNKNOWN, BACKGROUND = 0, 255


def parse_box(text: str) -> tuple[int, int, int, int]:
    """Return x, y, width and height of 'x,y,w,h'; ValueError for anything else."""
    try:
        x, y, width, height = (int(word) for word in text.split(','))
    except ValueError:
        raise ValueError(f'box is {text!r}: x,y,w,h in pixels are accepted, as 120,80,200,150'
                         ) from None
    if width < 1 or height < 1:
        raise ValueError(f'box is {text!r}: width and height start at 1')
    return x, y, width, height


def read_scribbles(path: str | Path) -> npt.NDArray[np.uint8]:
    """Return strokes (H, W) uint8: 0 not known, 255 background, 1 to 254 an object's id.

    FileNotFoundError for no file, ValueError for one that is not an image of one 8-bit channel.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file of scribbles')
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 2 or image.dtype != np.uint8:
        came = 'no image' if image is None else f'{image.shape} {image.dtype}'
        raise ValueError(f'{path} is {came}: scribbles are a PNG of one 8-bit channel: 0 not '
                         'known, 255 background, 1 to 254 objects')
    return np.asarray(image, np.uint8)


def marks_of(
    shape: tuple[int, int], box: str, scribbles: npt.NDArray[np.uint8] | None
) -> npt.NDArray[np.uint8]:
    """Return what is known of an image (H, W), as ``read_scribbles`` has it.

    ValueError for marks of another size or beside the image, and where objects or background
    cannot be learned from.
    """
    marks = np.zeros(shape, np.uint8)
    if scribbles is not None:
        if scribbles.shape != shape:
            raise ValueError(
                f'scribbles {scribbles.shape[1]}x{scribbles.shape[0]}, image '
                f'{shape[1]}x{shape[0]}: draw them at the size of the image')
        marks[...] = scribbles
    if box:
        _mark_outside(marks, box)
    if scribbles is None and not box:
        raise ValueError('grabcut_crf needs to know what to cut out: --box x,y,w,h around one '
                         'object, or --scribbles FILE (options box and scribbles)')
    if not (marks == BACKGROUND).any():
        raise ValueError('nothing is marked as background: draw 255 in the scribbles, or leave '
                         'some of the image outside the box')
    if not box and not object_numbers(marks):
        raise ValueError('no object is marked: draw 1 to 254 in the scribbles, or give a box')
    return marks


def _mark_outside(marks: npt.NDArray[np.uint8], box: str) -> None:
    x, y, width, height = parse_box(box)
    inside = np.zeros(marks.shape, bool)
    inside[max(0, y):max(0, y + height), max(0, x):max(0, x + width)] = True
    if not inside.any():
        raise ValueError(f'box {box} lies beside the image of {marks.shape[1]}x{marks.shape[0]}')
    marks[~inside] = BACKGROUND


def object_numbers(marks: npt.NDArray[np.uint8]) -> list[int]:
    """Return the ids of the objects that are marked, ascending."""
    return [int(n) for n in np.unique(marks) if n not in (UNKNOWN, BACKGROUND)]
