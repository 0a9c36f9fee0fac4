# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sequences with things put in and taken out: ids, events, records, repetition, resumption."""

import json
from dataclasses import replace

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


CROWDED = replace(OPTIONS, frames=12, changes=0, swaps=1, arms=1, arm_frames=6, seed=3)


@pytest.fixture(scope='module')
def crowded():
    sequence = ChangingSequence(CROWDED)
    masks, frames = [], []
    for step in sequence:
        frames.append(step)
        masks.append(sequence.arm_mask.copy())
    return frames, masks, sequence.record()


def test_an_arm_comes_and_goes_and_is_background_before_all_objects(crowded):
    frames, masks, record = crowded
    seen = [index for index, mask in enumerate(masks) if mask.any()]
    assert seen and set(seen) <= set(range(3, 10)) and 6 in seen
    assert [entry['arm'] for entry in record['frames']] == [mask.any() for mask in masks]
    frame, labels, _ = frames[6]
    assert (labels[masks[6]] == 0).all()
    assert labels.max() < 100
    assert np.nanmedian(frame.depth[masks[6]]) < 0.55 < np.nanmedian(frame.depth[~masks[6]])


def test_things_that_are_swapped_stand_where_the_other_stood(crowded):
    frames, _, record = crowded
    event, = record['events']
    assert (event['kind'], event['frame']) == ('swapped', 6)
    stage = ChangingSequence(CROWDED).stage
    before = {label: one.points().mean(axis=0) for label, one in stage.present.items()}
    stage.swap(6, np.random.default_rng(0))
    a, b = stage.events[0].label, stage.events[0].other
    after = {label: one.points().mean(axis=0) for label, one in stage.present.items()}
    np.testing.assert_allclose(after[a][:2], before[b][:2], atol=1e-9)
    np.testing.assert_allclose(after[b][:2], before[a][:2], atol=1e-9)
    assert all((after[label] == before[label]).all() for label in before if label not in (a, b))


def test_the_arm_is_written_as_what_is_not_scored(tmp_path, crowded):
    write_sequence(tmp_path, CROWDED)
    written = {path.name[:6] for path in tmp_path.glob('*-ignore.png')}
    assert written == {f'{index:06d}' for index, mask in enumerate(crowded[1]) if mask.any()}
    np.testing.assert_array_equal(read_labels(tmp_path / '000006-ignore.png') > 0, crowded[1][6])


def test_a_still_camera_stands_still():
    poses = [pose.matrix() for _, _, pose in ChangingSequence(replace(OPTIONS, motion=0.0))]
    assert all((pose == poses[0]).all() for pose in poses)


@pytest.mark.parametrize(('values', 'message'), [
    ({'swaps': -1}, 'swaps starts at 0'), ({'frames': 3, 'changes': 0, 'arms': 3}, '3 arms need'),
    ({'motion': 2.0}, 'motion is 0 to 1'), ({'arm_frames': 0}, 'arm_frames starts at 1'),
    ({'frames': 0}, 'frames starts at 1'), ({'changes': -1}, 'changes starts at 0'),
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
