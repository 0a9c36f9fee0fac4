# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Loaded models: shared by the nodes of a process, and built anew when their device fails."""

from __future__ import annotations

import contextlib
import gc
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.options import Options
from seg_ros.core.results import Instances, SemanticMap
from seg_ros.nodes.worker import FairWorker
from seg_ros.segmenters import ChecksOptions, Segmenter, load

REBUILD_PERIOD_S = 10.0
# Told by name and text: asking torch for its classes would import it.
_FAILURE_NAMES = {'MemoryError', 'OutOfMemoryError', 'AcceleratorError'}
_FAILURE_TEXT = re.compile(
    r'CUDA(?: driver)? (?:error|failure)|CUDA out of memory|cuDNN error|CUBLAS_STATUS'
    r"|can't allocate memory|failed to allocate memory|bad_alloc|bad allocation", re.IGNORECASE)


class DeviceFailure(RuntimeError):  # noqa: N818 - what it is
    """Tell that a frame was lost because memory or the device failed, not the method."""

    reason = 'device'


def is_device_failure(error: BaseException) -> bool:
    """Return whether an error says that memory ran out or that the device failed."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & _FAILURE_NAMES) or (
        not isinstance(error, ValueError) and bool(_FAILURE_TEXT.search(str(error))))


@dataclass(frozen=True)
class ModelKey:
    """Tell models apart: nodes with equal keys can share one.

    ``fixed`` are the options that a loaded model cannot change.
    """

    method: str
    weights: str
    device: str
    backend: str
    fixed: tuple[tuple[str, Any], ...]

    @classmethod
    def of(
        cls, method: str, weights: str, device: str, backend: str, options: Options
    ) -> ModelKey:
        """Return the key of what ``seg_ros.segmenters.load`` takes."""
        path = Path(weights).expanduser()
        place = str(path.resolve()) if path.exists() else weights
        fixed = tuple((spec.name, getattr(options, spec.name))
                      for spec in options.specs() if not spec.live)
        return cls(method, place, device, backend, fixed)


class SharedModel:
    """Own a segmenter and the one worker thread that may call it.

    A frame that fails for want of memory or by a device error is a ``DeviceFailure``; before the
    next frame the model is built anew, at most every ten seconds. In between the old one is
    tried, if there still is one. Frames are segmented from one thread, the worker's.
    """

    def __init__(
        self, build: Callable[[], Segmenter], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.failure = ''
        self.rebuilds = 0
        self.users = 0
        self._build = build
        self._clock = clock
        self._rebuilt_s = -REBUILD_PERIOD_S
        self._in_force: Options | None = None
        self._segmenter: Segmenter | None = build()
        # What the node asks while there is no segmenter stays what the last one said.
        self.facts = _facts(self._segmenter)
        self.worker = FairWorker()

    def segment(self, frame: RgbdFrame, options: Options) -> Instances | SemanticMap:
        """Segment a frame with a user's options; DeviceFailure where the device failed."""
        segmenter = self._usable(options)
        failed = ''
        try:
            found = segmenter.segment(frame)
        except Exception as error:
            if not is_device_failure(error):
                raise
            failed = f'{type(error).__name__}: {error}'
        if failed:
            # Raised out here so that the error's traceback keeps no tensor alive.
            self.failure = failed
            raise DeviceFailure(failed)
        self.failure = ''
        return found

    def check_options(self, options: Options) -> None:
        """Raise ValueError for options that the loaded weights cannot serve."""
        segmenter = self._segmenter
        if isinstance(segmenter, ChecksOptions):
            segmenter.check_options(options)

    def timings(self) -> dict[str, float]:
        """Return the seconds of the stages of the last call."""
        return self._segmenter.timings if self._segmenter is not None else {}

    def _usable(self, options: Options) -> Segmenter:
        if self.failure and self._clock() - self._rebuilt_s >= REBUILD_PERIOD_S:
            self._rebuild()
        if self._segmenter is None:
            raise DeviceFailure(self.failure)
        if self._in_force is not options:
            self._segmenter.options = options
            self._in_force = options
        return self._segmenter

    def _rebuild(self) -> None:
        self._rebuilt_s = self._clock()
        self._segmenter = self._in_force = None
        _free_memory()
        try:
            self._segmenter = self._build()
        except Exception as error:  # tried again in ten seconds, whatever it was
            self.failure = f'building the model anew failed: {type(error).__name__}: {error}'
            return
        self.facts = _facts(self._segmenter)
        self.rebuilds += 1


def _facts(segmenter: Segmenter) -> dict[str, Any]:
    return {name: getattr(segmenter, name)
            for name in ('method', 'needs_depth', 'device', 'backend')}


def _free_memory() -> None:
    """Give back what the model that is gone held; torch is asked only where it is in use."""
    gc.collect()
    torch = sys.modules.get('torch')
    if torch is not None:
        # A device in an error state refuses this too.
        with contextlib.suppress(Exception):
            torch.cuda.empty_cache()


class SharedSegmenter:
    """Be a node's segmenter on a model that others may use too, with options of its own."""

    def __init__(self, model: SharedModel, options: Options, release: Callable[[], None]) -> None:
        self.options = options
        self.model = model
        self._release = release

    @property
    def method(self) -> str:
        """Return the method's name."""
        return str(self.model.facts['method'])

    @property
    def needs_depth(self) -> bool:
        """Return whether frames without depth are refused."""
        return bool(self.model.facts['needs_depth'])

    @property
    def device(self) -> str:
        """Return where the network runs."""
        return str(self.model.facts['device'])

    @property
    def backend(self) -> str:
        """Return what runs the network."""
        return str(self.model.facts['backend'])

    @property
    def timings(self) -> dict[str, float]:
        """Return the seconds of the stages of the last call."""
        return self.model.timings()

    def segment(self, frame: RgbdFrame) -> Instances | SemanticMap:
        """Return the objects or classes of one frame; errors as ``SharedModel.segment``."""
        return self.model.segment(frame, self.options)

    def check_options(self, options: Options) -> None:
        """Raise ValueError for options that the loaded weights cannot serve."""
        self.model.check_options(options)

    def release(self) -> None:
        """Let go of the model; the last user ends it."""
        self._release()


class ModelPool:
    """Hold the models of a process: equal keys share one, the last user's release ends it."""

    def __init__(self) -> None:
        self._models: dict[ModelKey, SharedModel] = {}
        self._lock = threading.Lock()

    def acquire(
        self, method: str, weights: str, device: str, backend: str, options: Options
    ) -> SharedSegmenter:
        """Return a segmenter on a loaded model, loading it if no one has; errors as ``load``.

        Raises ValueError for options that weights loaded already cannot serve.
        """
        key = ModelKey.of(method, weights, device, backend, options)
        with self._lock:
            if key not in self._models:
                self._models[key] = SharedModel(
                    lambda: load(method, weights, device, backend, options))
            model = self._models[key]
            model.check_options(options)
            model.users += 1
        return SharedSegmenter(model, options, _once(lambda: self._release(key)))

    def _release(self, key: ModelKey) -> None:
        with self._lock:
            model = self._models[key]
            model.users -= 1
            if model.users == 0:
                del self._models[key]
                # Whoever stops a lane has waited for its work already.
                model.worker.stop(timeout_s=0.0)


def _once(action: Callable[[], None]) -> Callable[[], None]:
    waiting = [action]
    return lambda: waiting.pop()() if waiting else None
