# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The faults of a soak: how each begins and ends, and what of it /diagnostics must show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from lifecycle_msgs.msg import Transition

from seg_ros.nodes.soak_camera import CORRUPTIONS
from seg_ros.nodes.soak_rig import CameraProcess, Status, Watch

SIZES = ((640, 480), (320, 240), (848, 480))
_BAD = ('dropped_color', 'dropped_depth', 'dropped_size', 'dropped_no_depth',
        'dropped_camera_info')


@dataclass
class Rig:
    """Hold what a fault may touch."""

    camera: CameraProcess
    watch: Watch
    rng: np.random.Generator

    def choice(self, values: Any) -> Any:
        """Return one of several values by the soak's random numbers."""
        return values[int(self.rng.integers(len(values)))]


# Begins a fault and returns what was done; ends it and returns the first frame after, or None
# where frames never stopped.
Begin = Callable[[Rig], str]
End = Callable[[Rig], int | None]
IsSeen = Callable[[Status, Status], bool]


@dataclass(frozen=True)
class Fault:
    """Describe a fault: it lasts ``least_s`` seconds and until /diagnostics shows it."""

    begin: Begin
    end: End
    is_seen: IsSeen
    least_s: float = 1.0


def _nothing(rig: Rig) -> None:
    """End a fault that is over once it has begun."""


def _stop_camera(rig: Rig) -> str:
    rig.camera.tell(sends_color=False, sends_depth=False)
    return 'nothing is sent'


def _start_camera(rig: Rig) -> int:
    return rig.camera.tell(sends_color=True, sends_depth=True)


def _unplug_depth(rig: Rig) -> str:
    rig.camera.tell(sends_depth=False)
    return 'colour alone is sent'


def _turn_clock_back(rig: Rig) -> str:
    jump_s = -float(rig.rng.uniform(1.0, 100.0))
    rig.camera.tell(jump_s=jump_s)
    return f'{jump_s:.1f} s'


def _change_size(rig: Rig) -> str:
    now = (rig.camera.state.get('width', 640), rig.camera.state.get('height', 480))
    width, height = rig.choice([size for size in SIZES if size != now])
    rig.camera.tell(width=width, height=height)
    return f'{width}x{height}'


def _change_focal(rig: Rig) -> str:
    focal = float(rig.rng.uniform(400.0, 800.0))
    rig.camera.tell(focal=focal)
    return f'focal length {focal:.0f}'


def _corrupt(rig: Rig) -> str:
    kind = str(rig.choice(CORRUPTIONS))
    rig.camera.tell(corruption=kind)
    return kind


def _mend(rig: Rig) -> int:
    return rig.camera.tell(corruption='')


def _kill_camera(rig: Rig) -> str:
    rig.camera.kill()
    return 'SIGKILL'


def _restart_camera(rig: Rig) -> int:
    return rig.camera.start()


def _change_parameters(rig: Rig) -> str:
    taken = rig.watch.set_parameters(
        organized=bool(rig.choice([False, True])), mask_id=int(rig.choice([0, 1])),
        overlay_opacity=float(rig.rng.uniform(0, 1)), mode='on_request',
        sync_slop=float(rig.rng.uniform(0.005, 0.025)))
    refused = not rig.watch.set_parameters(sync_slop=-1.0)
    if not (taken and refused):
        raise RuntimeError('the node took wrong parameters or refused right ones')
    return 'mode on_request and others'


def _change_mode_back(rig: Rig) -> None:
    rig.watch.set_parameters(mode='continuous')


def _deactivate(rig: Rig) -> str:
    rig.watch.change_state(Transition.TRANSITION_DEACTIVATE)
    if not rig.choice([False, True]):
        return 'deactivated'
    rig.watch.change_state(Transition.TRANSITION_CLEANUP)
    return 'deactivated and cleaned up'


def _activate(rig: Rig) -> None:
    rig.watch.change_state(Transition.TRANSITION_CONFIGURE)
    rig.watch.change_state(Transition.TRANSITION_ACTIVATE)


def _leave(rig: Rig) -> str:
    rig.watch.unlisten()
    for name in [name for name in rig.watch.others() if name in rig.watch.subscribed()]:
        rig.watch.listen_to_other(name)
    return 'no subscriber'


def _come(rig: Rig) -> None:
    names = rig.watch.others()
    for number in rig.rng.permutation(len(names))[:2]:
        rig.watch.listen_to_other(names[int(number)])
    rig.watch.listen()


def _pause(rig: Rig) -> str:
    rig.watch.enable(False)
    return '~/enable false'


def _resume(rig: Rig) -> None:
    rig.watch.enable(True)


def _grew(*keys: str) -> IsSeen:
    return lambda before, now: now.count(*keys) > before.count(*keys)


def _warns(text: str) -> IsSeen:
    return lambda _, now: now.level > 0 and text in now.message


def _differs(key: str) -> IsSeen:
    return lambda before, now: key in now.values and now.values[key] != before.values.get(key)


FAULTS: dict[str, Fault] = {
    'camera_stops': Fault(_stop_camera, _start_camera, _warns('no message for'), 3.0),
    'clock_jumps_back': Fault(_turn_clock_back, _nothing, _grew('clock_resets')),
    'resolution_changes': Fault(_change_size, _nothing, _differs('image_size')),
    'depth_unplugged': Fault(
        _unplug_depth, _start_camera, _warns('/depth_registered/image_rect'), 3.0),
    'camera_info_changes': Fault(_change_focal, _nothing, _grew('camera_info_changes')),
    'corrupted_frames': Fault(
        _corrupt, _mend, lambda a, b: b.level > 0 and _grew(*_BAD)(a, b)),
    'player_killed': Fault(_kill_camera, _restart_camera, _warns('no message for'), 2.0),
    'parameters_changed': Fault(
        _change_parameters, _change_mode_back,
        lambda _, now: now.values.get('mode') == 'on_request'),
    'lifecycle_cycled': Fault(
        _deactivate, _activate, lambda _, now: now.message in ('inactive', 'unconfigured')),
    'subscribers_leave': Fault(_leave, _come, _grew('dropped_unwanted')),
    'paused': Fault(_pause, _resume, lambda _, now: now.message == 'paused'),
}
