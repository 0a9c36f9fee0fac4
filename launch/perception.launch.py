# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Segment RGB-D topics: one node a method and camera, and RViz if asked for."""

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from seg_ros.nodes import launching, launching_several
from seg_ros.nodes.node_options import COLOR_TRANSPORTS, DEPTH_TRANSPORTS
from seg_ros.segmenters import DEFAULT_METHOD, METHODS

CONFIG = Path(get_package_share_directory('seg_ros')) / 'config'
CAMERAS = launching.read_cameras(CONFIG / 'cameras.yaml')
BOOLEAN = ['true', 'false']
ARGUMENTS = [
    DeclareLaunchArgument(
        'methods', default_value=DEFAULT_METHOD,
        description=f'Methods to run, separated by commas, of: {", ".join(sorted(METHODS))}. '
                    'Each is a node with the name of its method.'),
    DeclareLaunchArgument(
        'camera', default_value='realsense', choices=sorted(CAMERAS),
        description='Camera whose topics are taken (config/cameras.yaml).'),
    DeclareLaunchArgument(
        'cameras', default_value='',
        description='Several cameras, NAME,NAME or NAME=CAMERA,NAME=CAMERA: each has nodes of its '
                    'own in the namespace NAME, and its name stands in the topics. Empty: one.'),
    DeclareLaunchArgument(
        'composed', default_value='false', choices=BOOLEAN,
        description='Whether all nodes are one process, where those of one method share its '
                    'model and are served in turn.'),
    DeclareLaunchArgument(
        'color_topic', default_value='',
        description="Colour image; empty: the camera's. With cameras:=, {camera} is each name."),
    DeclareLaunchArgument(
        'depth_topic', default_value='',
        description="Depth image aligned to colour; empty: the camera's."),
    DeclareLaunchArgument(
        'camera_info_topic', default_value='',
        description="Calibration of the colour image; empty: the camera's."),
    DeclareLaunchArgument(
        'color_transport', default_value='', choices=['', *COLOR_TRANSPORTS],
        description='raw, or compressed (jpeg, png on TOPIC/compressed); empty: as the parameter '
                    'files say, else raw.'),
    DeclareLaunchArgument(
        'depth_transport', default_value='', choices=['', *DEPTH_TRANSPORTS],
        description='raw, compressedDepth or compressed (png on TOPIC/compressedDepth or '
                    'TOPIC/compressed); empty: as the parameter files say, else raw.'),
    DeclareLaunchArgument(
        'namespace', default_value='',
        description='Namespace of the nodes; outputs are /NAMESPACE/METHOD/label and so on.'),
    DeclareLaunchArgument(
        'params_file', default_value='',
        description="YAML of parameters, read after the package's config/METHOD.yaml."),
    DeclareLaunchArgument(
        'device', default_value='',
        description='auto, cpu, cuda or cuda:N; empty: as the parameter files say, else auto.'),
    DeclareLaunchArgument(
        'weights', default_value='',
        description='Weights: PATH or a shipped name for one method, METHOD=PATH,METHOD=PATH for '
                    'several; empty: as the parameter files say, else those that are shipped.'),
    DeclareLaunchArgument(
        'autostart', default_value='', choices=['', *BOOLEAN],
        description='Whether the nodes configure and activate themselves; empty: as the '
                    'parameter files say, else true. False leaves it to a lifecycle manager.'),
    DeclareLaunchArgument(
        'respawn', default_value='false', choices=BOOLEAN,
        description='Whether a node that died is started again after two seconds.'),
    DeclareLaunchArgument(
        'use_sim_time', default_value='false', choices=BOOLEAN,
        description='Whether time comes from /clock.'),
    DeclareLaunchArgument(
        'rviz', default_value='false', choices=BOOLEAN,
        description="Whether RViz shows the first method's overlay, label, markers and points."),
    DeclareLaunchArgument(
        'log_level', default_value='info', choices=['debug', 'info', 'warn', 'error', 'fatal'],
        description='Least severe message that the nodes log.'),
    DeclareLaunchArgument(
        'fastdds_profile', default_value='auto',
        description="Fast DDS profile for this launch's processes: a file, none (leave the "
                    'environment alone) or auto (the one of this package with memory for images, '
                    'unless FASTDDS_DEFAULT_PROFILES_FILE or FASTRTPS_DEFAULT_PROFILES_FILE is '
                    "set). The camera driver's process needs it too."),
]


def launch_setup(context: LaunchContext) -> list:
    """Return the actions for the arguments given."""
    arguments = {
        argument.name: LaunchConfiguration(argument.name).perform(context)
        for argument in ARGUMENTS
    }
    methods = launching.split_methods(arguments['methods'])
    places = launching_several.camera_places(
        arguments['cameras'], arguments['camera'], CAMERAS, arguments)
    actions = profile_actions(arguments['fastdds_profile'])
    # First, so that nothing else was started where rviz2 is not installed.
    if launching.is_true('rviz', arguments['rviz']):
        actions.append(rviz_node(methods[0], places[0], arguments))
    nodes = [node_options(method, methods, place, arguments)
             for place in places for method in methods]
    if launching.is_true('composed', arguments['composed']):
        return [*actions, container(nodes, arguments)]
    return actions + [segmentation_node(node, arguments) for node in nodes]


def profile_actions(choice: str) -> list:
    """Return what sets the Fast DDS profile of the processes started after it."""
    variables = launching.profile_environment(
        choice, CONFIG / 'fastdds_images.xml', os.environ)
    if not variables:
        return [LogInfo(msg='seg_ros: the Fast DDS profile is left as the environment has it')]
    return [SetEnvironmentVariable(name, value) for name, value in variables.items()]


def node_options(
    method: str, methods: list, place: launching_several.CameraPlace, arguments: dict
) -> dict:
    """Return what the node of one method and camera is given."""
    weights = launching.split_weights(arguments['weights'], methods)
    files = [CONFIG / f'{method}.yaml', arguments['params_file']]
    return {
        'name': method,
        'namespace': place.namespace,
        'files': [str(file) for file in files if str(file)],
        'parameters': launching.node_parameters(method, arguments, weights),
        'remappings': launching.remappings(place.camera, place.overrides),
    }


def segmentation_node(node: dict, arguments: dict) -> Node:
    """Return a node in a process of its own."""
    return Node(
        executable='segmentation_node',
        name=node['name'],
        namespace=node['namespace'],
        parameters=[*node['files'], node['parameters']],
        remappings=node['remappings'],
        **process_options(arguments),
    )


def container(nodes: list, arguments: dict) -> Node:
    """Return one process for all nodes."""
    return Node(
        executable='segmentation_container',
        arguments=[word for node in nodes for word in launching_several.container_words(**node)],
        **process_options(arguments),
    )


def process_options(arguments: dict) -> dict:
    """Return how a process of this package is started, watched and ended."""
    return {
        'package': 'seg_ros',
        'ros_arguments': ['--log-level', arguments['log_level']],
        'output': 'screen',
        'emulate_tty': True,
        'respawn': launching.is_true('respawn', arguments['respawn']),
        'respawn_delay': 2.0,
        # The frame at work is finished first; a slow machine may need longer than launch's 5 s.
        'sigterm_timeout': '15',
    }


def rviz_node(method: str, place: launching_several.CameraPlace, arguments: dict) -> Node:
    """Return RViz, whose configuration's topics are led to the method's."""
    namespace = place.namespace.strip('/')
    prefix = f'/{namespace}/{method}' if namespace else f'/{method}'
    outputs = ('overlay', 'label', 'markers', 'points', 'poses')
    return Node(
        package='rviz2',
        executable='rviz2',
        name='seg_ros_rviz',
        arguments=['-d', str(CONFIG / 'perception.rviz'), '-f', place.camera.frame_id],
        parameters=[{
            'use_sim_time': launching.is_true('use_sim_time', arguments['use_sim_time'])}],
        remappings=[(f'/{DEFAULT_METHOD}/{output}', f'{prefix}/{output}') for output in outputs
                    if prefix != f'/{DEFAULT_METHOD}'],
        output='screen',
    )


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and what is made of them."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=launch_setup)])
