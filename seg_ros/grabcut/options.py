# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The parameters of the method."""

from __future__ import annotations

from dataclasses import dataclass

from seg_ros.core.options import Options, option
from seg_ros.grabcut.marks import parse_box


@dataclass(frozen=True)
class GrabCutOptions(Options):
    """Hold what a person marked, and how labels are found from it."""

    box: str = option(
        '', 'x,y,w,h in pixels around one object: outside is background, inside is not known; '
        'empty for none')
    scribbles: str = option(
        '', 'image of strokes, one channel of 8 bits, the size of the frame: 0 not known, 255 '
        'background, 1 to 254 the object of that id; empty for none')
    rounds: int = option(
        6, 'times that colours are learned and labels are found, at most', minimum=1, maximum=50)
    components: int = option(
        5, 'Gaussians in the colours of the background and of each object', minimum=1, maximum=20)
    smoothness: float = option(
        50.0, 'cost of a border between pixels of equal colour, in units of the log density; it '
        'falls with contrast', minimum=0.0, maximum=1e4)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.box:
            parse_box(self.box)
