# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The inputs together: pairing, and what is missing or does not fit."""

from __future__ import annotations

from typing import Any

from seg_ros.nodes.conversions import stamp_ns
from seg_ros.nodes.inputs import Input
from seg_ros.nodes.node_options import NodeOptions
from seg_ros.nodes.pipeline import Log, Pipeline
from seg_ros.nodes.synchronizer import Pair, PairSynchronizer

_SILENT_S = 2.0
_NO_INFO_S = 5.0


class InputHealth:
    """Pair what the inputs bring, hand it to the pipeline and tell what is wrong with them.

    ``color``, ``depth`` and ``info`` are set once subscribed; the last two stay None for methods
    that need colour only.
    """

    def __init__(self, pipeline: Pipeline, options: NodeOptions, log: Log) -> None:
        self.color: Input | None = None
        self.depth: Input | None = None
        self.info: Input | None = None
        self._pipeline = pipeline
        self._log = log
        self._synchronizer = PairSynchronizer(int(options.sync_slop * 1e9))
        self._resets = 0
        self._said_no_info = False

    def use(self, options: NodeOptions) -> None:
        """Take over changed parameters."""
        self._synchronizer.slop_ns = int(options.sync_slop * 1e9)

    def on_color(self, message: Any) -> None:
        """Take a colour image."""
        stamp = stamp_ns(message.header)
        if not self._pipeline.segmenter.needs_depth:
            self._take(self._synchronizer.add_alone(stamp, message))
            return
        self._take(self._synchronizer.add_color(stamp, message))

    def on_depth(self, message: Any) -> None:
        """Take a depth image."""
        self._take(self._synchronizer.add_depth(stamp_ns(message.header), message))

    def on_info(self, message: Any) -> None:
        """Keep the newest camera_info; it is not synchronised."""
        self._pipeline.camera_info = message

    def look(self) -> None:
        """Match the QoS of publishers that appeared, and warn of what stays away."""
        for source in self._inputs():
            if source.match():
                self._log.info(f'qos {source.topic}',
                               f'{source.topic}: subscribed as {source.reliability_name} now, as '
                               'its publishers are')
        if self._lacks_info() and not self._said_no_info:
            self._said_no_info = True
            self._log.warn('no camera_info', self._no_info_text())
        gap = self._gap_text()
        if gap:
            self._log.warn('gap', gap)

    def problems(self) -> list[str]:
        """Return sentences on what is missing."""
        images = [source for source in (self.color, self.depth) if source is not None]
        texts = [source.trouble() for source in images if source.silence_s() > _SILENT_S]
        if self._lacks_info():
            texts.append(self._no_info_text())
        gap = self._gap_text()
        return texts + ([gap] if gap and not texts else [])

    def drops(self) -> dict[str, int]:
        """Return the messages that found no partner, by reason."""
        return dict(self._synchronizer.drops)

    def values(self) -> dict[str, Any]:
        """Return figures for the diagnostics."""
        values: dict[str, Any] = {}
        for name, source in (('color', self.color), ('depth', self.depth), ('info', self.info)):
            if source is not None:
                values[f'{name}_received'] = source.count
                values[f'{name}_qos'] = source.reliability_name
        if self._synchronizer.last_gap_ns is not None:
            values['sync_gap_ms'] = self._synchronizer.last_gap_ns / 1e6
        values['clock_resets'] = self._synchronizer.resets
        return values

    def destroy(self) -> None:
        """Unsubscribe."""
        for source in self._inputs():
            source.destroy()

    def _inputs(self) -> list[Input]:
        return [s for s in (self.color, self.depth, self.info) if s is not None]

    def _take(self, pair: Pair | None) -> None:
        if self._synchronizer.resets != self._resets:
            self._resets = self._synchronizer.resets
            self._pipeline.clock_jumped()
            self._log.warn('clock', 'stamps jumped back: pairing starts anew')
        if pair is not None:
            self._pipeline.offer(pair)

    def _lacks_info(self) -> bool:
        return self.info is not None and not self.info.count and (
            self.info.silence_s() > _NO_INFO_S)

    def _no_info_text(self) -> str:
        topic = self.info.topic if self.info is not None else ''
        return (f'no camera_info on {topic} for {_NO_INFO_S:g} s: nothing can be segmented '
                'without it; check the remapping of rgb/camera_info')

    def _gap_text(self) -> str:
        gap = self._synchronizer.never_met_gap_ns()
        if gap is None:
            return ''
        return (f'colour and depth stamps never meet: the smallest gap is {gap / 1e6:.0f} ms, '
                f'sync_slop is {self._synchronizer.slop_ns / 1e6:.0f} ms; use aligned depth of '
                'the same camera, let the driver synchronise (enable_sync:=true) or raise '
                'sync_slop')
