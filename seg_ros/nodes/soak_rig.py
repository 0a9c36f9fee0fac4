# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a soak holds in its hands: the camera's process, the node's topics and services."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, PointCloud2
from std_srvs.srv import SetBool
from visualization_msgs.msg import MarkerArray

from seg_ros.nodes.conversions import array_from_image, stamp_ns
from seg_ros.nodes.qos import reliable
from seg_ros.nodes.soak_scene import mistake_in

SERVICE_S = 10.0
_OTHERS = {'mask': Image, 'overlay': Image, 'markers': MarkerArray, 'points': PointCloud2,
           'poses': PoseArray}


@dataclass(frozen=True)
class Status:
    """Hold one diagnostics message of the node."""

    level: int
    message: str
    values: dict[str, str]

    def count(self, *keys: str) -> int:
        """Return the sum of counters."""
        return sum(int(self.values.get(key, 0)) for key in keys)


def wait_until(done: Callable[[], bool], timeout_s: float) -> bool:
    """Return whether done() came true in time."""
    end = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


class CameraProcess:
    """Own the camera's process: commands, answers, a kill without warning, a new start."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._process: subprocess.Popen[str] | None = None
        self._answers: deque[int] = deque()
        self._first = self._last = 0
        self._sent_before = 0
        self.state: dict[str, Any] = {}

    @property
    def sent(self) -> int:
        """Return how many frames were due up to the last answer, those of killed ones included."""
        return self._sent_before + self._last - self._first

    def start(self, timeout_s: float = 30.0) -> int:
        """Start it in its last state; return the number of its first frame."""
        self._answers.clear()
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'seg_ros.nodes.soak_camera', str(self._seed)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        self._seed += 1
        self._sent_before = self.sent
        self._first = self._last = self._answer_to(dict(self.state), timeout_s)
        return self._first

    def tell(self, **changes: Any) -> int:
        """Change its state; return the number of the first frame sent so."""
        self.state.update({k: v for k, v in changes.items() if k != 'jump_s'})
        self._last = self._answer_to(changes, 5.0)
        return self._last

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End it in an orderly way."""
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def _answer_to(self, command: dict[str, Any], timeout_s: float) -> int:
        process = self._process
        if process is None or process.stdin is None:
            raise RuntimeError('the camera was not started')
        process.stdin.write(json.dumps(command) + '\n')
        process.stdin.flush()
        if not wait_until(lambda: bool(self._answers), timeout_s):
            raise RuntimeError(f'the camera did not answer within {timeout_s:g} s')
        return self._answers.popleft()

    def _read(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is not None:
            self._answers.extend(int(line) for line in process.stdout)


class Watch:
    """Listen to the node named, check every result and call its services; spins in a thread."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node(f'soak_watch_{os.getpid()}', context=self._context)
        self.statuses: deque[Status] = deque(maxlen=20)
        self.results = 0
        self.wrong: list[str] = []
        self.newest: deque[tuple[float, int, tuple[int, int]]] = deque(maxlen=100)
        self._seen: deque[int] = deque(maxlen=1000)
        self._clients: dict[str, Any] = {}
        self._others: dict[str, Any] = {}
        self._label: Any = None
        self._diagnostics = self.node.create_subscription(
            DiagnosticArray, '/diagnostics', self._diagnosed, 10)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def listen(self) -> None:
        """Subscribe to the label image."""
        self._label = self._between_callbacks(
            self.node.create_subscription, Image, f'/{self._target}/label', self._result,
            reliable(5))

    def unlisten(self) -> None:
        """End the subscription to the label image."""
        self._between_callbacks(self.node.destroy_subscription, self._label)

    def listen_to_other(self, name: str) -> None:
        """Subscribe to one of the other outputs, or end that where it is subscribed to."""
        if name in self._others:
            self._between_callbacks(self.node.destroy_subscription, self._others.pop(name))
            return
        self._others[name] = self._between_callbacks(
            self.node.create_subscription, _OTHERS[name], f'/{self._target}/{name}',
            lambda _: None, reliable(2))

    def subscribed(self) -> list[str]:
        """Return the names of the other outputs that are subscribed to."""
        return list(self._others)

    @staticmethod
    def others() -> list[str]:
        """Return the names of the other outputs."""
        return list(_OTHERS)

    def status(self) -> Status:
        """Return the newest diagnostics of the node, empty ones before the first."""
        return self.statuses[-1] if self.statuses else Status(0, '', {})

    def set_parameters(self, **values: Any) -> bool:
        """Set parameters of the node one by one; return whether all were accepted."""
        request = SetParameters.Request(parameters=[
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()])
        reply = self._call('set_parameters', SetParameters, request)
        return all(result.successful for result in reply.results)

    def change_state(self, transition: int) -> bool:
        """Take the node through a lifecycle transition; return whether it succeeded."""
        request = ChangeState.Request()
        request.transition.id = transition
        return bool(self._call('change_state', ChangeState, request).success)

    def enable(self, on: bool) -> bool:
        """Pause or resume the node; return whether it did."""
        return bool(self._call('enable', SetBool, SetBool.Request(data=on)).success)

    def close(self) -> None:
        """End the thread and the node."""
        self._executor.shutdown(10.0)
        self._thread.join(10.0)
        self.node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def _between_callbacks(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call in the executor's thread: its wait fails where another thread destroys."""
        task = self._executor.create_task(function, *arguments)
        if not wait_until(task.done, SERVICE_S):
            raise RuntimeError('the watching node does not spin')
        return task.result()

    def _call(self, name: str, kind: Any, request: Any) -> Any:
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f'/{self._target}/{name}')
        client = self._clients[name]
        if not client.wait_for_service(SERVICE_S):
            raise RuntimeError(f'no service {name} of the node within {SERVICE_S:g} s')
        future = client.call_async(request)
        if not wait_until(future.done, SERVICE_S):
            raise RuntimeError(f'no reply of {name} within {SERVICE_S:g} s')
        return future.result()

    def _diagnosed(self, message: Any) -> None:
        for status in message.status:
            if status.name.startswith(f'{self._target}:'):
                values = {pair.key: pair.value for pair in status.values}
                self.statuses.append(Status(status.level[0], status.message, values))

    def _result(self, message: Any) -> None:
        arrived_s, stamp = time.monotonic(), stamp_ns(message.header)
        self.results += 1
        wrong = mistake_in(array_from_image(message), stamp)
        if stamp in self._seen:
            wrong = f'stamp {stamp} came twice'
        if wrong:
            self.wrong.append(wrong)
        self._seen.append(stamp)
        self.newest.append((arrived_s, stamp, (message.width, message.height)))
