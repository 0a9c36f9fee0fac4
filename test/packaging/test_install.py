# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The package as pip builds and installs it, in an environment of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from seg_ros import __version__
from seg_ros.segmenters import METHODS

ROOT = Path(__file__).parents[2]
FOLDERS = ('seg_ros', 'launch', 'config', 'examples', 'resource', 'scripts')
FILES = ('setup.py', 'setup.cfg', 'pyproject.toml', 'package.xml', 'README.md', 'LICENSE',
         'MANIFEST.in', 'CHANGELOG.rst', 'Makefile')
DATA = f'seg_ros-{__version__}.data/data'
# Not those that other tests have registered.
OWN_METHODS = [name for name, method in METHODS.items() if method.loader.startswith('seg_ros.')]
pytestmark = pytest.mark.slow


def run(*command, folder, **variables):
    """Run a command outside the checkout; return what it wrote, or fail with it."""
    dropped = ('LD_LIBRARY_PATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE', 'PYTHONPATH',
               'AMENT_PREFIX_PATH')
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True,
                          check=False, env=environment | variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Build the wheel from a copy: building leaves folders behind."""
    pytest.importorskip('setuptools', reason='setuptools is not installed')
    source = tmp_path_factory.mktemp('source')
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder,
                        ignore=shutil.ignore_patterns('__pycache__'))
    for name in FILES:
        shutil.copy(ROOT / name, source)
    out = tmp_path_factory.mktemp('wheel')
    run(sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation', '--no-index',
        '-w', out, source, folder=out)
    return next(out.glob('*.whl'))


@pytest.fixture(scope='module')
def prefix(wheel, tmp_path_factory):
    """Install the wheel into an environment that sees this one's packages, not this checkout."""
    folder = tmp_path_factory.mktemp('prefix')
    venv.create(folder, with_pip=False, symlinks=True)
    version = f'python{sys.version_info.major}.{sys.version_info.minor}'
    site = folder / 'lib' / version / 'site-packages'
    (site / 'outer.pth').write_text(sysconfig.get_path('purelib') + '\n')
    run(folder / 'bin' / 'python', '-m', 'pip', 'install', '--no-deps', '--no-index',
        '--ignore-installed', wheel, folder=folder)
    return folder


def test_the_wheel_has_every_module(wheel):
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / 'seg_ros').rglob('*.py')}
    assert modules - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_the_wheel_has_the_package_alone(wheel):
    tops = {name.partition('/')[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {'seg_ros', f'seg_ros-{__version__}.data', f'seg_ros-{__version__}.dist-info'}


@pytest.mark.parametrize('name', [
    'seg_ros/weights/unseen_objects.safetensors',
    'seg_ros/weights/unseen_objects.md',
    f'{DATA}/share/ament_index/resource_index/packages/seg_ros',
    f'{DATA}/share/seg_ros/package.xml',
    f'{DATA}/share/seg_ros/launch/perception.launch.py',
    f'{DATA}/share/seg_ros/launch/demo.launch.py',
    f'{DATA}/share/seg_ros/config/perception.rviz',
    f'{DATA}/share/seg_ros/weights/unseen_objects.safetensors',
    f'{DATA}/share/seg_ros/weights/unseen_objects.md',
    f'{DATA}/share/seg_ros/config/fastdds_images.xml',
    f'{DATA}/share/seg_ros/config/cameras.yaml',
    *(f'{DATA}/share/seg_ros/config/{name}.yaml' for name in OWN_METHODS),
    f'{DATA}/share/seg_ros/examples/pick_nearest.py',
    f'{DATA}/lib/seg_ros/segmentation_node',
    f'{DATA}/lib/seg_ros/segmentation_container',
    f'{DATA}/lib/seg_ros/seg_ros',
])
def test_the_wheel_has_what_stands_outside_the_modules(wheel, name):
    assert name in zipfile.ZipFile(wheel).namelist()


@pytest.mark.parametrize('script', ['bin/seg_ros', 'lib/seg_ros/seg_ros'])
def test_both_ways_to_the_command_work(prefix, tmp_path, script):
    assert run(prefix / script, '--version', folder=tmp_path) == f'seg_ros {__version__}'


def test_the_wrapper_works_through_a_link(prefix, tmp_path):
    """colcon's --symlink-install and --merge-install call it so."""
    (tmp_path / 'lib').symlink_to(prefix / 'lib')
    (tmp_path / 'bin').symlink_to(prefix / 'bin')
    script = tmp_path / 'lib' / 'seg_ros' / 'seg_ros'
    assert run(script, '--version', folder=tmp_path) == f'seg_ros {__version__}'


def test_the_wrapper_hands_on_words_and_the_exit_code(prefix, tmp_path):
    done = subprocess.run([prefix / 'lib/seg_ros/seg_ros', 'segment', 'no such folder',
                           '--output', 'out'], cwd=tmp_path, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2
    assert 'no such folder' in done.stderr


def test_the_installed_package_finds_its_files(prefix, tmp_path):
    code = ('import seg_ros; from seg_ros.resources import config_path; '
            'from seg_ros.weights.files import shipped_names; '
            'print(seg_ros.__file__); print(config_path("fastdds_images.xml")); '
            'print(*shipped_names())')
    lines = run(prefix / 'bin' / 'python', '-c', code, folder=tmp_path).splitlines()
    assert lines[0].startswith(str(prefix))
    assert lines[1] == str(prefix / 'share/seg_ros/config/fastdds_images.xml')
    assert 'unseen_objects' in lines[2].split()


def test_the_node_starts_from_where_ros2_run_looks(prefix, tmp_path):
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    code = ('from importlib.metadata import entry_points; '
            'print(*(entry.value for entry in entry_points(group="console_scripts") '
            'if entry.name == "segmentation_node"))')
    entry = run(prefix / 'bin' / 'python', '-c', code, folder=tmp_path).split()[0]
    module, name = entry.split(':')
    code = f'import importlib; print(callable(importlib.import_module({module!r}).{name}))'
    assert run(sys.executable, '-c', code, folder=ROOT) == 'True'
