# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How the learning rate falls over a training: factors of its start, by the share that is done."""

from __future__ import annotations

import math


def poly_rate(share: float, power: float = 0.9) -> float:
    """Return (1 - share)^power, 1 at share 0 and 0 at 1 and beyond: Chen et al., PAMI 2017."""
    return (1.0 - _within(share)) ** power


def cosine_rate(share: float) -> float:
    """Return half a cosine, 1 at share 0 and 0 at 1 and beyond: Loshchilov, Hutter, ICLR 2017."""
    return 0.5 * (1.0 + math.cos(math.pi * _within(share)))


def _within(share: float) -> float:
    """Return a share that the last step may have led past 1."""
    return min(max(share, 0.0), 1.0)
