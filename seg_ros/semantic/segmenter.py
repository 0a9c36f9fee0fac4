# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Give every pixel of a frame a class."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seg_ros.backends import compile_network
from seg_ros.backends.device import resolve_device
from seg_ros.core.classes import BACKGROUND
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.options import Options
from seg_ros.core.results import SemanticMap
from seg_ros.core.timing import timed
from seg_ros.crf.dense import warm_up
from seg_ros.crf.dense_refine import refine_probabilities, semantic_crf
from seg_ros.networks.inputs import check_depth, example_inputs, network_size
from seg_ros.networks.preprocessing import network_inputs
from seg_ros.semantic.checkpoint import (
    METHOD,
    LoadedModel,
    check_network,
    load_model,
    weights_of_network,
)
from seg_ros.semantic.model import SemanticModel, check_size
from seg_ros.semantic.options import SemanticOptions
from seg_ros.semantic.winners import enlarged, winning_classes

LOGGER = logging.getLogger(__name__)
# Weights that do not tell the size of their images see frames as they come, up to this area.
UNTOLD_SIZE = (640, 480)

Run = Callable[..., tuple[Tensor, ...]]
Probabilities = npt.NDArray[np.float32]
Refine = Callable[[Probabilities, RgbdFrame], Probabilities]


class SemanticSegmenter:
    """Give every pixel a class by a semantic network; built by ``load_semantic``.

    ``network`` and ``weights_path`` tell what was chosen by 'auto' and 'default', ``class_groups``
    which names of data each class stands for, None where the weights do not tell.
    ``options`` may be replaced at any time and hold from the next frame on; ``timings`` has the
    seconds of the last frame: preprocess, network, refine (where there is one), labels, total.
    One thread at a time may call ``segment``.
    """

    method = METHOD

    def __init__(
        self, loaded: LoadedModel, options: SemanticOptions, *, run: Run, device: str = 'cpu',
        refine: Refine | None = None,
    ) -> None:
        """Take a model, ``run(color, xyz) -> (probabilities,)`` of it and a refinement.

        ``refine`` maps probabilities (L, H, W) float32 of a frame, and the frame, to the same of
        better edges, each sums to one over L; without it the option crf decides.
        """
        self._model: SemanticModel = loaded.model
        self._input_size, self._run, self._refine = loaded.input_size, run, refine
        self.device = device
        self.class_names, self.class_groups = loaded.model.class_names, loaded.class_groups
        self.network, self.weights_path = loaded.model.architecture, loaded.path
        self.needs_depth = loaded.model.uses_depth
        self.timings: dict[str, float] = {}
        self.options = options

    @property
    def backend(self) -> str:
        """Return what runs the network now: a backend that failed was replaced by torch."""
        return str(getattr(self._run, 'name', 'torch'))

    @property
    def options(self) -> SemanticOptions:
        """Return the options in force."""
        return self._options

    @options.setter
    def options(self, options: SemanticOptions) -> None:
        self.check_options(options)
        self._options = options

    def check_options(self, options: SemanticOptions) -> None:
        """Raise ValueError for options that these weights cannot serve."""
        if not isinstance(options, SemanticOptions):
            raise ValueError(f'options must be SemanticOptions, got {type(options).__name__}')
        check_network(options.network, self._model, 'what is loaded')
        if options.min_confidence > 0 and self.class_names[0] != BACKGROUND:
            raise ValueError(
                f'min_confidence makes pixels {BACKGROUND}, which these weights do not know: '
                f'their first class is {self.class_names[0]!r}; set it to 0')

    def segment(self, frame: RgbdFrame) -> SemanticMap:
        """Return the class of each pixel with its probability.

        The probabilities of all classes are there only where a refinement made them at the frame's
        size; ``probabilities`` gives them otherwise. Raises ValueError for an image smaller than
        32x32, for a frame without depth where the weights need it, and for depth that is not in
        metres.
        """
        timings: dict[str, float] = {}
        started = time.perf_counter()
        options = self._options
        found = self._seen(frame, options, timings)
        refined = None
        refine = self._refinement(options)
        if refine is not None:
            with timed(timings, 'refine'):
                found = refined = refine(enlarged(found, frame.shape), frame)
        with timed(timings, 'labels'):
            labels, confidence = winning_classes(found, frame.shape)
            if options.min_confidence > 0:
                labels[confidence < options.min_confidence] = 0
            result = SemanticMap(
                labels, self.class_names, refined, confidence, options.min_confidence)
        timings['total'] = time.perf_counter() - started
        self.timings = timings
        return result

    def probabilities(self, frame: RgbdFrame) -> Probabilities:
        """Return (L, H, W) float32 of all classes, refined; errors as ``segment`` has them."""
        options = self._options
        found = enlarged(self._seen(frame, options, {}), frame.shape)
        refine = self._refinement(options)
        return found if refine is None else refine(found, frame)

    def _refinement(self, options: SemanticOptions) -> Refine | None:
        """Return the refinement given, else that of the option crf."""
        if self._refine is not None or options.crf == 'none':
            return self._refine
        return partial(refine_probabilities, options=options)

    def _seen(
        self, frame: RgbdFrame, options: SemanticOptions, timings: dict[str, float]
    ) -> Probabilities:
        """Return probabilities (L, h, w) at the size that the network sees."""
        check_size(frame.shape[1], frame.shape[0])
        check_depth(frame, self.needs_depth)
        with timed(timings, 'preprocess'):
            color, xyz = network_inputs(
                frame.color, frame.depth if self.needs_depth else None, frame.camera,
                size=self._size_of(frame, options.input_scale),
                preprocessing=self._model.preprocessing)
        with timed(timings, 'network'):
            device = torch.device(self.device)
            found = self._run(color.to(device), xyz.to(device))[0]
            return np.ascontiguousarray(found[0].float().cpu().numpy())

    def _size_of(self, frame: RgbdFrame, scale: float) -> tuple[int, int]:
        camera_size = frame.shape[1], frame.shape[0]
        size = self._input_size
        if size is None:
            is_small = camera_size[0] * camera_size[1] <= UNTOLD_SIZE[0] * UNTOLD_SIZE[1]
            size = camera_size if is_small else UNTOLD_SIZE
        return network_size(camera_size, size, scale)


class ProbabilityNetwork(nn.Module):
    """Return probabilities in place of a model's logits: what backends run."""

    def __init__(self, model: SemanticModel) -> None:
        """Take the model."""
        super().__init__()
        self.model = model

    def forward(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Map preprocessed colour and xyz (B, 3, h, w) to probabilities (B, L, h, w)."""
        return torch.softmax(self.model(color, xyz), dim=1)


def load_semantic(
    weights: str | Path = 'default',
    device: str = 'auto',
    backend: str = 'auto',
    options: Options | None = None,
) -> SemanticSegmenter:
    """Build a segmenter; arguments and errors as ``seg_ros.segmenters.load`` has them.

    ``weights`` may also be torchvision's name of a network, such as 'deeplabv3_resnet50'.
    """
    chosen = SemanticOptions() if options is None else options
    if not isinstance(chosen, SemanticOptions):
        raise ValueError(f'options must be SemanticOptions, got {type(chosen).__name__}')
    place = resolve_device(device)
    loaded = load_model(weights_of_network(chosen.network, weights), chosen.network)
    run = compile_model(loaded.model.to(place), loaded.input_size, backend, place)
    if chosen.crf == 'dense':
        warm_up(semantic_crf(chosen, chosen.crf_depth_m > 0).kernels)
    return SemanticSegmenter(loaded, chosen, run=run, device=str(place))


def compile_model(
    model: SemanticModel, input_size: tuple[int, int] | None, backend: str, device: torch.device
) -> Run:
    """Return what runs a model (eval mode, on the device) to probabilities by a backend.

    A model with the attribute ``exportable`` False runs in torch, whatever is asked for.
    """
    if not model.exportable:
        if backend not in ('auto', 'torch'):
            LOGGER.warning('network %s cannot be exported to %s; torch runs the network',
                           model.architecture, backend)
        backend = 'torch'
    examples = example_inputs(model.preprocessing, input_size or UNTOLD_SIZE)
    return compile_network(
        ProbabilityNetwork(model).eval(), tuple(value.to(device) for value in examples),
        backend=backend, device=device, labelling=most_probable)


def most_probable(outputs: tuple[Tensor, ...]) -> Tensor:
    """Return the classes (B, h, w) of what a network gave: reduced precision is checked by it."""
    return outputs[0].argmax(dim=1)
