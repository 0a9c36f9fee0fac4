# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The answer of a node put together from its messages, without the middleware."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import Pose, PoseArray
from hypothesis import given
from hypothesis import strategies as st
from ros_helpers import FOCAL, HEIGHT, WIDTH, scene
from std_msgs.msg import Header

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.core.geometry import OrientedBox, quaternion_from_matrix
from seg_ros.core.results import Instances
from seg_ros.nodes.conversions import image_from_array, time_message
from seg_ros.nodes.markers import object_boxes, pose_array
from seg_ros.nodes.perception import (
    PerceivedObject,
    Perception,
    axes_of,
    perception_of,
    read_cloud,
)
from seg_ros.nodes.pointcloud import object_cloud

HEADER = Header(stamp=time_message(5_000_000_007), frame_id='camera')
COLOR, DEPTH_MM = scene()
LABELS = ((COLOR[..., 0] == 250) * np.where(np.arange(WIDTH) < 70, 1, 2)[None]).astype(np.int32)
IDS = np.array([7, 3], np.int32)
INSTANCES = Instances(LABELS, np.array([0.5, np.nan], np.float32), np.array([0, 1], np.int32),
                      IDS, ('mug', 'bottle'))
CAMERA = CameraModel(WIDTH, HEIGHT, FOCAL, FOCAL, WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5)
DEPTH_M = np.where(DEPTH_MM == 0, np.nan, DEPTH_MM / 1000).astype(np.float32)
DEPTH_M[45, 25] = np.nan
FRAME = RgbdFrame(COLOR, DEPTH_M, CAMERA, 5_000_000_007, 'camera')
BOXES = object_boxes(FRAME, INSTANCES)


def messages(organized=False):
    ids = INSTANCES.id_image()
    return {
        'label': image_from_array(ids.astype(np.uint16), 'mono16', HEADER),
        'points': object_cloud(HEADER, FRAME, ids, organized=organized),
        'poses': pose_array(HEADER, INSTANCES, BOXES)[0]}


REPLY = {'ids': [3, 7], 'classes': ['bottle', 'mug'], 'scores': [None, 0.5], 'pose_ids': [3, 7],
         'pose_sizes_m': [BOXES[1].size.tolist(), BOXES[0].size.tolist()]}


@pytest.mark.parametrize('organized', [False, True])
def test_objects_are_what_the_segmenter_found(organized):
    found = perception_of(REPLY, messages(organized))
    assert (found.stamp_ns, found.frame_id, found.space_frame_id) == (
        5_000_000_007, 'camera', 'camera')
    assert [(thing.id, thing.class_name) for thing in found] == [(3, 'bottle'), (7, 'mug')]
    assert math.isnan(found.objects[0].score)
    assert found.objects[1].score == 0.5
    for thing, row in zip(found, (1, 0), strict=True):
        mask = row + 1 == LABELS
        np.testing.assert_array_equal(thing.mask, mask)
        with_depth = mask & np.isfinite(DEPTH_M)
        np.testing.assert_allclose(thing.points, FRAME.points()[with_depth], atol=1e-6)
        np.testing.assert_array_equal(thing.colors, COLOR[with_depth])
        assert (thing.points.dtype, thing.colors.dtype) == (np.float32, np.uint8)
        for name in ('center', 'axes', 'size'):
            np.testing.assert_allclose(
                getattr(thing.box, name), getattr(BOXES[row], name), atol=1e-6)


def test_without_depth_there_are_masks_alone():
    reply = {**REPLY, 'pose_ids': [], 'pose_sizes_m': []}
    found = perception_of(reply, {'label': messages()['label']})
    assert [(thing.box, thing.points.shape, thing.colors.shape) for thing in found] == [
        (None, (0, 3), (0, 3))] * 2
    assert (found.space_frame_id, found.nearest()) == ('camera', None)


def test_points_may_be_in_another_frame():
    found = messages()
    found['poses'].header = Header(stamp=HEADER.stamp, frame_id='base_link')
    assert perception_of(REPLY, found).space_frame_id == 'base_link'


def test_poses_that_do_not_fit_the_reply_are_refused():
    with pytest.raises(ValueError, match='has 0 poses, the reply 2 ids and 2 sizes'):
        perception_of(REPLY, {**messages(), 'poses': PoseArray(header=HEADER)})


def test_a_cloud_of_big_endian_floats_with_padding():
    point = np.dtype([('x', '>f4'), ('y', '>f4'), ('pad', 'V3'), ('z', '>f4'), ('rgb', '>u4'),
                      ('label', '>u4'), ('more', '>f4')])
    cloud = np.zeros((2, 3), point)
    cloud['x'], cloud['z'], cloud['rgb'] = 1.5, [[1, 2, np.nan]] * 2, 0x00102030
    cloud['label'] = [[1, 0, 5], [9, 70000, 0]]
    row = cloud.nbytes // 2 + 5
    data = b''.join(line.tobytes() + b'pad..' for line in cloud)
    message = SimpleNamespace(
        is_bigendian=True, height=2, width=3, point_step=point.itemsize, row_step=row, data=data,
        fields=[SimpleNamespace(name=name, offset=point.fields[name][1],
                                datatype=6 if name == 'label' else 7)
                for name in ('x', 'y', 'z', 'rgb', 'label', 'more')])
    points, colors, labels = read_cloud(message)
    np.testing.assert_array_equal(labels, [1, 9, 70000])
    np.testing.assert_array_equal(points, [[1.5, 0, 1], [1.5, 0, 1], [1.5, 0, 2]])
    np.testing.assert_array_equal(colors, [[0x10, 0x20, 0x30]] * 3)


def test_a_cloud_of_others_is_refused():
    cloud = messages()['points']
    cloud.fields = cloud.fields[:4]
    with pytest.raises(ValueError, match=r"fields \['rgb', 'x', 'y', 'z'\], needed are"):
        read_cloud(cloud)


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(
    lambda q: np.linalg.norm(q) > 0.1))
def test_axes_of_a_quaternion_are_the_matrix_it_came_from(q):
    pose = Pose()
    (pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w) = q
    axes = axes_of(pose.orientation)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
    assert np.linalg.det(axes) == pytest.approx(1)
    back = quaternion_from_matrix(axes)
    unit = np.array(q) / np.linalg.norm(q)
    assert abs(back @ unit) == pytest.approx(1, abs=1e-9)


def thing(mask=None, number=1, center=None):
    mask = np.zeros((8, 10), bool) if mask is None else mask
    box = None if center is None else OrientedBox(np.array(center), np.eye(3), np.ones(3))
    return PerceivedObject(number, 'object', 0.5, mask, np.empty((0, 3), np.float32),
                           np.empty((0, 3), np.uint8), box)


@pytest.mark.parametrize(('margin', 'rows', 'columns'), [
    (0, slice(2, 5), slice(6, 10)), (1, slice(1, 6), slice(5, 10)),
    (50, slice(0, 8), slice(0, 10))])
def test_crops_stay_in_the_image(margin, rows, columns):
    mask = np.zeros((8, 10), bool)
    mask[2:5, 6:10] = True
    image = np.arange(240).reshape(8, 10, 3)
    np.testing.assert_array_equal(thing(mask).crop(image, margin), image[rows, columns])
    assert thing(mask).box_xyxy == (6, 2, 10, 5)


def test_what_cannot_be_cropped():
    with pytest.raises(ValueError, match='image is 10x9, the mask 10x8'):
        thing().crop(np.zeros((9, 10)))
    assert thing().box_xyxy == (0, 0, 0, 0)
    assert thing().crop(np.zeros((8, 10))).size == 0


def test_the_nearest_has_the_nearest_box():
    things = (thing(), thing(number=2, center=[0, 0.5, 1]), thing(number=3, center=[0, 0, 1.05]),
              thing(number=4, center=[0, 0, -1.05]))
    found = Perception(0, 'a', 'a', np.zeros((8, 10)), things)
    assert (found.nearest().id, len(found)) == (3, 4)
