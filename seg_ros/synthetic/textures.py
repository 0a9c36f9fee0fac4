# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Procedural textures, (size, size, 3) uint8 RGB: plain, wood, cloth, stone, prints with text-like
marks.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Field = NDArray[np.float32]
Rng = np.random.Generator


Palette = Callable[[Rng], NDArray[np.float32]]

_palette: Palette | None = None


@contextmanager
def colors_of(palette: Palette) -> Iterator[None]:
    """Draw all colours from a palette meanwhile."""
    global _palette
    before, _palette = _palette, palette
    try:
        yield
    finally:
        _palette = before


def toned(rng: Rng) -> Palette:
    """Draw a palette of one tone, in which neighbours look alike; black and white stay in it."""
    hue, saturation, value = rng.random(), rng.uniform(0, 0.9), rng.uniform(0.15, 1.0)
    width = rng.uniform(0.01, 0.06)

    def color(rng: Rng) -> NDArray[np.float32]:
        if rng.random() < 0.1:
            return np.full(3, rng.choice([20.0, 240.0]), np.float32)
        hsv = ((hue + rng.normal() * width) % 1.0,
               float(np.clip(saturation + rng.normal() * 0.1, 0, 1)),
               float(np.clip(value + rng.normal() * 0.12, 0.03, 1)))
        return np.asarray(colorsys.hsv_to_rgb(*hsv), dtype=np.float32) * 255

    return color


def room_color(rng: Rng) -> NDArray[np.float32]:
    """Draw a colour of rooms: white, grey, beige, brown, seldom vivid."""
    pick = rng.random()
    if pick < 0.45:
        hsv = (rng.random(), rng.uniform(0.0, 0.12), rng.uniform(0.25, 1.0))
    elif pick < 0.75:
        hsv = (rng.uniform(0.04, 0.14), rng.uniform(0.1, 0.6), rng.uniform(0.25, 0.95))
    elif pick < 0.85:
        hsv = (rng.random(), rng.uniform(0.0, 0.3), rng.uniform(0.04, 0.2))
    else:
        hsv = (rng.random(), rng.uniform(0.15, 0.6), rng.uniform(0.3, 0.9))
    return np.asarray(colorsys.hsv_to_rgb(*hsv), dtype=np.float32) * 255


def random_color(rng: Rng) -> NDArray[np.float32]:
    """Draw a colour (3,) 0..255 from the palette in force, by itself `natural_color`."""
    return natural_color(rng) if _palette is None else _palette(rng)


def natural_color(rng: Rng) -> NDArray[np.float32]:
    """Draw the colour (3,) 0..255 of a man-made thing: vivid, pale, grey, dark or earthy."""
    pick = rng.random()
    if pick < 0.45:
        hsv = (rng.random(), rng.uniform(0.55, 1.0), rng.uniform(0.35, 1.0))
    elif pick < 0.62:
        hsv = (rng.random(), rng.uniform(0.0, 0.08), rng.uniform(0.8, 1.0))
    elif pick < 0.74:
        hsv = (rng.random(), rng.uniform(0.0, 0.3), rng.uniform(0.05, 0.25))
    elif pick < 0.84:
        hsv = (rng.random(), rng.uniform(0.0, 0.1), rng.uniform(0.3, 0.8))
    elif pick < 0.92:
        hsv = (rng.uniform(0.04, 0.13), rng.uniform(0.2, 0.7), rng.uniform(0.3, 0.85))
    else:
        hsv = (rng.random(), rng.uniform(0.15, 0.5), rng.uniform(0.6, 1.0))
    return np.asarray(colorsys.hsv_to_rgb(*hsv), dtype=np.float32) * 255


def noise(rng: Rng, size: int, cells: tuple[int, int], octaves: int = 3) -> Field:
    """Draw smooth noise (size, size) of mean about 0 and deviation 1, `cells` lumps down and
    across.
    """
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        shape = tuple(min(max(count * 2**octave, 2), size) for count in cells)
        grid = rng.normal(size=shape).astype(np.float32)
        total += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) * 0.6**octave
    return total / max(float(total.std()), 1e-6)


def _mix(low: NDArray[np.float32], high: NDArray[np.float32], share: Field) -> Image:
    """Blend two colours by a field, through a table of 256 steps."""
    steps = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    table = np.clip(low * (1 - steps) + high * steps, 0, 255).astype(np.uint8)
    # Faster than table[...].
    return np.take(table, (np.clip(share, 0, 1) * np.float32(255)).astype(np.uint8), axis=0)


def _added(color: NDArray[np.float32], change: Field) -> Image:
    """Add a field to all channels of a colour; channel by channel, for numpy is slow over 3."""
    image = np.empty((*change.shape, 3), np.uint8)
    for channel in range(3):
        image[..., channel] = np.clip(color[channel] + change, 0, 255)
    return image


def plain(rng: Rng, size: int) -> Image:
    """Draw one colour with faint mottling."""
    base = random_color(rng)
    return _added(base, noise(rng, size, (4, 4), 4) * rng.uniform(0, 5))


def speckle(rng: Rng, size: int) -> Image:
    """Draw noise between two colours: stone, felt, rust."""
    cells = int(rng.integers(2, 40))
    sharp = rng.uniform(0.15, 0.6)
    return _mix(
        random_color(rng), random_color(rng), 0.5 + sharp * noise(rng, size, (cells, cells), 4)
    )


WOOD_HUES = ((0.04, 0.11), (0.3, 0.65), (0.25, 0.8))


def wood(rng: Rng, size: int) -> Image:
    """Draw wood: bent year rings, fibres along x, now and then the seams of boards."""
    hue, saturation, value = (rng.uniform(*span) for span in WOOD_HUES)
    light = np.asarray(colorsys.hsv_to_rgb(hue, saturation, value), np.float32) * 255
    dark = light * rng.uniform(0.45, 0.8)
    rows = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    bent = rows * rng.uniform(6, 30) + noise(rng, size, (3, 1), 2) * rng.uniform(0.3, 1.5)
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * bent)
    fibre = noise(rng, size, (size // 2, int(rng.integers(3, 10))), 2)
    share = (
        rng.uniform(0.1, 0.5) * rings
        + rng.uniform(0.05, 0.22) * fibre
        + 0.2
        + 0.1 * noise(rng, size, (2, 2), 2)
    )
    image = _mix(light, dark, share)
    if rng.random() < 0.5:
        _draw_seams(rng, image)
    return image


def _draw_seams(rng: Rng, image: Image) -> None:
    """Tint the boards apart and darken the gaps between them."""
    size = len(image)
    boards = int(rng.integers(1, 6))
    edges = [round(size * (k + rng.uniform(0, 0.3)) / boards) for k in range(boards)] + [size]
    for top, bottom in zip(edges[:-1], edges[1:], strict=True):
        tint = rng.uniform(0.85, 1.12)
        image[top:bottom] = np.clip(image[top:bottom] * tint, 0, 255)
        image[top : top + int(rng.integers(1, 4))] //= 3


def stripes(rng: Rng, size: int) -> Image:
    """Draw straight or wavy stripes."""
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    along = (x * np.cos(angle) + y * np.sin(angle)) * int(rng.integers(2, 14))
    wave = np.sin(2 * np.pi * (along + rng.uniform(0, 0.2) * noise(rng, size, (2, 2), 1)))
    return _mix(
        random_color(rng),
        random_color(rng),
        wave * rng.uniform(1, 8) + 0.5 + rng.uniform(-0.8, 0.8),
    )


def checks(rng: Rng, size: int) -> Image:
    """Draw a chequered cloth."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    count = int(rng.integers(2, 12))
    share = 0.5 * (np.sin(2 * np.pi * count * x) > 0) + 0.5 * (np.sin(2 * np.pi * count * y) > 0)
    return _mix(random_color(rng), random_color(rng), share.astype(np.float32))


def dots(rng: Rng, size: int) -> Image:
    """Draw dots on a plain ground."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size * int(rng.integers(3, 12))
    radius = np.hypot(x % 1 - 0.5, y % 1 - 0.5)
    return _mix(
        random_color(rng),
        random_color(rng),
        ((rng.uniform(0.15, 0.45) - radius) * 30).astype(np.float32),
    )


def marble(rng: Rng, size: int) -> Image:
    """Draw veins."""
    veins = (1 - np.abs(noise(rng, size, (3, 3), 5)) * rng.uniform(1, 3)).astype(np.float32)
    return _mix(random_color(rng), random_color(rng), veins)


def brushed(rng: Rng, size: int) -> Image:
    """Draw brushed metal."""
    base = np.full(3, rng.uniform(90, 230), np.float32) * rng.uniform(0.94, 1.06, 3).astype(
        np.float32
    )
    return _added(base, noise(rng, size, (size, 3), 1) * rng.uniform(2, 10))


def weave(rng: Rng, size: int) -> Image:
    """Draw woven cloth."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    period = float(rng.integers(3, 9))
    thread = np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / period)
    base = random_color(rng)
    image = base * (1 + 0.12 * thread[..., None]) + noise(rng, size, (5, 5), 4)[
        ..., None
    ] * rng.uniform(1, 6)
    return np.clip(image, 0, 255).astype(np.uint8)


def tiles(rng: Rng, size: int) -> Image:
    """Draw tiles or bricks with joints."""
    count = int(rng.integers(2, 8))
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size * count
    if rng.random() < 0.4:
        x = x / 2 + 0.5 * (np.floor(y) % 2)
    column, row = np.floor(x), np.floor(y)
    across, down = x - column, y - row
    joint = np.minimum(np.minimum(across, 1 - across), np.minimum(down, 1 - down)) < rng.uniform(
        0.01, 0.06
    )
    tint = rng.uniform(0.8, 1.15, (count, count)).astype(np.float32)
    shade = tint[row.astype(np.int32) % count, column.astype(np.int32) % count]
    image = (
        random_color(rng) * shade[..., None] * (1 + 0.05 * noise(rng, size, (9, 9), 4)[..., None])
    )
    image[joint] = random_color(rng)
    return np.clip(image, 0, 255).astype(np.uint8)


_LETTERS = np.array(list('ABCDEFGHIKLMNOPRSTUVWXYZabcdefghiklmnoprstuvwxyz0123456789'))
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)


def _tuple(color: NDArray[np.float32]) -> tuple[int, ...]:
    return tuple(int(c) for c in color)


def _write_words(rng: Rng, image: Image, lines: int) -> None:
    """Write words that mean nothing, big and small."""
    size = len(image)
    for _ in range(lines):
        word = ''.join(rng.choice(_LETTERS, int(rng.integers(3, 12))))
        at = (int(rng.uniform(-0.05, 0.5) * size), int(rng.uniform(0.1, 1.0) * size))
        scale = (
            float(rng.choice([0.25, 0.35, 0.5, 0.8, 1.2], p=[0.25, 0.25, 0.2, 0.2, 0.1]))
            * size
            / 128
        )
        thick = max(1, round(scale * rng.uniform(1, 4)))
        cv2.putText(
            image,
            word,
            at,
            int(rng.choice(_FONTS)),
            scale,
            _tuple(random_color(rng)),
            thick,
            cv2.LINE_AA,
        )


def _draw_shape(rng: Rng, image: Image) -> None:
    size = len(image)
    a = rng.integers(-size // 8, size, 2)
    b = a + rng.integers(size // 10, size, 2)
    color = _tuple(random_color(rng))
    kind = rng.random()
    if kind < 0.5:
        cv2.rectangle(image, a.tolist(), b.tolist(), color, -1)
    elif kind < 0.8:
        axes = np.maximum((b - a) // 3, 2).tolist()
        cv2.ellipse(
            image, a.tolist(), axes, float(rng.uniform(0, 180)), 0, 360, color, -1, cv2.LINE_AA
        )
    else:
        points = rng.integers(0, size, (int(rng.integers(3, 6)), 2)).astype(np.int32)
        cv2.fillPoly(image, [points], color, cv2.LINE_AA)


def _draw_barcode(rng: Rng, image: Image) -> None:
    size = len(image)
    x, y = rng.integers(0, size * 3 // 4, 2)
    width, height = size // 4, size // 6
    bars = np.repeat(rng.integers(0, 2, width // 2 + 1) * 255, 2)[:width].astype(np.uint8)
    patch = image[y : y + height, x : x + width]
    patch[:] = bars[None, : patch.shape[1], None]


def printed(rng: Rng, size: int) -> Image:
    """Draw a product's label: patches, pictures, words, a barcode."""
    image = np.empty((size, size, 3), np.uint8)
    image[:] = random_color(rng).astype(np.uint8)
    if rng.random() < 0.25:
        image = speckle(rng, size)
    for _ in range(int(rng.integers(0, 6))):
        _draw_shape(rng, image)
    _write_words(rng, image, int(rng.integers(1, 8)))
    if rng.random() < 0.3:
        _draw_barcode(rng, image)
    return image


PATTERNS: dict[str, Callable[[Rng, int], Image]] = {
    'plain': plain,
    'speckle': speckle,
    'wood': wood,
    'stripes': stripes,
    'checks': checks,
    'dots': dots,
    'marble': marble,
    'brushed': brushed,
    'weave': weave,
    'tiles': tiles,
    'printed': printed,
}


def draw(rng: Rng, size: int, weights: dict[str, float]) -> Image:
    """Draw a texture whose pattern is chosen by weight."""
    names = list(weights)
    chance = np.array([weights[name] for name in names])
    return PATTERNS[names[int(rng.choice(len(names), p=chance / chance.sum()))]](rng, size)


def box_print(rng: Rng, size: int) -> Image:
    """Draw the 3 x 2 cells of a packed box: opposite faces alike, the same few colours on all."""
    cell = size // 2
    ground = random_color(rng)
    image = np.empty((2 * cell, 3 * cell, 3), np.uint8)
    for column in range(3):
        face = printed(rng, cell)
        if rng.random() < 0.7:
            plain_face = np.empty_like(face)
            plain_face[:] = ground.astype(np.uint8)
            _write_words(rng, plain_face, int(rng.integers(1, 5)))
            _draw_shape(rng, plain_face)
            face = plain_face
        image[:cell, column * cell : (column + 1) * cell] = face
        image[cell:, column * cell : (column + 1) * cell] = face
    return image
