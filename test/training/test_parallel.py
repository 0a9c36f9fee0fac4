# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Two processes train as one: the same batch, the same gradients, one set of files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seg_ros.networks.preprocessing import SMALL
from seg_ros.training.data import BatchPlan, PlannedBatches, ViewFolder, Views
from seg_ros.training.options import TrainOptions
from seg_ros.training.parallel import Team
from seg_ros.training.trainer import WEIGHTS, Trainer
from seg_ros.training.unseen_task import UnseenTask
from seg_ros.weights import load_weights

OPTIONS = TrainOptions(
    width=64, height=48, crop_width=48, crop_height=32, crop_batch=4, full_batch=4, samples=8,
    crop_share=0.5, warmup_steps=1, log_steps=1, validation_samples=1000, validation_frames=2,
    workers=0, device='cpu', threads=1, freeze_norm=True, learning_rate=1e-3)
HERE = Path(__file__).parent

# Run by torchrun in each process: the gradients of the first step, then that many steps, 0 all.
SCRIPT = """
import sys
import torch
from test_parallel import OPTIONS, first_gradients
from seg_ros.training.parallel import join_team, leave_team
from seg_ros.training.trainer import Trainer
from seg_ros.training.unseen_task import UnseenTask

data, out, steps = sys.argv[1:]
team, device = join_team('cpu')
trainer = Trainer(UnseenTask(OPTIONS), data, out, team=team)
gradients = first_gradients(trainer)
if team.leads:
    torch.save(gradients, out + '/gradients.pt')
assert trainer.run(int(steps) or None) == (steps == '0')
leave_team(team)
"""


def first_gradients(trainer):
    """Return the gradients of the first planned batch, of the loss as it is."""
    batches = PlannedBatches(
        trainer.task.train_views, trainer.options, trainer.task.preprocessing, trainer.team)
    trainer.task.train_mode(trainer.network)
    batch = batches[BatchPlan(0, 'full', 64, 48, 4)]
    trainer.task.losses_of(trainer.shared, batch, trainer.device)['loss'].backward()
    found = {name: p.grad.clone() for name, p in trainer.network.named_parameters()}
    trainer.network.zero_grad(set_to_none=True)
    return found


@pytest.mark.parametrize(('kind', 'count'), [('full', 4), ('crop', 8), ('crop', 4)])
def test_shares_together_are_the_batch_of_one_process(data, kind, count):
    views = Views([ViewFolder(data / 'train')])
    plan = BatchPlan(3, kind, 48, 32, count)
    whole = PlannedBatches(views, OPTIONS, SMALL)[plan]
    shares = [PlannedBatches(views, OPTIONS, SMALL, Team(rank, 2))[plan] for rank in range(2)]
    assert [len(share[0]) for share in shares] == [count // 2] * 2
    for tensor, *parts in zip(whole, *shares, strict=True):
        key = sorted(sample.numpy().tobytes() for sample in tensor)
        assert sorted(s.numpy().tobytes() for part in parts for s in part) == key


def test_a_batch_that_cannot_be_shared_is_refused(data):
    views = Views([ViewFolder(data / 'train')])
    batches = PlannedBatches(views, OPTIONS, SMALL, Team(0, 3))
    with pytest.raises(ValueError, match='shared by 3 processes: choose a multiple of 6'):
        batches[BatchPlan(0, 'crop', 48, 32, 8)]


def test_a_team_keeps_no_time_budget(data, tmp_path):
    with pytest.raises(ValueError, match='give samples'):
        Trainer(UnseenTask(OPTIONS.replaced(time_budget_s=9.0)), data, tmp_path, team=Team(0, 2))


def run_two(data, out, steps):
    """Train in two processes into the folder `out`."""
    out.mkdir()
    script = out.with_suffix('.py')
    script.write_text(SCRIPT)
    environment = {**os.environ, 'PYTHONPATH': f'{HERE}{os.pathsep}{HERE.parents[1]}',
                   'OMP_NUM_THREADS': '1', 'GLOO_SOCKET_IFNAME': 'lo'}
    subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2',
         str(script), str(data), str(out), str(steps)],
        check=True, env=environment, timeout=240, capture_output=True)


@pytest.mark.slow
def test_what_two_processes_began_one_ends(data, tmp_path):
    run_two(data, tmp_path / 'two', steps=1)
    resumed = Trainer(UnseenTask(OPTIONS), data, tmp_path / 'two', resume=True)
    assert resumed.progress.samples == 4
    whole = Trainer(UnseenTask(OPTIONS), data, tmp_path / 'one')
    assert resumed.run()
    assert whole.run()
    states = [trainer.average.network.state_dict() for trainer in (resumed, whole)]
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], rtol=2e-2, atol=2e-3, msg=name)
    steps = [line.split(',')[0] for line in
             (tmp_path / 'two' / 'curves.csv').read_text().splitlines()[1:]]
    assert steps == ['1', '2']


@pytest.mark.slow
def test_two_processes_have_the_gradients_and_the_curve_of_one(data, tmp_path):
    out = tmp_path / 'two'
    run_two(data, out, steps=0)
    single = Trainer(UnseenTask(OPTIONS), data, tmp_path / 'one')
    expected = first_gradients(single)
    found = torch.load(out / 'gradients.pt', weights_only=True)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-6, msg=name)
    single.run()
    states = [load_weights(folder / WEIGHTS, method='unseen_objects').state
              for folder in (out, tmp_path / 'one')]
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], rtol=2e-2, atol=2e-3, msg=name)
    rows = [(folder / 'curves.csv').read_text().splitlines() for folder in (out, tmp_path / 'one')]
    assert [row.split(',')[:2] for row in rows[0]] == [row.split(',')[:2] for row in rows[1]]
    losses = [[float(row.split(',')[4]) for row in lines[1:]] for lines in rows]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
