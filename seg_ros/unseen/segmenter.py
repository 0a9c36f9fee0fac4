# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Segment objects never seen before: frame in, instances out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seg_ros.backends import compile_network
from seg_ros.backends.device import resolve_device
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.options import Options
from seg_ros.core.results import Instances
from seg_ros.core.timing import timed
from seg_ros.crf.dense import warm_up
from seg_ros.crf.dense_refine import instance_crf, refine_instances
from seg_ros.networks.inputs import check_depth, example_inputs, network_size
from seg_ros.networks.preprocessing import Preprocessing, network_inputs
from seg_ros.unseen.checkpoint import LoadedNetwork, network_of_weights
from seg_ros.unseen.clustering import (
    ClusterMaps,
    ShiftDefaults,
    cluster_maps,
    confidence_of,
    labels_of,
)
from seg_ros.unseen.focus import Box, both_looks, placed, scene_box
from seg_ros.unseen.options import UnseenOptions
from seg_ros.unseen.refinement import instances_of, min_area_px, pasted, pieces, refined
from seg_ros.unseen.zoom import Crop, far_to_near, kept_regions, make_crops
from seg_ros.weights import load_weights

METHOD = 'unseen_objects'
# The published network's as published. The small one's were chosen on 170 synthetic validation
# frames: F .868 there, .862 with 10 and 0.04, .864 with 13 and 0.15.
SHIFT_DEFAULTS = {
    'ucn_small': ShiftDefaults(kappa=13.0, connect_distance=0.2),
    'ucn_resnet34': ShiftDefaults(kappa=20.0, connect_distance=0.04),
}
# Crops that go through the network at once: more save little and take memory.
ZOOM_BATCH = 8
# The fusion of which weights of its own ship: the default ones where it is asked for.
COLOR_ONLY = 'color'
# Of the default weights, trained to do without colour now and then: they see none.
DEPTH_ONLY = 'depth'


@dataclass(frozen=True, eq=False)
class Stage:
    """Hold a network ready to run: ``run(color, xyz)`` returns its outputs for a batch."""

    run: Callable[..., tuple[Tensor, ...]]
    preprocessing: Preprocessing
    input_size: tuple[int, int]
    defaults: ShiftDefaults
    fusion: str


class UnseenSegmenter:
    """Find objects by an Unseen Clustering Network; built by ``load_unseen``.

    ``options`` may be replaced at any time and hold from the next frame on; ``timings`` has the
    seconds of the last frame: preprocess, network, clustering, refine, zoom, crf, total. One
    thread at a time may call ``segment``.
    """

    method = METHOD

    def __init__(
        self,
        stage: Stage,
        options: UnseenOptions,
        *,
        zoom_stage: Stage | None = None,
        device: str = 'cpu',
    ) -> None:
        """Take stages that are ready to run; the second stage's default is the first's."""
        self._stage = stage
        self._zoom_stage = zoom_stage or stage
        self.device = device
        self.needs_depth = stage.fusion != 'color'
        self.timings: dict[str, float] = {}
        self.options = options

    @property
    def backend(self) -> str:
        """Return what runs the network now: a backend that failed was replaced by torch."""
        return str(getattr(self._stage.run, 'name', 'torch'))

    @property
    def options(self) -> UnseenOptions:
        """Return the options in force."""
        return self._options

    @options.setter
    def options(self, options: UnseenOptions) -> None:
        if not isinstance(options, UnseenOptions):
            raise ValueError(f'options must be UnseenOptions, got {type(options).__name__}')
        self._options = options

    def segment(self, frame: RgbdFrame) -> Instances:
        """Return the objects of a frame, the largest first; ids are 1..K.

        A score is the mean over the object's pixels of the foreground probability times the
        cosine with the cluster's mode. Raises ValueError for a frame without depth where the
        network needs it, for depth without a valid pixel, and for depth that is not in metres.
        """
        options = self._options
        check_depth(frame, self.needs_depth)
        timings: dict[str, float] = {}
        started = time.perf_counter()
        result = self._first_stage(frame, options, timings)
        if options.zoom == 'objects' and len(result):
            with timed(timings, 'zoom'):
                result = self._second_stage(frame, result, options)
        if options.refine == 'crf' and len(result):
            with timed(timings, 'crf'):
                result = refine_instances(frame, result, options)
        timings['total'] = time.perf_counter() - started
        self.timings = timings
        return result

    def _first_stage(
        self, frame: RgbdFrame, options: UnseenOptions, timings: dict[str, float]
    ) -> Instances:
        box, xyz, outputs = self._outputs(frame, options, timings)
        size = box[2] - box[0], box[3] - box[1]
        with timed(timings, 'clustering'):
            share = outputs[0][0, 0].numel() / (size[0] * size[1])
            maps = self._cluster(
                self._stage, outputs, 0, self._points(frame, xyz[0], outputs[0]), options,
                0.25 * min_area_px(options.min_area, frame.shape) * share)
            labels, confidence = (
                placed(image, box, frame.shape)
                for image in (labels_of(maps, size, options.foreground_threshold),
                              confidence_of(maps, size)))
        with timed(timings, 'refine'):
            return refined(labels, confidence, frame, options)

    def _outputs(
        self, frame: RgbdFrame, options: UnseenOptions, timings: dict[str, float]
    ) -> tuple[Box, Tensor, tuple[Tensor, ...]]:
        """Look at the whole frame and, where it pays, at the part that holds the objects.

        Returns the part (x1, y1, x2, y2) last looked at, the XYZ that the network was given of it,
        and what the network makes of it.
        """
        whole = (0, 0, frame.shape[1], frame.shape[0])
        xyz, first = self._look(frame, whole, options, timings)
        by_head = len(first) > 1 and options.background in ('auto', 'foreground_head')
        if options.zoom != 'scene' or not by_head:
            return whole, xyz, first
        foreground = torch.sigmoid(first[1][0, 0]).float().cpu().numpy()
        box = scene_box(foreground, frame.shape, options)
        if box == whole:
            return whole, xyz, first
        xyz, second = self._look(frame, box, options, timings)
        return box, xyz, both_looks(first, second, box, frame.shape)

    def _look(
        self, frame: RgbdFrame, box: Box, options: UnseenOptions, timings: dict[str, float]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run the first stage's network on a part of the frame."""
        with timed(timings, 'preprocess'):
            x1, y1, x2, y2 = box
            depth = None if frame.depth is None else frame.depth[y1:y2, x1:x2]
            camera = None if frame.camera is None else frame.camera.cropped(box)
            color, xyz = network_inputs(
                frame.color[y1:y2, x1:x2], depth, camera,
                size=network_size(frame.shape[::-1], self._stage.input_size, options.input_scale),
                preprocessing=self._stage.preprocessing)
        with timed(timings, 'network'):
            return xyz, self._run(self._stage, color, xyz)

    def _run(self, stage: Stage, color: Tensor, xyz: Tensor) -> tuple[Tensor, ...]:
        device = torch.device(self.device)
        return stage.run(color.to(device), xyz.to(device))

    def _cluster(
        self, stage: Stage, outputs: tuple[Tensor, ...], index: int,
        points: Callable[[], npt.NDArray[np.float32]] | None, options: UnseenOptions,
        min_pixels: float,
    ) -> ClusterMaps:
        heads = [logits[index, 0] for logits in outputs[1:]]
        logits, contact, *_ = *heads, None, None
        with torch.no_grad():
            return cluster_maps(
                outputs[0][index], logits, points, options, defaults=stage.defaults,
                min_pixels=min_pixels, contact=contact)

    @staticmethod
    def _points(
        frame: RgbdFrame, xyz: Tensor, embedding: Tensor
    ) -> Callable[[], npt.NDArray[np.float32]] | None:
        if frame.depth is None or not np.isfinite(frame.depth).any():
            return None
        return partial(points_at_output, xyz, embedding)

    def _second_stage(
        self, frame: RgbdFrame, first: Instances, options: UnseenOptions
    ) -> Instances:
        stage = self._zoom_stage
        crops = make_crops(frame, first, options.zoom_size, stage.preprocessing)
        min_area = min_area_px(options.min_area, frame.shape)
        regions = []
        confidence = np.zeros(frame.shape, np.float32)
        for crop, maps in self._cluster_crops(frame, crops, options):
            labels = labels_of(maps, crop.size, options.foreground_threshold)
            regions += kept_regions(crop, labels, min_area)
            x1, y1, x2, y2 = crop.box
            window = confidence[y1:y2, x1:x2]
            np.maximum(window, confidence_of(maps, crop.size), out=window)
        pasted_labels = pasted(far_to_near(regions, frame.depth), frame.shape)
        visible = [piece for label in range(1, len(regions) + 1)
                   for piece in pieces((pasted_labels == label).view(np.uint8), min_area, 0.5)]
        return instances_of(visible, confidence, options.score_threshold)

    def _cluster_crops(
        self, frame: RgbdFrame, crops: list[Crop], options: UnseenOptions
    ) -> Iterator[tuple[Crop, ClusterMaps]]:
        for start in range(0, len(crops), ZOOM_BATCH):
            batch = crops[start:start + ZOOM_BATCH]
            color = torch.from_numpy(np.stack([crop.color for crop in batch]))
            xyz = torch.from_numpy(np.stack([crop.xyz for crop in batch]))
            outputs = self._run(self._zoom_stage, color, xyz)
            for index, crop in enumerate(batch):
                points = self._points(frame, xyz[index], outputs[0])
                yield crop, self._cluster(
                    self._zoom_stage, outputs, index, points, options, 0.0)


def load_unseen(
    weights: str | Path = 'default',
    device: str = 'auto',
    backend: str = 'auto',
    options: Options | None = None,
) -> UnseenSegmenter:
    """Build a segmenter; arguments and errors as ``seg_ros.segmenters.load`` has them."""
    chosen = UnseenOptions() if options is None else options
    if not isinstance(chosen, UnseenOptions):
        raise ValueError(f'options must be UnseenOptions, got {type(chosen).__name__}')
    place = resolve_device(device)
    fusion = None if chosen.fusion == 'auto' else chosen.fusion
    loaded = _first_network(weights, fusion)
    stage = _compiled(loaded, loaded.input_size, place, backend)
    zoom_stage = None
    if chosen.zoom_weights:
        second = network_of_weights(load_weights(chosen.zoom_weights, method=METHOD), fusion)
        side = chosen.zoom_size
        zoom_stage = _compiled(second, (side, side), place, backend)
    if chosen.refine == 'crf':
        warm_up(instance_crf(chosen, chosen.refine_depth_m > 0).kernels)
    return UnseenSegmenter(stage, chosen, zoom_stage=zoom_stage, device=str(place))


def _first_network(weights: str | Path, fusion: str | None) -> LoadedNetwork:
    """Return the network of weights; of the default ones that for colour or depth alone."""
    if str(weights) == DEPTH_ONLY:
        weights, fusion = 'default', DEPTH_ONLY
    is_default = str(weights) in ('', 'default')
    if is_default and fusion == DEPTH_ONLY:
        loaded = network_of_weights(load_weights(method=METHOD))
        return replace(
            loaded, network=WithoutColor(loaded.network).eval(), fusion=DEPTH_ONLY)
    name = COLOR_ONLY if is_default and fusion == COLOR_ONLY else weights
    return network_of_weights(load_weights(name, method=METHOD), fusion)


class WithoutColor(nn.Module):
    """Show a network of colour and depth no colour, as in the part of its training without."""

    def __init__(self, network: nn.Module) -> None:
        """Take the network."""
        super().__init__()
        self.network = network

    def forward(self, color: Tensor, xyz: Tensor) -> tuple[Tensor, ...]:
        """Return the network's outputs for xyz (B, 3, h, w); ``color`` is not looked at."""
        found: tuple[Tensor, ...] = self.network(torch.zeros_like(color), xyz)
        return found


def _compiled(
    loaded: LoadedNetwork, size: tuple[int, int], device: torch.device, backend: str
) -> Stage:
    network = loaded.network.to(device)
    examples = example_inputs(loaded.preprocessing, size)
    runner = compile_network(
        network, tuple(value.to(device) for value in examples), backend=backend,
        device=device)
    return Stage(runner, loaded.preprocessing, loaded.input_size,
                 SHIFT_DEFAULTS[loaded.architecture], loaded.fusion)


def points_at_output(xyz: Tensor, embedding: Tensor) -> npt.NDArray[np.float32]:
    """Return points (h, w, 3) at the output's size from the input XYZ (3, H, W), NaN = none."""
    stride = max(1, xyz.shape[1] // embedding.shape[2])
    points = xyz[:, ::stride, ::stride].permute(1, 2, 0).numpy().copy()
    points[points[..., 2] <= 0] = np.nan
    return points
