# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The inputs together: pairing, and what is missing or does not fit."""

from __future__ import annotations

from typing import Any

from seg_ros.nodes.conversions import stamp_ns
from seg_ros.nodes.inputs import Input
from seg_ros.nodes.node_options import NodeOptions
from seg_ros.nodes.optional_depth import DepthUse, PatientSynchronizer
from seg_ros.nodes.pipeline import Log, Pipeline
from seg_ros.nodes.synchronizer import Pair, PairSynchronizer

_SILENT_S = 2.0
_NO_INFO_S = 5.0


class InputHealth:
    """Pair what the inputs bring, hand it to the pipeline and tell what is wrong with them.

    ``color``, ``depth`` and ``info`` are set once subscribed; the last two stay None where depth
    is ignored.
    """

    def __init__(
        self, pipeline: Pipeline, options: NodeOptions, log: Log, use: DepthUse = 'required'
    ) -> None:
        self.color: Input | None = None
        self.depth: Input | None = None
        self.info: Input | None = None
        self._pipeline = pipeline
        self._log = log
        slop_ns = int(options.sync_slop * 1e9)
        self._patient = None if use != 'optional' else PatientSynchronizer(
            slop_ns, options.depth_timeout, is_waiting=True)
        self._synchronizer = self._patient or PairSynchronizer(slop_ns)
        self._resets = 0
        self._said_no_info = False
        self._said_alone = False
        self._depth_is_published = True

    def use(self, options: NodeOptions) -> None:
        """Take over changed parameters."""
        self._synchronizer.slop_ns = int(options.sync_slop * 1e9)
        if self._patient is not None:
            self._patient.patience_s = options.depth_timeout

    def on_color(self, message: Any) -> None:
        """Take a colour image."""
        stamp = stamp_ns(message.header)
        if self.depth is None:
            self._take(self._synchronizer.add_alone(stamp, message))
            return
        self._take(self._synchronizer.add_color(stamp, message))

    def on_depth(self, message: Any) -> None:
        """Take a depth image."""
        self._take(self._synchronizer.add_depth(stamp_ns(message.header), message))

    def on_info(self, message: Any) -> None:
        """Keep the newest camera_info; it is not synchronised."""
        self._pipeline.camera_info = message

    def pass_on_overdue(self) -> None:
        """Pass on a colour image that has waited too long for depth that is optional."""
        if self._patient is None or self.depth is None:
            return
        is_published = self.depth.publishers > 0
        if is_published is not self._depth_is_published:
            self._depth_is_published = self._patient.is_waiting = is_published
        self._take(self._patient.overdue())
        self._tell_of_depth()

    def holds_frame(self) -> bool:
        """Return whether a frame has come that will be passed on with depth or without."""
        return self._patient is not None and self._patient.holds_color

    def look(self) -> None:
        """Match the QoS of publishers that appeared, and warn of what stays away."""
        self.pass_on_overdue()
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
        images = [self.color, self.depth if self._patient is None else None]
        texts = [source.trouble() for source in images
                 if source is not None and source.silence_s() > _SILENT_S]
        if self._lacks_depth():
            texts.append(self._no_depth_text())
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
        if self._patient is not None:
            values['waits_for_depth'] = self._patient.is_waiting
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
        if self._patient is not None and not (self.depth and self.depth.count):
            return False
        return self.info is not None and not self.info.count and (
            self.info.silence_s() > _NO_INFO_S)

    def _no_info_text(self) -> str:
        topic = self.info.topic if self.info is not None else ''
        lost = 'nothing can be segmented' if self._patient is None else 'depth cannot be used'
        return (f'no camera_info on {topic} for {_NO_INFO_S:g} s: {lost} '
                'without it; check the remapping of rgb/camera_info')

    def _lacks_depth(self) -> bool:
        """Return whether optional depth has stayed away though somebody publishes it, or did."""
        return (self._patient is not None and not self._patient.is_waiting
                and self.depth is not None and bool(self.depth.count or self.depth.publishers))

    def _no_depth_text(self) -> str:
        if self._patient is None or self.depth is None:
            return ''
        patience_s = self._patient.patience_s
        text = 'colour alone is segmented, without boxes, points and poses: '
        if self.depth.silence_s() > patience_s:
            return text + self.depth.trouble()
        return text + (self._gap_text() or (
            f'depth on {self.depth.topic} does not fit a colour image within depth_timeout of '
            f'{patience_s:g} s: raise it, or use aligned depth of the same camera'))

    def _tell_of_depth(self) -> None:
        """Log once that optional depth stays away, and that it is back."""
        lacks = self._lacks_depth()
        if lacks and not self._said_alone:
            self._log.warn('depth stays away', self._no_depth_text())
        elif self._said_alone and not lacks:
            self._log.info('depth is back', 'depth is waited for again')
        self._said_alone = lacks

    def _gap_text(self) -> str:
        gap = self._synchronizer.never_met_gap_ns()
        if gap is None:
            return ''
        return (f'colour and depth stamps never meet: the smallest gap is {gap / 1e6:.0f} ms, '
                f'sync_slop is {self._synchronizer.slop_ns / 1e6:.0f} ms; use aligned depth of '
                'the same camera, let the driver synchronise (enable_sync:=true) or raise '
                'sync_slop')
