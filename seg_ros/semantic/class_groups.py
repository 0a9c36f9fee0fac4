# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which kinds of things are one class: a table of names, and numbers by names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

IGNORED = 255  # of class images, as PASCAL VOC has it
_IGNORED_KEY = 'ignored'
# The kinds of synthetic scenes by looks and use; 'other' is what has no name in daily life.
COARSE: dict[str, tuple[str, ...]] = {
    'background': ('background',),
    'table': ('table',),
    'box': ('box', 'carton', 'book', 'phone'),
    'can': ('can', 'tin'),
    'bottle': ('bottle', 'jar'),
    'bowl': ('bowl', 'plate', 'pan', 'basket'),
    'cup': ('cup', 'mug', 'pitcher'),
    'tool': ('hammer', 'drill', 'scissors', 'pen', 'cutlery'),
    'fruit': ('fruit', 'banana'),
    'other': ('block', 'superquadric', 'roll', 'compound', 'mesh'),
}
CHOICES = ('auto', 'fine', 'coarse')


@dataclass(frozen=True)
class ClassGroups:
    """Hold classes in their order, each with the names that it stands for.

    ``ignored`` are names of pixels that are neither taught nor scored.
    """

    members: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for no class, more than 255, and a name that stands twice."""
        if not 1 <= len(self.members) <= IGNORED:
            raise ValueError(f'{len(self.members)} classes: 1 to {IGNORED} are accepted')
        every = [name for names in self.members.values() for name in names] + list(self.ignored)
        twice = sorted({name for name in every if every.count(name) > 1})
        if twice:
            raise ValueError(f'{", ".join(twice)}: listed more than once among the classes')

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the classes by number."""
        return tuple(self.members)

    def numbers(self, names: Sequence[str], source: str) -> npt.NDArray[np.uint8]:
        """Return the class (256,) of each number of a data set with these names, 255 ignored.

        A name counts where it is listed, else as the class of that name. ValueError names those
        that no class takes and the ``source``.
        """
        places = {name: place for place, name in enumerate(self.members)}
        places |= {name: places[group] for group, listed in self.members.items()
                   for name in listed}
        places |= dict.fromkeys(self.ignored, IGNORED)
        unknown = [name for name in names if name not in places]
        if unknown:
            raise ValueError(
                f'{source} has classes that none of {", ".join(self.members)} takes: '
                f'{", ".join(unknown)}; list them in a file of classes (classes=FILE.yaml), '
                f'maybe as {_IGNORED_KEY}')
        table = np.full(256, IGNORED, np.uint8)
        table[:len(names)] = [places[name] for name in names]
        table[IGNORED] = IGNORED
        return table


def groups_for(choice: str, names: Sequence[str]) -> ClassGroups:
    """Return the groups of an option for data with these names.

    ``fine``: every name is a class; ``coarse``: the table ``COARSE``; ``auto``: coarse where that
    takes all names, as those of synthetic scenes, else fine. Others are the path of a YAML file,
    class: [names], and maybe ignored: [names]. Errors as ``read_groups``.
    """
    if choice not in CHOICES:
        return read_groups(choice)
    coarse = {name for group in COARSE.values() for name in group}
    if choice == 'coarse' or (choice == 'auto' and set(names) <= coarse):
        return ClassGroups(COARSE)
    return as_they_are(names)


def groups_of_model(choice: str, names: Sequence[str]) -> ClassGroups:
    """Return which names of data each class of a model stands for, in the model's order.

    ``choice`` as of ``groups_for``; ``auto`` is coarse where all the model's classes are among
    those. ValueError where the model has classes that the choice has not.
    """
    if choice == 'fine' or (choice == 'auto' and not set(names) <= set(COARSE)):
        return as_they_are(names)
    groups = ClassGroups(COARSE) if choice in CHOICES else read_groups(choice)
    unknown = [name for name in names if name not in groups.members]
    if unknown:
        raise ValueError(f'classes {choice} lack those of the weights: {", ".join(unknown)}; '
                         'give the classes that they were trained with')
    return ClassGroups({name: groups.members[name] for name in names}, groups.ignored)


def as_they_are(names: Sequence[str]) -> ClassGroups:
    """Return one class for each name; ValueError for names that occur twice."""
    groups = ClassGroups({name: (name,) for name in names})
    if len(groups.members) != len(names):
        raise ValueError(f'{len(names)} classes with {len(groups.members)} different names: '
                         'names must be distinct')
    return groups


def read_groups(path: str | Path) -> ClassGroups:
    """Read a YAML file of classes: a mapping of each, in their order, to a list of names.

    FileNotFoundError names what else is accepted, ValueError a file of another form.
    """
    import yaml

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'classes {str(path)!r} is no file: give {", ".join(CHOICES)} or a YAML file')
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is no YAML: {error}') from None
    if not isinstance(content, dict) or not all(
            isinstance(key, str) and _is_names(value) for key, value in content.items()):
        raise ValueError(f'{path} must map each class to a list of names')
    ignored = tuple(content.pop(_IGNORED_KEY, ()))
    try:
        return ClassGroups({key: tuple(value) for key, value in content.items()}, ignored)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
