# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""GrabCut: colours are learned from labels, labels are found by a minimum cut, in turn.

Rother, Kolmogorov and Blake, "GrabCut", SIGGRAPH 2004; several objects by alpha-expansion.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seg_ros.core.frame import RgbdFrame
from seg_ros.core.options import Options
from seg_ros.core.results import Instances
from seg_ros.core.timing import timed
from seg_ros.crf.color_model import ColorModel, fit_colors
from seg_ros.crf.grid import GridCrf
from seg_ros.crf.pairwise import Pairwise
from seg_ros.crf.unary import Unary
from seg_ros.grabcut.marks import BACKGROUND, UNKNOWN, marks_of, object_numbers, read_scribbles
from seg_ros.grabcut.options import GrabCutOptions

# Labels have settled when fewer pixels than this share change: the colours no longer do.
SETTLED = 1e-4


class GrabCutSegmenter:
    """Cut the marked objects out of the frames of one size; it has no weights."""

    method = 'grabcut_crf'
    needs_depth = False
    device = 'cpu'
    backend = 'numba'

    def __init__(self, options: GrabCutOptions) -> None:
        self.options = options
        self.timings: dict[str, float] = {}
        self._read: tuple[str, npt.NDArray[np.uint8]] | None = None

    def segment(self, frame: RgbdFrame) -> Instances:
        """Return the marked objects under their ids; ValueError for marks that do not fit."""
        timings: dict[str, float] = {}
        started = time.perf_counter()
        marks = marks_of(frame.shape, self.options.box, self._scribbles())
        numbers = object_numbers(marks) or [1]
        with timed(timings, 'cut'):
            labels = cut_out(frame.color, marks, numbers, self.options)
        timings['total'] = time.perf_counter() - started
        self.timings = timings
        instances = Instances(
            labels, np.ones(len(numbers), np.float32), np.zeros(len(numbers), np.int32),
            np.array(numbers, np.int32))
        return instances[instances.areas() > 0]

    def _scribbles(self) -> npt.NDArray[np.uint8] | None:
        path = self.options.scribbles
        if not path:
            return None
        if self._read is None or self._read[0] != path:
            self._read = path, read_scribbles(path)
        return self._read[1]


def cut_out(
    image: npt.NDArray[np.uint8], marks: npt.NDArray[np.uint8], numbers: list[int],
    options: GrabCutOptions,
) -> npt.NDArray[np.int32]:
    """Return labels (H, W): 0 background, k the object numbers[k - 1].

    ``marks`` as ``marks_of`` returns them: marked pixels keep their label. Where one object has
    no stroke, what is not marked is taken for it at first.
    """
    known = known_labels(marks, numbers)
    labels = np.where(known < 0, 1, known) if not (known > 0).any() else known
    pairwise = Pairwise.contrast_sensitive(image, 0.0, options.smoothness)
    for _ in range(options.rounds):
        models = [_colors_of(image, labels == label, known == label, options)
                  for label in range(len(numbers) + 1)]
        unary = with_known(Unary.from_colors(image, models), known, options.smoothness)
        crf = GridCrf(unary, pairwise, 8)
        found = crf.map('min_cut' if len(models) == 2 else 'alpha_expansion').labels
        changed, labels = (found != labels).mean(), found
        if changed < SETTLED:
            break
    return labels


def known_labels(marks: npt.NDArray[np.uint8], numbers: list[int]) -> npt.NDArray[np.int32]:
    """Return labels (H, W) of marks, -1 where there is none."""
    table = np.zeros(256, np.int32)
    table[UNKNOWN], table[BACKGROUND] = -1, 0
    table[numbers] = np.arange(1, len(numbers) + 1)
    return table[marks]


def _colors_of(
    image: npt.NDArray[np.uint8], labelled: npt.NDArray[np.bool_],
    marked: npt.NDArray[np.bool_], options: GrabCutOptions,
) -> ColorModel:
    """Learn the colours of a label; of what is marked, or of all, where nothing is left of it."""
    for pixels in (labelled, marked):
        if pixels.any():
            return fit_colors(image[pixels], components=options.components)
    return fit_colors(image.reshape(-1, image.shape[2]), components=options.components)


def with_known(unary: Unary, known: npt.NDArray[np.int32], smoothness: float) -> Unary:
    """Return costs that no border outweighs for another label than the known one."""
    costs = unary.costs.copy()
    # eight neighbours of full weight are below this
    costs[known >= 0] = np.float32(10 * smoothness + 10)
    rows, columns = np.nonzero(known >= 0)
    costs[rows, columns, known[rows, columns]] = 0
    return Unary(costs)


def load_grabcut(
    weights: str | Path = 'default', device: str = 'auto', backend: str = 'auto',
    options: Options | None = None,
) -> GrabCutSegmenter:
    """Build a segmenter; arguments as ``seg_ros.segmenters.load`` has them.

    It has neither weights nor network: ValueError for weights and devices other than the CPU,
    ImportError without numba. ``backend`` has no meaning here.
    """
    if str(weights) not in ('', 'default'):
        raise ValueError(f'weights {weights}: grabcut_crf has none, leave them out')
    if device not in ('auto', 'cpu'):
        raise ValueError(f'device is {device!r}: grabcut_crf runs on the CPU, auto or cpu')
    chosen = GrabCutOptions() if options is None else options
    if not isinstance(chosen, GrabCutOptions):
        raise ValueError(f'options must be GrabCutOptions, got {type(chosen).__name__}')
    # tells what is missing now, not at the first frame
    import seg_ros.crf.grid_moves  # noqa: F401

    return GrabCutSegmenter(chosen)
