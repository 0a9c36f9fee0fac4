# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which id an object is published under."""

from __future__ import annotations

from typing import Protocol

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.results import Instances


class Identities(Protocol):
    """Give the objects of successive frames their ids; used from one thread."""

    def update(self, instances: Instances, frame: RgbdFrame) -> Instances:
        """Return the instances with the ids to publish."""
        ...

    def reset(self) -> str:
        """Start anew and return a sentence about what that did."""
        ...


class PerFrame:
    """Leave the ids as the method gave them: 1..K of each frame, not stable over frames."""

    def update(self, instances: Instances, frame: RgbdFrame) -> Instances:
        """Return the instances as they are."""
        return instances

    def reset(self) -> str:
        """Say that there is nothing to forget."""
        return 'ids are given frame by frame: there were no tracks to forget'
