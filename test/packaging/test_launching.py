# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the launch files decide, without launch."""

import re
from pathlib import Path

import pytest

from seg_ros.nodes import launching
from seg_ros.segmenters import METHODS, Method

ROOT = Path(__file__).parents[2]
CAMERAS = launching.read_cameras(ROOT / 'config' / 'cameras.yaml')
BOTH = ['unseen_objects', 'other_objects']


@pytest.fixture
def other_method(monkeypatch):
    monkeypatch.setitem(METHODS, 'other_objects', Method(
        'other_objects', 'nowhere:load', 'nowhere:Options', True, 'instances', 'of a test'))


@pytest.mark.parametrize(('text', 'methods'), [
    ('unseen_objects', ['unseen_objects']),
    (' unseen_objects , other_objects,', BOTH),
    ('other_objects,unseen_objects', BOTH[::-1]),
])
def test_methods_are_split_in_order(other_method, text, methods):
    assert launching.split_methods(text) == methods


@pytest.mark.parametrize(('text', 'message'), [
    ('', 'methods is empty: choose from .*unseen_objects'),
    (' , ', 'methods is empty'),
    ('unseen', "unknown method 'unseen': known are"),
    ('unseen_objects,unseen_objects', "names 'unseen_objects' twice"),
])
def test_methods_that_cannot_be_launched(text, message):
    with pytest.raises(ValueError, match=message):
        launching.split_methods(text)


@pytest.mark.parametrize(('text', 'methods', 'weights'), [
    ('', BOTH, {}),
    ('/a/b.safetensors', BOTH[:1], {'unseen_objects': '/a/b.safetensors'}),
    ('./epoch=3.safetensors', BOTH[:1], {'unseen_objects': './epoch=3.safetensors'}),
    ('unseen_objects=x=1.pth', BOTH[:1], {'unseen_objects': 'x=1.pth'}),
    ('other_objects=coco', BOTH, {'other_objects': 'coco'}),
    ('other_objects=coco, unseen_objects = /w.pth', BOTH,
     {'other_objects': 'coco', 'unseen_objects': '/w.pth'}),
])
def test_weights_go_to_their_methods(text, methods, weights):
    assert launching.split_weights(text, methods) == weights


@pytest.mark.parametrize(('text', 'methods', 'message'), [
    ('/w.pth', BOTH, 'say whose they are, weights:=unseen_objects=PATH,other_objects=PATH'),
    ('mask_rcnn=coco', BOTH[:1], "names 'mask_rcnn', launched are unseen_objects: add it"),
    ('unseen_objects=', BOTH[:1], "has 'unseen_objects=': METHOD=PATH is accepted"),
    ('unseen_objects=a,b', BOTH, "has 'b': METHOD=PATH is accepted"),
])
def test_weights_that_are_not_clear(text, methods, message):
    with pytest.raises(ValueError, match=message):
        launching.split_weights(text, methods)


@pytest.mark.parametrize(('arguments', 'expected'), [
    ({}, {}),
    ({'device': '', 'use_sim_time': 'false', 'autostart': ''}, {'use_sim_time': False}),
    ({'color_transport': 'compressed', 'depth_transport': ''}, {'color_transport': 'compressed'}),
    ({'device': 'cuda:1', 'use_sim_time': 'true', 'autostart': 'False'},
     {'device': 'cuda:1', 'use_sim_time': True, 'autostart': False}),
])
def test_an_empty_argument_sets_no_parameter(arguments, expected):
    found = launching.node_parameters('unseen_objects', arguments, {})
    assert found == {'method': 'unseen_objects', **expected}


def test_weights_are_a_parameter_of_their_method_alone():
    weights = {'other_objects': 'coco'}
    assert 'weights' not in launching.node_parameters('unseen_objects', {}, weights)
    assert launching.node_parameters('other_objects', {}, weights)['weights'] == 'coco'


def test_a_word_that_is_no_boolean():
    with pytest.raises(ValueError, match='rviz:=yes: true or false is accepted'):
        launching.is_true('rviz', 'yes')


@pytest.mark.parametrize(('camera', 'overrides', 'expected'), [
    ('depth_image_proc', {}, []),
    ('realsense', {'color_topic': '', 'depth_topic': '/d'}, [
        ('rgb/image_rect_color', '/camera/camera/color/image_raw'),
        ('depth_registered/image_rect', '/d'),
        ('rgb/camera_info', '/camera/camera/color/camera_info')]),
    ('azure', {}, [
        ('rgb/image_rect_color', '/rgb/image_raw'),
        ('depth_registered/image_rect', '/depth_to_rgb/image_raw'),
        ('rgb/camera_info', '/rgb/camera_info')]),
    ('depth_image_proc', {'camera_info_topic': 'left/info'}, [('rgb/camera_info', 'left/info')]),
])
def test_remappings(camera, overrides, expected):
    assert launching.remappings(CAMERAS[camera], overrides) == expected


def test_a_camera_that_lacks_a_topic_is_refused(tmp_path):
    path = tmp_path / 'cameras.yaml'
    path.write_text('mine: {color_topic: /c, depth_topic: /d, frame_id: f}')
    with pytest.raises(ValueError, match="camera 'mine' has color_topic, depth_topic, frame_id"):
        launching.read_cameras(path)


PROFILE = ROOT / 'config' / 'fastdds_images.xml'
OWN = {'FASTRTPS_DEFAULT_PROFILES_FILE': '/robot.xml'}


@pytest.mark.parametrize(('choice', 'environment', 'expected'), [
    ('auto', {}, str(PROFILE)),
    ('auto', OWN, None),
    ('none', {}, None),
    (str(PROFILE), OWN, str(PROFILE)),
])
def test_both_variables_name_the_profile(choice, environment, expected):
    found = launching.profile_environment(choice, PROFILE, environment)
    names = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
    assert found == ({} if expected is None else dict.fromkeys(names, expected))


def test_a_profile_that_is_not_there():
    with pytest.raises(FileNotFoundError, match='fastdds_profile:=/no/file.xml: no file'):
        launching.profile_environment('/no/file.xml', PROFILE, {})


def test_the_readme_lists_every_launch_argument():
    readme = (ROOT / 'README.md').read_text()
    table = readme[readme.index('| argument |'):].partition('\n\n')[0]
    rows = [row.split('|')[1] for row in table.splitlines()[2:]]
    listed = {name for row in rows for name in re.findall(r'`(\w+)`', row)}
    source = (ROOT / 'launch' / 'perception.launch.py').read_text()
    assert listed == set(re.findall(r"DeclareLaunchArgument\(\s*'(\w+)'", source))
    assert len(listed) == 19
