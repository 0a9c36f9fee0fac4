# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json
import sys
import types
from dataclasses import dataclass, replace

import numpy as np
import pytest
from rclpy.qos import QoSDurabilityPolicy
from ros_helpers import FOCAL, HEIGHT, WIDTH, camera_info, scene
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from seg_ros.core.object_points import object_pixels
from seg_ros.core.results import Instances, SemanticMap
from seg_ros.nodes import publishers
from seg_ros.nodes.conversions import array_from_image, image_from_array, time_message
from seg_ros.nodes.frames import BadFrame, FrameBuilder
from seg_ros.nodes.label_info import LabelInfoTypes, label_info_message, label_info_types
from seg_ros.nodes.markers import MarkerBuilder, object_boxes, pose_array
from seg_ros.nodes.node_options import NodeOptions
from seg_ros.nodes.pipeline import reply_text
from seg_ros.nodes.pointcloud import POINT, object_cloud
from seg_ros.nodes.publishers import (
    Result,
    confidence_message,
    label_message,
    mask_message,
    names_message,
    topics_of,
)

HEADER = Header(stamp=time_message(5_000_000_007), frame_id='camera')


def result(labels=None, ids=None, objects=2, **info):
    """Return a result on the scene whose objects have the ids given."""
    color, depth_mm = scene(objects=objects)
    builder = FrameBuilder(needs_depth=True, rectified=not info)
    prepared = builder.build(image_from_array(color, 'rgb8', HEADER),
                             image_from_array(depth_mm, '16UC1', HEADER), camera_info(**info))
    if labels is None:
        labels = scene_labels(objects)
    found = Instances.from_labels(labels)
    if ids is not None:
        found = Instances(found.labels, found.scores, found.class_ids, np.array(ids, np.int32))
    return Result(prepared, found)


def scene_labels(objects=2):
    labels = np.zeros((HEIGHT, WIDTH), np.int32)
    for number in range(objects):
        labels[40:70, 20 + 60 * number:50 + 60 * number] = number + 1
    return labels


@pytest.mark.parametrize(('encoding', 'dtype'), [
    ('mono8', np.uint8), ('mono16', np.uint16), ('16UC1', np.uint16), ('32SC1', np.int32)])
def test_label_image_holds_ids(encoding, dtype):
    message = label_message(result(ids=[7, 3]), encoding)
    pixels = array_from_image(message)
    assert (message.encoding, pixels.dtype, message.header) == (encoding, dtype, HEADER)
    np.testing.assert_array_equal(pixels, np.array([0, 7, 3])[scene_labels()])


def test_an_id_that_does_not_fit_is_refused():
    with pytest.raises(BadFrame, match='object id 256 does not fit label_encoding mono8'):
        label_message(result(ids=[256, 1]), 'mono8')
    assert array_from_image(label_message(result(ids=[255, 1]), 'mono8')).max() == 255


@pytest.mark.parametrize(('encoding', 'highest'), [
    ('mono8', 255), ('mono16', 65535), ('16UC1', 65535), ('32SC1', 2**31 - 1)])
def test_the_highest_id_of_each_encoding(encoding, highest):
    pixels = array_from_image(label_message(result(ids=[highest, 1]), encoding))
    assert pixels[50, 30] == highest
    if encoding != '32SC1':
        with pytest.raises(BadFrame, match=(
                f'object id {highest + 1} does not fit label_encoding {encoding} '
                rf'\(at most {highest}\): set label_encoding to')):
            label_message(result(ids=[1, highest + 1]), encoding)


@pytest.mark.parametrize(('count', 'fits'), [(65535, True), (65536, False)])
def test_a_frame_of_very_many_objects(count, fits):
    labels = np.zeros((240, 320), np.int32)
    labels.ravel()[1:count + 1] = np.arange(1, count + 1)
    prepared = FrameBuilder(needs_depth=False, rectified=True).build(
        image_from_array(np.zeros((240, 320, 3), np.uint8), 'rgb8', HEADER), None, None)
    found = Result(prepared, Instances.from_labels(labels))
    assert [p.tolist() for p in object_pixels(labels, count)[::count - 1]] == [[1], [count]]
    assert array_from_image(label_message(found, '32SC1')).max() == count
    if fits:
        np.testing.assert_array_equal(array_from_image(label_message(found, 'mono16')), labels)
    else:
        with pytest.raises(BadFrame, match='object id 65536 does not fit label_encoding mono16'):
            label_message(found, 'mono16')


@pytest.mark.parametrize(('mask_id', 'chosen'), [(0, [1, 2]), (7, [1]), (3, [2]), (9, [])])
def test_mask_is_0_or_255(mask_id, chosen):
    message = mask_message(result(ids=[7, 3]), mask_id)
    assert (message.encoding, message.header) == ('mono8', HEADER)
    np.testing.assert_array_equal(
        array_from_image(message), np.where(np.isin(scene_labels(), chosen), 255, 0))


def test_labels_of_a_distorted_camera_stand_at_its_own_pixels():
    distorted = result(d=[0.8, 0.0, 0.0, 0.0, 0.0])
    color = distorted.prepared.frame.color
    labels = ((color[..., 0] > 150) & (color[..., 1] < 40)).astype(np.int32)
    found = Result(distorted.prepared, Instances.from_labels(labels))
    truth = scene()[0][..., 0] == 250
    at_input = array_from_image(mask_message(found, 0)) == 255
    assert (at_input & truth).sum() / (at_input | truth).sum() > 0.93


def named(ids=(7, 3)):
    """Return a result whose first object is a mug, the second a bottle without a score."""
    found = result()
    objects = Instances(found.instances.labels, np.array([0.934, np.nan], np.float32),
                        np.array([1, 2], np.int32), np.array(ids, np.int32),
                        ('person', 'mug', 'bottle'))
    return Result(found.prepared, objects)


def test_classes_and_scores_follow_the_ids():
    reply = json.loads(reply_text(named(), []))
    assert (reply['ids'], reply['classes'], reply['scores'], reply['pose_ids']) == (
        [3, 7], ['bottle', 'mug'], [None, 0.934], [3, 7])
    assert json.loads(names_message(named()).data) == {
        'stamp': {'sec': 5, 'nanosec': 7}, 'frame_id': 'camera', 'objects': {
            '3': {'class': 'bottle', 'score': None}, '7': {'class': 'mug', 'score': 0.934}}}
    built = MarkerBuilder().build(HEADER, named().instances, named().boxes).markers
    assert {m.id: m.text for m in built if m.ns == 'text'} == {7: '7 mug 0.93', 3: '3 bottle'}
    colors = [MarkerBuilder().build(HEADER, r.instances, r.boxes).markers[0].color
              for r in (named(), result(ids=[7, 3]))]
    assert colors[0] == colors[1], 'a colour is of the id, not of the class'


def test_objects_without_names_are_labelled_by_id():
    found = result(ids=[7, 3])
    built = MarkerBuilder().build(HEADER, found.instances, found.boxes).markers
    assert {m.id: m.text for m in built if m.ns == 'text'} == {7: '7', 3: '3'}


def test_pixels_of_objects():
    labels = np.array([[0, 2, 1], [1, 0, 2]], np.int32)
    assert [p.tolist() for p in object_pixels(labels, 3)] == [[2, 3], [1, 5], []]
    assert object_pixels(np.zeros((2, 2), np.int32), 0) == []


def test_boxes_stand_where_the_objects_are():
    found = result()
    for number, box in enumerate(object_boxes(found.prepared.frame, found.instances)):
        z = 0.8 + 0.05 * number
        center = [(34.5 + 60 * number - 79.5) / FOCAL * z, (54.5 - 59.5) / FOCAL * z, z]
        np.testing.assert_allclose(box.center, center, atol=0.002)
        np.testing.assert_allclose(np.sort(box.size)[1:], 30 / FOCAL * z, rtol=0.06)


def test_objects_without_depth_have_no_box_and_no_pose():
    labels = scene_labels()
    labels[:5] = 3
    found = result(labels, ids=[9, 4, 6])
    poses, ids = pose_array(HEADER, found.instances, found.boxes)
    assert found.boxes[2] is None
    assert ids == [4, 9]
    assert poses.header == HEADER
    # From the front of each down to the table, 1 m away.
    assert [p.position.z for p in poses.poses] == pytest.approx([0.925, 0.9], abs=1e-3)
    reply = json.loads(reply_text(found, ['label']))
    sizes_m = reply.pop('pose_sizes_m')
    np.testing.assert_allclose(sizes_m, [[0.17, 0.17, 0.15], [0.16, 0.16, 0.2]], atol=2e-3)
    assert reply == {'stamp': {'sec': 5, 'nanosec': 7}, 'frame_id': 'camera', 'ids': [4, 6, 9],
                     'count': 3, 'classes': ['object'] * 3, 'scores': [1.0] * 3,
                     'pose_ids': [4, 9], 'pose_frame_id': 'camera', 'topics': ['label']}


def test_markers_have_the_boxes_and_are_deleted_when_lost():
    builder = MarkerBuilder()
    first = result(ids=[7, 3])
    markers = builder.build(HEADER, first.instances, first.boxes).markers
    assert {(m.ns, m.id, m.type, m.action) for m in markers} == {
        ('boxes', 7, Marker.CUBE, Marker.ADD), ('boxes', 3, Marker.CUBE, Marker.ADD),
        ('text', 7, Marker.TEXT_VIEW_FACING, Marker.ADD),
        ('text', 3, Marker.TEXT_VIEW_FACING, Marker.ADD)}
    assert all(m.header == HEADER for m in markers)
    cube = next(m for m in markers if (m.ns, m.id) == ('boxes', 7))
    box = first.boxes[0]
    np.testing.assert_allclose([cube.scale.x, cube.scale.y, cube.scale.z], box.size)
    q = cube.pose.orientation
    assert q.x**2 + q.y**2 + q.z**2 + q.w**2 == pytest.approx(1.0)
    np.testing.assert_allclose(
        [cube.pose.position.x, cube.pose.position.y, cube.pose.position.z], box.center)
    second = result(objects=1, ids=[3])
    actions = {(m.ns, m.id): m.action
               for m in builder.build(HEADER, second.instances, second.boxes).markers}
    assert actions == {('boxes', 7): Marker.DELETE, ('text', 7): Marker.DELETE,
                       ('boxes', 3): Marker.ADD, ('text', 3): Marker.ADD}
    gone = builder.clear(HEADER).markers
    assert {(m.ns, m.id, m.action) for m in gone} == {
        ('boxes', 3, Marker.DELETE), ('text', 3, Marker.DELETE)}
    assert builder.clear(HEADER).markers == []


def read_cloud(message):
    assert [(f.name, f.offset, f.datatype) for f in message.fields] == [
        ('x', 0, 7), ('y', 4, 7), ('z', 8, 7), ('rgb', 12, 7), ('label', 16, 6)]
    assert message.row_step == message.width * message.point_step
    assert len(message.data) == message.row_step * message.height
    return np.frombuffer(message.data, POINT).reshape(message.height, message.width)


def cloud(found, organized):
    return object_cloud(HEADER, found.prepared.frame, found.id_image(), organized=organized)


def test_points_of_objects_alone():
    labels = scene_labels()
    labels[:5] = 1  # without depth
    message = cloud(result(labels, ids=[7, 3]), False)
    points = read_cloud(message)[0]
    assert (message.header, message.is_dense, message.height) == (HEADER, True, 1)
    assert sorted(np.unique(points['label'])) == [3, 7]
    assert len(points) == 2 * 900
    first = points[points['label'] == 7][0]
    np.testing.assert_allclose(
        [first['x'], first['y'], first['z']],
        [(20 - 79.5) / FOCAL * 0.8, (40 - 59.5) / FOCAL * 0.8, 0.8], rtol=1e-5)
    assert first['rgb'] == (250 << 16) | (20 << 8)


def test_organized_points_keep_the_image_layout():
    found = result(ids=[7, 3])
    message = cloud(found, True)
    points = read_cloud(message)
    assert (message.is_dense, points.shape) == (False, (HEIGHT, WIDTH))
    np.testing.assert_array_equal(points['label'], found.instances.id_image())
    np.testing.assert_array_equal(np.isnan(points['z']), points['label'] == 0)
    flat = read_cloud(cloud(found, False))[0]
    np.testing.assert_array_equal(points[points['label'] > 0], flat)


def test_no_object_gives_empty_messages():
    empty = result(np.zeros((HEIGHT, WIDTH), np.int32))
    assert read_cloud(cloud(empty, False)).size == 0
    assert pose_array(HEADER, empty.instances, empty.boxes)[0].poses == []
    assert MarkerBuilder().build(HEADER, empty.instances, empty.boxes).markers == []
    assert array_from_image(label_message(empty, 'mono16')).max() == 0
    assert json.loads(reply_text(empty, []))['count'] == 0


def test_classes_have_labels_and_confidence():
    labels = np.array([[0, 1, 2]], np.uint8)
    probabilities = np.array([[[0.5, 0.1, 0.2]], [[0.3, 0.9, 0.2]], [[0.2, 0.0, 0.6]]], np.float32)
    builder = FrameBuilder(needs_depth=False, rectified=True)
    prepared = builder.build(image_from_array(np.zeros((1, 3, 3), np.uint8), 'rgb8', HEADER),
                             None, None)
    found = Result(prepared, SemanticMap(labels, ('floor', 'cup', 'wall'), probabilities))
    assert array_from_image(label_message(found, 'mono8')).tolist() == [[0, 1, 2]]
    assert array_from_image(confidence_message(found)).tolist() == [[128, 230, 153]]
    assert array_from_image(mask_message(found, 2)).tolist() == [[0, 0, 255]]
    assert found.object_ids() == [0, 1, 2]
    np.testing.assert_array_equal(found.overlay(1.0)[0, 0], [0, 0, 0])
    assert (found.overlay(1.0)[0, 1:] != 0).any(axis=1).all()
    assert json.loads(names_message(found).data) == ['floor', 'cup', 'wall']
    reply = json.loads(reply_text(found, []))
    assert (reply['ids'], reply['classes']) == ([0, 1, 2], ['floor', 'cup', 'wall'])
    assert 'scores' not in reply
    with pytest.raises(BadFrame, match='gave no probabilities'):
        confidence_message(Result(prepared, SemanticMap(labels, ('floor', 'cup', 'wall'))))


def classes_of_the_scene(names=('background', 'cup', 'wall')):
    """Return the scene with its boxes of class 1, the table's right half of class 2."""
    labels = np.minimum(scene_labels(), 1).astype(np.uint8)
    labels[(labels == 0) & (np.arange(WIDTH) >= WIDTH // 2)] = 2
    return Result(result().prepared, SemanticMap(labels, names, threshold=0.25))


def test_points_of_classes_are_all_but_the_background():
    found = classes_of_the_scene()
    labels = found.found.labels
    measured = np.isfinite(found.prepared.frame.depth)
    points = read_cloud(cloud(found, False))[0]
    np.testing.assert_array_equal(points['label'], labels[(labels > 0) & measured])
    assert sorted(np.unique(points['label'])) == [1, 2]
    np.testing.assert_array_equal(
        points['z'], found.prepared.frame.depth[(labels > 0) & measured])
    organized = read_cloud(cloud(found, True))
    np.testing.assert_array_equal(organized['label'], np.where(measured, labels, 0))


@dataclass
class VisionClass:
    """Stand for vision_msgs/VisionClass."""

    class_id: int
    class_name: str


@dataclass
class LabelInfo:
    """Stand for vision_msgs/LabelInfo."""

    header: Header
    class_map: list
    threshold: float


def test_label_info_of_vision_msgs(monkeypatch):
    """With stand-ins that have the fields of the messages: there is no wheel of vision_msgs."""
    messages = types.SimpleNamespace(LabelInfo=LabelInfo, VisionClass=VisionClass)
    monkeypatch.setitem(sys.modules, 'vision_msgs', types.SimpleNamespace(msg=messages))
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', messages)
    kinds = label_info_types()
    assert kinds == LabelInfoTypes(LabelInfo, VisionClass)
    assert label_info_message(kinds, HEADER, ('background', 'cup'), 0.25) == LabelInfo(
        HEADER, [VisionClass(0, 'background'), VisionClass(1, 'cup')], 0.25)
    del messages.VisionClass
    assert label_info_types() is None


def test_no_label_info_without_vision_msgs(monkeypatch):
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', None)
    assert label_info_types() is None


COMMON = {'label', 'mask', 'class_names', 'overlay'}
INFO = LabelInfoTypes(LabelInfo, VisionClass)


@pytest.mark.parametrize(('kind', 'takes_depth', 'label_info', 'more'), [
    ('instances', True, None, {'points', 'poses', 'markers', 'support_planes'}),
    ('instances', False, INFO, set()),
    ('semantic', False, None, {'confidence'}),
    ('semantic', True, None, {'confidence', 'points'}),
    ('semantic', True, INFO, {'confidence', 'points', 'label_info'}),
])
def test_topics_of_a_kind_of_method(kind, takes_depth, label_info, more):
    topics = topics_of(kind, takes_depth, label_info)
    assert set(topics) == COMMON | more
    assert list(topics)[0] == 'label' and list(topics)[-1] == 'overlay'
    kept = {name for name, (_, profile) in topics.items()
            if profile().durability == QoSDurabilityPolicy.TRANSIENT_LOCAL}
    assert kept == set(topics) & {'label', 'mask', 'points', 'poses', 'class_names', 'label_info'}


class Subscribed:
    """A node whose publishers all have a subscriber and keep what they publish."""

    def __init__(self):
        self.sent = {}

    def create_lifecycle_publisher(self, kind, topic, profile, *, qos_overriding_options):
        sent = self.sent.setdefault(topic.removeprefix('~/'), [])
        return types.SimpleNamespace(publish=sent.append, get_subscription_count=lambda: 1)


def test_a_result_of_classes_reaches_every_topic(monkeypatch):
    monkeypatch.setattr(publishers, 'label_info_types', lambda: INFO)
    node = Subscribed()
    owner = publishers.Publishers(node, 'semantic', True)
    found = classes_of_the_scene()
    certain = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    found = Result(found.prepared, replace(found.found, confidence=certain))
    for threshold in (0.25, 0.25, 0.5):
        owner.publish(replace(found, found=replace(found.found, threshold=threshold)),
                      NodeOptions(), answer=False)
    counts = {name: len(sent) for name, sent in node.sent.items()}
    assert counts == {'label': 3, 'mask': 3, 'confidence': 3, 'points': 3, 'overlay': 3,
                      'class_names': 1, 'label_info': 2}  # what is latched is said once
    assert [info.threshold for info in node.sent['label_info']] == [0.25, 0.5]
    assert [named.class_name for named in node.sent['label_info'][0].class_map] == [
        'background', 'cup', 'wall']
    assert (array_from_image(node.sent['confidence'][0]) == 128).all()
    np.testing.assert_array_equal(array_from_image(node.sent['label'][0]), found.found.labels)
    picture = array_from_image(node.sent['overlay'][0])
    np.testing.assert_array_equal(picture, found.overlay(0.45))
