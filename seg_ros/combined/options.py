# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The parameters of both methods together: theirs, under their names, and how they join."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from seg_ros.combined.combine import Rules
from seg_ros.core.options import Options, option
from seg_ros.mask_rcnn.options import MaskRcnnOptions
from seg_ros.unseen.options import UnseenOptions

# The options of each method stand under this and their own names.
PREFIXES: dict[str, type[Options]] = {'unseen_': UnseenOptions, 'mask_rcnn_': MaskRcnnOptions}


@dataclass(frozen=True)
class CombineOptions(Options):
    """Hold the parameters of joining two methods; each says what it does."""

    unseen_weights: str = option(
        'default', 'weights of unseen_objects; the parameter weights names those of mask_rcnn',
        live=False)
    match_iou: float = option(
        0.5, 'intersection over union from which two outlines are one object',
        minimum=0.05, maximum=1.0)
    split_merged: bool = option(
        True, 'one outline that several objects of mask_rcnn fill, of known kinds, becomes those')
    join_pieces: bool = option(
        True, 'several outlines that fill one object of mask_rcnn, of a known kind, become that')
    add_named: bool = option(
        True, 'an object of mask_rcnn that nothing outlined is added where it is free')
    min_free: float = option(
        0.9, 'share of such an object that must lie on background', minimum=0.0, maximum=1.0)

    def rules(self) -> Rules:
        """Return how the two are joined."""
        return Rules(**{field.name: getattr(self, field.name)
                        for field in dataclasses.fields(Rules)})

    def of(self, prefix: str) -> Options:
        """Return the options of one method."""
        kind = PREFIXES[prefix]
        return kind(**{spec.name: getattr(self, prefix + spec.name) for spec in kind.specs()})


def prefixed_fields() -> list[tuple[str, Any, Any]]:
    """Return the fields of both methods as ``dataclasses.make_dataclass`` takes them."""
    return [
        (prefix + field.name, field.type,
         dataclasses.field(default=field.default, metadata=dict(field.metadata)))
        for prefix, kind in PREFIXES.items() for field in dataclasses.fields(kind)]


CombinedOptions: type[CombineOptions] = dataclasses.make_dataclass(
    'CombinedOptions', prefixed_fields(), bases=(CombineOptions,), frozen=True)
CombinedOptions.__doc__ = 'Hold the parameters of both methods and of joining them.'
CombinedOptions.__module__ = __name__
