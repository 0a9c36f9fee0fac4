# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""How native threads wait for each other."""

from __future__ import annotations

import os


def wait_passively() -> None:
    """Let idle OpenMP threads sleep; to be called before torch is imported, else without effect.

    They spin by default. Frames come with pauses, other runtimes and other programs share the
    cores: on a loaded machine spinning made clustering over ten times slower, on a quiet one it
    gained nothing. Whoever has set OMP_WAIT_POLICY is left their way.
    """
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
