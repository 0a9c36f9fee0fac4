# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Imports point downwards, ROS stays in nodes/, and importing the package costs nothing."""

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / 'seg_ros'
MODULES = sorted(PACKAGE.rglob('*.py'))

# A room may import rooms of a lower level, and itself.
LEVELS = {
    'core': 0,
    'weights': 1, 'crf': 1, 'bags': 1, 'resources': 1, 'threads': 1,
    'backends': 2, 'synthetic': 2,
    'networks': 3,
    'unseen': 4, 'mask_rcnn': 4, 'semantic': 4, 'grabcut': 4,
    'combined': 5,
    'segmenters': 6,
    'evaluation': 7,
    'training': 8,
    'benchmark': 9,
    'nodes': 10,
    'cli': 11, 'client': 11,
    '__main__': 12,
}
ROS = {'rclpy', 'ament_index_python', 'launch', 'launch_ros', 'cv_bridge', 'tf2_ros',
       'message_filters', 'builtin_interfaces', 'std_srvs', 'rcl_interfaces', 'rosbag2_py'}
# Where ROS may be asked for outside nodes/: share folders, of a workspace and of message packages.
ALLOWED_ROS = {('resources', 'ament_index_python'), ('bags', 'ament_index_python')}
HEAVY = ('torch', 'torchvision', 'openvino', 'onnxruntime', 'onnx', 'numba', 'scipy', 'rosbags',
         'rclpy', 'mujoco', 'rerun', 'trimesh', 'sklearn', 'yaml', 'cv2', 'numpy')


def room_of(path):
    parts = path.relative_to(PACKAGE).with_suffix('').parts
    return parts[0]


def is_type_checking(node):
    return isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.dump(node.test)


def imports(tree, only_at_import=False):
    """Yield the dotted names that a module imports, not those for type checkers alone."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if is_type_checking(node):
            waiting += node.orelse
            continue
        if only_at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f'{node.module}.{alias.name}' for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def tops_of(path, only_at_import=False):
    """Return the top-level packages that a module imports."""
    return {name.partition('.')[0] for name in imports(parsed(path), only_at_import)}


@functools.cache
def parsed(path):
    return ast.parse(path.read_text())


def rooms_imported(path):
    """Return the rooms of seg_ros that a module imports."""
    found = set()
    for name in imports(parsed(path)):
        parts = name.split('.')
        # `from seg_ros import __version__` is the package itself
        if parts[0] == 'seg_ros' and len(parts) > 1 and parts[1] != '__version__':
            found.add(parts[1])
    return found


def test_every_room_has_a_level():
    rooms = {room_of(path) for path in MODULES} - {'__init__'}
    assert rooms - set(LEVELS) == set()


def test_imports_point_downwards():
    upward = [
        (str(path.relative_to(ROOT)), other)
        for path in MODULES
        for other in rooms_imported(path) - {room_of(path)}
        if LEVELS[other] >= LEVELS.get(room_of(path), -1)
    ]
    assert upward == []


def is_ros(top):
    return top in ROS or top.endswith('_msgs')


def test_only_nodes_know_ros():
    found = {
        (room_of(path), top)
        for path in MODULES
        for top in tops_of(path)
        if is_ros(top) and room_of(path) not in ('nodes', 'cli')
    }
    assert found == ALLOWED_ROS


def test_commands_import_ros_and_heavy_packages_where_they_use_them():
    # modules with an underscore are imported by the commands inside functions
    commands = [path for path in MODULES
                if room_of(path) == 'cli' and not path.stem.startswith('_')]
    heavy = set(HEAVY) - {'numpy', 'cv2'}
    found = [(path.stem, top) for path in commands for top in tops_of(path, only_at_import=True)
             if top in heavy or is_ros(top)]
    assert len(commands) >= 8
    assert found == []


def test_core_needs_numpy_opencv_and_scipy_only():
    tops = {top for path in MODULES if room_of(path) == 'core' for top in tops_of(path)}
    assert tops - {'seg_ros', *sys.stdlib_module_names} == {'numpy', 'cv2', 'scipy'}


@pytest.mark.parametrize(('code', 'names'), [
    ('import a.b, c', {'a.b', 'c'}),
    ('def f():\n    from a import b', {'a.b'}),
    ('from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\nelse:\n    import b',
     {'typing.TYPE_CHECKING', 'b'}),
])
def test_imports_are_seen_wherever_they_stand(code, names):
    assert set(imports(ast.parse(code))) == names


def modules_loaded_by(statement):
    """Return the top-level modules that a fresh interpreter holds after a statement."""
    code = (f'import sys, json; before = set(sys.modules); {statement}; '
            'print(json.dumps(sorted({name.partition(".")[0] '
            'for name in set(sys.modules) - before})))')
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(('statement', 'allowed'), [
    ('import seg_ros', set()),
    ('import seg_ros.cli', set()),
    ('from seg_ros import segmenters', {'numpy', 'cv2'}),
    ('from seg_ros.segmenters import options_type; options_type("unseen_objects")',
     {'numpy', 'cv2'}),
    ('import seg_ros.nodes.launching', {'numpy', 'cv2', 'yaml'}),
    ('import seg_ros.client', {'numpy', 'cv2'}),
])
def test_imports_are_cheap(statement, allowed):
    assert modules_loaded_by(statement) & set(HEAVY) <= allowed


def test_a_statement_that_loads_something_is_seen():
    assert 'yaml' in modules_loaded_by('import yaml')
