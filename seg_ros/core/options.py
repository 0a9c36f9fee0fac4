# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One declaration of a method's parameters, read by the node, the command line and the docs."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, TypeVar

OptionsT = TypeVar('OptionsT', bound='Options')


@dataclass(frozen=True)
class OptionSpec:
    """Describe one option: its type, default, range or choices, and whether it may change live.

    The type ``tuple`` is a row of as many numbers, of the same type, as the default has.
    """

    name: str
    type: type
    default: Any
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] | None = None
    live: bool = True

    def checked(self, value: Any) -> Any:
        """Return the value in the option's type, or raise ValueError naming what is accepted."""
        if self.type is tuple:
            return self._checked_row(value)
        value = self._converted(value)
        if self.choices is not None and value not in self.choices:
            raise ValueError(f'{self.name} is {value!r}, choose one of {", ".join(self.choices)}')
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        if self.type in (int, float) and not low <= value <= high:
            raise ValueError(f'{self.name} is {value}, accepted are {low:g} to {high:g}')
        return value

    @property
    def number(self) -> OptionSpec:
        """Return the specification of one number of a row."""
        return dataclasses.replace(self, type=type(self.default[0]), default=self.default[0])

    def _checked_row(self, value: Any) -> tuple[Any, ...]:
        given = None if isinstance(value, (str, bytes)) else _as_list(value)
        if given is None or len(given) != len(self.default):
            kind = 'whole numbers' if isinstance(self.default[0], int) else 'numbers'
            raise ValueError(f'{self.name} is {value if given is None else given!r}, a list of '
                             f'{len(self.default)} {kind} is accepted')
        return tuple(self.number.checked(number) for number in given)

    def _converted(self, value: Any) -> Any:
        if self.type is bool:
            return _as_bool(self.name, value)
        whole = not isinstance(value, float) or value.is_integer()
        try:
            if isinstance(value, bool) or (self.type is int and not whole):
                raise TypeError
            converted = self.type(value)
        except (TypeError, ValueError):
            raise ValueError(
                f'{self.name} is {value!r}, a value of type {self.type.__name__} is accepted'
            ) from None
        if isinstance(converted, float) and math.isnan(converted):
            raise ValueError(f'{self.name} is NaN, a number is accepted')
        return converted


def _as_list(value: Any) -> list[Any] | None:
    """Return the numbers of a list, tuple or array; None for anything else."""
    try:
        return list(value)
    except TypeError:
        return None


def _as_bool(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {'true': True, 'false': False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError(f'{name} is {value!r}, true or false is accepted')


def option(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
    live: bool = True,
) -> Any:
    """Declare a field of an ``Options`` class; the default's type is the option's type."""
    spec = {
        'description': description,
        'minimum': minimum,
        'maximum': maximum,
        'choices': choices,
        'live': live,
    }
    return dataclasses.field(default=default, metadata=spec)


def borrowed(other: type[Options], name: str) -> Any:
    """Declare a field that is the same option as one of another class."""
    spec = next(field for field in dataclasses.fields(other) if field.name == name)
    return dataclasses.field(default=spec.default, metadata=spec.metadata)


@dataclass(frozen=True)
class Options:
    """Base of a method's options: a frozen dataclass whose fields are made by ``option``.

    Values are checked where an instance is made; ValueError names the option and its range.
    """

    def __post_init__(self) -> None:
        for spec in self.specs():
            object.__setattr__(self, spec.name, spec.checked(getattr(self, spec.name)))

    @classmethod
    def specs(cls) -> tuple[OptionSpec, ...]:
        """Return the specification of every option in the order of declaration."""
        return tuple(
            OptionSpec(name=field.name, type=type(field.default), default=field.default,
                       **field.metadata)
            for field in dataclasses.fields(cls)
        )

    def replaced(self: OptionsT, **values: Any) -> OptionsT:
        """Return a copy with new values; ValueError names an unknown option or a bad value."""
        known = [field.name for field in dataclasses.fields(self)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f'unknown option {", ".join(unknown)}: known are {", ".join(known)}')
        return dataclasses.replace(self, **values)
