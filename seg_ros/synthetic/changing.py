# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sequences in which the camera moves, an arm passes in front of it, and things are put in, taken
out and exchange places; ids hold throughout.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import write_atomically, write_frame, write_labels
from seg_ros.synthetic import catalogue
from seg_ros.synthetic.arm import ARM_LABEL, arm_at, arm_paints, arm_passes
from seg_ros.synthetic.dataset import describe_object
from seg_ros.synthetic.mesh import Array
from seg_ros.synthetic.objects import ObjectModel, Rng
from seg_ros.synthetic.physics import settle
from seg_ros.synthetic.placement import Layout, Placed, drop_poses, footprint, lay_out, overlap
from seg_ros.synthetic.renderer import (
    CameraPose,
    Item,
    Lamp,
    Rendering,
    World,
    build_world,
    render,
    render_through,
)
from seg_ros.synthetic.room import Table, make_lamps, make_surroundings, make_table
from seg_ros.synthetic.sensor import corrupt_depth
from seg_ros.synthetic.sequence import FRAME_ID, FRAME_INTERVAL_NS, SequenceFrame, camera_path

SPREAD_M = 0.3
# Models tried before a change is given up: the table may be full.
TRIES = 6


@dataclass(frozen=True)
class SequenceOptions:
    """Choose a sequence: frames, changes (things put in or taken out), size, physics, sensor.

    ``swaps``: how often two things exchange their places; ``arms``: how often an arm passes before
    the camera, for ``arm_frames`` each; ``motion``: share of the camera's path, 0 stands still.
    """

    frames: int = 60
    changes: int = 4
    seed: int = 0
    width: int = 640
    height: int = 480
    physics: str = 'mujoco'
    sensor: str = 'realsense'
    swaps: int = 0
    arms: int = 0
    arm_frames: int = 40
    motion: float = 1.0

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f'frames starts at 1, got {self}')
        for name in ('changes', 'swaps', 'arms'):
            count = getattr(self, name)
            if not 0 <= count < self.frames:
                raise ValueError(
                    f'{count} {name} need at least {count + 1} frames, got {self.frames}; '
                    f'{name} starts at 0')
        if self.arm_frames < 1 or not 0 <= self.motion <= 1:
            raise ValueError(f'arm_frames starts at 1, motion is 0 to 1, got {self}')


@dataclass(frozen=True)
class Event:
    """Say what changed before a frame: 'put_in', 'taken_out' or 'swapped', and the object's label.

    ``other`` is the label that it exchanged places with, else 0.
    """

    frame: int
    kind: str
    label: int
    other: int = 0


@dataclass(eq=False)
class Stage:
    """Hold the objects on the table by label, all that ever were there, and the events."""

    table: Table
    present: dict[int, Placed]
    known: dict[int, Placed]
    events: list[Event]
    physics: bool

    def put_in(self, frame: int, rng: Rng) -> None:
        """Put a new object onto the table, beside others or on top; none where all is full."""
        for _ in range(TRIES):
            model = catalogue.draw_object(rng)
            settled = self._with(model, rng)
            if settled is not None:
                label = max(self.known, default=0) + 1
                self.present = dict(zip([*self.present, label], settled, strict=True))
                self.known[label] = settled[-1]
                self.events.append(Event(frame, 'put_in', label))
                return

    def _with(self, model: ObjectModel, rng: Rng) -> list[Placed] | None:
        """Return the objects with a new one at rest, the last; None where it finds no place."""
        there = list(self.present.values())
        if self.physics and there and rng.random() < 0.4:
            new: Placed | None = drop_poses([model], there, rng, SPREAD_M)[0]
        else:
            layout = Layout(rng, SPREAD_M)
            layout.outlines = [footprint(one.points()) for one in there]
            new = layout.add(model)
        if new is None:
            return None
        placed = settle([*there, new]) if self.physics else [*there, new]
        return placed if all(self._stands(one) for one in placed) else None

    def _stands(self, one: Placed) -> bool:
        points = one.points()
        return bool(self.table.carries(points.mean(axis=0)[None, :2])[0]) and (
            float(points[:, 2].min()) > -0.01)

    def take_out(self, frame: int, rng: Rng) -> None:
        """Take an object away that nothing lies on; the others settle again."""
        free = [label for label in self.present if not self._carries(label)]
        if not free:
            return
        label = free[int(rng.integers(len(free)))]
        rest = {key: one for key, one in self.present.items() if key != label}
        if self.physics:
            rest = dict(zip(rest, settle(list(rest.values())), strict=True))
        self.present = rest
        self.events.append(Event(frame, 'taken_out', label))

    def swap(self, frame: int, rng: Rng) -> None:
        """Let two things that stand alone exchange places; none where no two fit."""
        alone = [label for label in self.present if self._stands_alone(label)]
        pairs = [(a, b) for row, a in enumerate(alone) for b in alone[row + 1:]]
        for row in rng.permutation(len(pairs)):
            label, other = pairs[int(row)]
            swapped = self._exchanged(label, other)
            if swapped is not None:
                self.present = swapped
                self.events.append(Event(frame, 'swapped', label, other))
                return

    def _stands_alone(self, label: int) -> bool:
        points = self.present[label].points()
        return points[:, 2].min() < 0.004 and not self._carries(label)

    def _exchanged(self, label: int, other: int) -> dict[int, Placed] | None:
        """Return the objects with two at each other's place, None where that would not hold."""
        there = dict(self.present)
        a, b = there[label], there[other]
        shift = np.append((b.points().mean(axis=0) - a.points().mean(axis=0))[:2], 0.0)
        there[label] = replace(a, translation=a.translation + shift)
        there[other] = replace(b, translation=b.translation - shift)
        for key in (label, other):
            outline = footprint(there[key].points())
            if not self._stands(there[key]) or any(
                    overlap(outline, footprint(one.points()))
                    for rest, one in there.items() if rest != key):
                return None
        return there

    def _carries(self, label: int) -> bool:
        base = self.present[label].points()
        middle = (base[:, 2].min() + base[:, 2].max()) / 2
        return any(
            key != label and other.points()[:, 2].min() > min(middle, 0.004)
            and overlap(footprint(base), footprint(other.points()))
            for key, other in self.present.items())


def draw_stage(rng: Rng, physics: bool) -> Stage:
    """Draw the table with the objects that are there from the start."""
    models = [catalogue.draw_object(rng) for _ in range(int(rng.integers(4, 11)))]
    placed = lay_out(models, rng, SPREAD_M, 0.25)
    table = make_table(rng, SPREAD_M)
    while not (table.drop_m and np.all(
            [table.carries(one.translation[None, :2]) for one in placed])):
        table = make_table(rng, SPREAD_M)
    if physics:
        placed = settle(placed)
    stage = Stage(table, {}, {}, [], physics)
    stage.present = dict(enumerate((one for one in placed if stage._stands(one)), start=1))
    stage.known = dict(stage.present)
    return stage


class ChangingSequence:
    """Draw a sequence frame by frame; `record` tells of it all once it was iterated."""

    def __init__(self, options: SequenceOptions) -> None:
        """Draw the start; the same options give the same frames."""
        self.options = options
        self._rng = np.random.default_rng(np.random.SeedSequence([options.seed, 0x5E9]))
        self.stage = draw_stage(self._rng, options.physics != 'none')
        self.arm_mask: NDArray[np.bool_] = np.zeros((options.height, options.width), bool)
        self._frames: list[dict[str, Any]] = []
        width, height = options.width, options.height
        self.camera = CameraModel(
            width, height, 0.958 * width, 0.958 * width, (width - 1) / 2, (height - 1) / 2)

    def __iter__(self) -> Iterator[SequenceFrame]:
        """Yield frames with sensor noise, their labels (H, W) int32 and camera poses."""
        start = list(self.stage.present.values())
        poses = self._path(start)
        cameras = np.array([pose.position for pose in poses])
        backdrop = [*self.stage.table.items, *make_surroundings(
            self._rng, self.stage.table, cameras)]
        lights = make_lamps(self._rng)
        changes = self._schedule()
        world = self._world(backdrop, lights)
        arm = self._arm(poses)
        for index, pose in enumerate(poses):
            for change in changes.get(index, ()):
                change(index, self._rng)
                world = self._world(backdrop, lights)
            seen = world
            if index in arm:
                seen = self._world([*backdrop, arm[index]], lights)
            drawn = self._drawn(seen, pose)
            self.arm_mask = drawn.labels == ARM_LABEL
            labels = np.where(self.arm_mask, 0, drawn.labels).astype(np.int32)
            depth = corrupt_depth(
                drawn.depth_m, labels, self.camera, self._rng, self.options.sensor,
                character_seed=self.options.seed)
            frame = RgbdFrame(
                drawn.color, depth, self.camera, 1 + index * FRAME_INTERVAL_NS, FRAME_ID)
            self._note(index, frame, pose)
            yield frame, labels, pose

    def _path(self, start: list[Placed]) -> list[CameraPose]:
        """Return the camera's poses: its path, or the first share of it, as slowly."""
        frames, motion = self.options.frames, self.options.motion
        whole = camera_path(self._rng, start, frames)
        if motion == 1:
            return whole
        return [whole[int(round(motion * index))] for index in range(frames)]

    def _arm(self, poses: list[CameraPose]) -> dict[int, Item]:
        """Return the arm in the frames where it is there."""
        options = self.options
        if not options.arms:
            return {}
        paints = arm_paints(np.random.default_rng([options.seed, 0xA43]))
        passes = arm_passes(options.frames, options.arms, options.arm_frames)
        return {
            index: arm_at(reach, pose, paints)
            for index, pose in enumerate(poses) for one in passes
            if (reach := one.reach(index)) is not None}

    def _schedule(self) -> dict[int, list[Callable[[int, Rng], None]]]:
        """Return what happens before which frame, spread evenly, the first a thing put in."""
        stage = self.stage
        planned: defaultdict[int, list[Callable[[int, Rng], None]]] = defaultdict(list)
        for turn, place in enumerate(self._spread(self.options.changes)):
            planned[place].append(stage.put_in if turn % 2 == 0 else stage.take_out)
        for place in self._spread(self.options.swaps):
            planned[place].append(stage.swap)
        return planned

    def _spread(self, count: int) -> list[int]:
        places = np.linspace(0, self.options.frames, count + 2)[1:-1]
        return [int(place) for place in places]

    def _world(
        self, backdrop: list[Item], lights: tuple[list[Lamp], Array]
    ) -> tuple[World, World | None]:
        """Return the world, and the one without clear objects where there are any."""
        items = {
            label: Item(
                one.model.soup.moved(one.rotation, one.translation), one.model.materials, label)
            for label, one in self.stage.present.items()}
        solid = [items[label] for label, one in self.stage.present.items() if not one.model.clear]
        behind = None
        if len(solid) < len(items):
            behind = build_world([*solid, *backdrop], *lights)
        return build_world([*items.values(), *backdrop], *lights), behind

    def _drawn(self, worlds: tuple[World, World | None], pose: CameraPose) -> Rendering:
        if worlds[1] is None:
            return render(worlds[0], self.camera, pose)
        clear = np.zeros(ARM_LABEL + 1, np.float32)
        for label, one in self.stage.present.items():
            clear[label] = one.model.clear
        return render_through(worlds[0], worlds[1], self.camera, pose, clear)

    def _note(self, index: int, frame: RgbdFrame, pose: CameraPose) -> None:
        self._frames.append({
            'name': f'{index:06d}', 'stamp_ns': frame.stamp_ns,
            'camera_from_world': np.round(pose.matrix(), 9).tolist(),
            'labels': list(self.stage.present), 'arm': bool(self.arm_mask.any())})

    def record(self) -> dict[str, Any]:
        """Return options, objects (pose when they came), events and frames, ready for JSON."""
        return {
            'options': asdict(self.options),
            'objects': [describe_object(*entry) for entry in self.stage.known.items()],
            'events': [asdict(event) for event in self.stage.events],
            'frames': self._frames,
        }


def write_sequence(
    folder: str | Path, options: SequenceOptions, progress: Callable[[int], None] | None = None
) -> None:
    """Write the frames of a sequence and, last, sequence.json; a finished one is left alone.

    NAME-ignore.png is 255 where the arm is seen: what a method finds there is not scored.
    Raises ValueError for a folder that holds a sequence of other options.
    """
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    record = out / 'sequence.json'
    if record.exists():
        found = json.loads(record.read_text(encoding='utf-8')).get('options', {})
        if {**asdict(SequenceOptions()), **found} != asdict(options):
            raise ValueError(
                f'{out} holds a sequence of other options: {found}; asked for {options}. '
                'Give another folder')
        return
    sequence = ChangingSequence(options)
    for index, (frame, labels, _) in enumerate(sequence):
        write_labels(out / f'{index:06d}-labels.png', labels)
        if sequence.arm_mask.any():
            write_labels(out / f'{index:06d}-ignore.png', sequence.arm_mask.astype(np.int32) * 255)
        write_frame(out, f'{index:06d}', frame)
        if progress is not None:
            progress(index)
    write_atomically(record, json.dumps(sequence.record(), indent=1).encode())


def sequence_folders(
    folder: str | Path, count: int, options: SequenceOptions
) -> list[tuple[Path, SequenceOptions]]:
    """Return the folder and options of each sequence: `folder` itself for one, else 000, 001..."""
    if count < 1:
        raise ValueError(f'sequences starts at 1, got {count}')
    if count == 1:
        return [(Path(folder), options)]
    return [(Path(folder) / f'{number:03d}', replace(options, seed=options.seed + number))
            for number in range(count)]
