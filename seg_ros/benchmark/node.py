# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the node adds to the bare segmenter, and whether its memory grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from seg_ros.benchmark.frames import FreshFrames
from seg_ros.benchmark.harness import Clock, Measurement, spread
from seg_ros.benchmark.process import memory_mib
from seg_ros.benchmark.report import Report
from seg_ros.core.frame import RgbdFrame
from seg_ros.segmenters import Segmenter

SECTION, MEMORY = 'Node', 'Node, memory'
# What the issue of the first release allows the node to add: a share of segment() and a constant.
ALLOWED_SHARE, ALLOWED_MS = 0.10, 5.0
# Frames of a long run: made beforehand, for a fresh one takes longer than the node does.
DIFFERENT_FRAMES = 16


class Probe(Protocol):
    """Send a frame through a running node."""

    def latency_s(self, frame: RgbdFrame, timeout_s: float = 5.0) -> float | None:
        """Return the seconds from publishing a frame to holding its result, None if lost."""
        ...


def measure_latency(
    report: Report,
    probe: Probe,
    segmenter: Segmenter,
    frames: FreshFrames,
    *,
    iterations: int,
    warmup: int,
    clock: Clock | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> None:
    """Add the node's latency and the bare segmenter's time, each frame through both in turn.

    One frame is under way at a time, so nothing queues: the figure is latency below saturation.
    RuntimeError where the node answers none of the frames.
    """
    clock = clock or Clock()
    bare, node = Measurement('bare segment()'), Measurement('node, published to received')
    lost = 0
    for iteration in range(warmup + iterations):
        progress(f'frame {iteration + 1} of {warmup + iterations} through the node')
        frame = frames[iteration]
        latency_s = probe.latency_s(frame)
        before = clock.wall()
        segmenter.segment(frame)
        bare_s = clock.wall() - before
        if iteration < warmup:
            continue
        if latency_s is None:
            lost += 1
            continue
        node.wall_s.append(latency_s)
        bare.wall_s.append(bare_s)
    if not node.wall_s:
        raise RuntimeError(f'the node answered none of {iterations} frames')
    report.add(SECTION, bare, note=segmenter.backend)
    report.add(SECTION, node, note=segmenter.backend)
    report.findings.update(overhead(bare.wall_s, node.wall_s))
    report.findings['frames lost'] = lost


def overhead(bare_s: list[float], node_s: list[float]) -> dict[str, float]:
    """Return what the node adds in milliseconds: medians' difference, paired median, allowance."""
    bare, node = spread(bare_s).scaled(1e3), spread(node_s).scaled(1e3)
    paired = spread([(b - a) * 1e3 for a, b in zip(bare_s, node_s, strict=True)])
    return {
        'node overhead ms, difference of medians': node.median - bare.median,
        'node overhead ms, median of differences': paired.median,
        'node overhead ms, allowed (10 % + 5 ms)': ALLOWED_SHARE * bare.median + ALLOWED_MS,
    }


def measure_memory(
    report: Report,
    probe: Probe,
    pid: int,
    frames: FreshFrames,
    *,
    count: int,
    read: Callable[[int], dict[str, float]] = memory_mib,
    progress: Callable[[str], None] = lambda text: None,
) -> None:
    """Send `count` frames through the node and add its latency and its growth in memory.

    Growth is resident memory after the last frame less that after the first tenth (at most 200
    frames), by when allocators and middleware have taken what they keep.
    """
    settled = max(1, min(200, count // 10))
    sent = [frames[number] for number in range(min(count, DIFFERENT_FRAMES))]
    node, samples, lost = Measurement('node, published to received'), [], 0
    for number in range(1, count + 1):
        latency_s = probe.latency_s(sent[number % len(sent)])
        if latency_s is None:
            lost += 1
        else:
            node.wall_s.append(latency_s)
        if number in (settled, count) or number % 100 == 0:
            samples.append((number, read(pid)))
            progress(f'frame {number} of {count}: {samples[-1][1]["VmRSS"]:.1f} MiB')
    if not node.wall_s:
        raise RuntimeError(f'the node answered none of {count} frames')
    report.add(MEMORY, node)
    start = next(memory for number, memory in samples if number == settled)
    last = samples[-1][1]
    report.findings.update({
        'resident MiB after warm-up': start['VmRSS'], 'resident MiB at the end': last['VmRSS'],
        'growth MiB': last['VmRSS'] - start['VmRSS'], 'peak MiB': last['VmHWM'],
        'frames lost': lost, 'resident MiB by frame': {
            str(number): round(memory['VmRSS'], 1) for number, memory in samples},
    })
