# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest

from seg_ros.bags.topics import (
    CAMERA_INFO,
    COMPRESSED,
    IMAGE,
    CameraTopics,
    choose_topics,
    without_transport,
)

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


def compressed(topics, depth='compressedDepth'):
    """Return a camera's topics behind image_transport: raw colour images are left out."""
    return [
        (f'{name}/{depth if "depth" in name else "compressed"}', COMPRESSED)
        if kind == IMAGE else (name, kind) for name, kind in topics]


@pytest.mark.parametrize(('topics', 'color', 'depth', 'info'), [
    (compressed(REALSENSE), '/camera/camera/color/image_raw/compressed',
     '/camera/camera/aligned_depth_to_color/image_raw/compressedDepth',
     '/camera/camera/color/camera_info'),
    (compressed(AZURE), '/rgb/image_raw/compressed', '/depth_to_rgb/image_raw/compressedDepth',
     '/rgb/camera_info'),
    # Raw images first, of each kind.
    ([*compressed(AZURE), *AZURE[:2]], '/rgb/image_raw',
     '/depth_to_rgb/image_raw/compressedDepth', '/rgb/camera_info'),
    # A jpeg of depth last.
    ([*compressed(AZURE), *compressed(AZURE, 'compressed')], '/rgb/image_raw/compressed',
     '/depth_to_rgb/image_raw/compressedDepth', '/rgb/camera_info'),
    (compressed(AZURE, 'compressed'), '/rgb/image_raw/compressed',
     '/depth_to_rgb/image_raw/compressed', '/rgb/camera_info'),
])
def test_compressed_images_where_there_are_no_raw_ones(topics, color, depth, info):
    assert choose_topics(topics, compressed=True) == CameraTopics(color, depth, info)


def test_compressed_images_are_taken_where_that_is_asked_for_alone():
    with pytest.raises(ValueError, match='no colour image topic'):
        choose_topics(compressed(AZURE))


@pytest.mark.parametrize(('name', 'base'), [
    ('/rgb/image_raw/compressed', '/rgb/image_raw'), ('/d/image/compressedDepth', '/d/image'),
    ('/rgb/image_raw', '/rgb/image_raw'), ('/compressed/image', '/compressed/image')])
def test_the_base_of_a_compressed_topic(name, base):
    assert without_transport(name) == base
