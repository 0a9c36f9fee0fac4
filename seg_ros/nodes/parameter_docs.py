# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The parameter reference of the docs, written from the declarations that make the descriptors.

``python -m seg_ros.nodes.parameter_docs > docs/robot/parameters.md`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from seg_ros.core.options import OptionSpec
from seg_ros.nodes.config_file import accepted, yaml_value
from seg_ros.nodes.node_options import NodeOptions
from seg_ros.segmenters import METHODS, method_named, options_type

_HEAD = """\
# Parameters

Written from the declarations by `python -m seg_ros.nodes.parameter_docs`; a test keeps it so. The
same texts are the descriptors that `ros2 param describe NODE NAME` shows.

*live*: `ros2 param set` changes it from the next frame on; *fixed*: after configure only through
the lifecycle (cleanup, set, configure). A value that is not accepted is refused with the reason.
`config/METHOD.yaml` has every parameter of a method with its default.
"""


def parameters_text() -> str:
    """Return the reference as Markdown: what every node has, then each method's own."""
    parts = [_HEAD, _section('Every node', NodeOptions.specs())]
    for method in sorted(METHODS):
        summary = method_named(method).summary
        parts.append(_section(f'`{method}`', options_type(method).specs(), f'{summary}.'))
    return '\n'.join(parts)


def _section(title: str, specs: Iterable[OptionSpec], text: str = '') -> str:
    lines = [f'## {title}', '', *([text, ''] if text else []),
             '| name | default | accepted | | what |', '|---|---|---|---|---|']
    return '\n'.join([*lines, *(_row(spec) for spec in specs), ''])


def _row(spec: OptionSpec) -> str:
    takes = accepted(spec).replace(' | ', ', ') or spec.type.__name__
    cells = (f'`{spec.name}`', f'`{yaml_value(spec.default)}`', takes,
             'live' if spec.live else 'fixed', spec.description)
    return '| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |'


if __name__ == '__main__':
    sys.stdout.write(parameters_text())
