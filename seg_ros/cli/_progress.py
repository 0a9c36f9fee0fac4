# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A progress bar where somebody looks: on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seg_ros.cli._inputs import FrameSource, NamedFrame


def with_progress(source: FrameSource, *, quiet: bool) -> tuple[Iterable[NamedFrame], bool]:
    """Return the frames, under a progress bar on a terminal, and whether each is worth a line.

    Lines and bar exclude each other on one terminal; lines that go elsewhere are kept.
    """
    if quiet or not sys.stderr.isatty():
        return source, not quiet
    return progress_bar(source, total=len(source), unit='frame'), not sys.stdout.isatty()


def progress_bar(iterable: Iterable[Any] | None = None, **options: Any) -> Any:
    """Return a tqdm bar on stderr, disabled where that is no terminal."""
    from tqdm import tqdm

    return tqdm(iterable, file=sys.stderr, disable=None, dynamic_ncols=True, **options)
