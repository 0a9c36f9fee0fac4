# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Load weights into a network that they fit, or say what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

_NAMED = 50  # keys named in an error before '...'


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load a state dict; errors as ``check_fit`` has them.

    ``num_batches_tracked`` may be absent: it plays no part in inference.
    """
    check_fit(network, state, source)
    network.load_state_dict({**network.state_dict(), **state})


def check_fit(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Raise ValueError naming missing, extra or misshapen keys of a state dict (50 at most).

    The network may be on the device meta: before memory is taken for it.
    """
    problems = _differences(network.state_dict(), state)
    if problems:
        shown = '; '.join(problems[:_NAMED]) + ('; ...' if len(problems) > _NAMED else '')
        raise ValueError(
            f'{source} does not fit {type(network).__name__}: {len(problems)} keys differ: '
            f'{shown}')


def _differences(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    problems = [f'missing {key}' for key in expected
                if key not in state and not key.endswith('num_batches_tracked')]
    problems += [f'extra {key}' for key in state if key not in expected]
    for key, value in expected.items():
        found = state.get(key, value)
        if tuple(getattr(found, 'shape', ())) != tuple(value.shape):
            problems.append(
                f'{key} is {tuple(getattr(found, "shape", ()))}, needed {tuple(value.shape)}')
    return problems
