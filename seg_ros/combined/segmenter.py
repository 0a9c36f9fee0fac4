# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Run two methods on a frame: everything is outlined, what is known is named."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

from seg_ros.combined.combine import combine
from seg_ros.combined.options import CombinedOptions, CombineOptions
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.options import Options
from seg_ros.core.results import Instances
from seg_ros.core.timing import timed
from seg_ros.mask_rcnn.options import MaskRcnnOptions
from seg_ros.mask_rcnn.segmenter import MaskRcnnSegmenter, load_mask_rcnn
from seg_ros.unseen.options import UnseenOptions
from seg_ros.unseen.segmenter import UnseenSegmenter, load_unseen

METHOD = 'combined'


class CombinedSegmenter:
    """Find objects by both methods; built by ``load_combined``.

    ``options`` may be replaced at any time and hold from the next frame on; ``timings`` has the
    seconds of the last frame: unseen_objects, mask_rcnn, combine, total. One thread at a time may
    call ``segment``.
    """

    method = METHOD

    def __init__(
        self, outlines: UnseenSegmenter, names: MaskRcnnSegmenter, options: CombineOptions
    ) -> None:
        """Take the two segmenters."""
        self._outlines, self._names = outlines, names
        self.device = outlines.device
        self.needs_depth = outlines.needs_depth or names.needs_depth
        self.timings: dict[str, float] = {}
        self.options = options

    @property
    def backend(self) -> str:
        """Return what runs the two networks now."""
        return '+'.join(dict.fromkeys((self._outlines.backend, self._names.backend)))

    @property
    def options(self) -> CombineOptions:
        """Return the options in force."""
        return self._options

    @options.setter
    def options(self, options: CombineOptions) -> None:
        self.check_options(options)
        self._names.options = cast(MaskRcnnOptions, options.of('mask_rcnn_'))
        self._outlines.options = cast(UnseenOptions, options.of('unseen_'))
        self._options = options

    def check_options(self, options: CombineOptions) -> None:
        """Raise ValueError for options that the weights cannot serve."""
        if not isinstance(options, CombinedOptions):
            raise ValueError(f'options must be CombinedOptions, got {type(options).__name__}')
        self._names.check_options(cast(MaskRcnnOptions, options.of('mask_rcnn_')))

    def segment(self, frame: RgbdFrame) -> Instances:
        """Return the objects of a frame, the largest first; errors as both methods have them."""
        timings: dict[str, float] = {}
        started = time.perf_counter()
        with timed(timings, 'unseen_objects'):
            outlined = self._outlines.segment(frame)
        with timed(timings, 'mask_rcnn'):
            named = self._names.segment(frame)
        with timed(timings, 'combine'):
            joined = combine(outlined, named, self._options.rules())
        timings['total'] = time.perf_counter() - started
        self.timings = timings
        return joined


def load_combined(
    weights: str | Path = 'default',
    device: str = 'auto',
    backend: str = 'auto',
    options: Options | None = None,
) -> CombinedSegmenter:
    """Build a segmenter; arguments and errors as ``seg_ros.segmenters.load`` has them.

    ``weights`` are those of mask_rcnn, which name things; the option ``unseen_weights`` has the
    others.
    """
    chosen = CombinedOptions() if options is None else options
    if not isinstance(chosen, CombinedOptions):
        raise ValueError(f'options must be CombinedOptions, got {type(chosen).__name__}')
    outlines = load_unseen(chosen.unseen_weights, device, backend, chosen.of('unseen_'))
    names = load_mask_rcnn(weights, device, backend, chosen.of('mask_rcnn_'))
    return CombinedSegmenter(outlines, names, chosen)
