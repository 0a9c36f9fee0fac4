# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sequences in which the camera moves and things are put in and taken out; ids hold throughout."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.io import write_atomically, write_frame, write_labels
from seg_ros.synthetic import catalogue
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
    """Choose a sequence: frames, changes (things put in or taken out), size, physics, sensor."""

    frames: int = 60
    changes: int = 4
    seed: int = 0
    width: int = 640
    height: int = 480
    physics: str = 'mujoco'
    sensor: str = 'realsense'

    def __post_init__(self) -> None:
        if self.frames < 1 or self.changes < 0:
            raise ValueError(f'frames starts at 1, changes at 0, got {self}')
        if self.changes >= self.frames:
            raise ValueError(
                f'{self.changes} changes need at least {self.changes + 1} frames, '
                f'got {self.frames}')


@dataclass(frozen=True)
class Event:
    """Say what changed before a frame: 'put_in' or 'taken_out', and the object's label."""

    frame: int
    kind: str
    label: int


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
        self._frames: list[dict[str, Any]] = []
        width, height = options.width, options.height
        self.camera = CameraModel(
            width, height, 0.958 * width, 0.958 * width, (width - 1) / 2, (height - 1) / 2)

    def __iter__(self) -> Iterator[SequenceFrame]:
        """Yield frames with sensor noise, their labels (H, W) int32 and camera poses."""
        start = list(self.stage.present.values())
        poses = camera_path(self._rng, start, self.options.frames)
        cameras = np.array([pose.position for pose in poses])
        backdrop = [*self.stage.table.items, *make_surroundings(
            self._rng, self.stage.table, cameras)]
        lights = make_lamps(self._rng)
        changes = self._schedule()
        world = self._world(backdrop, lights)
        for index, pose in enumerate(poses):
            if index in changes:
                changes[index](index, self._rng)
                world = self._world(backdrop, lights)
            drawn = self._drawn(world, pose)
            depth = corrupt_depth(
                drawn.depth_m, drawn.labels, self.camera, self._rng, self.options.sensor,
                character_seed=self.options.seed)
            frame = RgbdFrame(
                drawn.color, depth, self.camera, 1 + index * FRAME_INTERVAL_NS, FRAME_ID)
            self._note(index, frame, pose)
            yield frame, drawn.labels, pose

    def _schedule(self) -> dict[int, Callable[[int, Rng], None]]:
        """Return what happens before which frame, spread evenly, the first a thing put in."""
        count = self.options.changes
        places = np.linspace(0, self.options.frames, count + 2)[1:-1].astype(int)
        return {
            int(place): self.stage.put_in if turn % 2 == 0 else self.stage.take_out
            for turn, place in enumerate(places)}

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
        clear = np.zeros(max(self.stage.known) + 1, np.float32)
        for label, one in self.stage.present.items():
            clear[label] = one.model.clear
        return render_through(worlds[0], worlds[1], self.camera, pose, clear)

    def _note(self, index: int, frame: RgbdFrame, pose: CameraPose) -> None:
        self._frames.append({
            'name': f'{index:06d}', 'stamp_ns': frame.stamp_ns,
            'camera_from_world': np.round(pose.matrix(), 9).tolist(),
            'labels': list(self.stage.present)})

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

    Raises ValueError for a folder that holds a sequence of other options.
    """
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    record = out / 'sequence.json'
    if record.exists():
        found = json.loads(record.read_text(encoding='utf-8')).get('options')
        if found != asdict(options):
            raise ValueError(
                f'{out} holds a sequence of other options: {found}; asked for {options}. '
                'Give another folder')
        return
    sequence = ChangingSequence(options)
    for index, (frame, labels, _) in enumerate(sequence):
        write_labels(out / f'{index:06d}-labels.png', labels)
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
