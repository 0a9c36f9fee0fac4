# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the launch file decides for several cameras, without launch."""

from pathlib import Path

import pytest

from seg_ros.nodes import launching
from seg_ros.nodes.launching_several import camera_places, container_words

CAMERAS = launching.read_cameras(Path(__file__).parents[2] / 'config' / 'cameras.yaml')


def places(text, preset='realsense', **arguments):
    return camera_places(text, preset, CAMERAS, arguments)


def summary(found):
    return [(place.namespace, dict(launching.remappings(place.camera, place.overrides)),
             place.camera.frame_id) for place in found]


def realsense(name):
    return {'rgb/image_rect_color': f'/{name}/{name}/color/image_raw',
            'depth_registered/image_rect': f'/{name}/{name}/aligned_depth_to_color/image_raw',
            'rgb/camera_info': f'/{name}/{name}/color/camera_info'}


def test_one_camera_is_the_preset_as_it_is():
    (place,) = places('', 'azure', namespace='robot', depth_topic='/d')
    assert (place.namespace, place.camera) == ('robot', CAMERAS['azure'])
    assert dict(launching.remappings(place.camera, place.overrides)) == {
        'rgb/image_rect_color': '/rgb/image_raw', 'depth_registered/image_rect': '/d',
        'rgb/camera_info': '/rgb/camera_info'}


@pytest.mark.parametrize(('text', 'arguments', 'expected'), [
    ('left,right', {}, [('left', realsense('left'), 'left_color_optical_frame'),
                        ('right', realsense('right'), 'right_color_optical_frame')]),
    (' wrist ', {'namespace': '/robot/'},
     [('/robot/wrist', realsense('wrist'), 'wrist_color_optical_frame')]),
    ('left, front=azure', {'namespace': 'a'}, [
        ('a/left', realsense('left'), 'left_color_optical_frame'),
        ('a/front', {'rgb/image_rect_color': '/front/rgb/image_raw',
                     'depth_registered/image_rect': '/front/depth_to_rgb/image_raw',
                     'rgb/camera_info': '/front/rgb/camera_info'}, 'front_rgb_camera_link')]),
    ('l,r', {'preset': 'depth_image_proc'}, [
        ('l', {}, 'l_color_optical_frame'), ('r', {}, 'r_color_optical_frame')]),
    ('l,r', {'preset': 'depth_image_proc', 'color_topic': '/cams/{camera}/rgb',
             'depth_topic': 'd'},
     [(name, {'rgb/image_rect_color': f'/cams/{name}/rgb', 'depth_registered/image_rect': 'd'},
       f'{name}_color_optical_frame') for name in 'lr']),
])
def test_names_are_namespaces_and_stand_in_the_topics(text, arguments, expected):
    assert summary(places(text, **arguments)) == expected


@pytest.mark.parametrize(('text', 'arguments', 'message'), [
    ('left,left', {}, "cameras names 'left' twice"),
    ('left,', {}, "cameras has ''"),
    ('left-arm', {}, "cameras has 'left-arm': NAME or NAME=CAMERA is accepted"),
    ('left=kinect', {}, "cameras has 'left=kinect': known cameras are azure, depth_image_proc"),
    ('left=', {}, "cameras has 'left='"),
    ('l,r', {'depth_topic': '/d'}, r'depth_topic:=/d with cameras:=l,r: all would take one topic; '
                                   r'write \{camera\} where the name stands'),
])
def test_cameras_that_are_not_clear(text, arguments, message):
    with pytest.raises(ValueError, match=message):
        places(text, **arguments)


def test_a_preset_with_an_unknown_word_for_several_is_refused(tmp_path):
    path = tmp_path / 'cameras.yaml'
    path.write_text('mine: {color_topic: /c, depth_topic: /d, camera_info_topic: /i, '
                    'frame_id: f, several: {image: /x}}')
    with pytest.raises(ValueError, match="camera 'mine' has .*image.*, needed are"):
        launching.read_cameras(path)


def test_the_words_of_a_node_in_one_process():
    assert container_words(
        'blobs', 'left/', ['/a.yaml', '/b.yaml'],
        {'method': 'blobs', 'use_sim_time': True, 'weights': "it's.pth"}, [('a', '/b')],
    ) == ['--node', '-r', '__node:=blobs', '-r', '__ns:=/left', '--params-file', '/a.yaml',
          '--params-file', '/b.yaml', '-p', "method:='blobs'", '-p', 'use_sim_time:=true',
          '-p', "weights:='it''s.pth'", '-r', 'a:=/b']
    assert container_words('m', '', [], {}, []) == ['--node', '-r', '__node:=m', '-r', '__ns:=/']
