# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Heads by RoI operator: the same start, the same data, the same figures again."""

import json
from dataclasses import asdict

import pytest
import torch
from roi_scenes import CHANNELS, rectangle_views

from seg_ros.benchmark import roi_ablation
from seg_ros.benchmark.machine import versions
from seg_ros.benchmark.roi_ablation import (
    ROWS,
    AblationOptions,
    Study,
    heads,
    prepare,
    run_ablation,
    score,
    train_heads,
)
from seg_ros.cli import main
from seg_ros.weights import load_weights

OPTIONS = AblationOptions(iterations=40, batch=4, rois=16, rate=1e-2, box_width=32, mask_width=16,
                          mask_layers=1)
FACTS = {'trunk': {'file': 'none', 'sha256': '0'}, 'data': {}, 'proposal_recall': {'0.5': 1.0}}


@pytest.fixture(scope='module')
def study():
    return Study(rectangle_views(20), rectangle_views(8, first=100), FACTS)


def initial_state(operator, aggregation, study):
    """Return heads as they are before the first step: the learning rate is 0."""
    options = OPTIONS.replaced(iterations=1, rate=0.0)
    return train_heads(study.training, operator, aggregation, 3, options)[0].state_dict()


def test_rows_start_from_the_same_weights(study):
    first, *others = (initial_state(*row, study) for row in ROWS)
    assert len(first) == 14
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize('row', ROWS)
def test_box_and_mask_heads_read_by_the_rows_operator(row):
    network = heads(CHANNELS, *row, OPTIONS)
    for reader, size in ((network.box_roi_pool, 7), (network.mask_roi_pool, 14)):
        assert (reader.operator, reader.aggregation) == row
        assert reader.output_size == (size, size)


def test_rows_see_the_same_views_and_draw_the_same_regions(study, monkeypatch):
    drawn = {}
    select = roi_ablation.RoIHeads.select_training_samples

    def recorded(self, *arguments):
        found = select(self, *arguments)
        drawn.setdefault(self.box_roi_pool.operator, []).append(torch.cat(found[0]))
        return found

    monkeypatch.setattr(roi_ablation.RoIHeads, 'select_training_samples', recorded)
    for operator in ('pool', 'align'):
        train_heads(study.training, operator, 'max', 0, OPTIONS.replaced(iterations=4))
    assert len(drawn['pool']) == len(drawn['align']) == 4
    assert all(torch.equal(a, b) for a, b in zip(drawn['pool'], drawn['align'], strict=True))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures_and_another_does_not(study):
    before = torch.get_rng_state()
    runs = [train_heads(study.training, 'warp', 'max', seed, OPTIONS.replaced(iterations=8))
            for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    one, again, other = (network.state_dict() for network, _ in runs)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one['box_head.fc6.weight'], other['box_head.fc6.weight'])
    assert runs[0][1] == runs[1][1]
    assert score(runs[0][0], study.validation) == score(runs[1][0], study.validation)


@pytest.mark.slow
def test_heads_learn(study):
    untaught = heads(CHANNELS, 'align', 'average', OPTIONS).eval()
    taught, losses = train_heads(study.training, 'align', 'average', 0,
                                 OPTIONS.replaced(iterations=60))
    assert set(losses) == {'loss_classifier', 'loss_box_reg', 'loss_mask'}
    assert score(taught, study.validation)['mask']['AP50'] > 0.8
    assert score(untaught, study.validation)['mask']['AP50'] < 0.5


class Oracle:
    """Answer like trained heads: the true boxes, moved, with full masks."""

    def __init__(self, views, shift):
        self.views, self.shift = iter(views), shift

    def __call__(self, features, proposals, shapes):
        view = next(self.views)
        assert torch.equal(proposals[0], view.proposals)
        boxes = view.boxes.clone()
        width = boxes[:, 2] - boxes[:, 0]
        boxes[:, ::2] += self.shift * width[:, None]
        count = len(boxes)
        return [{'boxes': boxes, 'scores': torch.ones(count), 'labels': torch.ones(count),
                 'masks': torch.ones((count, 1, 28, 28))}], {}


# moved by a share s of its width a box keeps an IoU of (1 - s) / (1 + s)
@pytest.mark.parametrize(('shift', 'ap50', 'ap75'), [
    (0.0, 1.0, 1.0), (0.2, 1.0, 0.0), (0.5, 0.0, 0.0)])
def test_score_measures_masks_in_the_image(study, shift, ap50, ap75):
    found = score(Oracle(study.validation, shift), study.validation)
    for kind in ('mask', 'box'):
        assert (found[kind]['AP50'], found[kind]['AP75']) == pytest.approx((ap50, ap75))


@pytest.mark.slow
def test_a_file_of_each_run_that_is_not_repeated(study, tmp_path, monkeypatch):
    options = OPTIONS.replaced(iterations=2)
    said = []
    records = run_ablation(study, [0, 5], options, tmp_path / 'new', said.append)
    names = sorted(path.name for path in (tmp_path / 'new').iterdir())
    assert names == sorted(f'{operator}-{aggregation}-seed{seed}.json'
                           for operator, aggregation in ROWS for seed in (0, 5))
    assert len(said) == len(records) == 10
    record = json.loads((tmp_path / 'new' / 'warp-average-seed5.json').read_text())
    assert record == next(each for each in records if each['seed'] == 5
                          and (each['operator'], each['aggregation']) == ('warp', 'average'))
    assert record['options'] == asdict(options)
    assert {name: record[name] for name in FACTS} == FACTS
    assert set(record['figures']['mask']) >= {'AP', 'AP50', 'AP75'}
    assert set(record['cpu_seconds']) == {'training', 'scoring'}
    assert record['machine']['versions'] == versions()

    made = []

    def run_row(study, operator, aggregation, seed, options):
        made.append((operator, aggregation, seed))
        return record

    monkeypatch.setattr(roi_ablation, 'run_row', run_row)
    assert run_ablation(study, [0, 5], options, tmp_path / 'new') == records
    assert made == []
    run_ablation(study, [0], options.replaced(rate=1e-3), tmp_path / 'new')
    assert made == [(*row, 0) for row in ROWS]


def test_views_without_objects_are_refused(tmp_path):
    weights = load_weights('unseen_objects', method='unseen_objects')
    for part in ('train', 'val'):
        write_wall(tmp_path / part, objects=part == 'train')
    with pytest.raises(ValueError, match='val hold no object to find'):
        prepare(weights, tmp_path / 'train', tmp_path / 'val',
                OPTIONS.replaced(width=128, height=96))


def write_wall(folder, objects=True):
    """Write two views of a wall at 1 m, 128x96, with a box before it or without."""
    import numpy as np

    from seg_ros.core.frame import CameraModel, RgbdFrame
    from seg_ros.core.io import write_frame, write_labels

    folder.mkdir()
    camera = CameraModel(128, 96, 120.0, 120.0, 63.5, 47.5)
    for number in range(2):
        labels = np.zeros((96, 128), np.int32)
        if objects:
            labels[20:70, 30 + 20 * number:80] = 1
        color = np.where(labels[..., None] > 0, (200, 40, 40), (90, 90, 90)).astype(np.uint8)
        depth = np.where(labels > 0, 0.8, 1.0).astype(np.float32)
        write_labels(folder / f'{number}-labels.png', labels)
        write_frame(folder, str(number), RgbdFrame(color, depth, camera))


TINY = ('width=128', 'height=96', 'views=2', 'validation_views=2', 'proposal_iterations=2',
        'proposals=10', 'rois=8', 'box_width=8', 'mask_width=8', 'mask_layers=1')


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
    write_wall(tmp_path / 'train')
    write_wall(tmp_path / 'val')
    chosen = [word for value in TINY for word in ('--set', value)]
    code = main(['benchmark', 'roi', '--data', str(tmp_path), '--weights', 'unseen_objects',
                 '--out', str(tmp_path / 'out'), '--seeds', '4', '--iterations', '3', *chosen])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert 'over seeds 4:' in printed.out
    records = [json.loads(path.read_text()) for path in (tmp_path / 'out').iterdir()]
    assert len(records) == len(ROWS)
    assert {record['options']['iterations'] for record in records} == {3}
    assert records[0]['trunk']['file'] == 'unseen_objects.safetensors'
    assert len(records[0]['trunk']['sha256']) == 64
    assert records[0]['data']['validation']['used'] == 2


@pytest.mark.parametrize(('arguments', 'error'), [
    ([], 'needs --data DIR'),
    (['--data', '.'], 'and --out DIR'),
    (['--data', '.', '--out', 'x', '--set', 'pony=1'], 'unknown option pony'),
    (['--data', '.', '--out', 'x', '--json', 'y'], '--out takes the place of --json'),
])
def test_bad_arguments(arguments, error, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['benchmark', 'roi', *arguments]) != 0
    assert error in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
