# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The kinds of procedural objects by name, and how often each is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from seg_ros.core.classes import BACKGROUND, SUPPORT
from seg_ros.synthetic import kinds, kinds_hollow, kinds_tools
from seg_ros.synthetic.objects import ObjectModel, Rng

KINDS: dict[str, tuple[Callable[[Rng], ObjectModel], float]] = {
    'box': (kinds.make_box, 3.0),
    'can': (kinds.make_can, 2.2),
    'bottle': (kinds.make_bottle, 2.2),
    'tin': (kinds.make_tin, 1.5),
    'jar': (kinds.make_jar, 1.3),
    'book': (kinds.make_book, 1.2),
    'phone': (kinds.make_phone, 0.7),
    'block': (kinds.make_block, 1.3),
    'carton': (kinds.make_carton, 0.5),
    'bowl': (kinds_hollow.make_bowl, 1.8),
    'plate': (kinds_hollow.make_plate, 0.9),
    'mug': (kinds_hollow.make_mug, 2.0),
    'cup': (kinds_hollow.make_cup, 0.9),
    'pitcher': (kinds_hollow.make_pitcher, 0.4),
    'pan': (kinds_hollow.make_pan, 0.3),
    'basket': (kinds_hollow.make_basket, 0.4),
    'pen': (kinds_tools.make_pen, 1.2),
    'cutlery': (kinds_tools.make_cutlery, 0.8),
    'fruit': (kinds_tools.make_fruit, 1.5),
    'banana': (kinds_tools.make_banana, 0.7),
    'superquadric': (kinds_tools.make_superquadric, 1.0),
    'hammer': (kinds_tools.make_hammer, 0.9),
    'drill': (kinds_tools.make_drill, 1.2),
    'scissors': (kinds_tools.make_scissors, 0.5),
    'roll': (kinds_tools.make_roll, 0.5),
    'compound': (kinds_tools.make_compound, 0.9),
}

# Things that are now and then of glass or clear plastic.
CLEAR_KINDS = ('bottle', 'bowl', 'cup', 'jar', 'pitcher')
CLEAR_SHARE = 0.15

# The surface that carries the objects comes last: the numbers of the kinds are those of old data.
CLASS_NAMES = (BACKGROUND, *KINDS, 'mesh', SUPPORT)


def make_object(kind: str, rng: Rng) -> ObjectModel:
    """Make one object of a kind; ValueError for an unknown kind."""
    if kind not in KINDS:
        raise ValueError(f'object kind {kind!r} is unknown: choose from {", ".join(KINDS)}')
    return KINDS[kind][0](rng)


def draw_object(rng: Rng) -> ObjectModel:
    """Make one object of a kind drawn by its weight."""
    names = list(KINDS)
    weights = np.array([KINDS[name][1] for name in names])
    model = make_object(names[int(rng.choice(len(names), p=weights / weights.sum()))], rng)
    if model.kind in CLEAR_KINDS and rng.random() < CLEAR_SHARE:
        return replace(model, clear=rng.uniform(0.4, 0.85))
    return model
