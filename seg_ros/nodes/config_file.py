# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The YAML file of a method's parameters, written from their declaration."""

from __future__ import annotations

import textwrap

from seg_ros.core.options import OptionSpec
from seg_ros.nodes.node_options import NodeOptions
from seg_ros.segmenters import method_named, options_type

_HEAD = """\
# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
#
# {method}: {summary}.
# Every parameter with its default. `ros2 launch seg_ros perception.launch.py params_file:=FILE`,
# `ros2 run seg_ros segmentation_node --ros-args --params-file FILE`.
# Written from the declarations by seg_ros.nodes.config_file; a test keeps it so.
/**:
  ros__parameters:
"""


def config_text(method: str) -> str:
    """Return the commented YAML of a method's node; ValueError for an unknown method."""
    summary = method_named(method).summary
    specs = [*NodeOptions.specs(), *options_type(method).specs()]
    lines = []
    for spec in specs:
        default = method if spec.name == 'method' else spec.default
        lines += [*_comment(spec), f'    {spec.name}: {yaml_value(default)}']
    return _HEAD.format(method=method, summary=summary) + '\n'.join(lines) + '\n'


def yaml_value(value: object) -> str:
    """Return a bool, number, string or row of numbers as YAML that ROS reads in the same type."""
    if isinstance(value, tuple):
        return '[' + ', '.join(yaml_value(number) for number in value) + ']'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    # YAML 1.1 reads 1e-07 as a string: its mantissa needs a point.
    text = repr(value)
    return text.replace('e', '.0e') if 'e' in text and '.' not in text else text


def accepted(spec: OptionSpec) -> str:
    """Return what an option accepts, in words; '' for anything."""
    if spec.choices:
        return ' | '.join(spec.choices)
    if spec.minimum is None and spec.maximum is None:
        return ''
    low = '-inf' if spec.minimum is None else f'{spec.minimum:g}'
    high = 'inf' if spec.maximum is None else f'{spec.maximum:g}'
    return f'{low} to {high}'


def _comment(spec: OptionSpec) -> list[str]:
    parts = [spec.description, accepted(spec), '' if spec.live else 'fixed after configure']
    text = '; '.join(part for part in parts if part)
    return textwrap.wrap(text, 95, initial_indent='    # ', subsequent_indent='    # ')
