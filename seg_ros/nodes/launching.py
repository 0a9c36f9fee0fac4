# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the launch files decide: methods, weights, topics and parameters, without launch itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from seg_ros.segmenters import METHODS, method_named

INPUTS = {
    'color_topic': 'rgb/image_rect_color',
    'depth_topic': 'depth_registered/image_rect',
    'camera_info_topic': 'rgb/camera_info',
}
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')


@dataclass(frozen=True)
class Camera:
    """Hold a camera's topics by the launch file's argument names, and its optical frame.

    ``several`` has those that are named otherwise where several such cameras have names.
    """

    topics: Mapping[str, str]
    frame_id: str
    several: Mapping[str, str] = field(default_factory=dict)


def read_cameras(path: Path) -> dict[str, Camera]:
    """Return the camera presets of a YAML file; ValueError names an entry that is incomplete."""
    cameras = {}
    for name, entry in yaml.safe_load(path.read_text(encoding='utf-8')).items():
        several = entry.pop('several', {})
        wanted = {*INPUTS, 'frame_id'}
        if set(entry) != wanted or not set(several) <= wanted:
            raise ValueError(
                f'{path}: camera {name!r} has {", ".join(sorted({*entry, *several}))}, needed are '
                f'{", ".join(sorted(wanted))}')
        topics = {key: entry[key] for key in INPUTS}
        cameras[name] = Camera(topics, entry['frame_id'], several)
    return cameras


def remappings(camera: Camera, overrides: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the node's input remappings: the camera's topics, or an override that is not ''."""
    topics = {key: overrides.get(key) or camera.topics[key] for key in INPUTS}
    return [(INPUTS[key], topic) for key, topic in topics.items() if topic != INPUTS[key]]


def split_methods(text: str) -> list[str]:
    """Return the methods of 'A,B'; ValueError for none, an unknown one or one given twice."""
    methods = [word.strip() for word in text.split(',') if word.strip()]
    if not methods:
        raise ValueError(f'methods is empty: choose from {", ".join(sorted(METHODS))}')
    for method in methods:
        method_named(method)
        if methods.count(method) > 1:
            raise ValueError(f"methods names {method!r} twice: a node has its method's name")
    return methods


def split_weights(text: str, methods: list[str]) -> dict[str, str]:
    """Return the weights of each method named in 'PATH' or 'METHOD=PATH,METHOD=PATH'.

    A method that is not named keeps what its parameters say. A path that begins like METHOD= is
    written ./PATH. Raises ValueError for a method that is not launched and for one path with
    several methods.
    """
    text = text.strip()
    if not text:
        return {}
    if not re.match(r'\w+\s*=', text):
        if len(methods) > 1:
            raise ValueError(
                f'weights:={text} with methods:={",".join(methods)}: say whose they are, '
                f'weights:={methods[0]}=PATH,{methods[1]}=PATH')
        return {methods[0]: text}
    return dict(_method_and_path(part, methods) for part in text.split(','))


def _method_and_path(text: str, methods: list[str]) -> tuple[str, str]:
    method, equals, path = (word.strip() for word in text.partition('='))
    if not equals or not path:
        raise ValueError(f'weights has {text!r}: METHOD=PATH is accepted')
    if method not in methods:
        raise ValueError(
            f'weights names {method!r}, launched are {", ".join(methods)}: add it to methods, '
            'or write ./ before a path with =')
    return method, path


def node_parameters(
    method: str, arguments: Mapping[str, str], weights: Mapping[str, str]
) -> dict[str, Any]:
    """Return the parameters that the launch arguments set, on top of the parameter files.

    An argument left '' sets nothing, so that a parameter file's value holds.
    """
    parameters: dict[str, Any] = {'method': method}
    if method in weights:
        parameters['weights'] = weights[method]
    for name in ('device', 'color_transport', 'depth_transport'):
        if arguments.get(name):
            parameters[name] = arguments[name]
    for name in ('use_sim_time', 'autostart'):
        if arguments.get(name):
            parameters[name] = is_true(name, arguments[name])
    return parameters


def is_true(name: str, text: str) -> bool:
    """Return a launch argument as a boolean; ValueError names the argument."""
    if text.lower() not in ('true', 'false'):
        raise ValueError(f'{name}:={text}: true or false is accepted')
    return text.lower() == 'true'


def profile_environment(
    choice: str, default: Path, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables that make Fast DDS read a profile.

    ``choice`` 'auto' is the package's profile unless the environment names one already, 'none'
    changes nothing, anything else is a file. Raises FileNotFoundError where it is not there.
    """
    if choice in ('', 'none'):
        return {}
    if choice == 'auto' and any(environment.get(name) for name in PROFILE_VARIABLES):
        return {}
    path = default if choice == 'auto' else Path(choice).expanduser().absolute()
    if not path.is_file():
        raise FileNotFoundError(
            f'fastdds_profile:={choice}: no file {path}; auto is the one of this package, none '
            'leaves the environment alone')
    return dict.fromkeys(PROFILE_VARIABLES, str(path))
