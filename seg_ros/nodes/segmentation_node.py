# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node: lifecycle, inputs, services and diagnostics of any method."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import SetBool, Trigger

from seg_ros.core.options import Options
from seg_ros.nodes import qos
from seg_ros.nodes.answers import Call, SegmentService
from seg_ros.nodes.arguments import method_from_arguments
from seg_ros.nodes.camera_info import is_rectified_topic
from seg_ros.nodes.diagnostics import array_message, status_message
from seg_ros.nodes.frames import FrameBuilder
from seg_ros.nodes.health import InputHealth
from seg_ros.nodes.identities import identities_of
from seg_ros.nodes.inputs import Input
from seg_ros.nodes.optional_depth import DepthUse, depth_use
from seg_ros.nodes.parameters import NodeParameters
from seg_ros.nodes.pipeline import Log, Pipeline
from seg_ros.nodes.publishers import Publishers
from seg_ros.nodes.running import run_nodes
from seg_ros.nodes.sharing import ModelPool, SharedSegmenter
from seg_ros.nodes.statistics import CpuMeter, Statistics, memory_mb
from seg_ros.nodes.transforms import open_transforms
from seg_ros.nodes.transports import transport_input
from seg_ros.segmenters import method_named

COLOR, DEPTH, INFO = 'rgb/image_rect_color', 'depth_registered/image_rect', 'rgb/camera_info'
_SUCCESS, _FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class SegmentationNode(LifecycleNode):
    """Segment RGB-D topics by any registered method; see the contract of topics in the docs.

    Parameters are read and the model is loaded in configure; the topics are subscribed to while
    active. Nodes of a process that are given one ``pool`` share equal models. Raises ValueError
    for parameters that are not accepted.
    """

    def __init__(
        self, node_name: str = 'unseen_objects', *, pool: ModelPool | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(node_name, **arguments)
        self._pool = pool or ModelPool()
        self._log = Log(self.get_logger())
        self._state = 'unconfigured'
        self._failure = ''
        self._pipeline: Pipeline | None = None
        self._health: InputHealth | None = None
        self._depth_use: DepthUse = 'required'
        self._statistics = Statistics()
        self._cpu = CpuMeter()
        self._settings = NodeParameters(
            self, lambda: self._state != 'unconfigured', self._parameters_changed,
            self._accept_options)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._make_services()
        self._diagnostics = self.create_publisher(
            DiagnosticArray, '/diagnostics', qos.reliable(10))
        self.create_timer(1.0, self._diagnose, clock=self._steady)
        self.create_timer(0.25, self._look_after_inputs, clock=self._steady)
        if self._settings.node.autostart:
            self._starter = self.create_timer(0.0, self._autostart, clock=self._steady)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters and load the model."""
        try:
            self._settings.use_method()
            self._pipeline = self._built()
        except Exception as error:  # rclpy swallows whatever a transition raises
            self._failed('configure', error)
            return _FAILURE
        self._failure = ''
        self._state = 'inactive'
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the camera and begin to segment."""
        pipeline = self._configured()
        done = super().on_activate(state)
        try:
            self._subscribe(pipeline)
        except Exception as error:  # rclpy swallows whatever a transition raises
            self._failed('activate', error)
            raise
        pipeline.activate()
        self._state = 'active'
        return done

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe; nothing is published from here on."""
        self._stop('the node was deactivated')
        self._state = 'inactive'
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the model and the topics."""
        self._drop_pipeline()
        self._state = 'unconfigured'
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything."""
        self._stop('the node is shutting down')
        self._drop_pipeline()
        self._state = 'finalized'
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured after an error in a transition."""
        self._stop('a lifecycle transition failed')
        self._drop_pipeline()
        self._state = 'unconfigured'
        return super().on_error(state)

    def close(self) -> None:
        """End the worker and the subscriptions, whatever the state."""
        self._stop('the node is shutting down')
        self._drop_pipeline()

    def _autostart(self) -> None:
        self.destroy_timer(self._starter)
        if self._state != 'unconfigured':
            return
        if self.trigger_configure() == _SUCCESS:
            self.trigger_activate()

    def _failed(self, transition: str, error: Exception) -> None:
        known = isinstance(error, (ValueError, OSError, ImportError))
        text = str(error) if known else f'{type(error).__name__}: {error}'
        self._failure = f'{transition} failed: {text}'
        self.get_logger().error(self._failure)

    def _configured(self) -> Pipeline:
        if self._pipeline is None:
            raise RuntimeError('the node is not configured')
        return self._pipeline

    def _built(self) -> Pipeline:
        """Load the method chosen, or join those who have, and make what publishes its results."""
        options = self._settings.node
        segmenter = self._pool.acquire(options.method, options.weights, options.device,
                                       options.backend, self._settings.method)
        try:
            return self._pipeline_of(segmenter)
        except Exception:
            segmenter.release()
            raise

    def _pipeline_of(self, segmenter: SharedSegmenter) -> Pipeline:
        options = self._settings.node
        identities = identities_of(options, method_named(options.method).result)
        topic = self.resolve_topic_name(COLOR)
        rectified = options.input_geometry == 'rectified' or (
            options.input_geometry == 'auto' and is_rectified_topic(topic))
        use = self._depth_use = depth_use(options.depth, segmenter.needs_depth)
        builder = FrameBuilder(needs_depth=use == 'required', rectified=rectified,
                               optional_depth=use == 'optional')
        publishers = Publishers(self, method_named(options.method).result, use != 'ignored')
        self.get_logger().info(
            f'{options.method} on {segmenter.device} by {segmenter.backend}, images of {topic} '
            f'taken for {"rectified" if rectified else "raw"}, depth {use}')
        return Pipeline(segmenter, builder, publishers, self._service, self._statistics,
                        lambda: self._settings.node, self._log, self.context.ok, identities,
                        lambda: open_transforms(self))

    def _subscribe(self, pipeline: Pipeline) -> None:
        options = self._settings.node
        self._health = health = InputHealth(pipeline, options, self._log, self._depth_use)
        wanted = options.input_reliability
        color = transport_input(self, COLOR, options.color_transport)
        health.color = Input(self, *color, health.on_color, wanted)
        if self._depth_use != 'ignored':
            depth = transport_input(self, DEPTH, options.depth_transport)
            health.depth = Input(self, *depth, health.on_depth, wanted)
            health.info = Input(self, CameraInfo, INFO, health.on_info, wanted)

    def _stop(self, reason: str) -> None:
        if self._health is not None:
            self._health.destroy()
            for dropped, count in self._health.drops().items():
                self._statistics.dropped(dropped, count)
            self._health = None
        if self._pipeline is not None:
            self._pipeline.deactivate(reason)

    def _drop_pipeline(self) -> None:
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None

    def _make_services(self) -> None:
        self._service = SegmentService(self, self._segment_called)
        self.create_service(SetBool, '~/enable', self._enable)
        self.create_service(Trigger, '~/reset_tracks', self._reset_tracks)
        self._expiry = self.create_timer(0.05, self._expire_calls, clock=self._steady)
        self._expiry.cancel()

    def _segment_called(self, call: Call) -> None:
        if self._state != 'active' or self._pipeline is None:
            self._service.answer(
                [call], False, f'the node is {self._state}: activate it to segment')
        elif not self._pipeline.running:
            self._service.answer([call], False, 'paused: call ~/enable with true to resume')
        else:
            self._pipeline.requested(call)
            self._expiry.reset()

    def _expire_calls(self) -> None:
        calls = self._service.open_calls()
        if not calls:
            self._expiry.cancel()
        elif self._health is not None:
            self._health.pass_on_overdue()
        for call in calls:
            text = self._expired(call)
            if text:
                self._service.answer([call], False, text)

    def _expired(self, call: Call) -> str:
        """Return why a call cannot be answered any more, '' while it can."""
        options = self._settings.node
        waited_s = call.waited_s()
        if self._pipeline is None or self._health is None:
            return f'the node is {self._state}'
        if waited_s > options.segment_timeout:
            return f'no result within segment_timeout of {options.segment_timeout:g} s'
        none_came = self._pipeline.is_waiting_for_frame(call) and not self._health.holds_frame()
        if waited_s > options.max_frame_age and none_came:
            why = '; '.join(self._health.problems()) or 'no pair of colour and depth came'
            return f'no frame newer than max_frame_age of {options.max_frame_age:g} s: {why}'
        return ''

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        pipeline = self._pipeline
        if self._state != 'active' or pipeline is None:
            response.success = False
            response.message = f'the node is {self._state}: activate it first'
            return response
        if request.data and not pipeline.running:
            pipeline.activate()
        elif not request.data:
            pipeline.deactivate('paused by ~/enable')
        response.success, response.message = True, 'running' if request.data else 'paused'
        return response

    def _reset_tracks(self, request: Any, response: Trigger.Response) -> Trigger.Response:
        if self._pipeline is None:
            response.success, response.message = False, f'the node is {self._state}'
        else:
            response.success, response.message = True, self._pipeline.reset_identities()
        return response

    def _accept_options(self, options: Options) -> None:
        """Raise ValueError for options that the loaded weights cannot serve."""
        if self._pipeline is not None:
            self._pipeline.segmenter.check_options(options)

    def _parameters_changed(self, names: set[str]) -> None:
        if self._pipeline is not None:
            self._pipeline.use_options(self._settings.method)
        if self._health is not None:
            self._health.use(self._settings.node)

    def _look_after_inputs(self) -> None:
        if self._health is not None:
            self._health.look()

    def _diagnose(self) -> None:
        # With the namespace: cameras side by side have nodes of one name.
        name = self.get_fully_qualified_name().lstrip('/')
        status = status_message(f'{name}: segmentation', self._problems(), self._values())
        self._diagnostics.publish(array_message(self.get_clock().now().to_msg(), status))

    def _problems(self) -> list[tuple[bytes, str]]:
        if self._failure:
            return [(DiagnosticStatus.ERROR, self._failure)]
        if self._health is None or self._pipeline is None:
            return [(DiagnosticStatus.OK, self._state)]
        if not self._pipeline.running:
            return [(DiagnosticStatus.OK, 'paused')]
        found = [(DiagnosticStatus.WARN, text) for text in self._health.problems()]
        trouble = self._statistics.recent_trouble()
        failure = self._pipeline.segmenter.model.failure
        if failure:
            found.append((DiagnosticStatus.ERROR, f'the device failed: {failure}'))
        elif trouble is not None:
            level = DiagnosticStatus.ERROR if trouble.severe else DiagnosticStatus.WARN
            found.append((level, trouble.text))
        return found

    def _values(self) -> dict[str, Any]:
        options = self._settings.node
        statistics = self._statistics
        latency, segment = statistics.latency_ms(), statistics.segment_ms()
        values: dict[str, Any] = {
            'state': self._state, 'method': options.method, 'mode': options.mode,
            'rate_hz': statistics.rate_hz(), 'latency_p50_ms': latency[0],
            'latency_p95_ms': latency[1], 'segment_p50_ms': segment[0],
            'segment_p95_ms': segment[1], 'segmented': statistics.segmented,
            'memory_mb': memory_mb(), 'cpu_percent': self._cpu.percent(),
        }
        if self._pipeline is not None:
            segmenter, builder = self._pipeline.segmenter, self._pipeline.builder
            values.update(device=segmenter.device, backend=segmenter.backend,
                          depth=self._depth_use, image_size=builder.image_size,
                          camera_info_changes=builder.camera_info_changes,
                          model_users=segmenter.model.users,
                          model_rebuilds=segmenter.model.rebuilds)
            values.update({**self._pipeline.space.values(), **self._pipeline.identities.values()})
            if self._depth_use == 'optional':
                values['segmented_without_depth'] = statistics.without_depth
        drops = statistics.counts()
        if self._health is not None:
            values.update(self._health.values())
            for reason, count in self._health.drops().items():
                drops[reason] = drops.get(reason, 0) + count
        values.update({f'dropped_{reason}': count for reason, count in sorted(drops.items())})
        return values


def main(args: list[str] | None = None) -> int:
    """Run the node until it is interrupted; return the exit code."""
    def made() -> Iterator[SegmentationNode]:
        yield SegmentationNode(method_from_arguments(sys.argv if args is None else args))

    return run_nodes(made, args, 'segmentation_node')


if __name__ == '__main__':
    sys.exit(main())
