# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Placing results and leaving out what is not wanted, with a source of transforms of our own."""

import numpy as np
import pytest
from ros_helpers import HEIGHT, WIDTH, camera_info, scene
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from seg_ros.core.geometry import OrientedBox, Plane
from seg_ros.core.results import Instances
from seg_ros.core.rigid import RigidTransform
from seg_ros.core.transform_tree import NoTransform
from seg_ros.nodes.conversions import image_from_array, time_message
from seg_ros.nodes.frames import BadFrame, FrameBuilder
from seg_ros.nodes.node_options import NodeOptions
from seg_ros.nodes.plane_markers import PlaneMarkerBuilder
from seg_ros.nodes.publishers import Result
from seg_ros.nodes.space import Placement, Space
from seg_ros.nodes.transforms import NoTransforms

HEADER = Header(stamp=time_message(5_000_000_007), frame_id='camera_color_optical_frame')
MOVE = RigidTransform.from_parts((1, 2, 3), (-0.5, 0.5, -0.5, 0.5))


class Source:
    """Know one transform and remember the questions."""

    def __init__(self):
        self.asked, self.closed = [], False

    def lookup(self, target_frame, source_frame, stamp_ns, timeout_s):
        self.asked.append((target_frame, source_frame, stamp_ns, timeout_s))
        if target_frame != 'base':
            raise NoTransform(f'frame {target_frame!r} is not in TF')
        return MOVE

    def close(self):
        self.closed = True


def prepared(needs_depth=True):
    color, depth_mm = scene()
    return FrameBuilder(needs_depth=needs_depth, rectified=True).build(
        image_from_array(color, 'rgb8', HEADER), image_from_array(depth_mm, '16UC1', HEADER),
        camera_info())


def instances():
    labels = np.zeros((HEIGHT, WIDTH), np.int32)
    for number in range(2):
        labels[40:70, 20 + 60 * number:50 + 60 * number] = number + 1
    return Instances.from_labels(labels)


@pytest.fixture
def made():
    source, said = Source(), []
    space = Space(lambda: source, lambda subject, text: said.append((subject, text)),
                  clock=lambda: 100.0)
    return space, source, said


def test_transforms_are_listened_to_only_where_they_are_needed():
    opened = []
    space = Space(lambda: opened.append(1) or Source(), lambda *_: None)
    space.use(NodeOptions())
    assert opened == []
    for _ in range(2):
        space.use(NodeOptions(workspace_frame='base'))
    assert opened == [1]
    source = space._source
    space.close()
    assert source.closed


def test_the_placement_is_at_the_stamp_within_what_is_left_of_the_time(made):
    space, source, said = made
    options = NodeOptions(target_frame='base', tf_timeout=0.3)
    space.use(options)
    found = space.placement(prepared(), options, arrival_s=99.8)
    assert found.header == Header(stamp=HEADER.stamp, frame_id='base')
    assert found.transform is MOVE and found.published
    assert source.asked[0][:3] == ('base', HEADER.frame_id, 5_000_000_007)
    assert source.asked[0][3] == pytest.approx(0.1)
    space.placement(prepared(), options, arrival_s=50.0)
    assert source.asked[1][3] == 0.0
    assert (space.values()['tf_missing'], said) == (0, [])


@pytest.mark.parametrize(('fallback', 'published', 'words'), [
    ('camera', True, "published in 'camera_color_optical_frame'"), ('skip', False, 'left out')])
def test_without_a_transform_it_falls_back_and_counts(made, fallback, published, words):
    space, _, said = made
    options = NodeOptions(target_frame='moon', tf_fallback=fallback)
    space.use(options)
    found = space.placement(prepared(), options, 100.0)
    assert (found.header, found.transform, found.published) == (HEADER, None, published)
    assert space.values()['tf_missing'] == 1
    assert said == [('tf', f"no transform to 'moon', outputs in space are {words}: "
                           "frame 'moon' is not in TF")]


def test_tf_that_was_never_opened_is_missing():
    space = Space(lambda: NoTransforms('never'), lambda *_: None)
    found = space.placement(prepared(), NodeOptions(target_frame='base'), 0.0)
    assert found.transform is None and space.values()['tf_missing'] == 1


@pytest.mark.parametrize('options', [
    NodeOptions(), NodeOptions(target_frame=HEADER.frame_id)], ids=['none', 'own'])
def test_the_cameras_frame_asks_nobody(made, options):
    space, source, _ = made
    assert space.placement(prepared(), options, 0.0).transform is None
    assert source.asked == []


def test_without_depth_there_is_nothing_to_place(made):
    space, source, _ = made
    options = NodeOptions(target_frame='moon')
    space.use(options)
    found = space.placement(prepared(needs_depth=False), options, 0.0)
    assert found.published and source.asked == [] and space.values()['tf_missing'] == 0


@pytest.mark.parametrize(('values', 'ids'), [
    ({}, [1, 2]),
    ({'roi_image': [0, 0, 60, 120]}, [1]),
    # x of the base is 1 m more than the depth.
    ({'workspace': [1.82, 3, -9, 9, -9, 9], 'workspace_frame': 'base'}, [2]),
    ({'workspace': [1.82, 3, -9, 9, -9, 9], 'target_frame': 'base'}, [2]),
    ({'workspace': [-9, 9, -9, 9, 0.0, 0.82]}, [1]),
    ({'workspace': [-9, 9, -9, 9, 0.0, 0.82], 'target_frame': 'base',
      'workspace_frame': HEADER.frame_id}, [1]),
], ids=str)
def test_what_is_wanted(made, values, ids):
    space, _, _ = made
    options = NodeOptions(**values)
    space.use(options)
    assert space.wanted(instances(), prepared(), options, 0.0).ids.tolist() == ids


@pytest.mark.parametrize(('values', 'reason', 'text'), [
    ({'workspace': [0, 1, 0, 1, 0, 1], 'workspace_frame': 'moon'}, 'workspace',
     'cannot be placed'),
    ({'roi_image': [WIDTH, 0, 1, 1]}, 'roi_image', 'outside the image'),
])
def test_what_cannot_be_told_drops_the_frame(made, values, reason, text):
    space, _, _ = made
    options = NodeOptions(**values)
    space.use(options)
    with pytest.raises(BadFrame, match=text) as error:
        space.wanted(instances(), prepared(), options, 0.0)
    assert error.value.reason == reason
    assert space.values()['tf_missing'] == (reason == 'workspace')


def test_a_part_is_segmented_alone_if_so_wished(made):
    space, _, _ = made
    seen = []

    def segment(frame):
        seen.append(frame.shape)
        return Instances.from_labels(np.ones(frame.shape, np.int32))

    for mode, shape in (('mask', (HEIGHT, WIDTH)), ('crop', (30, 50))):
        options = NodeOptions(roi_image=[10, 20, 50, 30], roi_mode=mode)
        found = space.segmented(prepared(), options, segment)
        assert seen[-1] == shape and found.labels.shape == (HEIGHT, WIDTH)
        assert (found.labels == 1).sum() == shape[0] * shape[1]


def test_all_of_a_result_is_in_one_frame():
    plain, placed = Result(prepared(), instances()), Result(
        prepared(), instances(), Placement(Header(stamp=HEADER.stamp, frame_id='base'), MOVE))
    for box, moved in zip(plain.boxes, placed.boxes, strict=True):
        np.testing.assert_allclose(moved.center, MOVE.points(box.center))
        np.testing.assert_allclose(moved.corners(), MOVE.points(box.corners()))
    assert len(plain.planes()) == len(placed.planes()) == 1
    patch = placed.patches()[0]
    assert placed.planes()[0].heights(patch.center) == pytest.approx(0, abs=1e-9)
    assert placed.placement.up.tolist() == [0, 0, 1] and plain.placement.up.tolist() == [0, -1, 0]
    skipped = Result(prepared(), instances(), Placement(HEADER, published=False))
    assert skipped.boxes == [None, None] and not skipped.has_space


def test_planes_are_told_in_the_diagnostics(made):
    space, _, _ = made
    assert space.values() == {'tf_missing': 0}
    space.note_planes('base', [Plane(np.array([0.0, 0, 1]), 0.75)])
    assert space.values() == {'tf_missing': 0, 'support_planes_frame': 'base',
                              'support_planes': 1,
                              'support_plane_0': '0.0000 0.0000 1.0000 0.7500'}


def test_markers_of_planes_go_with_them():
    patch = OrientedBox(np.array([0.1, 0.2, 0.7]), np.eye(3), np.array([0.6, 0.4, 0.0]))
    builder = PlaneMarkerBuilder()
    assert builder.build(HEADER, []).markers == []
    first, second = builder.build(HEADER, [patch, patch]).markers
    assert [(m.ns, m.id, m.type, m.action) for m in (first, second)] == [
        ('support_planes', 0, Marker.CUBE, Marker.ADD), ('support_planes', 1, Marker.CUBE,
                                                         Marker.ADD)]
    assert (first.scale.x, first.scale.y) == (0.6, 0.4) and 0 < first.scale.z < 0.01
    assert (first.pose.position.x, first.pose.position.z, first.header) == (0.1, 0.7, HEADER)
    assert [(m.id, m.action) for m in builder.build(HEADER, [patch]).markers] == [
        (0, Marker.ADD), (1, Marker.DELETE)]
