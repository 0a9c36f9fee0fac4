# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Start a program to be measured, watch its memory from outside, and end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

GRACE_S = 10.0


class ChildProcess:
    """Run a command for the length of a `with` block; its output goes to a file.

    On leaving, the process gets SIGINT, and SIGKILL if it has not ended ten seconds later.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self._command, self._environment, self._log = list(command), dict(environment), log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ChildProcess:
        with self._log.open('wb') as log:
            self._process = subprocess.Popen(
                self._command, env={**os.environ, **self._environment}, stdout=log,
                stderr=subprocess.STDOUT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._running()
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._running().pid

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, None while it runs or where it was never started."""
        return None if self._process is None else self._process.poll()

    def require_alive(self) -> None:
        """Raise RuntimeError with the end of its output where the process has ended."""
        code = self._running().poll()
        if code is not None:
            raise RuntimeError(f'the program ended with exit code {code}:\n{self.output()}')

    def output(self, limit: int = 2000) -> str:
        """Return the last characters of what the process wrote."""
        return self._log.read_text(errors='replace')[-limit:]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError('the process was not started: use it in a with block')
        return self._process


def python_command(*arguments: str) -> list[str]:
    """Return the command of this interpreter with arguments."""
    return [sys.executable, *arguments]


def memory_mib(pid: int, status: str = '/proc/{pid}/status') -> dict[str, float]:
    """Return resident ('VmRSS'), its peak ('VmHWM') and private ('RssAnon') memory in MiB."""
    wanted = ('VmRSS', 'VmHWM', 'RssAnon')
    lines = Path(status.format(pid=pid)).read_text().splitlines()
    pairs = (line.split(':', 1) for line in lines if line.startswith(wanted))
    return {name: int(value.split()[0]) / 1024 for name, value in pairs}


def cpu_seconds(pid: int) -> float:
    """Return the user and system time that a process has used, all threads."""
    fields = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
