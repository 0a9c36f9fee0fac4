# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Make one training sample of a clean synthetic view: noise, crop, scale, flip, drop-outs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import CameraModel
from seg_ros.networks.preprocessing import Preprocessing, input_arrays
from seg_ros.synthetic.sensor import augment_color, corrupt_depth
from seg_ros.training.options import DrawnTrainOptions, TrainOptions
from seg_ros.unseen.focus import box_of, framed_box
from seg_ros.unseen.zoom import padded_box

IGNORED = -1
MERGED_SHARE = 0.3  # of the zoom stage's boxes hold two objects that touch
NEAR_SHARE = 0.5  # of the second look's parts hold the objects around one, not all of them
_SMALLEST_OBJECT = 8  # pixels at the labels' resolution; smaller ones teach nothing


@dataclass(frozen=True, eq=False)
class View:
    """Hold a view: color (H, W, 3) uint8, depth_m (H, W) float32 with NaN, labels (H, W) int32.

    ``clean``: it was drawn without a sensor's noise.
    """

    color: npt.NDArray[np.uint8]
    depth_m: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    camera: CameraModel
    clean: bool = True


Sample = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int64]]


def with_sensor_noise(view: View, rng: np.random.Generator) -> View:
    """Return a clean view as a depth camera might see it, drawn anew at each call; others stay."""
    if not view.clean:
        return view
    depth = corrupt_depth(
        view.depth_m, view.labels, view.camera, rng, model='random', color=view.color)
    return replace(view, depth_m=depth, clean=False)


def resampled(
    view: View, box: tuple[int, int, int, int], size: tuple[int, int]
) -> View:
    """Cut the box (x1, y1, x2, y2), pixels, and resize it to (w, h); intrinsics follow."""
    x1, y1, x2, y2 = box
    color: Any = view.color[y1:y2, x1:x2]
    depth: Any = view.depth_m[y1:y2, x1:x2]
    labels: Any = view.labels[y1:y2, x1:x2]
    camera = view.camera.cropped(box).resized(*size)
    if (x2 - x1, y2 - y1) != size:
        shrinks = size[0] < x2 - x1
        color = cv2.resize(
            color, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        depth = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT)
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return View(color, depth, labels, camera, view.clean)


def flipped(view: View) -> View:
    """Mirror the view left to right, the principal point with it."""
    camera = replace(view.camera, cx=view.camera.width - 1 - view.camera.cx)
    return replace(view, color=view.color[:, ::-1], depth_m=view.depth_m[:, ::-1],
                   labels=view.labels[:, ::-1], camera=camera)


def halved_labels(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Halve labels (H, W): a cell has the label of at least 3 of its 4 pixels, else -1.

    Then numbers run from 0 without gaps (0 stays background, present or not); objects of fewer
    than 8 cells become -1.
    """
    height, width = labels.shape[0] // 2, labels.shape[1] // 2
    cells = labels[:2 * height, :2 * width].reshape(height, 2, width, 2)
    quads = cells.transpose(0, 2, 1, 3).reshape(height, width, 4)
    half = np.full((height, width), IGNORED, np.int64)
    for corner in (0, 1):  # one of the first two is always part of a majority of three
        votes = (quads == quads[..., corner:corner + 1]).sum(axis=-1)
        half = np.where(votes >= 3, quads[..., corner], half)
    return consecutive(half)


def consecutive(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Renumber labels 1.. without gaps; those of fewer than 8 pixels become -1."""
    values, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    kept = (values > 0) & (counts >= _SMALLEST_OBJECT)
    numbers = np.where(kept, np.cumsum(kept), np.where(values == 0, 0, IGNORED))
    return numbers[inverse].reshape(labels.shape)


def crop_box(
    view: View, size: tuple[int, int], scale: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Choose a box of size / scale inside the view, mostly one that holds a random object."""
    width = min(max(round(size[0] / scale), 2), view.camera.width)
    height = min(max(round(size[1] / scale), 2), view.camera.height)
    room_x, room_y = view.camera.width - width, view.camera.height - height
    x, y = int(rng.integers(room_x + 1)), int(rng.integers(room_y + 1))
    ids = np.unique(view.labels)
    ids = ids[ids > 0]
    if len(ids) and rng.random() < 0.8:
        rows, columns = np.nonzero(view.labels == rng.choice(ids))
        x = round(columns.mean() - width * rng.uniform(0.25, 0.75))
        y = round(rows.mean() - height * rng.uniform(0.25, 0.75))
    x, y = int(np.clip(x, 0, room_x)), int(np.clip(y, 0, room_y))
    return x, y, x + width, y + height


def object_box(view: View, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Choose a box like those that the second stage sees, inside the view.

    The box of a random object, now and then together with one that touches it (as the first
    stage may merge them), its sides off by up to 10 %, padded as at run time; the whole view
    where there is no object of 50 pixels.
    """
    ids, counts = np.unique(view.labels, return_counts=True)
    ids = ids[(ids > 0) & (counts >= 50)]
    if not len(ids):
        return 0, 0, view.camera.width, view.camera.height
    mask = view.labels == rng.choice(ids)
    if rng.random() < MERGED_SHARE:
        ring = cv2.dilate(mask.view(np.uint8), np.ones((5, 5), np.uint8)) > 0
        touching = np.setdiff1d(view.labels[ring & ~mask], [0, IGNORED])
        if len(touching):
            mask = mask | (view.labels == rng.choice(touching))
    box = np.array(box_of(mask), float)
    sides = np.tile(box[2:] - box[:2], 2)
    jittered = np.round(box + sides * rng.uniform(-0.1, 0.1, 4)).clip(
        0, [view.camera.width, view.camera.height] * 2)
    return padded_box(jittered, view.labels.shape)


def focus_box(view: View, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Choose a part like those that the second look takes, inside the view.

    It shows all objects, or those around a random one, with a margin of 2 to 30 %; the whole view
    where there is none.
    """
    box = box_of(view.labels)
    if box is None:
        return 0, 0, view.camera.width, view.camera.height
    if rng.random() < NEAR_SHARE:
        ids = np.unique(view.labels[view.labels > 0])
        one = box_of(view.labels == rng.choice(ids)) or box
        reach = rng.uniform(0.2, 1.5) * max(one[2] - one[0], one[3] - one[1])
        grown = np.round(np.array(one) + np.array([-1, -1, 1, 1]) * reach).astype(int)
        x1, y1 = np.maximum(grown[:2], box[:2])
        x2, y2 = np.minimum(grown[2:], box[2:])
        box = int(x1), int(y1), int(x2), int(y2)
    return framed_box(box, view.labels.shape, padding=float(rng.uniform(0.02, 0.3)))


def random_scale(least: float, most: float, rng: np.random.Generator) -> float:
    """Draw a scale of the picture: half the time 1, else log-uniform from least to most."""
    if rng.random() < 0.5:
        return 1.0
    return float(np.exp(rng.uniform(np.log(least), np.log(most))))


def input_scale(camera: CameraModel, size: tuple[int, int]) -> float:
    """Return the scale at which a whole view fills an input (w, h) without being cut."""
    return min(size[0] / camera.width, size[1] / camera.height)


def chosen_box(
    view: View, size: tuple[int, int], options: DrawnTrainOptions, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Choose a part of the view: around its objects, or of a random scale."""
    if rng.random() < options.focus_share:
        return focus_box(view, rng)
    scale = random_scale(options.zoom_min, options.zoom_max, rng) * input_scale(view.camera, size)
    return crop_box(view, size, scale, rng)


def varied(
    view: View, box: tuple[int, int, int, int], size: tuple[int, int], rng: np.random.Generator
) -> tuple[View, bool]:
    """Cut the box out at (w, h), mirrored or not, in other colours and a world of another size.

    Returns the view and whether it is mirrored.
    """
    cut, mirrored = resampled(view, box, size), bool(rng.random() < 0.5)
    if mirrored:
        cut = flipped(cut)
    stretch = np.float32(rng.uniform(0.85, 1.2))
    return replace(cut, color=augment_color(np.ascontiguousarray(cut.color), rng),
                   depth_m=np.ascontiguousarray(cut.depth_m) * stretch), mirrored


def as_a_camera_sees(view: View, seed: int) -> View:
    """Return a clean view with noise and other colours, fixed by the seed; others stay."""
    if not view.clean:
        return view
    rng = np.random.default_rng(seed)
    return with_sensor_noise(replace(view, color=augment_color(view.color, rng)), rng)


def training_sample(
    noisy: View,
    kind: str,
    size: tuple[int, int],
    options: TrainOptions,
    preprocessing: Preprocessing,
    rng: np.random.Generator,
) -> Sample:
    """Return colour, XYZ (3, h, w) float32 and labels (h/2, w/2) int64 of a random variation.

    ``noisy`` is a view with sensor noise, ``kind`` is 'crop', 'full' or 'zoom',
    ``size`` the network input (w, h).
    """
    if kind == 'zoom':
        box = object_box(noisy, rng)
    elif kind == 'full' and rng.random() < options.focus_share:
        box = focus_box(noisy, rng)
    else:
        whole = input_scale(noisy.camera, (options.width, options.height))
        scale = random_scale(options.zoom_min, options.zoom_max, rng) * whole
        box = crop_box(noisy, size, scale, rng)
    cut, _ = varied(noisy, box, size, rng)
    color, xyz = input_arrays(cut.color, cut.depth_m, cut.camera, preprocessing)
    drop = rng.random()
    if drop < options.drop_color:
        color[:] = 0
    elif drop < options.drop_color + options.drop_depth:
        xyz[:] = 0
    return color, xyz, halved_labels(cut.labels)


def validation_sample(
    view: View, size: tuple[int, int], preprocessing: Preprocessing, seed: int
) -> Sample:
    """Return a whole view as a sample; a clean one with noise, the same for the same seed."""
    whole = (0, 0, view.camera.width, view.camera.height)
    seen = resampled(as_a_camera_sees(view, seed), whole, size)
    color, xyz = input_arrays(seen.color, seen.depth_m, seen.camera, preprocessing)
    return color, xyz, halved_labels(seen.labels)
