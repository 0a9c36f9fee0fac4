# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a command reads frames from: a folder of frames, one image, or a rosbag2."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from seg_ros.bags.frames import DEFAULT_SLOP_S, BagFrames, topics_of
from seg_ros.bags.storage import Bag, is_bag
from seg_ros.bags.topics import CameraTopics, without_transport
from seg_ros.core.frame import RgbdFrame
from seg_ros.core.io import COLOR_SUFFIXES, FrameFolder, read_camera, read_color, read_depth

if TYPE_CHECKING:
    from seg_ros.nodes.frames import Prepared

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff')
# frames of a folder have no stamps: they pass for a camera of 10 Hz that starts at 1 s, for a
# stamp of 0 means none
FOLDER_START_NS = 1_000_000_000
FOLDER_PERIOD_NS = 100_000_000


def as_they_are(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the labels: the frame's pixels are the input's."""
    return labels


@dataclass(frozen=True, eq=False)
class NamedFrame:
    """Hold a frame under its NAME, or the reason why it cannot be had.

    ``frame`` is undistorted where a bag's camera is raw and distorted: ``color`` is the image as
    it came and ``to_input`` brings labels of the frame to its pixels.
    """

    name: str
    frame: RgbdFrame | None
    error: str = ''
    log_time_ns: int = FOLDER_START_NS
    color: npt.NDArray[np.uint8] | None = None
    to_input: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] = as_they_are


class FrameSource(Protocol):
    """Iterate over named frames; a bad one is yielded with its error."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[NamedFrame]: ...


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT and the options that say how to read it."""
    parser.add_argument('input', type=Path, metavar='INPUT',
                        help='folder of frames, one image, or a rosbag2 (folder, .mcap, .db3)')
    image = parser.add_argument_group('one image')
    image.add_argument('--depth', type=Path, help='its depth: 16-bit PNG in millimetres')
    image.add_argument('--camera', type=Path, help='its camera.json: size, fx, fy, cx, cy')
    add_bag_arguments(parser)


def add_bag_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a bag's topics."""
    bag = parser.add_argument_group('bag', 'topics are found by type and name unless given')
    bag.add_argument('--color-topic', help='colour image topic')
    bag.add_argument('--depth-topic', help='depth image topic, aligned to colour')
    bag.add_argument('--camera-info-topic', help="the colour image's camera_info topic")
    bag.add_argument('--slop', type=float, default=DEFAULT_SLOP_S, metavar='SECONDS',
                     help='largest gap between the stamps of colour and depth (%(default)s)')


@contextmanager
def open_input(args: argparse.Namespace) -> Iterator[FrameSource]:
    """Open INPUT, whichever kind it is; ValueError or FileNotFoundError where it is none."""
    path: Path = args.input
    if not path.exists():
        raise FileNotFoundError(f'{path}: no such folder, image or bag')
    single = getattr(args, 'depth', None) or getattr(args, 'camera', None)
    if single and (path.is_dir() or is_bag(path)):
        raise ValueError(f'--depth and --camera go with one image, {path} is none')
    if is_bag(path):
        with Bag(path) as bag:
            yield _bag_source(bag, args)
    elif path.is_dir():
        yield FolderSource(FrameFolder(path))
    elif path.suffix.lower() in IMAGE_SUFFIXES:
        yield ImageSource(path, getattr(args, 'depth', None), getattr(args, 'camera', None))
    else:
        raise ValueError(
            f'{path} is no input: accepted are a folder of frames (NAME-color.png), an image '
            f'({", ".join(IMAGE_SUFFIXES)}) and a rosbag2 (folder, .mcap, .db3)'
        )


class FolderSource:
    """Read the frames of a folder in the order of their names, stamped as if 0.1 s apart."""

    def __init__(self, folder: FrameFolder) -> None:
        self.folder = folder

    def __len__(self) -> int:
        return len(self.folder)

    def __iter__(self) -> Iterator[NamedFrame]:
        for index, name in enumerate(self.folder.names):
            try:
                frame = self.folder.frame(name)
            except (ValueError, OSError) as error:
                yield NamedFrame(name, None, str(error))
            else:
                time_ns = FOLDER_START_NS + index * FOLDER_PERIOD_NS
                yield NamedFrame(name, frame, log_time_ns=time_ns)


class ImageSource:
    """Read one image, with depth and camera where they are given or stand beside it."""

    def __init__(self, path: Path, depth: Path | None, camera: Path | None) -> None:
        if depth is not None and camera is None:
            raise ValueError('--depth needs --camera: points are computed from both')
        self._path, self._depth, self._camera = path, depth, camera

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[NamedFrame]:
        suffix = next((s for s in COLOR_SUFFIXES if self._path.name.endswith(s)), None)
        if suffix and self._depth is None and self._camera is None:
            name = self._path.name[: -len(suffix)]
            yield NamedFrame(name, FrameFolder(self._path.parent).frame(name))
            return
        color = read_color(self._path)
        depth = None if self._depth is None else read_depth(self._depth)
        camera = None if self._camera is None else read_camera(self._camera)
        yield NamedFrame(self._path.stem, RgbdFrame(color, depth, camera))


class BagSource:
    """Read the frames of an open bag; NAME is the stamp in seconds."""

    def __init__(self, frames: BagFrames[Prepared]) -> None:
        self.frames = frames

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[NamedFrame]:
        seen: str | None = None
        for record in self.frames:
            if record.name == seen:
                yield NamedFrame(record.name, None, 'its stamp is that of the image before it')
            elif record.converted is None:
                yield NamedFrame(record.name, None, record.error)
            else:
                found = record.converted
                yield NamedFrame(record.name, found.frame, '', record.log_time_ns, found.color,
                                 found.to_input)
            seen = record.name


def camera_topics_of(folder: FrameFolder) -> CameraTopics:
    """Return the topics that a folder of frames is played as: what any of its frames has."""
    names = folder.names
    depth = any((folder.folder / f'{name}-depth.png').exists() for name in names)
    camera = (folder.folder / 'camera.json').exists() or any(
        (folder.folder / f'{name}-camera.json').exists() for name in names
    )
    return CameraTopics(
        'rgb/image_rect_color',
        'depth_registered/image_rect' if depth else None,
        'rgb/camera_info' if camera else None,
    )


def _bag_source(bag: Bag, args: argparse.Namespace) -> BagSource:
    from seg_ros.nodes.camera_info import is_rectified_topic
    from seg_ros.nodes.frames import FrameBuilder

    topics = topics_of(bag, args.color_topic, args.depth_topic, args.camera_info_topic,
                       compressed=True)
    builder = FrameBuilder(
        needs_depth=topics.depth is not None and topics.camera_info is not None,
        rectified=is_rectified_topic(without_transport(topics.color)),
    )
    return BagSource(BagFrames(bag, topics, builder.build, args.slop))
