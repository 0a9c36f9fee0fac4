# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Find objects of known classes, or of one class for all, by Mask R-CNN."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seg_ros.backends.device import resolve_device
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.options import Options
from seg_ros.core.results import Candidates, Instances
from seg_ros.core.timing import timed
from seg_ros.crf.dense import warm_up
from seg_ros.crf.dense_refine import instance_crf, refine_instances
from seg_ros.mask_rcnn.checkpoint import (
    METHOD,
    LoadedDetector,
    aggregation_for,
    detector_weights,
    load_detector,
    use_roi,
)
from seg_ros.mask_rcnn.compiled import Run, compile_detector
from seg_ros.mask_rcnn.detections import Detections
from seg_ros.mask_rcnn.options import MaskRcnnOptions
from seg_ros.networks.inputs import check_depth, example_inputs, network_size
from seg_ros.networks.preprocessing import SMALL, network_inputs

# Detections of all classes, of which the wanted ones are taken.
MANY = 1000


class MaskRcnnSegmenter:
    """Find objects by Mask R-CNN; built by ``load_mask_rcnn``.

    ``options`` may be replaced at any time and hold from the next frame on; ``timings`` has the
    seconds of the last frame: preprocess, network, paste, crf, total. One thread at a time may
    call ``segment``.
    """

    method = METHOD

    def __init__(
        self, loaded: LoadedDetector, options: MaskRcnnOptions, *, runs: list[Run],
        device: str = 'cpu',
    ) -> None:
        """Take a detector whose parts are compiled, and their runners."""
        self._loaded, self._runs = loaded, runs
        self.device = device
        self.class_names = loaded.class_names
        self.needs_depth = loaded.fusion != 'color'
        self.timings: dict[str, float] = {}
        transform = loaded.model.transform
        self._base_sides = (None if loaded.input_size is not None
                            else (transform.min_size[0], transform.max_size))
        self.options = options

    @property
    def backend(self) -> str:
        """Return what runs the backbone now: a backend that failed was replaced by torch."""
        return str(getattr(self._runs[0], 'name', 'torch')) if self._runs else 'torch'

    @property
    def options(self) -> MaskRcnnOptions:
        """Return the options in force."""
        return self._options

    @options.setter
    def options(self, options: MaskRcnnOptions) -> None:
        self._wanted = self.check_options(options)
        heads = self._loaded.model.roi_heads
        heads.score_thresh = options.score_threshold
        heads.nms_thresh = options.nms_threshold
        # Those of other classes must not use up the number.
        heads.detections_per_img = options.max_objects if self._wanted is None else MANY
        if self._base_sides is not None:
            low, high = (round(side * options.input_scale) for side in self._base_sides)
            self._loaded.model.transform.min_size = (low,)
            self._loaded.model.transform.max_size = high
        self._options = options

    def check_options(self, options: MaskRcnnOptions) -> npt.NDArray[np.int32] | None:
        """Return the indices of the classes wanted; ValueError for names that no class has."""
        if not isinstance(options, MaskRcnnOptions):
            raise ValueError(f'options must be MaskRcnnOptions, got {type(options).__name__}')
        return wanted_classes(options.classes, self.class_names)

    def segment(self, frame: RgbdFrame) -> Instances:
        """Return the objects of a frame by falling score; ids are 1..K.

        Raises ValueError for a frame without depth where the weights need it, and for depth that
        is not in metres.
        """
        timings: dict[str, float] = {}
        started = time.perf_counter()
        found = self.detect(frame, timings)
        with timed(timings, 'paste'):
            result = found.instances(
                frame.shape, self.class_names, threshold=self._options.mask_threshold,
                min_visible=self._options.min_visible)
        if self._options.refine == 'crf' and len(result):
            with timed(timings, 'crf'):
                result = refine_instances(frame, result, self._options)
        timings['total'] = time.perf_counter() - started
        self.timings = timings
        return result

    def candidates(self, frame: RgbdFrame, least_score: float = 0.05) -> Candidates:
        """Return the objects of a frame from this score on, by falling score, masks overlapping.

        The option score_threshold plays no part; errors as ``segment`` has them.
        """
        heads = self._loaded.model.roi_heads
        heads.score_thresh = least_score
        try:
            found = self.detect(frame)
        finally:
            heads.score_thresh = self._options.score_threshold
        return found.candidates(frame.shape, self.class_names, self._options.mask_threshold)

    def detect(self, frame: RgbdFrame, timings: dict[str, float] | None = None) -> Detections:
        """Return boxes with their masks, which may overlap; errors as ``segment`` has them."""
        timings = {} if timings is None else timings
        check_depth(frame, self.needs_depth)
        with timed(timings, 'preprocess'):
            image = self._input(frame)
        with timed(timings, 'network'), torch.inference_mode():
            output = self._loaded.model([image.to(self.device)])[0]
        own_scale = self._loaded.input_size is None  # torchvision's leads boxes to the frame
        found = Detections.of_output(
            output, (1.0, 1.0) if own_scale else np.divide(frame.shape[::-1], image.shape[:0:-1]))
        if self._wanted is None:
            return found
        rows = np.flatnonzero(np.isin(found.class_ids, self._wanted))
        return found[rows[:self._options.max_objects]]

    def _input(self, frame: RgbdFrame) -> Tensor:
        """Return the image as the detector takes it: six planes, or colours of 0 to 1."""
        loaded = self._loaded
        if loaded.input_size is None or loaded.preprocessing is None:
            return torch.from_numpy(frame.color.transpose(2, 0, 1) / np.float32(255))
        size = network_size(frame.shape[::-1], loaded.input_size, self._options.input_scale)
        color, xyz = network_inputs(
            frame.color, frame.depth if self.needs_depth else None, frame.camera, size=size,
            preprocessing=loaded.preprocessing)
        return torch.cat([color, xyz], dim=1)[0]


def wanted_classes(
    text: str, class_names: tuple[str, ...]
) -> npt.NDArray[np.int32] | None:
    """Return the indices of names separated by commas, None for all; ValueError for unknown."""
    names = [name.strip() for name in text.split(',') if name.strip()]
    if not names:
        return None
    unknown = [name for name in names if name not in class_names]
    if unknown:
        known = ', '.join(class_names[:20]) + (', ...' if len(class_names) > 20 else '')
        raise ValueError(f'classes: {", ".join(unknown)} unknown; these weights know {known}')
    return np.array(
        [index for index, name in enumerate(class_names) if name in names], np.int32)


def load_mask_rcnn(
    weights: str | Path = 'default',
    device: str = 'auto',
    backend: str = 'auto',
    options: Options | None = None,
) -> MaskRcnnSegmenter:
    """Build a segmenter; arguments and errors as ``seg_ros.segmenters.load`` has them.

    ``weights`` may also be 'coco' or 'coco_v2', torchvision's.
    """
    chosen = MaskRcnnOptions() if options is None else options
    if not isinstance(chosen, MaskRcnnOptions):
        raise ValueError(f'options must be MaskRcnnOptions, got {type(chosen).__name__}')
    place = resolve_device(device)
    loaded = load_detector(detector_weights(weights))
    if (chosen.roi, chosen.roi_aggregation) != ('auto', 'auto'):
        use_roi(loaded.model, *chosen_roi(loaded.roi, chosen))
    loaded.model.to(place)
    runs = compile_detector(loaded.model, example_images(loaded).to(place), backend, place)
    if chosen.refine == 'crf':
        warm_up(instance_crf(chosen, chosen.refine_depth_m > 0).kernels)
    return MaskRcnnSegmenter(loaded, chosen, runs=runs, device=str(place))


def chosen_roi(trained: tuple[str, str], options: MaskRcnnOptions) -> tuple[str, str]:
    """Return operator and aggregation: as told, else as the weights were trained."""
    operator = trained[0] if options.roi == 'auto' else options.roi
    if options.roi_aggregation == 'auto' and operator == trained[0]:
        return trained
    return operator, aggregation_for(operator, options.roi_aggregation)


def example_images(loaded: LoadedDetector) -> Tensor:
    """Return images (1, C, h, w) of a made-up scene, as the backbone sees them."""
    if loaded.input_size is not None and loaded.preprocessing is not None:
        return torch.cat(example_inputs(loaded.preprocessing, loaded.input_size), dim=1)
    color, _ = example_inputs(SMALL, (640, 480))
    return loaded.model.transform([color[0] * 0.25 + 0.5])[0].tensors
