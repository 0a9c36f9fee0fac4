# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a depth sensor makes of a scene: shadows, ragged edges, noise that grows with z^2, holes;
by sensor.

Lengths in pixels are those of a 640-pixel-wide image and scale with the width. The stereo geometry
is that of a rectified pair: disparity d = f b / z; a disparity error of e pixels is a depth error
of z^2 / (f b) e (Gallup et al. 2008; Khoshelham and Elberink 2012 for structured light).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from seg_ros.core.frame import CameraModel
from seg_ros.synthetic.color import augment_color as augment_color
from seg_ros.synthetic.sensor_models import (
    MODEL_NAMES,
    MODELS,
    RANDOM_SHARES,
    SensorModel,
    Span,
)

Depth = NDArray[np.float32]
Mask = NDArray[np.bool_]
Rng = np.random.Generator

# Black plastic and rubber swallow the infrared light that all these sensors live on.
_BRIGHTNESS = (0.05, 0.15, 0.35)
_LOST_FACTORS = (5.0, 2.0, 0.7)


def corrupt_depth(
    depth_m: Depth,
    labels: NDArray[np.integer],
    camera: CameraModel,
    rng: Rng,
    model: str = 'random',
    *,
    character_seed: int | None = None,
    color: NDArray[np.uint8] | None = None,
) -> Depth:
    """Draw what a sensor would measure of a clean depth image.

    depth_m (H, W) float32 metres, NaN where there is nothing; labels (H, W) of the same frame, for
    whole objects that vanish; model one of 'realsense', 'kinect', 'tof', 'clean' (unchanged) or
    'random'. With a `character_seed` the frames of a sequence share one sensor and the objects it
    loses; noise is drawn by `rng` still. With the `color` (H, W, 3) of the frame dark objects are
    lost more often and bright ones less; without it all alike, as in sequences, where an object
    must keep its fate. Returns a new (H, W) float32 with NaN where nothing is
    measured. Raises ValueError for an unknown model or other sizes.
    """
    if model not in MODEL_NAMES:
        raise ValueError(
            f'sensor model {model!r} is unknown: choose from {", ".join(MODEL_NAMES)}'
        )
    if depth_m.shape != labels.shape or depth_m.shape != (camera.height, camera.width):
        raise ValueError(
            f'depth {depth_m.shape}, labels {labels.shape} and camera '
            f'({camera.height}, {camera.width}) must have one size'
        )
    character = np.random.default_rng(
        int(rng.integers(2**62)) if character_seed is None else character_seed
    )
    if model == 'random':
        names = list(RANDOM_SHARES)
        model = names[int(character.choice(len(names), p=list(RANDOM_SHARES.values())))]
    clean = np.where(depth_m > 0, depth_m, np.nan).astype(np.float32)
    if model == 'clean':
        return clean
    darkness = None if color is None else _lost_factors(color, labels)
    return _Draw(MODELS[model], camera, rng, character).measure(clean, labels, darkness)


def _lost_factors(color: NDArray[np.uint8], labels: NDArray[np.integer]) -> NDArray[np.floating]:
    """Return how much likelier than the mean each label is to lose its depth, by its darkness."""
    sizes = np.maximum(np.bincount(labels.ravel()), 1)
    red, green, blue = (color[..., channel] for channel in range(3))
    # A mean over the last axis takes ten times as long.
    total = red.astype(np.uint16) + green + blue
    brightness = np.bincount(labels.ravel(), total.ravel()) / sizes / (3 * 255)
    return np.interp(brightness, _BRIGHTNESS, _LOST_FACTORS)


class _Draw:
    """Hold one sensor: `character` draws its parameters from the ranges of a model, `rng` each
    frame's noise.
    """

    def __init__(self, model: SensorModel, camera: CameraModel, rng: Rng, character: Rng) -> None:
        self.model, self.camera, self.rng, self.character = model, camera, rng, character
        self.scale = camera.width / 640
        self.shape = (camera.height, camera.width)
        # Most sensors cast the shadow to the left of things; a mirrored mount casts it to the
        # right.
        self.mirrored = character.random() < 0.2

    def uniform(self, span: Span) -> float:
        return float(self.character.uniform(*span))

    def noise(self, cell_px: float) -> Depth:
        """Draw smooth noise (H, W) of deviation about 1 that is correlated over `cell_px` pixels
        of this image.
        """
        rows, columns = (max(int(np.ceil(size / max(cell_px, 1.0))) + 1, 2) for size in self.shape)
        grid = self.rng.standard_normal((rows, columns), dtype=np.float32)
        if cell_px <= 1:
            return np.ascontiguousarray(grid[: self.shape[0], : self.shape[1]])
        # Linear interpolation of a unit grid has a variance of 4/9.
        return cv2.resize(grid, self.shape[::-1], interpolation=cv2.INTER_LINEAR) * 1.5

    def measure(
        self, clean: Depth, labels: NDArray[np.integer],
        lost_factors: NDArray[np.floating] | None,
    ) -> Depth:
        """Run all stages."""
        filled = np.where(np.isfinite(clean), clean, 20.0).astype(np.float32)
        warped = self._displace(filled)
        near, far = _neighbourhood(warped, 1)
        lost = self._lost_things(labels, lost_factors) | self._shadow(warped) | ~np.isfinite(clean)
        lost |= self._lost_edges(warped, near, far)
        noisy = self._flying(self._noisy(self._match(self._fatten(warped, near))), near, far)
        lost |= (noisy > self.uniform(self.model.far_m)) | (noisy < 0.1) | self._border()
        noisy[lost] = np.nan
        return noisy

    def _displace(self, depth: Depth) -> Depth:
        """Shift the depth against the colour, and make its edges ragged."""
        amount = self.uniform(self.model.edge_jitter_px) * self.scale
        cell = self.uniform((4, 14)) * self.scale
        shift = (
            self.character.normal(size=2)
            * self.model.shift_px
            * self.scale
            * (self.character.random() < 0.7)
        )
        rows, columns = np.indices(self.shape, dtype=np.float32)
        columns += self.noise(cell) * np.float32(0.7 * amount) + np.float32(shift[0])
        rows += self.noise(cell) * np.float32(0.7 * amount) + np.float32(shift[1] * 0.7)
        moved = cv2.remap(depth, columns, rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.float32)

    def _fatten(self, depth: Depth, near: Depth) -> Depth:
        """Grow near things by a pixel, as matching windows that straddle an edge do."""
        if self.character.random() > self.model.fattening:
            return depth
        return np.where(depth - near > 0.02 + 0.02 * near, near, depth)

    def _match(self, depth: Depth) -> Depth:
        """Smooth inverse depth as a matching window does; big steps stay steps."""
        size = int(round(self.uniform(self.model.window_px) * self.scale)) | 1
        if size < 3:
            return depth
        inverse = (1.0 / depth).astype(np.float32)
        mean = cv2.blur(cv2.blur(inverse, (size, size)), (3, 3))
        spread = cv2.dilate(inverse, np.ones((size, size))) - cv2.erode(
            inverse, np.ones((size, size))
        )
        # Steps up to about this share of the disparity melt into a slope; bigger ones stay steps.
        limit = self.uniform((0.02, 0.12))
        melt = np.clip(2.0 - spread / (limit * inverse), 0.0, 1.0).astype(np.float32)
        return (1.0 / (inverse + melt * (mean - inverse))).astype(np.float32)

    def _noisy(self, depth: Depth) -> Depth:
        """Add disparity noise and quantise disparity, or noise proportional to z."""
        model = self.model
        share = self.uniform(model.proportional)
        if share:
            wave = (
                0.6 * self.noise(1)
                + 0.8 * self.noise(3 * self.scale)
                + 0.8 * self.noise(20 * self.scale)
            )
            depth = depth * (1 + np.float32(share) * wave)
        if not model.matching_baseline_m:
            return depth
        focal_640 = self.camera.fx / self.scale
        disparity = np.float32(focal_640 * model.matching_baseline_m) / depth
        disparity += self.noise(1) * np.float32(self.uniform(model.noise_px))
        lumps = self.uniform(model.lumps_px)
        disparity += self.noise(self.uniform((5, 16)) * self.scale) * np.float32(lumps)
        disparity += self.noise(90 * self.scale) * np.float32(0.5 * lumps)
        if model.subpixel:
            disparity = np.round(disparity * model.subpixel) / np.float32(model.subpixel)
        return (
            np.float32(focal_640 * model.matching_baseline_m) / np.maximum(disparity, 0.2)
        ).astype(np.float32)

    def _shadow(self, depth: Depth) -> Mask:
        """Mark what the second eye (or the projector) cannot see: left of things, or right of them
        if mirrored.
        """
        baseline = self.uniform(self.model.baseline_m)
        if baseline < 0.005:
            return np.zeros(self.shape, bool)
        view = depth[:, ::-1] if self.mirrored else depth
        columns = np.arange(view.shape[1], dtype=np.float32)
        other = columns - np.float32(self.camera.fx * baseline) / view
        # From right to left the other eye's column must fall; where it does not, something stands
        # before it.
        least = np.minimum.accumulate(other[:, ::-1], axis=1)[:, ::-1]
        hidden = np.zeros(self.shape, bool)
        hidden[:, :-1] = other[:, :-1] > least[:, 1:] + self.uniform((0.2, 1.0))
        if self.character.random() < 0.5:
            hidden = self._ragged(hidden)
        return hidden[:, ::-1] if self.mirrored else hidden

    def _ragged(self, mask: Mask) -> Mask:
        """Move the rim of a mask in and out by about a pixel."""
        # The noise stays under a half, so that nothing appears away from the rim.
        soft = cv2.blur(mask.astype(np.float32), (3, 3)) + np.clip(
            0.25 * self.noise(4 * self.scale), -0.4, 0.4
        )
        return soft > 0.5

    def _lost_edges(self, depth: Depth, near: Depth, far: Depth) -> Mask:
        """Drop stretches of depth edges, mostly of their far side, one to a few pixels wide."""
        least = 0.03 + 0.02 * near
        edge = (depth - near) > least
        if self.character.random() < 0.3:
            edge |= (far - depth) > least
        share = self.uniform(self.model.edge_drop)
        if self.character.random() < 0.3:
            edge = cv2.dilate(edge.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        level = np.float32(1.8 * (1 - 2 * share))
        return edge & (self.noise(self.uniform((4, 20)) * self.scale) > level)

    def _flying(self, depth: Depth, near: Depth, far: Depth) -> Depth:
        """Hang some edge pixels between the near and the far side."""
        share = self.uniform(self.model.flying)
        edge = ((far - near) > 0.02 + 0.02 * near) & (far < 15)
        rows, columns = np.nonzero(edge)
        chosen = self.rng.random(len(rows)) < share
        rows, columns = rows[chosen], columns[chosen]
        between = self.rng.random(len(rows), dtype=np.float32)
        depth[rows, columns] = near[rows, columns] + between * (far - near)[rows, columns]
        return depth

    def _lost_things(
        self, labels: NDArray[np.integer], factors: NDArray[np.floating] | None
    ) -> Mask:
        """Lose some objects, wholly or in patches, likelier by `factors`, and blobs anywhere."""
        model = self.model
        lost = np.zeros(self.shape, bool)
        ids = np.unique(labels[labels > 0])
        # Drawn by label, so that an object keeps its fate from frame to frame; by a generator of
        # its own, so that an object that comes changes nothing else.
        fate = self.character.spawn(1)[0].random(int(labels.max(initial=0)) + 1)[ids]
        if factors is not None:
            fate = fate / factors[ids]
        gone = ids[fate < model.lost_object]
        patchy = ids[
            (fate >= model.lost_object) & (fate < model.lost_object + model.patchy_object)
        ]
        if len(gone):
            lost |= np.isin(labels, gone) & (self.noise(6 * self.scale) > -1.2)
        if len(patchy):
            lost |= np.isin(labels, patchy) & (
                self.noise(self.uniform((6, 30)) * self.scale) > self.uniform((0.4, 1.8))
            )
        if self.character.random() < 0.15:
            ground = (labels == 0) & (
                self.noise(self.uniform((10, 40)) * self.scale) > self.uniform((1.3, 2.2))
            )
            lost |= ground
        return lost | self._blobs()

    def _blobs(self) -> Mask:
        """Draw lost ellipses, with a small tail of big ones."""
        image = np.zeros(self.shape, np.uint8)
        for _ in range(int(self.rng.poisson(self.model.blobs))):
            centre = (int(self.rng.integers(self.shape[1])), int(self.rng.integers(self.shape[0])))
            axes = tuple(max(1, int(size * self.scale)) for size in self.rng.gamma(2.0, 4.0, 2))
            cv2.ellipse(image, centre, axes, float(self.rng.uniform(0, 180)), 0, 360, 1, -1)
        return image > 0

    def _border(self) -> Mask:
        """Lose a ragged band where only one eye looks, and seldom a frame all around."""
        lost = np.zeros(self.shape, bool)
        width = self.uniform(self.model.border) * self.shape[1] * (self.character.random() < 0.7)
        edge = width + self.noise(8 * self.scale)[:, 0] * np.float32(1.5 * self.scale) * (
            width > 1
        )
        band = np.arange(self.shape[1])[None] < edge[:, None]
        lost |= band[:, ::-1] if self.mirrored else band
        if self.character.random() < 0.1:
            rim = int(self.character.integers(1, max(2, int(12 * self.scale))))
            lost[:rim] = lost[-rim:] = True
            lost[:, :rim] = lost[:, -rim:] = True
        return lost


def _neighbourhood(depth: Depth, radius: int) -> tuple[Depth, Depth]:
    """Return the least and the greatest depth around each pixel."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    least = np.asarray(cv2.erode(depth, kernel), np.float32)
    return least, np.asarray(cv2.dilate(depth, kernel), np.float32)
