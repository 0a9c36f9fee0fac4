# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The road from a frame to its labels: total, stages, and the backends in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from seg_ros.benchmark.frames import FreshFrames
from seg_ros.benchmark.harness import Measurement, Subject, measure
from seg_ros.benchmark.report import Report
from seg_ros.segmenters import Segmenter

TOTAL, BACKENDS = 'Frame to labels', 'Backends'


def subject_of(segmenter: Segmenter, frames: FreshFrames, name: str) -> Subject:
    """Return the subject that segments a fresh frame each time and tells its stages."""
    return Subject(name, segmenter.segment, frames.__getitem__,
                   stages=lambda: dict(segmenter.timings))


def measure_segmenters(
    report: Report,
    named: Sequence[tuple[str, Segmenter]],
    frames: FreshFrames,
    *,
    iterations: int,
    warmup: int,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Measurement]:
    """Add the segmenters, run in turns on the same fresh frames; the first one's stages too."""
    subjects = [subject_of(segmenter, frames, name) for name, segmenter in named]
    measured = measure(subjects, iterations=iterations, warmup=warmup, progress=progress)
    first = measured[0]
    report.add(TOTAL, first, note=f'{named[0][1].backend}, {named[0][1].device}')
    report.add_stages(TOTAL, first)
    report.findings['frames per second'] = 1e3 / report.rows[0].wall_ms.median
    for measurement, (_, segmenter) in zip(measured[1:], named[1:], strict=True):
        report.add(TOTAL, measurement, note=f'{segmenter.backend}, {segmenter.device}')
        report.add_stages(TOTAL, measurement)
    return measured


def measure_backends(
    report: Report,
    load: Callable[[str], Segmenter],
    backends: Sequence[str],
    frames: FreshFrames,
    *,
    iterations: int,
    warmup: int,
    progress: Callable[[str], None] = lambda text: None,
) -> None:
    """Add the network's time by each backend, in turns, with ratios to torch.

    A backend that fell back to torch is named as what it ran on, so that no figure is torch's
    under another name.
    """
    segmenters = {name: load(name) for name in backends}
    subjects = [subject_of(made, frames, name) for name, made in segmenters.items()]
    measured = measure(subjects, iterations=iterations, warmup=warmup, progress=progress)
    network = {
        each.name: Measurement(f'network by {each.name}', each.stages_s['network'])
        for each in measured if 'network' in each.stages_s
    }
    for name, measurement in network.items():
        ran = segmenters[name].backend
        peer = network['torch'] if name != 'torch' and 'torch' in network else None
        report.add(BACKENDS, measurement, peer, note='' if ran == name else f'ran by {ran}')
