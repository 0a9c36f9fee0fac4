# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Compile the loops of the solvers, or say what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

try:
    from numba import njit
except ImportError as error:
    raise ImportError(
        'this solver of the grid CRF needs numba, which is not installed: '
        "pip install 'seg_ros[crf]' (without it there are brute_force and energy)"
    ) from error

FunctionT = TypeVar('FunctionT', bound=Callable[..., Any])

# No NaN comes in, so that minima may be taken several at a time; sums may be regrouped.
_FAST = {'nnan', 'nsz', 'contract', 'reassoc', 'arcp'}


def compiled(function: FunctionT) -> FunctionT:
    """Compile a function for the types it is called with; the GIL is released inside.

    The result is kept beside the source, or in numba's folder of the user where that is read-only
    (NUMBA_CACHE_DIR chooses another). Numba sees no change of another file: what a function calls
    must stand in its own.
    """
    made = njit(cache=True, nogil=True, error_model='numpy', fastmath=_FAST)(function)
    return cast(FunctionT, made)
