# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sequences with things put in and taken out: ids, events, records, repetition, resumption."""

import json

import numpy as np
import pytest

from seg_ros.cli import main
from seg_ros.core.io import read_labels
from seg_ros.synthetic.changing import (
    ChangingSequence,
    SequenceOptions,
    draw_stage,
    sequence_folders,
    write_sequence,
)
from seg_ros.synthetic.dataset import list_frames
from seg_ros.synthetic.physics import have_physics

OPTIONS = SequenceOptions(frames=6, changes=3, seed=4, width=96, height=72, physics='none')


@pytest.fixture(scope='module')
def drawn():
    sequence = ChangingSequence(OPTIONS)
    return list(sequence), sequence.record()


def test_events_are_what_the_frames_show(drawn):
    frames, record = drawn
    assert [event['kind'] for event in record['events']] == ['put_in', 'taken_out', 'put_in']
    present = None
    for index, (entry, (_, labels, _)) in enumerate(zip(record['frames'], frames, strict=True)):
        events = [event for event in record['events'] if event['frame'] == index]
        if present is not None:
            came = {event['label'] for event in events if event['kind'] == 'put_in'}
            went = {event['label'] for event in events if event['kind'] == 'taken_out'}
            assert set(entry['labels']) == (present | came) - went
            assert not came & present and went <= present
        present = set(entry['labels'])
        assert set(np.unique(labels[labels > 0])) <= present
    assert {one['label'] for one in record['objects']} >= present


def test_what_was_put_in_is_seen_and_what_was_taken_out_is_not(drawn):
    frames, record = drawn
    for event in record['events']:
        before = (frames[event['frame'] - 1][1] == event['label']).sum()
        after = (frames[event['frame']][1] == event['label']).sum()
        if event['kind'] == 'put_in':
            assert before == 0
        else:
            assert after == 0
    assert any((frames[event['frame']][1] == event['label']).sum() > 0
               for event in record['events'] if event['kind'] == 'put_in')


def test_objects_stay_where_they_are_while_the_camera_moves(drawn):
    places = {}
    for frame, labels, pose in drawn[0]:
        points_world = (frame.points() - pose.translation) @ pose.rotation
        for label in np.unique(labels[labels > 0]):
            inside = (labels == label) & np.isfinite(frame.depth)
            if inside.sum() > 40:
                places.setdefault(int(label), []).append(np.median(points_world[inside], axis=0))
    often = [np.stack(spots) for spots in places.values() if len(spots) >= 4]
    assert len(often) >= 3
    assert np.median([np.ptp(spots, axis=0).max() for spots in often]) < 0.05


@pytest.mark.skipif(not have_physics(), reason='MuJoCo is not installed (extra synth)')
def test_with_physics_things_stand_and_only_free_ones_are_taken():
    rng = np.random.default_rng(1)
    stage = draw_stage(rng, physics=True)
    for turn in range(6):
        (stage.put_in if turn % 2 == 0 else stage.take_out)(turn, rng)
    assert len(stage.events) == 6
    for one in stage.present.values():
        assert one.points()[:, 2].min() > -0.005
    assert {event.label for event in stage.events if event.kind == 'put_in'}.isdisjoint(
        range(1, 4))


def test_a_sequence_is_written_once_and_repeats(tmp_path, drawn):
    write_sequence(tmp_path / 'a', OPTIONS)
    write_sequence(tmp_path / 'b', OPTIONS)
    for path in sorted((tmp_path / 'a').iterdir()):
        assert path.read_bytes() == (tmp_path / 'b' / path.name).read_bytes()
    record = json.loads((tmp_path / 'a' / 'sequence.json').read_text())
    assert record == json.loads(json.dumps(drawn[1]))
    assert list_frames(tmp_path / 'a') == [entry['name'] for entry in record['frames']]
    seen = []
    write_sequence(tmp_path / 'a', OPTIONS, progress=seen.append)
    assert seen == []
    with pytest.raises(ValueError, match='holds a sequence of other options'):
        write_sequence(tmp_path / 'a', SequenceOptions(frames=7, seed=4))
    np.testing.assert_array_equal(
        read_labels(tmp_path / 'a' / '000005-labels.png'), drawn[0][5][1])


def test_several_sequences_have_folders_and_seeds_of_their_own(tmp_path):
    jobs = sequence_folders(tmp_path, 3, OPTIONS)
    assert [folder.name for folder, _ in jobs] == ['000', '001', '002']
    assert [options.seed for _, options in jobs] == [4, 5, 6]
    assert sequence_folders(tmp_path, 1, OPTIONS) == [(tmp_path, OPTIONS)]


@pytest.mark.parametrize(('values', 'message'), [
    ({'frames': 0}, 'frames starts at 1'), ({'changes': -1}, 'changes at 0'),
    ({'frames': 3, 'changes': 3}, '3 changes need at least 4 frames')])
def test_bad_options_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        SequenceOptions(**values)


def test_the_command_writes_sequences(tmp_path, capsys):
    words = ['synthesize', str(tmp_path), '--sequence', '3', '--sequences', '2', '--changes', '1',
             '--width', '64', '--height', '48', '--physics', 'none']
    assert main(words) == 0
    for name in ('000', '001'):
        assert list_frames(tmp_path / name) == ['000000', '000001', '000002']
        assert (tmp_path / name / 'contact_sheet.png').exists()
    assert '3 frames in' in capsys.readouterr().out
    assert main([*words, '--coco']) != 0
    assert '--coco is for scenes' in capsys.readouterr().err
