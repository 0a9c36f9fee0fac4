# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Child processes that are started, watched and ended by their process id."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

STOP_SECONDS = 20.0


class Child:
    """Run ``python WORDS`` with its output in a log file.

    It does not get the terminal's Ctrl-C: who started it ends it, in an order of its own.
    """

    def __init__(self, name: str, words: list[str], log: Path, env: Mapping[str, str]) -> None:
        self.name, self.log = name, log
        with log.open('wb') as file:
            self._process = subprocess.Popen(
                [sys.executable, *words], stdout=file, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, env=dict(env), start_new_session=True,
            )  # fmt: skip

    @property
    def returncode(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._process.poll()

    def lines(self) -> list[str]:
        """Return what it has written so far."""
        return self.log.read_text(errors='replace').splitlines()

    def stop(self, timeout_s: float = STOP_SECONDS) -> int:
        """End it by SIGINT, then SIGTERM, then SIGKILL, and return its exit code."""
        for number, patience_s in (
            (signal.SIGINT, timeout_s), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0),
        ):  # fmt: skip
            if self._process.poll() is None:
                self._process.send_signal(number)
                try:
                    self._process.wait(patience_s)
                except subprocess.TimeoutExpired:
                    continue
        return self._process.wait()

    def tail(self, count: int = 12) -> str:
        """Return its last lines, for an error text."""
        return '\n'.join(f'  {self.name}: {line}' for line in self.lines()[-count:])


class Children:
    """End all children, the last one first, when the block is left in whatever way."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._env = folder, env
        self.started: list[Child] = []
        self._handler: object = None

    def __enter__(self) -> Children:
        # ended from outside: leave the block as after Ctrl-C
        self._handler = signal.signal(signal.SIGTERM, _interrupt)
        return self

    def start(self, name: str, *words: str) -> Child:
        """Start a child whose log is NAME.log."""
        child = Child(name, list(words), self._folder / f'{name}.log', self._env)
        self.started.append(child)
        return child

    def wait_for(
        self, what: str, done: Callable[[], bool], timeout_s: float, failed: Callable[[], bool]
    ) -> None:
        """Wait for done(); ValueError with the logs where it fails, ends or takes too long."""
        end = time.monotonic() + timeout_s
        while not done():
            ended = [c.name for c in self.started if c.returncode is not None]
            if failed() or ended or time.monotonic() > end:
                why = f'{ended[0]} ended' if ended else f'not within {timeout_s:g} s'
                why = 'it failed' if failed() else why
                raise ValueError(f'{what}: {why}\n' + '\n'.join(c.tail() for c in self.started))
            time.sleep(0.05)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # a second Ctrl-C must not leave children behind
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        for child in reversed(self.started):
            child.stop()
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, self._handler)  # type: ignore[arg-type]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def ros_environment(profile: Path, domain_id: int) -> dict[str, str]:
    """Return an environment with ROS traffic of its own on this machine and the image profile."""
    env = dict(os.environ)
    env.update(
        ROS_DOMAIN_ID=str(domain_id),
        ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST',
        ROS_LOCALHOST_ONLY='1' if env.get('ROS_DISTRO') == 'humble' else '0',
        FASTDDS_DEFAULT_PROFILES_FILE=str(profile),
        PYTHONUNBUFFERED='1',
    )
    if _reads_old_variable():
        env['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(profile)
    env.setdefault('AMENT_PREFIX_PATH', sys.prefix)
    return env


def _reads_old_variable() -> bool:
    """Tell whether Fast DDS wants its old variable: up to Jazzy; Kilted warns of it."""
    distribution = os.environ.get('ROS_DISTRO')
    if distribution is not None:
        return distribution in ('humble', 'iron', 'jazzy')
    try:
        importlib.metadata.version('ros-jazzy-rclpy')
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
