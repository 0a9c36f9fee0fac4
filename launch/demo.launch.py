# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Play a folder of frames or a rosbag2 as a camera, and segment it by perception.launch.py."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import ExecutableInPackage

LAUNCH = Path(get_package_share_directory('seg_ros')) / 'launch'
ARGUMENTS = [
    DeclareLaunchArgument(
        'input', description='Folder of NAME-color.png, NAME-depth.png and camera.json, or a '
                             'rosbag2 (its topics by camera:= or color_topic:= and so on).'),
    DeclareLaunchArgument(
        'rate', default_value='1.0', description='Speed: 2.0 plays twice as fast.'),
    DeclareLaunchArgument(
        'loop', default_value='true', choices=['true', 'false'],
        description='Whether to start again at the end; else all ends with the player.'),
    # What follows are arguments of perception.launch.py, with what suits a player; the rest of its
    # arguments are accepted here too.
    DeclareLaunchArgument(
        'camera', default_value='depth_image_proc',
        description='Camera whose topics are taken; a folder is played as depth_image_proc.'),
    DeclareLaunchArgument(
        'namespace', default_value='',
        description="Namespace of the nodes and of a folder's topics."),
]


def player(context: LaunchContext) -> list:
    """Return the player's process; it waits until the node has subscribed."""
    values = {
        argument.name: LaunchConfiguration(argument.name).perform(context)
        for argument in ARGUMENTS
    }
    words = ['play', values['input'], '--rate', values['rate'], '--timeout', '120']
    if values['namespace']:
        words += ['--namespace', values['namespace']]
    if values['loop'] == 'true':
        words.append('--loop')
    return [ExecuteProcess(
        cmd=[ExecutableInPackage('seg_ros', 'seg_ros'), *words],
        name='player', output='screen', emulate_tty=True,
        on_exit=Shutdown(reason='the player ended'))]


def generate_launch_description() -> LaunchDescription:
    """Return the perception, then the player: it inherits the Fast DDS profile set there."""
    perception = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(LAUNCH / 'perception.launch.py')))
    return LaunchDescription([*ARGUMENTS, perception, OpaqueFunction(function=player)])
