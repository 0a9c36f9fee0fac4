# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""perception.launch.py with two methods on one camera, and two cameras, run by launch itself."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trivial_methods
from ros_helpers import HERE, Robot, environment, scene, wait_until
from sensor_msgs.msg import Image

from seg_ros.nodes.config_file import config_text
from seg_ros.nodes.conversions import array_from_image
from seg_ros.segmenters import METHODS

for needed in ('launch', 'launch_ros'):
    pytest.importorskip(needed, reason=f"ROS's {needed} is not installed: there is no wheel of it")

if 'blobs' not in METHODS:
    trivial_methods.register_all()

ROOT = Path(__file__).parents[2]
LAUNCHER = """
import sys
import trivial_methods
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

trivial_methods.register_all()
arguments = [tuple(word.split(':=', 1)) for word in sys.argv[2:]]
service = LaunchService(argv=[])
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)]))
sys.exit(service.run())
"""
PARAMETERS = """\
/**: {ros__parameters: {max_frame_age: 20.0}}
/blobs: {ros__parameters: {far: 0.82}}
/named: {ros__parameters: {classes: 'bottle'}}
"""


@pytest.fixture
def prefix(tmp_path):
    """Lay the checkout out as an ament prefix whose node has the methods of these tests."""
    marker = tmp_path / 'share' / 'ament_index' / 'resource_index' / 'packages' / 'seg_ros'
    marker.parent.mkdir(parents=True)
    marker.touch()
    share = tmp_path / 'share' / 'seg_ros'
    for folder in ('launch', 'config'):
        shutil.copytree(ROOT / folder, share / folder)
    for method in ('blobs', 'named'):
        (share / 'config' / f'{method}.yaml').write_text(config_text(method))
    (tmp_path / 'lib' / 'seg_ros').mkdir(parents=True)
    for name, word in (('segmentation_node', ''), ('segmentation_container', 'container')):
        program = tmp_path / 'lib' / 'seg_ros' / name
        program.write_text(
            f'#!/bin/sh\nexec {sys.executable} -u {HERE}/trivial_methods.py {word} "$@"\n')
        program.chmod(0o755)
    return tmp_path


class Launch:
    """Run perception.launch.py in a process of its own and end it as Ctrl-C does."""

    def __init__(self, prefix, **arguments):
        environ = environment()
        path = os.pathsep.join([str(HERE), environ['PYTHONPATH']])
        prefixes = os.pathsep.join([str(prefix), environ.get('AMENT_PREFIX_PATH', '')])
        words = [f'{name}:={value}' for name, value in arguments.items()]
        self.log = ''
        self.process = subprocess.Popen(
            [sys.executable, '-u', '-c', LAUNCHER,
             str(prefix / 'share/seg_ros/launch/perception.launch.py'), *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**environ, 'PYTHONPATH': path, 'AMENT_PREFIX_PATH': prefixes,
                 'ROS_LOG_DIR': str(prefix / 'log')})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.log += line

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = None
        self._reader.join(5)
        return code


@pytest.mark.slow
def test_two_methods_share_a_camera(prefix):
    params_file = prefix / 'mine.yaml'
    params_file.write_text(PARAMETERS)
    started = Launch(prefix, methods='blobs,named', camera='depth_image_proc', device='cpu',
                     weights='named=default', params_file=params_file)
    blobs = Robot('blobs', topics=('label', 'points'))
    named = Robot('named', topics=('label', 'points'), settles=False)
    try:
        for robot in (blobs, named):
            robot.wait_state('active')
        color, depth_mm = scene()
        color[40:70, 80:110, 2] = 30
        blobs.until_result(color=color, depth=depth_mm)
        assert wait_until(lambda: named.received['points'] or not blobs.send(color, depth_mm))
        stamp = blobs.send(color, depth_mm)
        first, second = (array_from_image(robot.message('label', stamp))
                         for robot in (blobs, named))
        # Each with its own parameters: blobs sees no farther than the first box, named a bottle.
        assert ((first > 0) == (depth_mm == 800)).all()
        assert ((second > 0) == (depth_mm == 850)).all()
        assert all(robot.message('points', stamp).width == 900 for robot in (blobs, named))
        assert wait_until(lambda: blobs.status() and named.status())
        assert [robot.status()[2]['depth'] for robot in (blobs, named)] == [
            'required', 'optional']
        assert all(robot.segment().success for robot in (blobs, named))
    finally:
        blobs.close()
        named.close()
        code = started.stop()
    assert code == 0, started.log
    assert started.log.count('process has finished cleanly') == 2, started.log
    assert 'Traceback' not in started.log


@pytest.mark.slow
@pytest.mark.parametrize('composed', ['true', 'false'])
def test_two_cameras_and_a_process_that_dies(prefix, composed):
    params_file = prefix / 'mine.yaml'
    params_file.write_text(
        '/**: {ros__parameters: {max_frame_age: 20.0}}\n'
        '/right/blobs: {ros__parameters: {far: 0.82}}\n')
    started = Launch(prefix, methods='blobs', camera='depth_image_proc', cameras='left,right',
                     composed=composed, respawn='true', device='cpu', params_file=params_file,
                     color_topic='/{camera}/image')
    robots = [Robot(f'{name}/blobs', topics=('label',), namespace=name)
              for name in ('left', 'right')]
    for robot, name in zip(robots, ('left', 'right'), strict=True):
        robot.in_executor(robot.node.destroy_publisher, robot.color)
        robot.color = robot.node.create_publisher(Image, f'/{name}/image', 10)
    try:
        for robot, objects in zip(robots, (2, 1), strict=True):
            robot.wait_state('active')
            assert array_from_image(robot.until_result()).max() == objects
            assert wait_until(lambda robot=robot: robot.status() is not None)
            assert robot.status()[2]['model_users'] == ('2' if composed == 'true' else '1')
        assert started.log.count('blobs are loaded') == (1 if composed == 'true' else 2)
        pids = [int(number) for number in re.findall(r'started with pid \[(\d+)\]', started.log)]
        assert len(pids) == (1 if composed == 'true' else 2)
        os.kill(pids[-1], signal.SIGKILL)
        assert wait_until(lambda: started.log.count('process started with pid') == len(pids) + 1)
        for robot in robots:
            robot.received['label'].clear()
            robot.until_result()
    finally:
        for robot in robots:
            robot.close()
        code = started.stop()
    assert code == 0, started.log
    assert 'Traceback' not in started.log
