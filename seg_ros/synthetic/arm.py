# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An arm that reaches in between the camera and the table, hides what is behind it, and leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seg_ros.synthetic import textures
from seg_ros.synthetic.mesh import Array, Soup, box, merge, rotation_about, tube
from seg_ros.synthetic.objects import Material, Rng
from seg_ros.synthetic.renderer import CameraPose, Item

# Beyond all objects; never written: the arm is background in NAME-labels.png.
ARM_LABEL = 60_000
# Places in the optical frame, metres: where the shoulder is, where the hand comes in from and how
# far it reaches.
_SHOULDER_M = np.array([0.6, 0.12, 0.24])
_OUTSIDE_M = np.array([0.45, 0.08, 0.38])
_REACH_M = np.array([-0.12, 0.0, 0.38])
_HAND_M = (0.065, 0.08, 0.04)
_RADII_M = (0.04, 0.025)


@dataclass(frozen=True)
class ArmPass:
    """Say in which frames the arm is there: `first` to `last`, both included."""

    first: int
    last: int

    def reach(self, frame: int) -> float | None:
        """Return how far it reaches at a frame, 0 to 1 and back to 0; None where it is away."""
        if not self.first <= frame <= self.last:
            return None
        share = (frame - self.first) / max(self.last - self.first, 1)
        return float(np.sin(np.pi * share))


def arm_passes(frames: int, count: int, length: int) -> list[ArmPass]:
    """Spread passes of `length` frames evenly over a sequence."""
    centres = np.linspace(0, frames, count + 2)[1:-1].astype(int)
    return [ArmPass(int(at) - length // 2, int(at) + length // 2) for at in centres]


def arm_paints(rng: Rng) -> tuple[Material, ...]:
    """Draw the sleeve and the hand: two quiet colours."""
    gloss = (0.1, 12.0, 0.02)
    with textures.colors_of(textures.room_color):
        return (Material(textures.weave(rng, 64), gloss), Material(textures.plain(rng, 64), gloss))


def arm_at(reach: float, camera: CameraPose, paints: tuple[Material, ...]) -> Item:
    """Return the arm before a camera in the world frame; `reach` 0 is outside, 1 far in."""
    hand = (1 - reach) * _OUTSIDE_M + reach * _REACH_M
    soup = _arm(hand)
    turn = camera.rotation.T
    return Item(soup.moved(turn, camera.position), paints, ARM_LABEL)


def _arm(hand: Array) -> Soup:
    """Join a forearm from the shoulder to the hand, in the optical frame."""
    along = hand - _SHOULDER_M
    path = np.stack([_SHOULDER_M, _SHOULDER_M + 0.5 * along, hand])
    sleeve = tube(path, np.linspace(*_RADII_M, 3)).with_part(0)
    angle = float(np.arctan2(along[1], along[0]))
    palm = box(_HAND_M).moved(rotation_about((0, 0, 1), angle), hand).with_part(1)
    return merge([sleeve, palm])
