# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Run the node for long with a camera that misbehaves at random, and see what it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from lifecycle_msgs.msg import Transition

from seg_ros.benchmark.process import ChildProcess, memory_mib
from seg_ros.benchmark.soak import FRAME_NUMBERS, FaultRecord, SoakOutcome, fault_order
from seg_ros.nodes.soak_camera import RATE_HZ
from seg_ros.nodes.soak_faults import FAULTS, SIZES, Rig
from seg_ros.nodes.soak_rig import CameraProcess, Watch, wait_until

LOSS = 0.02
# Longest that a fault is held for /diagnostics (which come every second), and a recovery awaited.
SEEN_S, RECOVERY_S = 8.0, 10.0
QUIET_S = 1.0


class Soak:
    """Do one fault after the other to a node and keep what came of it in ``outcome``.

    ``pid`` is the node's process, whose memory is read; ``is_alive`` raises RuntimeError where it
    has ended.
    """

    def __init__(
        self, rig: Rig, outcome: SoakOutcome, pid: int, is_alive: Callable[[], None],
        progress: Callable[[str], None],
    ) -> None:
        self._rig, self._outcome, self._pid = rig, outcome, pid
        self._is_alive, self._progress = is_alive, progress
        self._began_s = time.monotonic()

    def warm_up(self) -> None:
        """Let every size, output and the lifecycle happen once: what memory they take is kept."""
        watch = self._rig.watch
        watch.listen()
        self._rig.camera.start()
        for name in watch.others():
            watch.listen_to_other(name)
        for width, height in (*SIZES, SIZES[0]):
            self._rig.camera.tell(width=width, height=height)
            if not self._recovered(time.monotonic(), None, 30.0):
                raise RuntimeError(f'no result came at all: {watch.status()}')
            time.sleep(QUIET_S)
        self._rig.camera.tell(loss=LOSS)
        self._began_s = time.monotonic()

    def _settle(self) -> None:
        """Bring camera and node into the state of the begin and read the memory, twice."""
        width, height = SIZES[0]
        for _ in range(2):
            self._rig.camera.tell(width=width, height=height)
            for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
                self._rig.watch.change_state(transition)
            self._recovered(time.monotonic(), None, RECOVERY_S)
            self._quiet()
            self._outcome.settled_mib.append(self._memory())

    def run(self, duration_s: float, seed: int) -> None:
        """Do faults for a time, each kind once at least."""
        kinds = list(FAULTS)
        for number, kind in enumerate(fault_order(kinds, seed)):
            if number == len(kinds):
                # What every fault takes once, heaps and the middleware's histories, is kept.
                self._settle()
            if number >= len(kinds) and self._passed_s() >= duration_s:
                break
            self._outcome.faults.append(self._done(kind))
            self._outcome.duration_s = self._passed_s()
            self._is_alive()
        self._settle()

    def _done(self, kind: str) -> FaultRecord:
        self._quiet()
        self._outcome.memory_mib.append(self._memory())
        fault, watch = FAULTS[kind], self._rig.watch
        before, at_s = watch.status(), self._passed_s()
        watch.statuses.clear()
        began_s = time.monotonic()
        detail = fault.begin(self._rig)

        def is_seen() -> bool:
            return any(fault.is_seen(before, status) for status in list(watch.statuses))

        wait_until(lambda: is_seen() and time.monotonic() - began_s >= fault.least_s, SEEN_S)
        ended_s, first = time.monotonic(), fault.end(self._rig)
        # The camera's new start is not the node's recovery: that begins with its first frame.
        ended_s = time.monotonic() if first is not None else ended_s
        record = FaultRecord(kind, round(at_s, 1), detail, is_seen(),
                             self._recovered(ended_s, first, RECOVERY_S))
        self._progress(said(record))
        return record

    def _recovered(self, ended_s: float, first: int | None, timeout_s: float) -> float | None:
        """Return the seconds from a fault's end to a result of a frame sent after it."""
        size = (self._rig.camera.state.get('width', 640),
                self._rig.camera.state.get('height', 480))
        found: list[float] = []

        def is_recovered() -> bool:
            found[:] = [
                arrived_s for arrived_s, stamp, of in list(self._rig.watch.newest)
                if arrived_s >= ended_s - 0.1 and of == size and _is_after(stamp, first)
                and (first is not None or arrived_s >= ended_s)]
            return bool(found)

        return max(0.0, found[0] - ended_s) if wait_until(is_recovered, timeout_s) else None

    def _quiet(self) -> None:
        """Leave the node alone until it has told how it is since the last fault."""
        time.sleep(QUIET_S / 2)
        self._rig.watch.statuses.clear()
        if not wait_until(lambda: bool(self._rig.watch.statuses), SEEN_S):
            self._is_alive()
            raise RuntimeError(f'no diagnostics for {SEEN_S:g} s')

    def _passed_s(self) -> float:
        return time.monotonic() - self._began_s

    def _memory(self) -> tuple[float, float, float]:
        memory = memory_mib(self._pid)
        return round(self._passed_s(), 1), memory['VmRSS'], memory['RssAnon']


def said(fault: FaultRecord) -> str:
    """Return a line on a fault, for who watches."""
    seen = 'seen' if fault.is_seen else 'NOT SEEN'
    recovery = 'NEVER' if fault.recovery_s is None else f'{fault.recovery_s:.3f} s'
    return f'{fault.at_s:6.0f} s {fault.kind} ({fault.detail}): {seen}, recovery {recovery}'


def _is_after(stamp_ns: int, first: int | None) -> bool:
    """Return whether a frame was sent with or after the one of a number."""
    return first is None or (stamp_ns - first) % FRAME_NUMBERS < FRAME_NUMBERS // 2


def run_soak(
    command: list[str], target: str, log: Path, *, minutes: float, seed: int,
    environment: dict[str, str], progress: Callable[[str], None],
) -> SoakOutcome:
    """Run the node of a command under faults; ``target`` is its name, ``log`` takes its output.

    The middleware's environment variables must be set in this process too.
    """
    outcome = SoakOutcome({'seed': seed, 'camera': f'{RATE_HZ:g} Hz',
                           'messages lost': f'{LOSS:.0%}', 'method': target})
    child = ChildProcess(command, environment, log)
    camera, watch = CameraProcess(seed), Watch(target)
    rig = Rig(camera, watch, np.random.default_rng(seed))
    try:
        with child:
            soak = Soak(rig, outcome, child.pid, child.require_alive, progress)
            soak.warm_up()
            soak.run(60 * minutes, seed)
    except RuntimeError as error:
        outcome.crash = str(error)
    except KeyboardInterrupt:
        progress('interrupted: the report is of what came until now')
    finally:
        camera.close()
        watch.close()
    outcome.exit_code = child.exit_code
    outcome.frames_sent = camera.sent
    _conclude(outcome, watch, log)
    return outcome


def _conclude(outcome: SoakOutcome, watch: Watch, log: Path) -> None:
    values = watch.status().values
    outcome.results, outcome.wrong_results = watch.results, list(watch.wrong)
    outcome.dropped = {name: int(value) for name, value in values.items()
                       if name.startswith('dropped_')}
    if 'Traceback' in log.read_text(errors='replace') and not outcome.crash:
        outcome.crash = f'its output has a traceback, see {log}'
