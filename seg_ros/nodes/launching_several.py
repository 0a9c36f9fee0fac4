# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the launch file decides where there are several cameras, or one process for all nodes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seg_ros.nodes.config_file import yaml_value
from seg_ros.nodes.launching import INPUTS, Camera

PLACE = '{camera}'


@dataclass(frozen=True)
class CameraPlace:
    """Hold a camera, the namespace of its nodes and the topics that replace its own."""

    namespace: str
    camera: Camera
    overrides: Mapping[str, str]


def camera_places(
    text: str, preset: str, presets: Mapping[str, Camera], arguments: Mapping[str, str]
) -> list[CameraPlace]:
    """Return the cameras of ``cameras:=left,right=azure``, each in a namespace of its name.

    '' is the one camera of ``preset``, in the namespace of the arguments. A name without a preset
    has that one. Topics in the arguments replace the preset's; with names they say where the name
    stands. Raises ValueError for a bad name, an unknown preset or topics that are not apart.
    """
    overrides = {key: arguments.get(key, '') for key in INPUTS}
    namespace = arguments.get('namespace', '')
    if not text.strip():
        return [CameraPlace(namespace, presets[preset], overrides)]
    named = _split(text, preset, presets)
    for key, topic in overrides.items():
        if topic.startswith('/') and PLACE not in topic and len(named) > 1:
            raise ValueError(
                f'{key}:={topic} with cameras:={text}: all would take one topic; write {PLACE} '
                f'where the name stands, {key}:=/{PLACE}/image')
    return [CameraPlace('/'.join(part for part in (namespace.rstrip('/'), name) if part),
                        _named(presets[kind], name), _filled(overrides, name))
            for name, kind in named.items()]


def _split(text: str, preset: str, presets: Mapping[str, Camera]) -> dict[str, str]:
    """Return the preset of each name."""
    found: dict[str, str] = {}
    for word in (part.strip() for part in text.split(',')):
        name, equals, kind = (part.strip() for part in word.partition('='))
        if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name):
            raise ValueError(
                f'cameras has {word!r}: NAME or NAME=CAMERA is accepted, NAME of letters, digits '
                'and underscores')
        if name in found:
            raise ValueError(f'cameras names {name!r} twice: a camera has a namespace of its own')
        if equals and kind not in presets:
            raise ValueError(
                f'cameras has {word!r}: known cameras are {", ".join(sorted(presets))}')
        found[name] = kind or preset
    return found


def _named(camera: Camera, name: str) -> Camera:
    topics = _filled({key: camera.several.get(key, camera.topics[key]) for key in INPUTS}, name)
    frame_id = camera.several.get('frame_id', camera.frame_id).replace(PLACE, name)
    return Camera(topics, frame_id, camera.several)


def _filled(topics: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: topic.replace(PLACE, name) for key, topic in topics.items()}


def container_words(
    name: str, namespace: str, files: Iterable[str], parameters: Mapping[str, Any],
    remappings: Iterable[tuple[str, str]],
) -> list[str]:
    """Return the words with which ``segmentation_container`` has one more node."""
    words = ['--node', '-r', f'__node:={name}', '-r', f'__ns:=/{namespace.strip("/")}']
    for file in files:
        words += ['--params-file', file]
    for key, value in parameters.items():
        words += ['-p', f'{key}:={yaml_value(value)}']
    for old, new in remappings:
        words += ['-r', f'{old}:={new}']
    return words
