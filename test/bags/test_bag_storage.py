# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from bag_frames import (
    CAMERA_INFO,
    COLOR,
    DEPTH,
    IMAGE,
    INFO,
    header,
    image,
    rgbd_messages,
    write_bag,
)
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.rosbag2 import StoragePlugin

from seg_ros.bags.frames import BagFrames, stamp_name, topics_of
from seg_ros.bags.storage import Bag, is_bag
from seg_ros.bags.topics import CameraTopics
from seg_ros.bags.writer import BagWriter
from seg_ros.core.frame import CameraModel, RgbdFrame
from seg_ros.nodes.frames import FrameBuilder

CAMERA = CameraModel(12, 10, 20.0, 21.0, 5.5, 4.5)
START = 1_700_000_000_000_000_000


def frames(count, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        depth = rng.integers(300, 3000, (10, 12)).astype(np.float32) / np.float32(1000)
        depth[0, :3] = np.nan
        yield RgbdFrame(rng.integers(0, 255, (10, 12, 3), np.uint8), depth, CAMERA)


def read(path, **setting):
    with Bag(path) as bag:
        builder = FrameBuilder(needs_depth=True, rectified=True)
        found = BagFrames(bag, topics_of(bag), builder.build, **setting)
        return len(found), list(found)


@pytest.mark.parametrize('storage', list(StoragePlugin))
@pytest.mark.parametrize('as_file', [False, True])
def test_frames_come_back_from_both_storages(storage, as_file, tmp_path):
    made = list(frames(4))
    write_bag(tmp_path / 'bag', rgbd_messages(made), storage)
    path = tmp_path / 'bag'
    if as_file:
        path = next(file for file in path.iterdir() if file.suffix in ('.mcap', '.db3'))
    assert is_bag(path)
    count, found = read(path)
    assert count == 4
    for index, (expected, record) in enumerate(zip(made, found, strict=True)):
        frame = record.converted.frame
        np.testing.assert_array_equal(frame.color, expected.color)
        np.testing.assert_allclose(frame.depth, expected.depth, atol=1e-6)
        assert frame.camera == CAMERA
        assert frame.stamp_ns == record.stamp_ns == START + index * 100_000_000
        assert record.log_time_ns == record.stamp_ns + 1000
        assert (record.name, frame.frame_id) == (f'1700000000.{index}00000000', 'optical')


def test_a_lost_depth_image_is_one_bad_frame(tmp_path):
    messages = list(rgbd_messages(frames(3)))
    del messages[5]  # the depth of the second frame
    write_bag(tmp_path / 'bag', messages)
    _, found = read(tmp_path / 'bag')
    assert [record.converted is None for record in found] == [False, True, False]
    assert f'no image on {DEPTH} within 20 ms' in found[1].error
    _, alone = read(tmp_path / 'bag', needs_pairs=False)
    assert [record.error != '' for record in alone] == [False, True, False]


def test_slop_decides(tmp_path):
    write_bag(tmp_path / 'bag', rgbd_messages(frames(2), depth_late_ns=30_000_000))
    assert all(record.converted is None for record in read(tmp_path / 'bag')[1])
    assert all(record.converted for record in read(tmp_path / 'bag', slop_s=0.031)[1])


def test_bad_messages_are_named_and_the_rest_goes_on(tmp_path):
    messages = list(rgbd_messages(frames(3)))
    topic, kind, log_ns, good = messages[1]
    cut = image(np.zeros((10, 12, 3), np.uint8), 'rgb8', START)
    cut.data = cut.data[:50]
    messages[1] = (topic, kind, log_ns, cut)
    messages.insert(3, (COLOR, IMAGE, START + 50_000_000, b'\x00\x01\x00\x00junk'))
    write_bag(tmp_path / 'bag', messages)
    _, found = read(tmp_path / 'bag')
    assert [record.converted is None for record in found] == [True, True, False, False]
    texts = sorted(record.error for record in found[:2])
    assert 'is truncated or of another type' in texts[0]
    assert 'has 50 bytes of data' in texts[1]


def test_the_first_camera_info_serves_images_before_it(tmp_path):
    messages = list(rgbd_messages(frames(2)))
    messages = [*messages[1:], messages[0]]
    messages[-1] = (INFO, CAMERA_INFO, START + 10**9, messages[-1][3])
    write_bag(tmp_path / 'bag', [m for m in messages if m[0] != INFO] + [messages[-1]])
    assert all(record.converted for record in read(tmp_path / 'bag')[1])


@pytest.mark.parametrize(
    ('make', 'text'),
    [
        (lambda p: p.write_bytes(b'no bag at all'), 'is not a readable rosbag2'),
        (lambda p: p.write_bytes(b''), 'is not a readable rosbag2'),
        (lambda p: p.write_bytes(b'\x89MCAP0\r\n' + bytes(200)), 'is not a readable rosbag2'),
    ],
)
@pytest.mark.parametrize('suffix', ['.mcap', '.db3'])
def test_what_is_no_bag_is_said(make, text, suffix, tmp_path):
    path = tmp_path / f'bad{suffix}'
    make(path)
    with pytest.raises(ValueError, match=text), Bag(path) as bag:
        list(bag.messages())


def test_metadata_that_is_nonsense_is_said(tmp_path):
    (tmp_path / 'metadata.yaml').write_text('rosbag2_bagfile_information: [1, 2]')
    with pytest.raises(ValueError, match='is not a readable rosbag2'), Bag(tmp_path):
        pass
    with pytest.raises(FileNotFoundError, match='no such bag'):
        Bag(tmp_path / 'none')


@pytest.mark.parametrize('name', ['folder', 'file.mcap'])
def test_what_is_written_is_read_by_an_independent_reader(name, tmp_path):
    path = tmp_path / 'new' / name
    pixels = np.arange(24, dtype=np.uint16).reshape(4, 6)
    with BagWriter(path) as writer:
        writer.add_topic('/label', IMAGE)
        for index in range(3):
            message = image(pixels + index, 'mono16', START + index)
            writer.write_message('/label', START + index, message)
        assert writer.message_counts == {'/label': 3}
    file = path if path.suffix == '.mcap' else path / 'folder.mcap'
    assert path.is_file() == (name == 'file.mcap')
    assert [p.name for p in path.parent.iterdir()] == [name]
    with file.open('rb') as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        decoded = list(reader.iter_decoded_messages())
        assert reader.get_header().profile == 'ros2'
    assert len(decoded) == 3
    schema, channel, record, message = decoded[2]
    assert (schema.name, schema.encoding, channel.topic) == (IMAGE, 'ros2msg', '/label')
    assert record.log_time == START + 2 and message.header.stamp.nanosec == 2
    values = np.frombuffer(bytes(message.data), '<u2').reshape(4, 6)
    np.testing.assert_array_equal(values, pixels + 2)


def test_a_bag_is_not_overwritten(tmp_path):
    (tmp_path / 'x.mcap').write_text('mine')
    with pytest.raises(FileExistsError, match='exists already'):
        BagWriter(tmp_path / 'x.mcap')
    assert (tmp_path / 'x.mcap').read_text() == 'mine'


def test_a_type_without_definition_is_named(tmp_path):
    with BagWriter(tmp_path / 'bag') as writer, pytest.raises(
        ValueError, match='definition of no_such_msgs/msg/Thing is not to be found'
    ):
        writer.add_topic('/thing', 'no_such_msgs/msg/Thing')


def test_definitions_of_installed_packages_are_embedded(tmp_path, monkeypatch):
    share = tmp_path / 'prefix' / 'share'
    index = share / 'ament_index' / 'resource_index' / 'packages'
    (share / 'gear_msgs' / 'msg').mkdir(parents=True)
    index.mkdir(parents=True)
    (index / 'gear_msgs').touch()
    folder = share / 'gear_msgs' / 'msg'
    (folder / 'Gear.msg').write_text('std_msgs/Header header\nTooth[] teeth\n')
    (folder / 'Tooth.msg').write_text('float32 width\n')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path / 'prefix'))
    with BagWriter(tmp_path / 'gears.mcap') as writer:
        writer.add_topic('/gear', 'gear_msgs/msg/Gear')
        tooth = writer.types['gear_msgs/msg/Tooth'](1.5)
        gear = writer.types['gear_msgs/msg/Gear'](header(START), [tooth])
        writer.write_message('/gear', START, gear)
    with (tmp_path / 'gears.mcap').open('rb') as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        (_, _, _, message), = reader.iter_decoded_messages()
    assert message.teeth[0].width == 1.5


def test_recording_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    """Without metadata.yaml, as after a power cut, the storage file alone is used."""
    write_bag(tmp_path / 'bag', rgbd_messages(frames(2)))
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    assert is_bag(tmp_path / 'bag')
    assert all(record.converted for record in read(tmp_path / 'bag')[1])


@pytest.mark.parametrize(('stamp', 'name'), [(0, '0.000000000'), (1_500_000_001, '1.500000001')])
def test_names_of_stamps(stamp, name):
    assert stamp_name(stamp) == name


def test_topics_without_messages_do_not_count(tmp_path):
    with BagWriter(tmp_path / 'bag') as writer:
        for topic in ('/rgb/image_raw', '/other/rgb/image_raw'):
            writer.add_topic(topic, IMAGE)
        pixels = np.zeros((2, 3, 3), np.uint8)
        writer.write_message('/rgb/image_raw', START, image(pixels, 'rgb8', START))
    with Bag(tmp_path / 'bag') as bag:
        assert topics_of(bag) == CameraTopics('/rgb/image_raw')
