# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The manifest, the licence and what the package says of itself."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import seg_ros

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ('seg_ros', 'test', 'launch', 'examples')
           for path in sorted((ROOT / folder).rglob('*.py'))]
HEADER = ('Copyright 2026 seg_ros contributors', 'SPDX-License-Identifier: Apache-2.0')

# Import names of what has a key of rosdistro's rosdep/*.yaml, and that key.
KEYS = {
    'PIL': 'python3-pil',
    'catkin_pkg': 'python3-catkin-pkg',
    'cv2': 'python3-opencv',
    'hypothesis': 'python3-hypothesis',
    'mcap': 'mcap-ros2-support',
    'mcap_ros2': 'mcap-ros2-support',
    'mujoco': 'python3-mujoco-pip',
    'numba': 'python3-numba',
    'numpy': 'python3-numpy',
    'onnxruntime': 'python3-onnxruntime-pip',
    'pytest': 'python3-pytest',
    'rosbags': 'python3-rosbags-pip',
    'scipy': 'python3-scipy',
    'setuptools': 'python3-setuptools',
    'sklearn': 'python3-sklearn',
    'tf2_ros': 'tf2_ros_py',
    'torch': 'python3-torch',
    'tqdm': 'python3-tqdm',
    'trimesh': 'python3-trimesh-pip',
    'yaml': 'python3-yaml',
}
# Packages released from Humble to Kilted; their names are their keys.
ROS_PACKAGES = {
    'ament_index_python', 'builtin_interfaces', 'cv_bridge', 'diagnostic_msgs', 'geometry_msgs',
    'launch', 'launch_ros', 'lifecycle_msgs', 'rcl_interfaces', 'rclpy', 'ros2launch', 'rviz2',
    'sensor_msgs', 'shape_msgs', 'std_msgs', 'std_srvs', 'tf2_msgs', 'visualization_msgs'}
# No rosdep key: installed by pip, as the README says.
PIP_ONLY = {'imgviz', 'onnx', 'onnxscript', 'openvino', 'pycocotools', 'rerun', 'safetensors',
            'tensorboard', 'torchvision'}
# An example says how to install it: nobody else needs it.
OF_EXAMPLES = {'moveit_msgs'}


@pytest.fixture(scope='module')
def manifest():
    catkin_pkg = pytest.importorskip('catkin_pkg.package', reason='catkin_pkg is not installed')
    warnings = []
    package = catkin_pkg.parse_package(str(ROOT / 'package.xml'), warnings=warnings)
    package.validate(warnings=warnings)
    return package, warnings


def dependencies(package):
    return {entry.name for entry in (*package.buildtool_depends, *package.exec_depends,
                                     *package.test_depends)}


def imported_names(paths):
    """Return the top-level names that files import."""
    names = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.partition('.')[0])
            elif (isinstance(node, ast.Call) and ast.unparse(node.func) == 'pytest.importorskip'
                  and isinstance(node.args[0], ast.Constant)):
                names.add(node.args[0].value.partition('.')[0])
    return names


def test_the_manifest_is_valid(manifest):
    package, warnings = manifest
    assert warnings == []
    assert (package.package_format, package.name) == (3, 'seg_ros')
    assert package.get_build_type() == 'ament_python'
    assert package.licenses == ['Apache-2.0']


def test_every_dependency_has_a_known_key(manifest):
    assert dependencies(manifest[0]) - set(KEYS.values()) - ROS_PACKAGES == set()


def test_every_import_is_a_dependency(manifest):
    local = {path.stem for path in (ROOT / 'test').rglob('*.py')} | {'seg_ros'}
    known = local | set(sys.stdlib_module_names) | PIP_ONLY | OF_EXAMPLES
    outside = imported_names(SOURCES) - known
    needed = {KEYS.get(name, name) for name in outside}
    assert needed - dependencies(manifest[0]) == set()


def test_every_dependency_is_imported_or_started(manifest):
    tools = {'ros2launch', 'rviz2'}
    used = {KEYS.get(name, name) for name in imported_names([*SOURCES, ROOT / 'setup.py'])}
    assert dependencies(manifest[0]) - used - tools == set()


def test_the_version_is_the_same_everywhere(manifest):
    assert manifest[0].version == seg_ros.__version__
    changes = (ROOT / 'CHANGELOG.rst').read_text()
    assert re.search(r'^(\d+\.\d+\.\d+)', changes, re.MULTILINE).group(1) == seg_ros.__version__


def test_setup_states_what_the_manifest_states(manifest):
    done = subprocess.run([sys.executable, 'setup.py', '--name', '--version', '--license'],
                          cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-3:] == ['seg_ros', manifest[0].version, 'Apache-2.0']


def files_with_a_header():
    kinds = ('*.py', '*.yaml', '*.xml', '*.rviz', '*.cfg', '*.sh')
    listed = subprocess.run(['git', 'ls-files', '--', *kinds, 'Makefile', 'scripts', '.ci'],
                            cwd=ROOT, capture_output=True, text=True, check=False)
    names = set(listed.stdout.split()) or {str(path.relative_to(ROOT)) for path in SOURCES}
    return sorted(name for name in names if (ROOT / name).is_file())


def test_every_file_names_its_licence():
    heads = {name: (ROOT / name).read_text()[:600] for name in files_with_a_header()}
    assert 'seg_ros/core/frame.py' in heads
    assert [name for name, head in heads.items()
            if not all(line in head for line in HEADER)] == []


def test_the_licence_is_the_whole_apache_licence():
    text = (ROOT / 'LICENSE').read_text()
    assert 'Version 2.0, January 2004' in text
    assert 'END OF TERMS AND CONDITIONS' in text


def test_every_module_stands_in_a_package():
    folders = {path.parent for path in (ROOT / 'seg_ros').rglob('*.py')}
    assert [str(folder) for folder in folders if not (folder / '__init__.py').is_file()] == []
