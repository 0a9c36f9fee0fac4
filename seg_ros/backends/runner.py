# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The call that every method makes: tensors in, tensors out, torch where the engine fails."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from torch import Tensor

from seg_ros.backends.base import Engine, first_line

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Built:
    """Hold an engine that agreed with torch, what it is, and the sizes it was seen to serve."""

    engine: Engine
    name: str
    precision: str
    agreement: str
    any_size: bool


class Runner:
    """Run a compiled network: `runner(*tensors) -> tuple of tensors`, float32, on `device`.

    `name` is the backend in use, `precision` its arithmetic, `reason` why it was chosen. An
    engine that fails at run time is replaced by torch for good, with a warning. Where an engine
    serves only the size it was built for, torch takes the other sizes, with one warning.
    """

    def __init__(
        self, built: Built, eager: Engine, device: str, reason: str,
        example_shapes: tuple[tuple[int, ...], ...],
    ) -> None:
        self._engine, self._eager = built.engine, eager
        self._any_size, self._shapes = built.any_size, example_shapes
        self._warned_of_size = False
        self.name, self.precision = built.name, built.precision
        self.device, self.reason = device, reason

    def __repr__(self) -> str:
        return f'Runner({self.name}, {self.precision}, {self.device}: {self.reason})'

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs; ValueError for another number or rank of tensors than at build."""
        self._check(tensors)
        if not self._any_size and self._other_size(tensors):
            return self._eager.run(tensors)
        try:
            return self._engine.run(tensors)
        except Exception as error:  # each runtime raises classes of its own
            if self.name == 'torch':
                raise
            return self._fall_back(tensors, error)

    def _fall_back(self, tensors: tuple[Tensor, ...], error: Exception) -> tuple[Tensor, ...]:
        # Torch first: inputs that torch refuses as well are the caller's fault, not the engine's.
        outputs = self._eager.run(tensors)
        self.reason = f'{self.name} failed while running: {first_line(error)}'
        LOGGER.warning('%s; torch runs the network from now on', self.reason)
        self._engine, self.name, self.precision = self._eager, 'torch', 'fp32'
        self._any_size = True
        return outputs

    def _check(self, tensors: tuple[Tensor, ...]) -> None:
        expected = [len(shape) for shape in self._shapes]
        found = [value.ndim for value in tensors]
        if found != expected:
            raise ValueError(
                f'{len(found)} tensors of ranks {found} came; the network was built for '
                f'{len(expected)} of ranks {expected}'
            )

    def _other_size(self, tensors: tuple[Tensor, ...]) -> bool:
        shapes = tuple(tuple(value.shape) for value in tensors)
        if shapes == self._shapes:
            return False
        if not self._warned_of_size:
            LOGGER.warning(
                '%s runs this network at %s only; torch runs it at %s',
                self.name, self._shapes, shapes)
            self._warned_of_size = True
        return True
