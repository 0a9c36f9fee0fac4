# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The segmenter protocol and the registry of methods: one line a method."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.options import Options
from seg_ros.core.results import Candidates, Instances, SemanticMap
from seg_ros.threads import wait_passively

DEFAULT_METHOD = 'unseen_objects'


class Segmenter(Protocol):
    """Segment frames; made by ``load``, used from one thread.

    A frame without depth is refused by a segmenter that ``needs_depth``; another one takes frames
    with and without it, in any order: its results have boxes in space where there is depth.
    ``options`` may be replaced between frames; ``timings`` holds the seconds of each stage of the
    last call; ``device`` and ``backend`` say where the network runs.
    """

    method: str
    needs_depth: bool
    options: Any
    device: str
    backend: str
    timings: dict[str, float]

    def segment(self, frame: RgbdFrame) -> Instances | SemanticMap:
        """Return the objects or classes of one frame; ValueError for a frame it cannot take."""
        ...


@runtime_checkable
class ChecksOptions(Protocol):
    """A segmenter whose weights decide which options it can take: names of classes."""

    def check_options(self, options: Any) -> None:
        """Raise ValueError for options that these weights cannot serve."""
        ...


@runtime_checkable
class GivesCandidates(Protocol):
    """A segmenter that detects: COCO's measures are of what it considers, down to low scores."""

    def candidates(self, frame: RgbdFrame, least_score: float = 0.05) -> Candidates:
        """Return all objects from this score on, their masks overlapping; errors as `segment`."""
        ...


@dataclass(frozen=True)
class Method:
    """Describe a method: where its loader and options class are, what it takes and returns.

    ``loader`` and ``options`` are ``module:name``; the loader is called as
    ``loader(weights=, device=, backend=, options=)``. ``result`` is 'instances' or 'semantic'.
    """

    name: str
    loader: str
    options: str
    needs_depth: bool
    result: str
    summary: str


METHODS: dict[str, Method] = {}


def register(method: Method) -> None:
    """Add a method to the registry; ValueError for a name that is taken."""
    if method.name in METHODS:
        raise ValueError(f'method {method.name!r} is registered already')
    METHODS[method.name] = method


def method_named(name: str) -> Method:
    """Return a registered method; ValueError names the known ones."""
    if name not in METHODS:
        raise ValueError(f'unknown method {name!r}: known are {", ".join(sorted(METHODS))}')
    return METHODS[name]


def options_type(name: str) -> type[Options]:
    """Return the options class of a method without loading its network."""
    return cast('type[Options]', _imported(method_named(name).options))


def load(
    method: str = DEFAULT_METHOD,
    weights: str | Path = 'default',
    device: str = 'auto',
    backend: str = 'auto',
    options: Options | None = None,
) -> Segmenter:
    """Build the segmenter of a method.

    ``weights``: 'default' for those that ship with the package, or a file. ``device``: auto, cpu,
    cuda, cuda:N. ``backend``: auto, torch, onnxruntime, openvino. Raises ValueError for a bad
    argument, FileNotFoundError for weights that are not there.
    """
    entry = method_named(method)
    wait_passively()
    chosen = options if options is not None else options_type(method)()
    loader = _imported(entry.loader)
    return cast(
        Segmenter, loader(weights=weights, device=device, backend=backend, options=chosen)
    )


def _imported(place: str) -> Any:
    module, name = place.split(':')
    return getattr(importlib.import_module(module), name)


register(Method(
    name='unseen_objects',
    loader='seg_ros.unseen.segmenter:load_unseen',
    options='seg_ros.unseen.options:UnseenOptions',
    needs_depth=True,
    result='instances',
    summary='Unseen Clustering Network: objects never seen before, from RGB-D',
))
register(Method(
    name='mask_rcnn',
    loader='seg_ros.mask_rcnn.segmenter:load_mask_rcnn',
    options='seg_ros.mask_rcnn.options:MaskRcnnOptions',
    needs_depth=False,
    result='instances',
    summary='Mask R-CNN: objects of known classes, or of any kind, from colour or RGB-D',
))
register(Method(
    name='combined',
    loader='seg_ros.combined.segmenter:load_combined',
    options='seg_ros.combined.options:CombinedOptions',
    needs_depth=True,
    result='instances',
    summary='unseen_objects and mask_rcnn on one frame: all outlined, known things named',
))
register(Method(
    name='semantic',
    loader='seg_ros.semantic.segmenter:load_semantic',
    options='seg_ros.semantic.options:SemanticOptions',
    needs_depth=False,
    result='semantic',
    summary='Semantic segmentation: a class for every pixel, by FCN, DeepLab, U-Net and others',
))
register(Method(
    name='grabcut_crf',
    loader='seg_ros.grabcut.segmenter:load_grabcut',
    options='seg_ros.grabcut.options:GrabCutOptions',
    needs_depth=False,
    result='instances',
    summary='GrabCut: objects that a person marks by a box or strokes, cut out exactly',
))
