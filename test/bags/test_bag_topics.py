# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest

from seg_ros.bags.topics import CAMERA_INFO, IMAGE, CameraTopics, choose_topics

REALSENSE = [
    ('/camera/camera/color/image_raw', IMAGE),
    ('/camera/camera/color/camera_info', CAMERA_INFO),
    ('/camera/camera/depth/image_rect_raw', IMAGE),
    ('/camera/camera/depth/camera_info', CAMERA_INFO),
    ('/camera/camera/aligned_depth_to_color/image_raw', IMAGE),
    ('/camera/camera/aligned_depth_to_color/camera_info', CAMERA_INFO),
    ('/camera/camera/infra1/image_rect_raw', IMAGE),
    ('/tf', 'tf2_msgs/msg/TFMessage'),
]
AZURE = [
    ('/rgb/image_raw', IMAGE),
    ('/rgb/camera_info', CAMERA_INFO),
    ('/depth_to_rgb/image_raw', IMAGE),
    ('/depth_to_rgb/camera_info', CAMERA_INFO),
    ('/depth/image_raw', IMAGE),
    ('/ir/image_raw', IMAGE),
]
OURS = [
    ('/rgb/image_rect_color', IMAGE),
    ('/rgb/image_raw', IMAGE),
    ('/depth_registered/image_rect', IMAGE),
    ('/rgb/camera_info', CAMERA_INFO),
    ('/unseen_objects/label', IMAGE),
    ('/unseen_objects/mask', IMAGE),
    ('/unseen_objects/overlay', IMAGE),
]
TWO = [
    ('/left/color/image_raw', IMAGE), ('/left/color/camera_info', CAMERA_INFO),
    ('/right/color/image_raw', IMAGE), ('/right/color/camera_info', CAMERA_INFO),
]  # fmt: skip


@pytest.mark.parametrize(
    ('topics', 'given', 'expected'),
    [
        (REALSENSE, {}, ('/camera/camera/color/image_raw',
                         '/camera/camera/aligned_depth_to_color/image_raw',
                         '/camera/camera/color/camera_info')),
        (AZURE, {}, ('/rgb/image_raw', '/depth_to_rgb/image_raw', '/rgb/camera_info')),
        (OURS, {}, ('/rgb/image_rect_color', '/depth_registered/image_rect', '/rgb/camera_info')),
        (OURS, {'color': '/rgb/image_raw'},
         ('/rgb/image_raw', '/depth_registered/image_rect', '/rgb/camera_info')),
        (REALSENSE, {'depth': '/camera/camera/depth/image_rect_raw'},
         ('/camera/camera/color/image_raw', '/camera/camera/depth/image_rect_raw',
          '/camera/camera/color/camera_info')),
        ([('/image', IMAGE)], {}, ('/image', None, None)),
        (TWO, {'color': '/right/color/image_raw'},
         ('/right/color/image_raw', None, '/right/color/camera_info')),
    ],
)  # fmt: skip
def test_the_cameras_topics_are_found(topics, given, expected):
    assert choose_topics(topics, **given) == CameraTopics(*expected)


@pytest.mark.parametrize(
    ('topics', 'given', 'text'),
    [
        ([], {}, 'no colour image topic among no topics at all'),
        ([('/depth/image', IMAGE)], {}, r'no colour image topic among /depth/image \(sensor_msgs'),
        (TWO, {}, 'several colour topics: /left/color/image_raw, /right/color/image_raw; '
                  'choose by --color-topic'),
        (OURS, {'color': '/nope'}, 'topic /nope is not in the bag: of that type it has /rgb'),
        (OURS, {'camera_info': '/rgb/image_raw'}, 'camera_info topic /rgb/image_raw is not in'),
    ],
)  # fmt: skip
def test_what_cannot_be_chosen_is_said(topics, given, text):
    with pytest.raises(ValueError, match=text):
        choose_topics(topics, **given)
