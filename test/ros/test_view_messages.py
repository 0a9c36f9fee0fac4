# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from ros_helpers import WIDTH, camera_info, scene
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.nodes.conversions import image_from_array
from seg_ros.nodes.pointcloud import object_cloud
from seg_ros.nodes.view_messages import (
    Box,
    ShownBoxes,
    cloud_from_label,
    cloud_of,
    label_of,
    rectangles_of,
)

COLOR, DEPTH_MM = scene()


def frame():
    k = camera_info().k
    camera = CameraModel(WIDTH, COLOR.shape[0], k[0], k[4], k[2], k[5])
    depth_m = np.where(DEPTH_MM == 0, np.nan, DEPTH_MM / 1000).astype(np.float32)
    return RgbdFrame(COLOR, depth_m, camera, 7, 'optical')


def ids_of(made):
    ids = (COLOR[..., 0] > 128).astype(np.int32)
    ids[:, WIDTH // 2:] *= 9
    return ids


@pytest.mark.parametrize('organized', [False, True])
def test_a_cloud_comes_back_as_it_was_published(organized):
    made, ids = frame(), ids_of(frame())
    message = object_cloud(Header(), made, ids, organized=organized)
    cloud, expected = cloud_of(message), cloud_from_label(ids, COLOR, made.points())
    np.testing.assert_allclose(cloud.points_m, expected.points_m, atol=1e-6)
    np.testing.assert_array_equal(cloud.colors, expected.colors)
    np.testing.assert_array_equal(cloud.ids, expected.ids)
    assert np.bincount(cloud.ids).tolist() == [0, 900, *[0] * 7, 900]


def test_a_cloud_of_another_kind_is_refused():
    fields = [PointField(name=name, offset=4 * i, datatype=7, count=1)
              for i, name in enumerate('xyz')]
    with pytest.raises(ValueError, match='cloud without label, rgb: it is none of seg_ros'):
        cloud_of(PointCloud2(fields=fields, point_step=12, data=bytes(12)))


def test_rectangles():
    ids, rectangles = rectangles_of(ids_of(frame()))
    assert ids.tolist() == [1, 9]
    assert rectangles.tolist() == [[20, 40, 50, 70], [80, 40, 110, 70]]
    ids, rectangles = rectangles_of(np.zeros((4, 5), np.int32))
    assert (len(ids), rectangles.shape) == (0, (0, 4))


@pytest.mark.parametrize('encoding', ['mono8', 'mono16', '16UC1', '32SC1'])
def test_labels_of_every_encoding(encoding):
    kinds = {'mono8': np.uint8, '32SC1': np.int32}
    ids = ids_of(frame()).astype(kinds.get(encoding, np.uint16))
    shown = label_of(image_from_array(ids, encoding))
    assert shown.dtype == np.uint16
    np.testing.assert_array_equal(shown, ids)


def marker(space, number, action=Marker.ADD, **more):
    kind = Marker.CUBE if space == 'boxes' else Marker.TEXT_VIEW_FACING
    return Marker(ns=space, id=number, type=kind, action=action, **more)


def test_boxes_are_shown_until_they_are_deleted():
    shown = ShownBoxes()
    pose = Pose(position=Point(x=1.0, y=2.0, z=3.0),
                orientation=Quaternion(x=0.0, y=0.6, z=0.0, w=0.8))
    cube = {'pose': pose, 'scale': Vector3(x=0.1, y=0.2, z=0.3)}
    shown.update(MarkerArray(markers=[
        marker('boxes', 4, **cube), marker('text', 4, text='4 mug'), marker('boxes', 5, **cube)]))
    assert shown.boxes[4] == Box((1.0, 2.0, 3.0), (0.1, 0.2, 0.3), (0.0, 0.6, 0.0, 0.8))
    assert (sorted(shown.boxes), shown.texts) == ([4, 5], {4: '4 mug'})
    shown.update(MarkerArray(markers=[marker('boxes', 4, Marker.DELETE),
                                      marker('text', 4, Marker.DELETE),
                                      marker('boxes', 6, Marker.DELETE)]))
    assert (sorted(shown.boxes), shown.texts) == ([5], {})
    shown.update(MarkerArray(markers=[Marker(action=Marker.DELETEALL)]))
    assert shown.boxes == {}
