# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A second task for the trainer: a line through noisy points, with random losses."""

import itertools
from dataclasses import dataclass

import torch
from torch.utils.data import Dataset

from seg_ros.core.options import option
from seg_ros.training.data import batch_loader
from seg_ros.training.options import CommonTrainOptions
from seg_ros.training.task import Task


@dataclass(frozen=True)
class LineOptions(CommonTrainOptions):
    """The common options with another default, and one of its own."""

    learning_rate: float = option(0.05, 'highest learning rate', minimum=0.0)
    slope: float = option(3.0, 'slope of the line')


class Points(Dataset):
    """Turn a step and the member of a team into points (4, 1) and their heights."""

    def __init__(self, options):
        self.options = options

    def __getitem__(self, plan):
        generator = torch.Generator().manual_seed(self.options.seed + 1000 * plan)
        x = torch.randn(4, 1, generator=generator)
        return x, self.options.slope * x - 1


class LineTask(Task):
    """Teach a line; the input is disturbed by noise of torch's global generator."""

    method = 'line'
    losses = ('loss', 'noise')
    measures = ('closeness',)
    best = 'closeness'

    def __init__(self, options):
        self.options = options
        self.started_from = 'nothing'

    def open(self, data, shares):
        self.data, self.shares = data, shares

    def network(self, described, init):
        width = described['config']['width'] if described else 5
        return torch.nn.Sequential(torch.nn.Linear(1, width), torch.nn.Linear(width, 1))

    def described(self, network, **more):
        config = {'width': network[0].out_features}
        return {'method': self.method, 'architecture': 'two_layers', 'config': config, **more}

    def data_described(self):
        return [{'folder': folder.name, 'views': 4} for folder in self.data]

    def loader(self, progress, team):
        steps = itertools.count(progress.step)
        return batch_loader(Points(self.options), steps, self.options.workers)

    def batch_size(self, batch):
        return len(batch[0])

    def losses_of(self, network, batch, device):
        x, y = batch
        noise = 0.1 * torch.randn_like(x)
        return {'loss': (network(x + noise) - y).square().mean(), 'noise': noise.abs().mean()}

    def validate(self, network, device, picture):
        if not self.options.validation_frames:
            return {}
        x, y = Points(self.options)[999]
        loss = float((network(x) - y).square().mean())
        return {'loss': loss, 'noise': 0.0, 'closeness': 1 / (1 + loss)}

    def parameter_groups(self, network):
        network[0].bias.requires_grad_(False)
        first, others = super().parameter_groups(network)
        return [{**first, 'lr_scale': 0.25}, others]
