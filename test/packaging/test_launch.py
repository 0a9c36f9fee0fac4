# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The launch files, built and performed by launch's own classes."""

import logging
import os
from pathlib import Path

import pytest
import yaml

launch = pytest.importorskip(
    'launch', reason="ROS's launch is not installed: there is no wheel of it")
launch_ros_actions = pytest.importorskip(
    'launch_ros.actions', reason="ROS's launch_ros is not installed: there is no wheel of it")
# launch makes every logger after it one that pytest cannot hear.
logging.setLoggerClass(logging.Logger)

from seg_ros.nodes.container import nodes_of  # noqa: E402
from seg_ros.segmenters import METHODS, Method  # noqa: E402

ROOT = Path(__file__).parents[2]
ARGUMENTS = {
    'methods', 'camera', 'cameras', 'composed', 'color_topic', 'depth_topic',
    'camera_info_topic', 'color_transport', 'depth_transport', 'namespace', 'params_file',
    'device', 'weights', 'autostart', 'respawn', 'use_sim_time', 'rviz', 'log_level',
    'fastdds_profile'}
PROFILES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    """Lay the checkout out as an ament prefix, with RViz's name beside it."""
    for package in ('seg_ros', 'rviz2'):
        marker = tmp_path / 'share' / 'ament_index' / 'resource_index' / 'packages' / package
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        (tmp_path / 'lib' / package).mkdir(parents=True)
    share = tmp_path / 'share' / 'seg_ros'
    share.mkdir()
    for folder in ('launch', 'config'):
        (share / folder).symlink_to(ROOT / folder)
    for name, package in (('segmentation_node', 'seg_ros'), ('segmentation_container', 'seg_ros'),
                          ('seg_ros', 'seg_ros'), ('rviz2', 'rviz2')):
        path = tmp_path / 'lib' / package / name
        path.write_text('#!/bin/sh\n')
        path.chmod(0o755)
    before = os.environ.get('AMENT_PREFIX_PATH', '')
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{tmp_path}:{before}')
    for name in PROFILES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def description_of(prefix, name='perception'):
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    source = PythonLaunchDescriptionSource(str(prefix / f'share/seg_ros/launch/{name}.launch.py'))
    return source.get_launch_description(launch.LaunchContext())


def performed(prefix, name='perception', **arguments):
    """Return the actions that arguments lead to, environment and conditions performed."""
    context = launch.LaunchContext(argv=[])
    context.launch_configurations.update(arguments)
    done, waiting = [], list(description_of(prefix, name).entities)
    while waiting:
        action = waiting.pop(0)
        if isinstance(action, launch.actions.ExecuteProcess):
            if isinstance(action, launch_ros_actions.Node):
                action._perform_substitutions(context)
            done.append(action)
            continue
        waiting = [*(action.visit(context) or []), *waiting]
    return done, context


def nodes(actions):
    return {action.node_name: action for action in actions
            if isinstance(action, launch_ros_actions.Node)}


def remapped(node):
    return dict(node.expanded_remapping_rules or [])


def parameters(node):
    """Return the parameters that a node ends up with, later files over earlier ones."""
    found = {}
    for value, is_file in node._Node__expanded_parameter_arguments:
        assert is_file
        for entry in yaml.safe_load(Path(value).read_text()).values():
            found.update(entry['ros__parameters'])
    return found


def test_every_argument_is_described(prefix):
    declared = {argument.name: argument
                for argument in description_of(prefix).get_launch_arguments()}
    assert set(declared) == ARGUMENTS
    assert [name for name, argument in declared.items() if len(argument.description) < 20] == []
    assert declared['camera'].choices == ['azure', 'depth_image_proc', 'realsense']


def test_a_bare_launch_is_a_realsense(prefix):
    actions, context = performed(prefix)
    (node,) = nodes(actions).values()
    assert node.node_name.lstrip('/') == 'unseen_objects'
    assert remapped(node) == {
        'rgb/image_rect_color': '/camera/camera/color/image_raw',
        'depth_registered/image_rect': '/camera/camera/aligned_depth_to_color/image_raw',
        'rgb/camera_info': '/camera/camera/color/camera_info'}
    profile = str(prefix / 'share/seg_ros/config/fastdds_images.xml')
    assert [context.environment.get(name) for name in PROFILES] == [profile, profile]
    found = parameters(node)
    assert (found['method'], found['use_sim_time']) == ('unseen_objects', False)
    own = yaml.safe_load((ROOT / 'config/unseen_objects.yaml').read_text())['/**']
    assert found['device'] == own['ros__parameters']['device']


def test_arguments_reach_the_node(prefix, tmp_path):
    params_file = tmp_path / 'mine.yaml'
    params_file.write_text('/**: {ros__parameters: {sync_slop: 0.05, device: cuda}}')
    actions, context = performed(
        prefix, camera='azure', depth_topic='/d', namespace='left', params_file=str(params_file),
        device='cpu', weights='/w.safetensors', use_sim_time='true', autostart='false',
        log_level='warn', fastdds_profile='none')
    (node,) = nodes(actions).values()
    assert node.node_name == '/left/unseen_objects'
    assert remapped(node)['depth_registered/image_rect'] == '/d'
    found = parameters(node)
    expected = {'sync_slop': 0.05, 'device': 'cpu', 'weights': '/w.safetensors',
                'use_sim_time': True, 'autostart': False}
    assert {name: found[name] for name in expected} == expected
    assert not set(PROFILES) & set(context.environment)


def test_a_parameter_file_is_not_overridden_by_arguments_left_alone(prefix, tmp_path):
    params_file = tmp_path / 'mine.yaml'
    params_file.write_text('/**: {ros__parameters: {device: cuda, autostart: false}}')
    (node,) = nodes(performed(prefix, params_file=str(params_file))[0]).values()
    found = parameters(node)
    assert (found['device'], found['autostart']) == ('cuda', False)


def test_two_methods_are_two_nodes_on_one_camera(prefix, monkeypatch, tmp_path):
    monkeypatch.setitem(METHODS, 'other_objects', Method(
        'other_objects', 'nowhere:load', 'nowhere:Options', False, 'instances', 'of a test'))
    (tmp_path / 'mine.yaml').write_text('/**: {ros__parameters: {device: cpu}}')
    actions, _ = performed(
        prefix, methods='other_objects,unseen_objects', rviz='true', namespace='left',
        weights='other_objects=a.safetensors', params_file=str(tmp_path / 'mine.yaml'))
    found = nodes(actions)
    both = {method: found[f'/left/{method}'] for method in ('other_objects', 'unseen_objects')}
    assert {m: parameters(node)['method'] for m, node in both.items()} == {m: m for m in both}
    assert {parameters(node)['device'] for node in both.values()} == {'cpu'}
    assert parameters(both['other_objects'])['weights'] == 'a.safetensors'
    assert parameters(both['unseen_objects'])['weights'] == 'default'
    assert remapped(both['other_objects']) == remapped(both['unseen_objects'])
    rviz = next(action for action in actions if getattr(action, 'node_package', '') == 'rviz2')
    assert remapped(rviz)['/unseen_objects/label'] == '/left/other_objects/label'


def words_of(node, context):
    return [launch.utilities.perform_substitutions(context, word) for word in node.cmd]


def test_several_cameras_are_a_process_each(prefix):
    actions, _ = performed(prefix, cameras='left,right=azure', namespace='robot', rviz='true',
                           color_topic='/{camera}/image')
    found = nodes(actions)
    left, right = (found[f'/robot/{name}/unseen_objects'] for name in ('left', 'right'))
    assert remapped(left)['rgb/image_rect_color'] == '/left/image'
    assert remapped(right) == {
        'rgb/image_rect_color': '/right/image', 'rgb/camera_info': '/right/rgb/camera_info',
        'depth_registered/image_rect': '/right/depth_to_rgb/image_raw'}
    rviz = next(action for action in actions if getattr(action, 'node_package', '') == 'rviz2')
    assert remapped(rviz)['/unseen_objects/label'] == '/robot/left/unseen_objects/label'


def test_composed_cameras_are_one_process(prefix, tmp_path):
    params_file = tmp_path / 'mine.yaml'
    params_file.write_text('/**: {ros__parameters: {sync_slop: 0.05}}')
    actions, context = performed(
        prefix, cameras='left,right', methods='unseen_objects,mask_rcnn', composed='true',
        respawn='true', params_file=str(params_file), device='cpu', log_level='warn')
    (process,) = (action for action in actions if isinstance(action, launch_ros_actions.Node))
    words = words_of(process, context)
    assert words[0].endswith('lib/seg_ros/segmentation_container')
    own = words[1:words.index('--ros-args')]
    both = nodes_of(own)
    assert [(node[1], node[3]) for node in both] == [
        (f'__node:={method}', f'__ns:=/{camera}')
        for camera in ('left', 'right') for method in ('unseen_objects', 'mask_rcnn')]
    config = prefix / 'share/seg_ros/config'
    assert both[1][4:8] == ['--params-file', str(config / 'mask_rcnn.yaml'),
                            '--params-file', str(params_file)]
    assert "method:='mask_rcnn'" in both[1]
    assert "device:='cpu'" in both[1]
    assert 'rgb/image_rect_color:=/left/left/color/image_raw' in both[1]
    assert words[words.index('--ros-args'):][:3] == ['--ros-args', '--log-level', 'warn']


@pytest.mark.parametrize(('arguments', 'message'), [
    ({'methods': 'nothing'}, "unknown method 'nothing'"),
    ({'camera': 'kinect'}, 'kinect'),
    ({'cameras': 'left,left'}, "names 'left' twice"),
    ({'log_level': 'loud'}, 'loud'),
    ({'weights': 'mask_rcnn=x'}, "weights names 'mask_rcnn'"),
    ({'fastdds_profile': '/no/file.xml'}, 'no file /no/file.xml'),
])
def test_arguments_that_are_refused(prefix, arguments, message):
    with pytest.raises((ValueError, RuntimeError, FileNotFoundError), match=message):
        performed(prefix, **arguments)


def test_rviz_shows_the_namespace_and_the_camera_frame(prefix):
    actions, _ = performed(prefix, rviz='true', namespace='left', camera='azure')
    rviz = next(action for action in actions if getattr(action, 'node_package', '') == 'rviz2')
    assert remapped(rviz)['/unseen_objects/points'] == '/left/unseen_objects/points'
    words = [part.text for word in rviz.cmd for part in word if hasattr(part, 'text')]
    assert words[words.index('-f') + 1] == 'rgb_camera_link'
    assert Path(words[words.index('-d') + 1]).is_file()


def test_the_demo_plays_what_the_node_takes(prefix):
    actions, context = performed(prefix, 'demo', input='/frames', namespace='left', loop='false')
    (node,) = nodes(actions).values()
    assert (node.node_name, remapped(node)) == ('/left/unseen_objects', {})
    player = next(action for action in actions if action is not node)
    words = [launch.utilities.perform_substitutions(context, word) for word in player.cmd]
    assert words == [str(prefix / 'lib/seg_ros/seg_ros'), 'play', '/frames', '--rate', '1.0',
                     '--timeout', '120', '--namespace', 'left']
    assert actions.index(node) < actions.index(player)


def test_the_demo_wants_an_input(prefix):
    with pytest.raises(RuntimeError, match='input'):
        performed(prefix, 'demo')
